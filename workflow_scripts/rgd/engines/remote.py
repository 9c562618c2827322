"""What the engines share that ask a server over the network: the key, the pace, repeated attempts, the budget.

The clients' own retries are switched off: they keep no pace and no budget, and take a reply that was cut short for an
error of the program. Here one loop does it for every server, and counts its attempts.
"""

import abc
import asyncio
import contextlib
import email.utils
import functools
import os
import random
import re
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from typing import Any, ClassVar

import numpy as np

from rgd.config.schema.models import Api
from rgd.engines.base import Answer, EngineSettings, Interrupted, Request, Sampling
from rgd.engines.served import is_asked
from rgd.errors import UserError

LONGEST_BACKOFF_S = 60.0
# A server that asks for a longer wait has no quota left: the job ends, and is run again when there is some.
LONGEST_WAIT_S = 300.0
# A text has at most as many tokens as bytes; a chat template writes a few more around every turn.
TOKENS_AROUND_A_TURN = 16
LONGEST_QUOTE = 400

_TOO_LONG = re.compile(r"context.{0,3}length|maximum context|prompt is too long|token count.{0,40}exceeds", re.I)
_PASSING = (408, 409, 429)


class TryAgain(Exception):
    """An attempt that failed, where another may not.

    Attributes:
        wait_s: how long the server asks to wait; None where it does not say.
        perhaps_billed: the server may have done the work although no reply came.
    """

    def __init__(self, reason: str, wait_s: float | None = None, *, perhaps_billed: bool = False) -> None:
        super().__init__(reason)
        self.wait_s, self.perhaps_billed = wait_s, perhaps_billed


@dataclass(frozen=True)
class Reply:
    """What an attempt brought, and the tokens that are paid for."""

    value: Any
    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True)
class Outcome:
    """What was got, in how many attempts, for how many US dollars."""

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


class Budget:
    """Dollars that may be spent. An attempt sets aside what it can cost at most, so that the sum is never passed.

    Attributes:
        dollars: all that may be spent; None: no limit.
        before: spent by earlier jobs.
        spent: by this one.
    """

    def __init__(self, dollars: float | None, before: float = 0.0) -> None:
        self.dollars, self.before = dollars, before
        self.spent = self.reserved = 0.0
        self.open = 0
        self.changed = asyncio.Condition()

    async def reserve(self, most: float) -> None:
        """Set ``most`` aside, waiting for attempts under way where only their reserves stand against it.

        Raises:
            UserError: what is left is less.
        """
        async with self.changed:
            await self.changed.wait_for(lambda: self._has(most) or not self.open)
            if not self._has(most):
                raise UserError(
                    f"api.budget_dollars = {self.dollars:g} is used up: the model's answers in the store had cost "
                    f"{self.before:.4f} dollars before, this job has spent {self.spent:.4f} dollars, and the next request can "
                    f"cost up to {most:.4f}. Raise api.budget_dollars in the model's file (or lower "
                    "max_tokens) and run the same command again: what is answered is kept and not paid for twice."
                )
            self.reserved += most
            self.open += 1

    async def settle(self, most: float, cost: float) -> None:
        """Give back what was set aside and count what it cost."""
        async with self.changed:
            self.open -= 1
            self.reserved = self.reserved - most if self.open else 0.0
            self.spent += cost
            self.changed.notify_all()

    def _has(self, most: float) -> bool:
        return self.dollars is None or self.before + self.spent + self.reserved + most <= self.dollars


def find_key(variable: str, *, needed: bool) -> str | None:
    """The key in the environment variable, else in the file ``.env`` of the working directory.

    Raises:
        UserError: there is none although it is ``needed``, or it cannot be a key. The message never shows it.
    """
    import dotenv

    key = (os.environ.get(variable) or dotenv.dotenv_values(".env").get(variable) or "").strip()
    if not key and needed:
        raise UserError(
            f"the environment variable {variable} is not set: put the API key into it, or write the line {variable}=… "
            "into a file .env in the working directory."
        )
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise UserError(f"{variable} holds characters that no API key has: set it again, the key alone, on one line.")
    return key or None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from the header Retry-After (seconds, or a date) or retry-after-ms; None where neither says it."""
    for header, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        with contextlib.suppress(KeyError, ValueError):
            return max(0.0, float(headers[header]) * unit)
    with contextlib.suppress(KeyError, ValueError, TypeError):
        return max(0.0, email.utils.parsedate_to_datetime(headers["retry-after"]).timestamp() - time.time())
    return None


class RemoteEngine(abc.ABC):
    """A model behind a server: many requests at a time, each sent until it is answered or its attempts are used up.

    Attributes:
        kind: the engine's name.
        package: the client's distribution, for the provenance.
        key_variable: where the key is, unless the model's file names another variable.
        address: of the server.
    """

    kind: ClassVar[str]
    package: ClassVar[str]
    key_variable: ClassVar[str]
    address: str

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings
        self.api = Api.read(settings.api, "api")
        self.variable = self.api.key_variable or self.key_variable
        # A server of one's own may do without a key; the provider's never does.
        self.key = find_key(self.variable, needed=self.api.base_url is None or self.api.key_variable is not None)
        self.pace = Pace(self.api.requests_per_minute)
        self.budget = Budget(self.api.budget_dollars, settings.spent_dollars)
        self.runner = asyncio.Runner()
        self.failure: UserError | None = None
        self.stopped = asyncio.Event()
        self.served: set[str] = set()

    @property
    def provenance(self) -> dict[str, Any]:
        """What is asked, and with what."""
        return {
            "engine": self.kind,
            "version": metadata.version(self.package),
            "address": self.address,
            "model": self.api.model,
        }

    def price(self, prompt_tokens: int, completion_tokens: int) -> float:
        """US dollars for so many tokens."""
        return (prompt_tokens * self.api.price_prompt + completion_tokens * self.api.price_completion) / 1e6

    @abc.abstractmethod
    async def reply(self, request: Request, sampling: Sampling) -> Reply:
        """One attempt at ``request``: an :class:`Answer` and its tokens.

        Raises:
            TryAgain: the attempt failed in passing.
            UserError: no other attempt will do better.
        """

    @abc.abstractmethod
    async def disconnect(self) -> None:
        """Close the connections."""

    def close(self) -> None:
        """Close the connections and the event loop."""
        self.runner.run(self.disconnect())
        self.runner.close()

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Answer]:
        """Write an answer for each request; its seed follows from the sampling seed, the query and the draw.

        Raises:
            Interrupted: the server refuses, stays away, or the budget is used up; it holds the answers that came.
        """
        outcomes = self.ask_all(
            requests, lambda request: self.reply(request, sampling), lambda request: self._most(request, sampling)
        )
        answers = {
            index: replace(outcome.value, attempts=outcome.attempts, cost=outcome.cost)
            for index, outcome in outcomes.items()
        }
        self._tell_of_others(answers.values())
        if self.failure is not None:
            came = [(request, answers[index]) for index, request in enumerate(requests) if index in answers]
            raise Interrupted(str(self.failure), came, self.provenance)
        return [answers[index] for index in range(len(requests))]

    def _tell_of_others(self, answers: Iterable[Answer]) -> None:
        """Say once of each model that answers in place of the one asked: providers send a retired name elsewhere."""
        for name in {answer.served_model for answer in answers} - self.served:
            if not is_asked(name, self.api.model):
                print(
                    f"warning: {self.address} was asked for {self.api.model} and names {name} as the model that answers. If "
                    "that is another model, stop, and delete its answers: `rgd store ls` shows where they lie.",
                    file=sys.stderr,
                    flush=True,
                )
            self.served.add(name)

    def score(self, requests: Sequence[Request]) -> list[Answer]:
        """Not offered: it takes the log-probabilities of a prompt, which chat servers do not give.

        Raises:
            UserError: always.
        """
        raise UserError(
            f"the engine {self.kind} cannot score options ({len(requests)} requests): set way: generate in the model's "
            "file, or run the weights with the engine transformers or vllm."
        )

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Not offered, where the engine does not say otherwise.

        Raises:
            UserError: always.
        """
        raise UserError(
            f"the engine {self.kind} does not embed here ({len(texts)} texts): set engine: transformers in the embedder's file."
        )

    def ask_all(
        self,
        items: Sequence[Any],
        ask: Callable[[Any], Awaitable[Reply]],
        most: Callable[[Any], float],
    ) -> dict[int, Outcome]:
        """What ``ask`` brings for each item, by the item's position; never more than api.concurrency at a time.

        After a failure, which is kept in ``failure``, nothing new is sent; what is under way is waited for, since it is
        paid for.

        Args:
            items: what to ask.
            ask: one attempt.
            most: the US dollars that one attempt can cost.
        """
        return self.runner.run(self._ask_all(items, ask, most))

    async def _ask_all(
        self, items: Sequence[Any], ask: Callable[[Any], Awaitable[Reply]], most: Callable[[Any], float]
    ) -> dict[int, Outcome]:
        self.failure = None
        self.stopped.clear()
        outcomes: dict[int, Outcome] = {}
        waiting = iter(enumerate(items))

        async def work() -> None:
            for index, item in waiting:
                try:
                    outcomes[index] = await self._persist(functools.partial(ask, item), most(item))
                except UserError as error:
                    self.failure = self.failure or error
                    self.stopped.set()
                if self.stopped.is_set():
                    return

        await asyncio.gather(*(work() for _ in range(min(self.api.concurrency, len(items)))))
        return outcomes

    async def _persist(self, ask: Callable[[], Awaitable[Reply]], most: float) -> Outcome:
        for attempt in range(1, self.api.attempts + 1):
            try:
                reply, cost = await self._attempt(ask, most)
                return Outcome(reply.value, attempt, cost)
            except TryAgain as failure:
                reason, asked = str(failure), failure.wait_s
            if asked is not None and asked > LONGEST_WAIT_S:
                raise UserError(
                    f"{self.address} asks to wait {asked:.0f} s ({reason}): run the same command again later; what is "
                    "answered is kept."
                )
            if attempt < self.api.attempts:
                # Where another request has failed for good meanwhile, this one is not sent again.
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.stopped.wait(), self._pause(attempt, asked))
                    break
        raise UserError(
            f"{self.address} did not answer a request in {attempt} attempts, the last: {reason}. Run the same command again "
            "when the server is well; what is answered is kept."
        )

    async def _attempt(self, ask: Callable[[], Awaitable[Reply]], most: float) -> tuple[Reply, float]:
        await self.budget.reserve(most)
        cost = 0.0
        try:
            await self.pace.turn()
            if self.stopped.is_set():
                raise TryAgain("not sent, because another request failed")
            async with asyncio.timeout(self.api.timeout_s):
                reply = await ask()
            # A reply that tells no tokens is counted at its most, as is one that never came but was perhaps made.
            cost = self.price(reply.prompt_tokens, reply.completion_tokens) or most
            return reply, cost
        except TimeoutError:
            cost = most
            raise TryAgain(f"no answer within api.timeout_s = {self.api.timeout_s:g}") from None
        except TryAgain as failure:
            cost = most if failure.perhaps_billed else 0.0
            raise
        finally:
            await self.budget.settle(most, cost)

    def _pause(self, attempt: int, asked: float | None) -> float:
        """Seconds before the next attempt: doubling, and spread, so that requests which failed together come apart."""
        if asked is not None:
            return asked + random.uniform(0, self.api.backoff_s)
        return min(self.api.backoff_s * 2 ** (attempt - 1), LONGEST_BACKOFF_S) * random.uniform(0.5, 1)

    def _most(self, request: Request, sampling: Sampling) -> float:
        size = sum(len(turn.content.encode()) + TOKENS_AROUND_A_TURN for turn in request.messages)
        return self.price(min(size, self.settings.max_model_len), sampling.max_tokens)

    def refusal(self, status: int, message: str, wait_s: float | None) -> TryAgain | UserError:
        """What an HTTP status other than success means."""
        said = self.quoted(message)
        if "insufficient_quota" in message:
            return UserError(f"{self.address}: the account's quota is used up: {said}")
        if status in _PASSING or status >= 500:
            return TryAgain(f"status {status}: {said}", wait_s)
        if status in (401, 403) or re.search(r"api.key", message, re.IGNORECASE):
            fault = "is not accepted" if self.key else "is not set, so no key was sent"
            return UserError(f"{self.address} refuses access (status {status}): the key in {self.variable} {fault}.")
        if status == 404:
            return UserError(
                f"{self.address} knows no model {self.api.model!r}, or nothing at that address: {said} Check api.model and "
                "api.base_url in the model's file."
            )
        if _TOO_LONG.search(message):
            return UserError(
                f"a prompt is too long for {self.api.model} at {self.address}, which trims nothing: {said} Lower max_tokens, "
                "shorten the prompt, or serve the model with a longer context."
            )
        return UserError(f"{self.address} refuses a request to {self.api.model} (status {status}): {said}")

    def unreachable(self, error: BaseException) -> TryAgain:
        """No connection could be made."""
        return TryAgain(f"no connection to {self.address} ({self.quoted(str(error))}); is the server running there?")

    def broken(self, error: BaseException) -> TryAgain:
        """The connection broke, or the reply was cut short."""
        return TryAgain(f"the reply did not come whole ({type(error).__name__})", perhaps_billed=True)

    def quoted(self, text: str) -> str:
        """What a server said, on one line, without the key should it repeat it."""
        text = text.replace(self.key, "[key]") if self.key else text
        line = " ".join(text.split())
        return line if len(line) <= LONGEST_QUOTE else line[:LONGEST_QUOTE] + " …"

    def turns(self, request: Request) -> Iterator[tuple[str, str]]:
        """Role and text of every turn.

        Raises:
            UserError: the prompt has no turns.
        """
        for turn in request.messages:
            if turn.role == "text":
                raise UserError(
                    f"the engine {self.kind} asks in turns, and the prompt has none: write [user] on the line before it."
                )
            yield turn.role, turn.content
