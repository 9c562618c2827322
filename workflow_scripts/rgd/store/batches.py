"""Asking through a server's batch interface: handing in what the store lacks, waiting, and storing what came of it.

A batch outlives the job that handed it in. Its file (:mod:`rgd.store.batch_files`) is written before the server hears of
it and holds the label under which the server lists it, so that any later job finds it, whatever was killed when:

- The file says ``intended``: nothing was handed in. The requests are free again.
- It says ``creating``: the server may have the batch. It is looked for by its label; if the server does not list it after
  SECONDS_UNTIL_LISTED, there is none.
- It says ``submitted``: the answers are fetched once the batch has ended, stored, and paid for in the ledger; then the
  file is removed. Each of these steps may be repeated.
"""

import contextlib
import datetime
import itertools
import math
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rgd.artifacts.locks import Lock, lock
from rgd.engines.base import Answer, Engine, GivenUp, Request
from rgd.engines.batches import Busy, Gone, Look, Unreachable, Unsure, batches_of
from rgd.engines.remote import Blocked, RemoteEngine, Reply, TryAgain, Unsupported
from rgd.errors import UserError
from rgd.store import batch_files
from rgd.store.answers import AnswerSettings, Store
from rgd.store.batch_files import COLLECTED, CREATING, INTENDED, SUBMITTED, BatchFile, Line
from rgd.store.leases import Leases
from rgd.store.ledger import Ledger
from rgd.store.listing import joined
from rgd.store.stopping import stoppable

MOST_LINES, MOST_BYTES = 10_000, 50_000_000
"""Limits of one batch, below those of both servers (OpenAI: 50,000 lines and 200 MB, Gemini: 2 GB): a batch's file is built
in memory, and less is lost with a batch that fails."""
SECONDS_BETWEEN_LOOKS, LONGEST_BETWEEN_LOOKS = 5.0, 300.0
"""The first pause between two looks at the server; each is half as long again as the one before, up to the longest."""
SECONDS_UNTIL_LISTED = 120.0
"""A server lists a batch at most this long after it was created."""
SECONDS_BETWEEN_REPORTS = 600.0
LONGEST_OUTAGE_S = 3600.0
"""A server that answered before may be out of reach this long while its batches are awaited."""
ANSWERS_IN_A_FILE = 4096


class ToCollect(UserError):
    """Batches are in progress; the next run collects them.

    Attributes:
        exit_code: the exit code of the job.
    """

    exit_code = 75


@dataclass(frozen=True)
class BatchCount:
    """How many answers a job stored, and how many of them have no text."""

    asked: int
    empty: int


def ask(
    store: Store,
    settings: AnswerSettings,
    requests: Sequence[Request],
    engine: Engine,
    report: Callable[[str], None],
    *,
    title: str,
    more: Callable[[], Sequence[Request]] = tuple,
) -> BatchCount | None:
    """Hand in what the store lacks and nobody is asking, wait for it, and store the answers.

    Without ``api.batch``, only what earlier runs handed in is awaited; what is missing then is left to the caller.

    Args:
        store: where the answers go.
        settings: settings of the answers; they must have sampling.
        requests: everything to answer.
        engine: the engine whose server is asked.
        report: called with progress messages.
        title: title of the progress messages.
        more: gives further requests, which are handed in but not waited for; called until it gives none.

    Returns:
        None if what is missing is to be asked otherwise.

    Raises:
        ToCollect: batches are in progress after ``api.batch_wait_s``.
        UserError: from the server or the store; or requests got no answer, after all others ended.
    """
    if not isinstance(engine, RemoteEngine) or settings.sampling is None:
        return None
    if not engine.api.batch and not batch_files.held(store.folder(settings)):
        return None
    count = _Asking(store, settings, engine, report, title, requests, more).run()
    return count if engine.api.batch else None


def hold(folder: Path, names: Iterable[str]) -> bool:
    """Whether a batch in progress holds one of the requests ``names``, whose answers may be stored already."""
    return not batch_files.held(folder).isdisjoint(names)


class _Asking:
    """One job's asking.

    Attributes:
        failure: why requests got no answer; raised once nothing of the job's own is in progress.
        is_stopped: nothing more is handed in, because of ``failure``.
        given_up: the names of the requests that are not handed in again.
        refused: why the last round handed in less than all; raised once nothing of the job's own is in progress.
        waits_for_others: other jobs have reserved what is left of the budget.
    """

    def __init__(
        self,
        store: Store,
        settings: AnswerSettings,
        engine: RemoteEngine,
        report: Callable[[str], None],
        title: str,
        requests: Sequence[Request],
        more: Callable[[], Sequence[Request]],
    ) -> None:
        assert settings.sampling is not None  # servers only generate
        self.store, self.settings, self.sampling = store, settings, settings.sampling
        self.engine, self.server, self.api = engine, batches_of(engine), engine.api
        self.report, self.title = report, title
        self.folder = store.prepare(settings)
        self.leases, self.listing = Leases(self.folder), store.listing(settings)
        self.wanted = {_name(request): request for request in requests}
        self.own, self.more = set(self.wanted), more
        is_paid = bool(self.api.price_prompt or self.api.price_completion)
        self.ledger = Ledger(store.root, settings.weights) if is_paid else None
        self.failure: UserError | None = None
        self.refused: UserError | None = None
        self.is_stopped = self.waits_for_others = False
        self.given_up: set[str] = set()
        self.asked = self.empty = 0
        self.told: dict[str, tuple[str, float]] = {}
        self.reached: float | None = None

    def run(self) -> BatchCount:
        """See :func:`ask`."""
        started, pause = time.monotonic(), SECONDS_BETWEEN_LOOKS
        left = self._missing(self.own)
        is_first, is_answered = True, not left
        while True:
            before = self.asked
            try:
                had_turn = self._round(is_first, is_answered)
            except UserError as error:
                if not is_answered:
                    raise
                # All answers are there; the batch that they came from is paid for by a later run.
                self.report(f"{self.title}: {error}")
                break
            if had_turn and is_answered:
                break
            is_first = is_first and not had_turn
            left = self._missing(self.own)
            due, now = left - self.given_up, time.monotonic()
            with self.leases.claiming():
                in_progress = self.own & self.leases.held()
            # Another job may have been killed after it stored the answers of a batch: then this one pays for it.
            is_answered = not due and bool(in_progress)
            if is_answered:
                time.sleep(0 if had_turn else SECONDS_BETWEEN_LOOKS)
                continue
            if not due or (had_turn and not due & in_progress and not self.waits_for_others):
                break
            remaining = math.inf if self.api.batch_wait_s is None else started + self.api.batch_wait_s - now
            if remaining <= 0:
                raise self._to_collect(len(due))
            pause = SECONDS_BETWEEN_LOOKS if self.asked > before else min(1.5 * pause, LONGEST_BETWEEN_LOOKS)
            time.sleep(min(pause if had_turn else SECONDS_BETWEEN_LOOKS, remaining))
        if self.empty:
            self.report(
                f"{self.title}: {self.empty} of {self.asked} answers are empty and count as missing; they are not asked again"
            )
        reason = self.failure or self.refused
        if reason is not None and left:
            raise reason
        if self.failure is not None:
            # Of another set's requests.
            self.report(f"{self.title}: {self.failure}")
        return BatchCount(self.asked, self.empty)

    def _round(self, is_first: bool, is_answered: bool) -> bool:
        """Look at the batches in progress, collect those that ended, hand in what is missing; False if it is another's turn.

        SIGTERM waits until the round ends.

        Args:
            is_first: it is the job's first.
            is_answered: nothing is to be handed in, as all the job's own requests have their answers.
        """
        with _turn(self.folder) as is_mine:
            if is_mine:
                with stoppable(math.inf):
                    if is_first:
                        self._forgive()
                    for batch in batch_files.batches(self.folder):
                        if batch.is_open:
                            self._advance(batch)
                    self.refused, self.waits_for_others = None, False
                    if self.api.batch and not is_answered:
                        self._submit()
            return is_mine

    def _missing(self, names: set[str]) -> set[str]:
        self.listing.refresh()
        wanted = [self.wanted[name] for name in names]
        rows = self.listing.find([each.query_key for each in wanted], [each.draw for each in wanted])
        return {_name(each) for each, lacks in zip(wanted, rows.is_null().to_pylist(), strict=True) if lacks}

    def _to_collect(self, left: int) -> ToCollect:
        found = [batch for batch in batch_files.batches(self.folder) if batch.is_open]
        named = ", ".join(batch.batch or "one being created" for batch in found[:3]) + (", …" if len(found) > 3 else "")
        return ToCollect(
            f"{self.title}: {left} requests are not answered yet; {len(batch_files.names(found))} are in {len(found)} batches "
            f"at {self.engine.address} ({named}). Run the same command again later to collect them; until then they cost "
            "nothing more and are not asked again."
        )

    # What is in progress.

    def _advance(self, batch: BatchFile) -> None:
        """Bring a batch's file up to what the server says, and collect the batch if it has ended."""
        if (batch.engine, batch.address) != (self.engine.kind, self.engine.address):
            self._cannot(
                batch, f"the batch {batch.batch} was handed in at {batch.address}, not at {self.engine.address}."
            )
            return
        if batch.state == INTENDED:
            self._retire(batch)
            return
        try:
            if batch.state == CREATING:
                found = self.server.find(batch.label, batch.file, batch.created)
                self.reached = time.monotonic()
                if found is None:
                    if time.time() - batch.created >= SECONDS_UNTIL_LISTED:
                        self._retire(batch)
                    return
                batch = replace(batch, state=SUBMITTED, batch=found)
                batch_files.write(self.folder, batch)
            look = self.server.look(batch.batch)
            self.reached = time.monotonic()
            self._tell(batch, look)
            if look.has_ended:
                self._collect(batch, look)
        except Gone as error:
            self._cannot(batch, str(error))
        except Unreachable as error:
            if self.reached is None or time.monotonic() - self.reached > LONGEST_OUTAGE_S:
                raise
            self.report(f"{self.title}: {error}")

    def _cannot(self, batch: BatchFile, reason: str) -> None:
        """A batch cannot be collected: its requests are neither awaited nor asked again."""
        names = batch_files.names([batch]) & self.own
        if names:
            self.given_up |= names
            self.failure = self.failure or UserError(
                f"{reason} It holds {len(names)} of the requests: set api.base_url and the key to those it was handed in with, or "
                f"delete {batch_files.path_of(self.folder, batch.label)} to ask them again, which is paid for again."
            )

    def _tell(self, batch: BatchFile, look: Look) -> None:
        done = "" if look.done is None else f", {look.done} of {len(batch.lines)} requests done"
        now = time.monotonic()
        state, when = self.told.get(batch.label, ("", -math.inf))
        if look.state != state or now - when >= SECONDS_BETWEEN_REPORTS:
            self.told[batch.label] = look.state, now
            self.report(f"{self.title}: batch {batch.batch} is {look.state}{done}")

    def _retire(
        self, batch: BatchFile, lines: Sequence[Line] | None = None, at_most: int | None = None, cost: float = 0.0
    ) -> None:
        """End a batch: pay for it, and keep of its file what the next batch must know.

        Args:
            batch: the batch.
            lines: the requests to ask again; default: those that were asked in an earlier batch.
            at_most: see :class:`rgd.store.batch_files.BatchFile`.
            cost: in US dollars.
        """
        if self.ledger is not None:
            self.ledger.settle(batch_files.reservation(self.folder, batch.label), cost)
        left = tuple(line for line in batch.lines if line.attempts) if lines is None else tuple(lines)
        dropped = tuple(sorted({*batch.dropped, *self.engine.dropped}))
        if left or at_most is not None:
            batch_files.write(
                self.folder, replace(batch, state=COLLECTED, lines=left, at_most=at_most, dropped=dropped, sent=())
            )
        else:
            batch_files.remove(self.folder, batch.label)

    # Collecting.

    def _collect(self, batch: BatchFile, look: Look) -> None:
        """Store the answers of a batch that has ended, pay for it, and note what is to be asked again."""
        if look.is_refused:
            self._refused(batch, look)
            return
        outcomes = self.server.fetch(look, batch.sent)
        absent = TryAgain("the batch's output lacks the request", perhaps_billed=look.is_absence_billed)
        answers: list[tuple[Line, Answer]] = []
        again: list[Line] = []
        costs: list[float] = []
        for number, line in enumerate(batch.lines):
            outcome = outcomes.get(_line_name(batch.label, number), absent)
            cost = 0.0
            match outcome:
                case Reply() | Blocked():
                    reply = outcome if isinstance(outcome, Reply) else self.engine.blocked(line.prompt_tokens)
                    cost = self._price(reply.prompt_tokens, reply.completion_tokens) or self._most(line)
                    answer = replace(reply.value, attempts=line.attempts + 1, cost=line.cost + cost)
                    answers.append((line, answer))
                case Unsupported(name=name) if name != "stream":
                    self.engine.drop(name, str(outcome))
                    again.append(line)
                case Unsupported() | UserError():
                    self._fail(line, outcome if isinstance(outcome, UserError) else UserError(str(outcome)))
                case TryAgain():
                    cost = self._most(line) if outcome.perhaps_billed else 0.0
                    again.append(replace(line, attempts=line.attempts + 1, cost=line.cost + cost))
                    self._give_up(again[-1], str(outcome))
            costs.append(cost)
        self._commit(batch, answers)
        self._warn_of_cost(batch, math.fsum(costs))
        self._retire(batch, again, cost=math.fsum(costs))
        self.report(f"{self.title}: batch {batch.batch} gave {len(answers)} answers of {len(batch.lines)}")
        if look.is_cancelled and self.api.batch:
            # Whoever cancels a batch does not want another one at once.
            self._stop(
                UserError(
                    f"the batch {batch.batch} was cancelled at {self.engine.address}; its {len(answers)} answers are stored. Run the "
                    "same command again to ask the rest."
                )
            )

    def _refused(self, batch: BatchFile, look: Look) -> None:
        """The server took none of a batch's requests: they are asked again in smaller batches if its queue was full."""
        half = len(batch.lines) // 2
        if look.is_queue_full and half:
            self.report(f"{self.title}: batch {batch.batch} is too large for the server's queue: {look.reason}")
            self._retire(batch, batch.lines, at_most=half)
            return
        self._retire(batch)
        self._stop(
            UserError(
                f"{self.engine.address} refuses the batch {batch.batch} of {len(batch.lines)} requests ({look.state}): "
                f"{look.reason or 'it gives no reason; see its console.'} Nothing of it was answered or billed."
            )
        )

    def _fail(self, line: Line, error: UserError) -> None:
        """A request is refused for good, for a reason of its own or for one that concerns all."""
        self.given_up.add(line.name)
        if not isinstance(error, GivenUp):
            self._stop(error)
        self.failure = self.failure or error

    def _stop(self, error: UserError) -> None:
        if not self.is_stopped:
            self.failure = error
        self.is_stopped = True

    def _give_up(self, line: Line, reason: str) -> None:
        """Ask a request no more if it has used up its attempts."""
        if line.attempts >= self.api.attempts:
            self.given_up.add(line.name)
            self.failure = self.failure or GivenUp(
                f"{self.engine.address} did not answer a request in {line.attempts} batches; the last error: {reason}. Run the "
                "same command again to ask it again."
            )

    def _commit(self, batch: BatchFile, answers: Sequence[tuple[Line, Answer]]) -> None:
        """Store what the store does not have, in the batch's order."""
        self.engine.tell_of_others(answer for _, answer in answers)
        self.listing.refresh()
        lacks = self.listing.find([line.query_key for line, _ in answers], [line.draw for line, _ in answers]).is_null()
        provenance = {name: value for name, value in self.engine.provenance.items() if name != "dropped"}
        provenance |= {"dropped": list(batch.dropped)} if batch.dropped else {}
        handed_in = datetime.datetime.fromtimestamp(batch.created, datetime.UTC)
        provenance |= {"batch": batch.batch, "asked_at": handed_in.isoformat(timespec="seconds")}
        new = itertools.compress(answers, lacks.to_pylist())
        while piece := list(itertools.islice(new, ANSWERS_IN_A_FILE)):
            self.store.commit(self.settings, [line for line, _ in piece], [answer for _, answer in piece], provenance)
            self.asked += len(piece)
            self.empty += sum(not answer.text.strip() for _, answer in piece)

    def _price(self, prompt_tokens: int, completion_tokens: int) -> float:
        return self.engine.price(prompt_tokens, completion_tokens) * self.api.batch_price_factor

    def _most(self, line: Line) -> float:
        """The most that a request can cost."""
        return self._price(line.prompt_tokens, self.sampling.max_tokens)

    def _warn_of_cost(self, batch: BatchFile, cost: float) -> None:
        most = math.fsum(map(self._most, batch.lines))
        if cost > most > 0:
            print(
                f"warning: the batch {batch.batch} cost {cost:.4f} dollars, though it should cost at most {most:.4f}: check the "
                "prices in the model's file, and whether the server keeps to max_tokens.",
                file=sys.stderr,
                flush=True,
            )

    # Handing in.

    def _forgive(self) -> None:
        """Give requests that an earlier run gave up all their attempts again."""
        for batch in batch_files.batches(self.folder):
            if not batch.is_open:
                self._keep(batch, [line for line in batch.lines if line.attempts < self.api.attempts])

    def _keep(self, batch: BatchFile, lines: Sequence[Line]) -> None:
        """Keep only ``lines`` in the file of a collected batch."""
        if not lines:
            batch_files.remove(self.folder, batch.label)
        elif len(lines) < len(batch.lines):
            batch_files.write(self.folder, replace(batch, lines=tuple(lines)))

    def _submit(self) -> None:
        """Hand in all that is missing and that nobody is asking, as batches."""
        while further := self.more():
            self.wanted |= {_name(request): request for request in further if _name(request) not in self.wanted}
        found = batch_files.batches(self.folder)
        collected = [batch for batch in found if not batch.is_open]
        before: dict[str, Line] = {}
        for line in (line for batch in collected for line in batch.lines):
            if line.name not in before or before[line.name].attempts < line.attempts:
                before[line.name] = line
        for line in before.values():
            if line.name in self.wanted:
                self._give_up(line, "in an earlier batch")
        for name in sorted({name for batch in found for name in batch.dropped} - set(self.engine.dropped)):
            self.engine.dropped.append(name)
        limits = [batch.at_most for batch in collected if batch.at_most is not None]
        if limits and len(collected) < len(found):
            # The queue was full: what is in progress has to end first.
            return
        while not self.is_stopped and self._submit_one(before, min([MOST_LINES, *limits])):
            pass
        if collected:
            table = self.listing.table()
            gone = batch_files.held(self.folder) | set(joined(table["query_key"], table["draw"]).to_pylist())
            for batch in collected:
                self._keep(batch, [line for line in batch.lines if line.name not in gone])

    def _submit_one(self, before: dict[str, Line], most_lines: int) -> bool:
        """Hand in one batch; False if nothing more can be handed in now."""
        label = uuid.uuid4().hex
        with self.leases.claiming():
            free = self._missing(set(self.wanted) - self.given_up) - self.leases.held()
            chosen = list(
                itertools.islice((request for name, request in self.wanted.items() if name in free), most_lines)
            )
            if not chosen:
                return False
            content = list(self._contents(label, chosen))
            batch = BatchFile(
                label,
                INTENDED,
                self.engine.kind,
                self.engine.address,
                time.time(),
                tuple(self._line_of(request, before) for request in chosen[: len(content)]),
                sent=tuple(self.server.sent(chosen[0], self.sampling)),
                dropped=tuple(sorted(self.engine.dropped)),
            )
            batch_files.write(self.folder, batch)
        try:
            granted = self._reserve(batch)
            if not granted:
                self._retire(batch)
                return False
            if granted < len(batch.lines):
                batch = replace(batch, lines=batch.lines[:granted])
                batch_files.write(self.folder, batch)
            file = self.server.upload(label, b"".join(content[:granted]))
            batch = replace(batch, state=CREATING, file=file, created=time.time())
            batch_files.write(self.folder, batch)
            batch = replace(batch, state=SUBMITTED, batch=self.server.create(label, file))
        except Unsure as error:
            self.report(f"{self.title}: it is not known whether {self.engine.address} has created a batch: {error}")
            return False
        except Busy as error:
            self._retire(batch)
            self.refused = error
            return False
        except UserError as error:
            self._retire(batch)
            self._stop(error)
            return False
        batch_files.write(self.folder, batch)
        self.report(f"{self.title}: {granted} requests handed in as batch {batch.batch} at {self.engine.address}")
        return granted == len(content)

    def _contents(self, label: str, requests: Sequence[Request]) -> Iterator[bytes]:
        """The lines of a batch's file, up to MOST_BYTES but at least one."""
        total = 0
        for number, request in enumerate(requests):
            line = self.server.line(_line_name(label, number), request, self.sampling)
            total += len(line)
            if number and total > MOST_BYTES:
                return
            yield line

    def _line_of(self, request: Request, before: dict[str, Line]) -> Line:
        line = Line(request.query_key, request.draw, self.engine.longest_prompt(request))
        earlier = before.get(line.name)
        return line if earlier is None else replace(line, attempts=earlier.attempts, cost=earlier.cost)

    def _reserve(self, batch: BatchFile) -> int:
        """Reserve the most that a batch can cost; returns how many of its requests, in order, the budget allows.

        Raises:
            UserError: the ledger cannot be written.
        """
        if self.ledger is None:
            return len(batch.lines)
        amounts, limit = list(map(self._most, batch.lines)), self.api.budget_dollars
        name = batch_files.reservation(self.folder, batch.label)
        balance = self.ledger.update(name, 0.0, 0.0, amounts, limit)
        if limit is not None and balance.granted < len(amounts):
            most = amounts[balance.granted]
            self.waits_for_others = balance.others > 0 and balance.spent + most <= limit
            self.refused = UserError(
                f"api.budget_dollars = {limit:g} is used up: {balance.spent:.4f} dollars are spent on this model, "
                f"{balance.others + math.fsum(amounts[: balance.granted]):.4f} are reserved by jobs and batches in progress, and "
                f"the next request can cost up to {most:.4f} dollars in a batch. Raise api.budget_dollars in the model's file, or "
                "lower max_tokens, then run the same command again to resume. Stored answers are not paid for twice."
            )
        return balance.granted


def _name(request: Request) -> str:
    """The name of an answer, as :func:`rgd.store.listing.joined` gives it."""
    return f"{request.query_key}:{request.draw}"


def _line_name(label: str, number: int) -> str:
    """What a batch's line is called at the server."""
    return f"{label[:12]}-{number}"


@contextlib.contextmanager
def _turn(folder: Path) -> Iterator[bool]:
    """Whether this process alone hands in and collects the folder's batches while the block runs.

    Without file locks two may do so at once; then a request may be asked twice, and the first file by name counts.

    Raises:
        UserError: the folder cannot be written.
    """
    try:
        file = (folder / batch_files.TURN).open("ab+")
    except OSError as error:
        raise UserError(
            f"cannot write {folder}: {error.strerror or error}. Check the permissions of the store."
        ) from error
    with file:
        yield lock(file, wait=False) is not Lock.BUSY
