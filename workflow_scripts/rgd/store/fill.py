"""Asking for the answers that the store lacks, chunk by chunk, with progress."""

import datetime
import hashlib
import json
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rgd.engines.base import Answer, Engine, Interrupted, Request
from rgd.store.answers import AnswerSettings, Store
from rgd.store.leases import Lease, Leases
from rgd.store.listing import Listing, joined
from rgd.store.stopping import finishing

SECONDS_BETWEEN_REPORTS = 5.0
# Interval of checking on other jobs when they are asking everything that is left.
SECONDS_BETWEEN_LOOKS = 0.5


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


def fill(
    store: Store,
    settings: AnswerSettings,
    requests: Sequence[Request],
    open_engine: Callable[[], Engine],
    chunk_size: int,
    report: Callable[[str], None] = _say,
    *,
    title: str = "answers",
    wait: bool = True,
) -> FillCount:
    """Ask for every answer to ``requests`` that ``store`` lacks.

    The list is split into chunks of ``chunk_size`` before stored answers are subtracted, so an interrupted run asks the
    same chunks as an uninterrupted one and gives the same bytes. Each chunk is asked, then committed: an interruption
    loses at most the chunk in flight, and SIGTERM waits until it is committed. Concurrent jobs share the work: a chunk
    that another job is asking is postponed, and asked here only if that job dies.

    Args:
        store: where the answers go.
        settings: settings of the answers.
        requests: everything to answer; duplicates are asked once.
        open_engine: returns the engine (see :func:`rgd.engines.lazy_engine`); called only if something is missing.
        chunk_size: requests asked and committed at a time.
        report: called with progress messages, at most every few seconds.
        title: title of the progress messages.
        wait: False stops at the first chunk that another job is asking, and leaves the rest to that job.

    Raises:
        UserError: from the engine, a damaged chunk, or a store that cannot be written. If single requests got no answer,
            after all others were asked.
    """
    wanted = {_name(request): request for request in requests}
    listing = store.listing(settings)
    missing = _lacking(listing, wanted)
    names = list(wanted)
    cuts = (names[start : start + chunk_size] for start in range(0, len(names), chunk_size))
    waiting = deque(chunk for cut in cuts if (chunk := [name for name in cut if name in missing]))
    if not missing:
        report(f"{title}: all {len(wanted)} are in the store")
        return FillCount(0, len(wanted), 0)
    to_ask = len(missing)
    report(f"{title}: {to_ask} of {len(wanted)} to ask, {len(wanted) - to_ask} in the store")
    leases = Leases(store.prepare(settings))
    # Before the first lease: a process that the engine forks would hold a lease's lock beyond the end of this one.
    engine = open_engine()
    progress = _Progress(title, to_ask, report)
    asked = trimmed = empty = done = put_off = 0
    given_up: Interrupted | None = None
    while waiting:
        chunk = waiting.popleft()
        left, lease = _claim(leases, listing, missing, chunk)
        if left and lease is None:
            if not wait:
                report(f"{title}: another job is asking the rest")
                break
            waiting.append(chunk)
            put_off += 1
            if put_off == len(waiting):
                time.sleep(SECONDS_BETWEEN_LOOKS)
                put_off = 0
            continue
        if lease is not None:
            try:
                answers = _ask_and_commit(store, settings, engine, [wanted[name] for name in left], lease)
            except Interrupted as stop:
                if not stop.is_of_single_requests:
                    raise
                given_up = given_up or stop
                answers = [answer for _, answer in stop.answered]
            asked += len(answers)
            trimmed += sum(answer.trimmed for answer in answers)
            empty += sum(answer.scores is None and not answer.text.strip() for answer in answers)
        put_off = 0
        done += len(chunk)
        progress.tell(done)
    if trimmed:
        report(f"{title}: {trimmed} questions were too long for the model and were shortened in the middle")
    if empty:
        report(
            f"{title}: {empty} of {asked} answers are empty and count as missing; they are not asked again. If there are many, "
            "check the prompt, the chat template and max_tokens (a reasoning model may run out of tokens before its answer), "
            "then raise answers_epoch to ask again"
        )
    if given_up is not None:
        raise given_up
    return FillCount(asked, len(wanted) - asked, trimmed, empty)


def _name(request: Request) -> str:
    """The name of an answer, as :func:`rgd.store.listing.joined` gives it."""
    return f"{request.query_key}:{request.draw}"


def _lacking(listing: Listing, wanted: Mapping[str, Request]) -> set[str]:
    """The names of the requests that have no answer."""
    requests = wanted.values()
    rows = listing.find([request.query_key for request in requests], [request.draw for request in requests])
    return {name for name, lacks in zip(wanted, rows.is_null().to_pylist(), strict=True) if lacks}


def _claim(leases: Leases, listing: Listing, missing: set[str], chunk: Sequence[str]) -> tuple[list[str], Lease | None]:
    """The requests of ``chunk`` left to ask, and a lease on them; None if nothing is left or another job is asking some.

    Leases are checked before the folder: a job commits before it releases its lease, so a request that is neither leased
    nor stored has been asked by nobody. Updates ``missing``.
    """
    with leases.claiming():
        held = leases.held()
        come = listing.refresh()
        missing.difference_update(joined(come["query_key"], come["draw"]).to_pylist())
        left = [name for name in chunk if name in missing]
        return left, leases.take(set(left)) if left and held.isdisjoint(left) else None


def _template(engine: Engine) -> dict[str, str]:
    """A hash of the chat template that the engine's own tokenizer applies; nothing if a server applies its own."""
    template = getattr(getattr(engine, "tokenizer", None), "chat_template", None)
    if not template:
        return {}
    text = template if isinstance(template, str) else json.dumps(template, sort_keys=True)
    return {"template": hashlib.sha256(text.encode()).hexdigest()[:20]}


def _ask_and_commit(
    store: Store, settings: AnswerSettings, engine: Engine, requests: Sequence[Request], lease: Lease
) -> list[Answer]:
    """Ask and store the answers, including those that came before a server stopped, which are paid for."""
    started = time.monotonic()

    def commit(answered: Sequence[Request], answers: Sequence[Answer]) -> None:
        provenance = dict(engine.provenance) | _template(engine)
        provenance["asked_at"] = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        provenance["seconds"] = round(time.monotonic() - started, 3)
        lease.give_room()
        store.commit(settings, answered, answers, provenance)

    # On SIGTERM a job still finishes its chunk, which is paid for, and commits it.
    with finishing(), lease:
        try:
            answers = (
                engine.score(requests) if settings.sampling is None else engine.generate(requests, settings.sampling)
            )
        except Interrupted as stop:
            if stop.answered:
                commit(*zip(*stop.answered, strict=True))
            raise
        commit(requests, answers)
    return answers


class _Progress:
    """Lines such as ``answers: 128 of 420, 12.3/s, 24 s left``, which read well on a terminal and in a log file."""

    def __init__(self, title: str, total: int, report: Callable[[str], None]) -> None:
        self.title, self.total, self.report = title, total, report
        self.started = self.told = time.monotonic()

    def tell(self, done: int) -> None:
        now = time.monotonic()
        if done < self.total and now - self.told < SECONDS_BETWEEN_REPORTS:
            return
        self.told = now
        rate = done / max(now - self.started, 1e-9)
        left = (self.total - done) / rate
        self.report(
            f"{self.title}: {done} of {self.total}, {rate:.1f}/s, "
            + (f"{left:.0f} s left" if left else f"done in {now - self.started:.0f} s")
        )
