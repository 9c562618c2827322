"""Asking what the store lacks, chunk by chunk, with progress."""

import datetime
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rgd.engines.base import Answer, Engine, Request
from rgd.store.answers import AnswerSettings, Store, chunk_key

SECONDS_BETWEEN_REPORTS = 5.0


@dataclass(frozen=True)
class FillCount:
    """What a fill did, in answers: ``asked`` by it, ``stored`` or left to another job; ``trimmed`` of those asked lost text."""

    asked: int
    stored: int
    trimmed: int


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

    The list is cut into chunks of ``chunk_size`` before what is stored is subtracted, so a run that was interrupted
    asks the same chunks again as one that was not, and gives the same bytes. A chunk is asked, then committed: an
    interruption at any moment loses the chunk in flight and nothing else. A second job that asks the same waits at the
    chunk the first one is asking, and finds it answered.

    Args:
        store: where the answers go.
        settings: what is asked under.
        requests: everything that shall be answered; repetitions are asked once.
        open_engine: gives the engine (see :func:`rgd.engines.lazy_engine`); called only if something is missing.
        chunk_size: requests asked and committed at a time.
        report: told of the progress, at most every few seconds.
        title: what the progress lines are about.
        wait: False leaves everything from the first chunk that another job is asking to that job.

    Raises:
        UserError: from the engine, a damaged chunk, or a store that cannot be written.
    """
    import filelock

    wanted = {(request.query_key, request.draw): request for request in requests}
    answered = store.answered(settings)
    order = list(wanted.items())
    chunks = [
        [request for key, request in order[start : start + chunk_size] if key not in answered]
        for start in range(0, len(order), chunk_size)
    ]
    chunks = [chunk for chunk in chunks if chunk]
    missing = sum(len(chunk) for chunk in chunks)
    if not chunks:
        report(f"{title}: all {len(order)} are in the store")
        return FillCount(0, len(order), 0)
    report(f"{title}: {missing} of {len(order)} to ask, {len(order) - missing} in the store")
    folder = store.prepare(settings)
    engine = open_engine()
    progress = _Progress(title, missing, report)
    asked = trimmed = done = 0
    for chunk in chunks:
        lease = folder / f".{chunk_key(chunk)}.lease"
        try:
            held = filelock.FileLock(lease).acquire(timeout=-1 if wait else 0)
        except filelock.Timeout:
            report(f"{title}: another job is asking the rest")
            break
        with held:
            if not (folder / f"{chunk_key(chunk)}.parquet").exists():
                started = time.monotonic()
                answers = _ask(engine, settings, chunk)
                provenance = dict(engine.provenance) | {
                    "asked_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
                    "seconds": round(time.monotonic() - started, 3),
                }
                store.commit(settings, chunk, answers, provenance)
                asked += len(chunk)
                trimmed += sum(answer.trimmed for answer in answers)
            lease.unlink(missing_ok=True)
        done += len(chunk)
        progress.tell(done)
    if trimmed:
        report(f"{title}: {trimmed} questions were too long for the model and lost text from their middle")
    return FillCount(asked, len(order) - asked, trimmed)


def _ask(engine: Engine, settings: AnswerSettings, chunk: Sequence[Request]) -> list[Answer]:
    if settings.sampling is None:
        return engine.score(chunk)
    return engine.generate(chunk, settings.sampling)


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
