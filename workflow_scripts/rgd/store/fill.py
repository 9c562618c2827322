"""Asking for the answers that the store lacks, as a stream, with progress."""

import contextlib
import datetime
import hashlib
import json
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rgd.engines.base import Answer, Engine, Request
from rgd.errors import UserError
from rgd.progress.logs import TOGETHER, WARNING, Count, line
from rgd.store import batches
from rgd.store.answers import AnswerSettings, Store
from rgd.store.claims import SECONDS_BETWEEN_LOOKS, Claims
from rgd.store.leases import Leases
from rgd.store.listing import Listing
from rgd.store.stopping import stoppable

SECONDS_BETWEEN_REPORTS = 5.0
SECONDS_BETWEEN_COMMITS = 15.0
# After SIGTERM, so that whatever comes then is kept even if SIGKILL follows soon.
SECONDS_BETWEEN_LAST_COMMITS = 1.0
GRACE_SECONDS = 150.0


@dataclass(frozen=True)
class FillCount:
    """The result of a fill in answers: ``asked`` by it, and ``stored`` before or left to another job. Of those asked,
    ``trimmed`` had their question shortened, and ``empty`` have no text."""

    asked: int
    stored: int
    trimmed: int
    empty: int = 0


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def _nothing() -> Sequence[Request]:
    return ()


def fill(
    store: Store,
    settings: AnswerSettings,
    requests: Sequence[Request],
    open_engine: Callable[[], Engine],
    chunk_size: int,
    report: Callable[[str], None] = _say,
    *,
    title: str = "answers",
    more: Callable[[], Sequence[Request]] = _nothing,
    replicas: int = 1,
    commit_seconds: float = SECONDS_BETWEEN_COMMITS,
    grace_seconds: float = GRACE_SECONDS,
) -> FillCount:
    """Ask for every answer to ``requests`` that ``store`` lacks.

    The engine always has its window of requests in flight, and answers are committed as they come, so nothing waits for the
    longest answer. A killed job loses what was in flight and what came since the last commit, never what was committed. On
    SIGTERM nothing new is asked, what is in flight may end within the grace time, and what came is committed.

    Concurrent jobs share the work: a request that another job is asking is put off, and asked here only if that job dies.

    Args:
        store: where the answers go.
        settings: settings of the answers.
        requests: everything to answer; duplicates are asked once.
        open_engine: returns the engine (see :func:`rgd.engines.lazy_engine`); called only if something is missing.
        chunk_size: answers committed together, as one file.
        report: called with progress messages, at most every few seconds.
        title: title of the progress messages.
        more: gives the requests of further query sets to ask while the engine has room for them, none if there are none at the
            moment; what other jobs ask of these is left to them. Called again and again, so it may give more over time.
        replicas: how many jobs at once share ``requests``; none of them takes more than its share into its window.
        commit_seconds: answers that came are committed after this time, even if they are fewer than ``chunk_size``.
        grace_seconds: seconds after SIGTERM in which requests in flight may end.

    Raises:
        UserError: from the engine, a damaged file, or a store that cannot be written. If single requests got no answer,
            after all others were asked.
    """
    wanted = {_name(request): request for request in requests}
    listing = store.listing(settings)
    missing = _lacking(listing, wanted)
    if not missing and not batches.hold(store.folder(settings), wanted):
        report(f"{title}: all {len(wanted)} are in the store")
        return FillCount(0, len(wanted), 0)
    report(f"{title}: {len(missing)} of {len(wanted)} to ask, {len(wanted) - len(missing)} in the store")
    leases = Leases(store.prepare(settings))
    # Before the first lease: a process that the engine forks would hold a lease's lock beyond the end of this one.
    engine = open_engine()
    batched = batches.ask(store, settings, requests, engine, report, title=title, more=more)
    if batched is not None:
        return FillCount(batched.asked, len(wanted) - batched.asked, 0, batched.empty)
    window = engine.window if replicas == 1 else min(engine.window, math.ceil(len(missing) / replicas))
    progress = _Progress(title, len(missing), report)

    def further() -> dict[str, Request]:
        while others := {_name(request): request for request in more()}:
            new = _lacking(listing, {name: request for name, request in others.items() if name not in wanted})
            wanted.update(others)
            progress.total += len(new)
            if new:
                progress.title = title + TOGETHER
                return new
        return {}

    failure: UserError | None = None
    with (
        stoppable(grace_seconds) as stop,
        Claims(leases, listing, min(chunk_size, max(1, window // 2))) as claims,
        contextlib.closing(engine.steps(claims.handed_out(further), settings.sampling, window)) as steps,
    ):
        claims.include(missing, is_awaited=True)
        came = _Came(store, settings, engine, claims)
        try:
            for ended in steps:
                came.add(ended)
                progress.tell(ended, engine)
                engine.is_stopped |= stop.is_told
                if came.is_due(chunk_size, SECONDS_BETWEEN_LAST_COMMITS if stop.is_told else commit_seconds):
                    came.commit()
                if stop.is_over:
                    break
                if not ended and not engine.in_flight:
                    time.sleep(SECONDS_BETWEEN_LOOKS / 2)
        except UserError as error:
            failure = error
        finally:
            # Whatever happened, what came is paid for.
            came.commit()
    progress.end()
    if came.trimmed:
        report(
            f"{WARNING}{title}: {came.trimmed} questions were too long for the model and were shortened in the middle"
        )
    if came.empty:
        report(
            f"{WARNING}{title}: {came.empty} of {came.count} answers are empty and count as missing; they are not asked again. If there "
            "are many, check the prompt, the chat template and max_tokens (a reasoning model may run out of tokens before its "
            "answer), then raise answers_epoch to ask again"
        )
    if failure is not None:
        raise failure
    return FillCount(came.count, len(wanted) - came.count, came.trimmed, came.empty)


def _name(request: Request) -> str:
    """The name of an answer, as :func:`rgd.store.listing.joined` gives it."""
    return f"{request.query_key}:{request.draw}"


def _lacking(listing: Listing, wanted: Mapping[str, Request]) -> dict[str, Request]:
    """The requests that have no answer."""
    requests = wanted.values()
    rows = listing.find([request.query_key for request in requests], [request.draw for request in requests])
    return {name: wanted[name] for name, lacks in zip(wanted, rows.is_null().to_pylist(), strict=True) if lacks}


def _template(engine: Engine) -> dict[str, str]:
    """A hash of the chat template that the engine's own tokenizer applies; nothing if a server applies its own."""
    template = getattr(getattr(engine, "tokenizer", None), "chat_template", None)
    if not template:
        return {}
    text = template if isinstance(template, str) else json.dumps(template, sort_keys=True)
    return {"template": hashlib.sha256(text.encode()).hexdigest()[:20]}


@dataclass
class _Came:
    """The answers that came and are not committed yet, and counts of all that came."""

    store: Store
    settings: AnswerSettings
    engine: Engine
    claims: Claims
    answers: list[tuple[Request, Answer]] = field(default_factory=list)
    committed_at: float = field(default_factory=time.monotonic)
    count: int = 0
    trimmed: int = 0
    empty: int = 0

    def add(self, ended: Sequence[tuple[Request, Answer]]) -> None:
        self.answers.extend(ended)
        self.count += len(ended)
        self.trimmed += sum(answer.trimmed for _, answer in ended)
        self.empty += sum(answer.scores is None and not answer.text.strip() for _, answer in ended)

    def is_due(self, chunk_size: int, seconds: float) -> bool:
        late = time.monotonic() - self.committed_at >= seconds
        return len(self.answers) >= chunk_size or (bool(self.answers) and late)

    def commit(self) -> None:
        """Store the answers as one file and release their leases.

        Raises:
            UserError: the store cannot be written; the answers are kept for another attempt.
        """
        if not self.answers:
            return
        now = time.monotonic()
        provenance: dict[str, Any] = dict(self.engine.provenance) | _template(self.engine)
        provenance["asked_at"] = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        provenance["seconds"] = round(now - self.committed_at, 3)
        requests, answers = zip(*self.answers, strict=True)
        names = [_name(request) for request in requests]
        self.claims.give_room(names)
        self.store.commit(self.settings, requests, answers, provenance)
        self.claims.release(names)
        self.answers.clear()
        self.committed_at = now


class _Progress:
    """Lines such as ``answers: 128 of 420, 12.3/s, 980 tokens/s, 512 in flight, 24 s left``, for terminals and log files.

    Attributes:
        total: answers to ask for.
    """

    def __init__(self, title: str, total: int, report: Callable[[str], None]) -> None:
        self.title, self.total, self.report = title, total, report
        self.done = self.tokens = 0
        self.seconds_full = 0.0
        self.started = self.told = self.last = time.monotonic()

    def tell(self, ended: Sequence[tuple[Request, Answer]], engine: Engine) -> None:
        """Count what ended in the step since the last call, and report now and then."""
        now = time.monotonic()
        # The requests in flight during the step were these.
        if engine.in_flight + len(ended) >= engine.at_once:
            self.seconds_full += now - self.last
        self.last = now
        self.done += len(ended)
        self.tokens += sum(answer.completion_tokens for _, answer in ended if answer.scores is None)
        if now - self.told < SECONDS_BETWEEN_REPORTS:
            return
        self.told = now
        rate = self.done / max(now - self.started, 1e-9)
        left = f", {(self.total - self.done) / rate:.0f} s left" if self.done else ""
        self.report(f"{self._so_far(now, engine.in_flight)}{left}")

    def end(self) -> None:
        """Report the whole, with the share of the time in which the engine had all that it computes at once."""
        now = time.monotonic()
        seconds = max(now - self.started, 1e-9)
        self.report(
            f"{self._so_far(now)}, done in {seconds:.0f} s; the engine was full "
            f"{100 * self.seconds_full / seconds:.0f} % of the time"
        )

    def _so_far(self, now: float, in_flight: int | None = None) -> str:
        seconds = max(now - self.started, 1e-9)
        tokens = f", {self.tokens / seconds:.0f} tokens/s" if self.tokens else ""
        # Replies may come together after minutes, in which a speed of 0 would look like a standstill.
        rate = self.done / seconds if self.done else None
        return line(Count(self.title, self.done, self.total, rate=rate, asked=in_flight), tokens)
