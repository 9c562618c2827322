"""Asking what the store lacks, chunk by chunk, with progress."""

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
# Between two looks at what other jobs are asking, when everything that is left is being asked by them.
SECONDS_BETWEEN_LOOKS = 0.5


@dataclass(frozen=True)
class FillCount:
    """What a fill did, in answers: ``asked`` by it, ``stored`` or left to another job; of those asked ``trimmed`` lost
    text of their question, and ``empty`` came without a text."""

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

    The list is cut into chunks of ``chunk_size`` before what is stored is subtracted, so a run that was interrupted
    asks the same chunks again as one that was not, and gives the same bytes. A chunk is asked, then committed: an
    interruption at any moment loses the chunk in flight and nothing else, and SIGTERM waits until it is committed. Jobs
    that ask the same at once share the work: what another job is asking is put off, and found answered later, or asked
    here should that job have died.

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
    wanted = {_name(request): request for request in requests}
    listing = Listing(store.folder(settings))
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
    # Before the first lease: what an engine forks would keep a lease's lock beyond the end of this process.
    engine = open_engine()
    progress = _Progress(title, to_ask, report)
    asked = trimmed = empty = done = put_off = 0
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
            answers = _ask_and_commit(store, settings, engine, [wanted[name] for name in left], lease)
            asked += len(left)
            trimmed += sum(answer.trimmed for answer in answers)
            empty += sum(answer.scores is None and not answer.text.strip() for answer in answers)
        put_off = 0
        done += len(chunk)
        progress.tell(done)
    if trimmed:
        report(f"{title}: {trimmed} questions were too long for the model and lost text from their middle")
    if empty:
        report(
            f"{title}: {empty} of {asked} answers are empty, and stay so: they count as missing. Should they be many, look at the "
            "prompt, the chat template and max_tokens (a model that thinks may not come to its answer), then raise "
            "answers_epoch to ask again"
        )
    return FillCount(asked, len(wanted) - asked, trimmed, empty)


def _name(request: Request) -> str:
    """As :func:`rgd.store.listing.joined` names an answer."""
    return f"{request.query_key}:{request.draw}"


def _lacking(listing: Listing, wanted: Mapping[str, Request]) -> set[str]:
    """The names of the requests that have no answer."""
    requests = wanted.values()
    rows = listing.find([request.query_key for request in requests], [request.draw for request in requests])
    return {name for name, lacks in zip(wanted, rows.is_null().to_pylist(), strict=True) if lacks}


def _claim(leases: Leases, listing: Listing, missing: set[str], chunk: Sequence[str]) -> tuple[list[str], Lease | None]:
    """What is left to ask of ``chunk``, and a lease on it: None where nothing is left or another job is asking some.

    The other leases are looked at before the folder is: a job commits before it gives its lease back, so what is neither
    held nor in the folder has been asked by nobody. ``missing`` is brought up to date.
    """
    with leases.claiming():
        held = leases.held()
        come = listing.refresh()
        missing.difference_update(joined(come["query_key"], come["draw"]).to_pylist())
        left = [name for name in chunk if name in missing]
        return left, leases.take(set(left)) if left and held.isdisjoint(left) else None


def _template(engine: Engine) -> dict[str, str]:
    """A hash of the chat template that the engine's own tokenizer applies; nothing where a server applies its own."""
    template = getattr(getattr(engine, "tokenizer", None), "chat_template", None)
    if not template:
        return {}
    text = template if isinstance(template, str) else json.dumps(template, sort_keys=True)
    return {"template": hashlib.sha256(text.encode()).hexdigest()[:20]}


def _ask_and_commit(
    store: Store, settings: AnswerSettings, engine: Engine, requests: Sequence[Request], lease: Lease
) -> list[Answer]:
    """Ask and keep what comes, also where a server stops in the middle: what it has answered is paid for."""
    started = time.monotonic()

    def commit(answered: Sequence[Request], answers: Sequence[Answer]) -> None:
        provenance = dict(engine.provenance) | _template(engine)
        provenance["asked_at"] = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        provenance["seconds"] = round(time.monotonic() - started, 3)
        lease.give_room()
        store.commit(settings, answered, answers, provenance)

    # Told to end, a job still finishes its chunk, which is paid for, and commits it.
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
