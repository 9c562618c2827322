"""The part that engines for servers share: API key, request rate, retries and budget.

The clients' own retries are switched off: they ignore the rate and the budget, and report a truncated reply as a
programming error. One loop here retries for every server and counts the attempts.
"""

import abc
import asyncio
import contextlib
import email.utils
import functools
import math
import os
import random
import re
import sys
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from typing import Any, ClassVar, TypeVar

from rgd.artifacts.address import masked
from rgd.config.schema.models import Api
from rgd.engines import replies
from rgd.engines.base import Answer, Engine, EngineSettings, GivenUp, Request, Sampling, TooLong
from rgd.engines.budget import Budget, OwnAccount
from rgd.engines.refusals import Refusal
from rgd.engines.served import is_asked
from rgd.errors import UserError

LONGEST_BACKOFF_S = 60.0
# A server that asks for a longer wait has no quota left: the job ends, to be rerun once there is quota again.
LONGEST_WAIT_S = 300.0
# A text has at most as many tokens as bytes; a chat template adds a few around every turn.
TOKENS_AROUND_A_TURN = 16
LONGEST_QUOTE = 400
LONGEST_READ = 10_000
SECONDS_OF_A_STEP = 1.0
# So many requests given up with no answer in between show that the fault is not theirs.
MOST_GIVEN_UP = 4

Found = TypeVar("Found")

_PASSING = (408, 409, 429)
# By their meaning the server has not begun to work: conflict, too early, too many requests, unavailable, overloaded.
_NOT_BEGUN = (409, 425, 429, 503, 529)


class TryAgain(Exception):
    """A failed attempt that is worth repeating.

    Attributes:
        wait_s: seconds that the server asks to wait; None if it gives none.
        perhaps_billed: the server may have done the work although no reply arrived. Only what surely was not done is not.
        of_reply: the fault lies in the reply to this request, not in the server or the connection.
        status: the HTTP status; None if the server gave none.
    """

    def __init__(
        self,
        reason: str,
        wait_s: float | None = None,
        *,
        perhaps_billed: bool = True,
        of_reply: bool = False,
        status: int | None = None,
    ) -> None:
        super().__init__(reason)
        self.wait_s, self.perhaps_billed, self.of_reply, self.status = wait_s, perhaps_billed, of_reply, status


class Adapted(TryAgain):
    """The server refused a parameter, which is no longer sent: the request is repeated at once, beyond api.attempts."""


class Unsupported(TryAgain):
    """The server does not accept the parameter ``name``."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(reason)
        self.name = name


class Refused(UserError):
    """The server does not accept what a request contains; the reason is none of those known."""


class Blocked(Exception):
    """The server's filters refuse one request for good, which is an answer of its own kind."""


@dataclass(frozen=True)
class Reply:
    """The result of an attempt, and the billed tokens."""

    value: Any
    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True)
class Outcome:
    """The result for an item, the number of attempts, and the cost of all of them in US dollars."""

    value: Any
    attempts: int
    cost: float


class Pace:
    """At most ``per_minute`` turns a minute, evenly spaced; None: no limit."""

    def __init__(self, per_minute: float | None) -> None:
        self.interval = 60.0 / per_minute if per_minute else 0.0
        self.next = 0.0

    async def turn(self) -> None:
        """Wait for a turn."""
        now = time.monotonic()
        start = max(now, self.next)
        self.next = start + self.interval
        if start > now:
            await asyncio.sleep(start - now)


def find_key(variable: str, *, needed: bool) -> str | None:
    """The API key from the environment variable, else from the file ``.env`` in the working directory.

    Raises:
        UserError: there is no key although one is ``needed``, or the value cannot be a key. The message never shows it.
    """
    import dotenv

    key = (os.environ.get(variable) or dotenv.dotenv_values(".env").get(variable) or "").strip()
    if not key and needed:
        raise UserError(
            f"the environment variable {variable} is not set: set it to the API key, or add the line {variable}=… to a "
            "file .env in the working directory."
        )
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise UserError(f"{variable} contains characters that no API key has: set it to the key alone, on one line.")
    return key or None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from the header Retry-After (seconds, or a date) or retry-after-ms; None if neither is given."""
    for header, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        with contextlib.suppress(KeyError, ValueError):
            return max(0.0, float(headers[header]) * unit)
    with contextlib.suppress(KeyError, ValueError, TypeError):
        return max(0.0, email.utils.parsedate_to_datetime(headers["retry-after"]).timestamp() - time.time())
    return None


class RemoteEngine(Engine):
    """A model on a server: keeps api.concurrency requests in flight, and repeats each until it is answered or out of attempts.

    After a failure that is not one request's own, nothing new is sent; requests in flight are awaited, since they are paid
    for. A request that is given up for a fault of its own stops no other, unless MOST_GIVEN_UP are in a row.

    Attributes:
        kind: the engine's name.
        package: the client's distribution, for the provenance.
        key_variable: environment variable of the key, unless the model's file names another.
        address: address of the server.
    """

    kind: ClassVar[str]
    package: ClassVar[str]
    key_variable: ClassVar[str]
    address: str

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings
        self.api = Api.read(settings.api, "api")
        self.variable = self.api.key_variable or self.key_variable
        # Your own server may need no key; a provider's always does.
        self.key = find_key(self.variable, needed=self.api.base_url is None or self.api.key_variable is not None)
        self.pace = Pace(self.api.requests_per_minute)
        self.budget = Budget(self.api.budget_dollars, settings.account or OwnAccount())
        self.runner = asyncio.Runner()
        self.stopped = asyncio.Event()
        self.tasks: dict[asyncio.Task[Outcome], Any] = {}
        self.done: deque[asyncio.Task[Outcome]] = deque()
        self.given_up = 0
        self.served: set[str] = set()
        self.secrets = [self.key] if self.key else []
        self.dropped: list[str] = []

    @property
    def provenance(self) -> dict[str, Any]:  # type: ignore[override]
        """The model, its server, the client, and the parameters that the server refused."""
        return {
            "engine": self.kind,
            "version": metadata.version(self.package),
            "address": self.address,
            "model": self.api.model,
        } | ({"dropped": sorted(self.dropped)} if self.dropped else {})

    def price(self, prompt_tokens: int, completion_tokens: int) -> float:
        """The price of these tokens in US dollars."""
        return (prompt_tokens * self.api.price_prompt + completion_tokens * self.api.price_completion) / 1e6

    @abc.abstractmethod
    async def reply(self, request: Request, sampling: Sampling) -> Reply:
        """One attempt at ``request``: an :class:`Answer` and its tokens.

        Raises:
            TryAgain: the attempt failed, but another may succeed.
            UserError: another attempt would fail as well.
        """

    async def reply_in_pieces(self, request: Request, sampling: Sampling) -> AsyncGenerator[str | Reply, None]:
        """As :meth:`reply`, but with the text as it is written, piece by piece, before the answer with all of it.

        The first piece is empty and says that the server accepted the request. A server whose stream is not read here gives
        its text in one piece.
        """
        reply = await self.reply(request, sampling)
        yield ""
        yield reply.value.text
        yield reply

    @abc.abstractmethod
    async def disconnect(self) -> None:
        """Close the connections."""

    def close(self) -> None:
        """Close the connections and the event loop, and record what was spent."""
        try:
            self.runner.run(self.disconnect())
        finally:
            self.runner.close()
            self.budget.close()

    @property
    def at_once(self) -> int:  # type: ignore[override]
        """The requests in flight that api.concurrency allows."""
        return self.api.concurrency

    @property
    def window(self) -> int:  # type: ignore[override]
        """The same: a server gets no more than its concurrency."""
        return self.api.concurrency

    @property
    def in_flight(self) -> int:
        """See :class:`rgd.engines.base.Engine`."""
        return len(self.tasks)

    def begin(self) -> None:
        """Begin a new stream."""
        super().begin()
        self.stopped.clear()
        self.given_up = 0

    def add(self, request: Request, sampling: Sampling | None) -> None:
        """Send a request; its seed derives from the sampling seed, the query and the draw.

        Raises:
            UserError: ``sampling`` is None. Scoring needs the log-probabilities of a prompt, which chat servers do not return.
        """
        if sampling is None:
            raise UserError(
                f"the engine {self.kind} cannot score options: set way: generate in the model's file, or run the weights with "
                "the engine transformers or vllm."
            )
        self._start(request, lambda: self.safely(self.reply(request, sampling)), self._most(request, sampling))

    def step(self) -> list[tuple[Request, Answer]]:
        """Wait until a request ends, for SECONDS_OF_A_STEP at most; return those that were answered."""
        ended = [
            (request, replace(outcome.value, attempts=outcome.attempts, cost=outcome.cost))
            for request, outcome in self._ended()
        ]
        self.tell_of_others(answer for _, answer in ended)
        return ended

    def abandon(self) -> None:
        """Give up the requests in flight, which may have been paid for."""
        self.runner.run(self._cancel())

    async def ask_once(self, request: Request, sampling: Sampling) -> Answer:
        """Ask from the caller's event loop, without a second attempt; nothing of the streams above may be used beside it.

        A server that serves people leaves it to them to try again.

        Raises:
            TryAgain: the server failed, and may answer later.
            UserError: it refuses the request.
        """
        while True:
            result, cost = await self._attempt(
                lambda: self.safely(self.reply(request, sampling)), self._most(request, sampling)
            )
            if isinstance(result, Reply):
                self.tell_of_others([result.value])
                return replace(result.value, cost=cost)
            if not isinstance(result, Adapted):
                raise result

    async def ask_in_pieces(self, request: Request, sampling: Sampling) -> AsyncGenerator[str | Answer, None]:
        """As :meth:`ask_once`, but with the text as it is written; see :meth:`rgd.engines.base.Engine.pieces`.

        The server may take api.timeout_s for each piece. Closing the generator closes the connection; what the server wrote
        until then counts as spent in full.

        Raises:
            TryAgain: the server failed, and may answer later.
            UserError: it refuses the request.
        """
        most = self._most(request, sampling)
        while True:
            reservation, cost = await self.budget.reserve(most), 0.0
            try:
                await self.pace.turn()
                cost = most
                async with contextlib.aclosing(self.reply_in_pieces(request, sampling)) as pieces:
                    async for piece in pieces:
                        if isinstance(piece, str):
                            yield piece
                            continue
                        cost = self.price(piece.prompt_tokens, piece.completion_tokens) or most
                        self.tell_of_others([piece.value])
                        yield replace(piece.value, cost=cost)
                return
            except Adapted:
                cost = 0.0
            except TryAgain as failure:
                cost = most if failure.perhaps_billed else 0.0
                raise
            except UserError:
                # The server refuses the request.
                cost = 0.0
                raise
            except Exception as error:
                raise self._unforeseen(error) from error
            finally:
                self.budget.settle(reservation, cost)

    def tell_of_others(self, answers: Iterable[Answer]) -> None:
        """Warn once about each model that answers instead of the requested one: providers redirect retired names."""
        for name in {answer.served_model for answer in answers} - self.served:
            if not is_asked(name, self.api.model):
                print(
                    f"warning: {self.address} reports the model {name}, but {self.api.model} was requested. If it is a "
                    "different model, stop the run and delete its answers; `rgd store ls` lists their folders.",
                    file=sys.stderr,
                    flush=True,
                )
            self.served.add(name)

    def ask_all(
        self,
        items: Sequence[Any],
        ask: Callable[[Any], Awaitable[Reply]],
        most: Callable[[Any], float],
    ) -> dict[int, Outcome]:
        """The outcome of ``ask`` for each item, by the item's position. A failure is stored in ``failure``.

        Args:
            items: the items to ask for.
            ask: sends one attempt for an item.
            most: the maximum cost of one attempt for an item, in US dollars.
        """
        self.begin()
        outcomes: dict[int, Outcome] = {}
        waiting = iter(enumerate(items))
        while True:
            while not self.is_stopped and self.in_flight < self.window and (one := next(waiting, None)) is not None:
                self._start(one[0], functools.partial(ask, one[1]), most(one[1]))
            if not self.in_flight:
                return outcomes
            outcomes.update(self._ended())

    def _start(self, item: Any, ask: Callable[[], Awaitable[Reply]], most: float) -> None:
        task = self.runner.get_loop().create_task(self._persist(ask, most))
        self.tasks[task] = item
        task.add_done_callback(self.done.append)

    def _ended(self) -> list[tuple[Any, Outcome]]:
        """The items that have been answered by now, with their outcomes; waits SECONDS_OF_A_STEP for one."""
        if not self.done:
            self.runner.run(self._wait())
        ended = []
        while self.done:
            task = self.done.popleft()
            item = self.tasks.pop(task)
            try:
                ended.append((item, task.result()))
                self.given_up = 0
            except GivenUp as error:
                self.failure = self.failure or error
                self.given_up += 1
                if self.given_up == MOST_GIVEN_UP:
                    self._stop()
            except UserError as error:
                if not self.is_stopped:
                    self.failure = error
                self._stop()
        if not self.tasks:
            self.budget.flush()
        return ended

    def _stop(self) -> None:
        self.is_stopped = True
        self.stopped.set()
        self.budget.give_up()

    async def _wait(self) -> None:
        await asyncio.wait(self.tasks, timeout=SECONDS_OF_A_STEP, return_when=asyncio.FIRST_COMPLETED)

    async def _cancel(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.tasks.clear()
        self.done.clear()
        self.budget.flush()

    async def _persist(self, ask: Callable[[], Awaitable[Reply]], most: float) -> Outcome:
        sent = failed = 0
        total = 0.0
        while True:
            sent += 1
            result, cost = await self._attempt(ask, most)
            total += cost
            if isinstance(result, Reply):
                return Outcome(result.value, sent, total)
            if isinstance(result, Adapted):
                continue
            failed += 1
            reason, asked = str(result), result.wait_s
            if asked is not None and asked > LONGEST_WAIT_S:
                raise UserError(
                    f"{self.address} asks to wait {asked:.0f} s ({reason}): run the same command again later to resume."
                )
            if failed == self.api.attempts:
                break
            # If another request fails for good meanwhile, this one is not sent again.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stopped.wait(), self._pause(failed, asked))
                break
        raise (GivenUp if result.of_reply else UserError)(
            f"{self.address} did not answer a request in {sent} attempts; the last error: {reason}. Run the same command "
            "again to resume once the server is available."
        )

    async def safely(self, reply: Awaitable[Found]) -> Found:
        """``reply``, with every error that is not foreseen turned into a failure of this request alone.

        Raises:
            TryAgain: another attempt may succeed.
            UserError: another attempt would fail as well.
        """
        try:
            return await reply
        except (TryAgain, UserError, TimeoutError):
            raise
        except Exception as error:
            raise self._unforeseen(error) from error

    def _unforeseen(self, error: Exception) -> TryAgain:
        reason = f"the reply cannot be read ({type(error).__name__}: {self.quoted(str(error))})"
        return TryAgain(reason, of_reply=True)

    async def _attempt(self, ask: Callable[[], Awaitable[Reply]], most: float) -> tuple[Reply | TryAgain, float]:
        """The reply, or why there is none, and what the attempt cost or may have cost."""
        reservation, cost = await self.budget.reserve(most), 0.0
        try:
            await self.pace.turn()
            if self.stopped.is_set():
                return TryAgain("not sent, because another request failed"), cost
            # From here on, whatever happens, the server may do the work; a reply without token counts may cost as much.
            cost = most
            async with asyncio.timeout(self.api.timeout_s):
                reply = await ask()
            cost = self.price(reply.prompt_tokens, reply.completion_tokens) or most
            return reply, cost
        except TimeoutError:
            return TryAgain(f"no answer within api.timeout_s = {self.api.timeout_s:g}"), cost
        except TryAgain as failure:
            cost = most if failure.perhaps_billed else 0.0
            return failure, cost
        except UserError:
            # The server refuses the request.
            cost = 0.0
            raise
        finally:
            self.budget.settle(reservation, cost)

    def _pause(self, attempt: int, asked: float | None) -> float:
        """Seconds before the next attempt: doubling, with jitter, so that requests that failed together spread out."""
        if asked is not None:
            return asked + random.uniform(0, self.api.backoff_s)
        return min(self.api.backoff_s * 2 ** (attempt - 1), LONGEST_BACKOFF_S) * random.uniform(0.5, 1)

    def _most(self, request: Request, sampling: Sampling) -> float:
        return self.price(self.longest_prompt(request), sampling.max_tokens)

    def longest_prompt(self, request: Request) -> int:
        """The most tokens that the prompt can have."""
        return sum(len(turn.content.encode()) + TOKENS_AROUND_A_TURN for turn in request.messages)

    def answered(self, reading: replies.Reading) -> Reply:
        """The answer of a reply that was read, with the tokens to charge: none unless the server gives all of them."""
        prompt, written = reading.prompt_tokens, reading.completion_tokens
        answer = Answer(
            reading.text,
            reading.confidence,
            None,
            prompt or 0,
            written or 0,
            reading.finish_reason,
            False,
            served_model=reading.served_model,
        )
        return Reply(answer, 0, 0) if prompt is None or written is None else Reply(answer, prompt, written)

    def blocked(self, longest_prompt: int) -> Reply:
        """The answer to a request that the server's filters refuse; some providers charge for its prompt, which has at most
        ``longest_prompt`` tokens."""
        return Reply(Answer("", math.nan, None, 0, 0, "blocked", False), longest_prompt, 0)

    def drop(self, name: str, reason: str) -> None:
        """No longer send the parameter ``name``, which the server refuses; says so once."""
        if name in self.dropped:
            return
        self.dropped.append(name)
        print(
            f"warning: {self.address} does not accept {name} for {self.api.model}, so it is no longer sent: {reason}",
            file=sys.stderr,
            flush=True,
        )

    def refusal(self, refusal: Refusal, wait_s: float | None, sent: Collection[str] = ()) -> Exception:
        """The error for an HTTP status other than success, or for an error that a reply reports.

        Args:
            refusal: what the server says.
            wait_s: seconds that it asks to wait; None if it gives none.
            sent: parameters of the request that may be left out.
        """
        status, said = refusal.status, self.quoted(refusal.message)
        if "insufficient_quota" in refusal.words:
            return UserError(f"{self.address}: the account's quota is used up: {said}")
        if refusal.is_block:
            return Blocked(said)
        if status not in (401, 402, 408, 429) and not refusal.is_too_long:
            name = refusal.parameter(sent, self.api.model)
            if name is not None:
                return Unsupported(name, said)
        if status < 400:
            return TryAgain(f"the reply reports an error: {said}", of_reply=True)
        # A local server's 500 can say so too (llama.cpp); that of a gateway in between means nothing.
        is_too_long = refusal.is_too_long and status <= 500
        if status in _PASSING or (status >= 500 and not is_too_long):
            billed = status not in _NOT_BEGUN
            return TryAgain(f"status {status}: {said}", wait_s, perhaps_billed=billed, status=status)
        if status in (401, 403) or re.search(r"api.key", refusal.words, re.IGNORECASE):
            fault = "is not accepted" if self.key else "is not set, so no key was sent"
            return UserError(f"{self.address} refuses access (status {status}): the key in {self.variable} {fault}.")
        if status == 404:
            return UserError(
                f"{self.address} has no model {self.api.model!r}, or the address is wrong: {said} Check api.model and "
                "api.base_url in the model's file."
            )
        if is_too_long:
            return TooLong(
                f"a prompt is too long for {self.api.model} at {self.address}, which does not trim prompts: {said} Lower "
                "max_tokens, shorten the prompt, or serve the model with a longer context."
            )
        return Refused(f"{self.address} refuses a request to {self.api.model} (status {status}): {said}")

    def unread(self, error: replies.Unreadable) -> TryAgain:
        """A reply arrived that holds no answer."""
        return TryAgain(f"the reply holds no answer: {self.quoted(str(error))}", of_reply=True)

    def unreachable(self, error: BaseException) -> TryAgain:
        """No connection could be made."""
        reason = f"no connection to {self.address} ({self.quoted(str(error))}); check that the server runs"
        return TryAgain(reason, perhaps_billed=False)

    def broken(self, error: BaseException) -> TryAgain:
        """The connection broke, or the reply was cut short."""
        return TryAgain(f"the reply was incomplete ({type(error).__name__})")

    def quoted(self, text: str) -> str:
        """A server's message on one line, with keys and credentials masked."""
        text = text[:LONGEST_READ]
        for secret in self.secrets:
            text = text.replace(secret, "[key]")
        shown = "".join(letter if letter.isprintable() else " " for letter in replies.clean(masked(text)))
        line = " ".join(shown.split())
        return line if len(line) <= LONGEST_QUOTE else line[:LONGEST_QUOTE] + " …"

    def turns(self, request: Request) -> Iterator[tuple[str, str]]:
        """Role and text of every turn.

        Raises:
            UserError: the prompt has no turns.
        """
        for turn in request.messages:
            if turn.role == "text":
                raise UserError(
                    f"the engine {self.kind} needs a prompt with turns, but this one has none: add the line [user] before it."
                )
            yield turn.role, turn.content
