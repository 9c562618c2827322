"""The store under real processes: killed at any moment, many at once, compacted while they ask, on a disk that fills."""

import contextlib
import os
import random
import resource
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from rgd.errors import UserError
from rgd.store import chunks, upkeep
from rgd.store.answers import Store
from rgd.store.listing import Listing
from tests.file_systems import KINDS, fill, mounted
from tests.store_world import SETTINGS, CountingEngine, ask, calls, job, name, questions, texts

KILLS = 56
CHUNK = 4
QUESTIONS = 1800


@pytest.fixture(params=KINDS)
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A folder on each kind of file system."""
    with mounted(request.param, tmp_path / "disk", 64 * 1024) as folder:
        yield folder


def committed(store: Store) -> dict[str, str]:
    """The text of every answer, by name, read file by file: the first file by name counts."""
    found: dict[str, str] = {}
    folder = store.folder(SETTINGS)
    for file in chunks.names(folder):
        table = pq.read_table(folder / file, columns=["query_key", "draw", "text"]).to_pydict()
        for key, draw, text in zip(table["query_key"], table["draw"], table["text"], strict=True):
            found.setdefault(f"{key}:{draw}", text)
    return found


def ended(running: "subprocess.Popen[str]") -> str:
    """Wait for a job to end well; what it said."""
    _, said = running.communicate(timeout=300)
    assert running.returncode == 0, said
    return said


@pytest.mark.slow
def test_killed_at_any_moment_and_started_again(disk: Path) -> None:
    """At least 50 kills of the process group, at least 40 of them between the first and the last answer."""
    moments = random.Random(0)
    store, counter = Store(disk / "store"), disk / "asked"
    before: dict[str, str] = {}
    bytes_before: dict[str, bytes] = {}
    in_flight: list[int] = []
    within = 0
    for kill in range(KILLS):
        lines = len(list(calls(counter)))
        running = job(store.root, counter, QUESTIONS, chunk_size=CHUNK, seconds=0.003, long_tailed=True)
        # Every eighth is killed while it starts, the others some chunks after they have begun to ask.
        if kill % 8 == 7:
            time.sleep(moments.uniform(0, 1.0))
        else:
            deadline = time.monotonic() + 120
            while len(list(calls(counter))) == lines and running.poll() is None and time.monotonic() < deadline:
                time.sleep(0.002)
            time.sleep(moments.uniform(0, 0.15))
        assert running.poll() is None, "there are too few questions for so many kills"
        os.killpg(running.pid, signal.SIGKILL)
        running.communicate()
        kept = committed(store)
        within += 0 < len(kept) < QUESTIONS
        assert before.items() <= kept.items(), "a committed answer was lost"
        files = {file: (store.folder(SETTINGS) / file).read_bytes() for file in chunks.names(store.folder(SETTINGS))}
        assert bytes_before.items() <= files.items(), "a committed chunk was written anew"
        mine = [names for process, names in list(calls(counter))[lines:] if process == running.pid]
        asked = [asked_name for names in mine for asked_name in names]
        assert not before.keys() & set(asked), "what was committed was asked again"
        assert len(asked) == len(set(asked))
        # All that was asked is kept, but for the window in flight, and what came since the last commit.
        lost = [asked_name for asked_name in asked if asked_name not in kept]
        assert len(lost) <= CHUNK + CHUNK
        in_flight.append(len(lost))
        before, bytes_before = kept, files
    assert KILLS >= 50
    assert within >= 40
    ended(job(store.root, counter, QUESTIONS, chunk_size=CHUNK, long_tailed=True))
    times_asked = Counter(asked_name for _, names in calls(counter) for asked_name in names)
    assert set(times_asked) == {name(request) for request in questions(QUESTIONS)}
    assert sum(times_asked.values()) == QUESTIONS + sum(in_flight)
    assert max(in_flight) > CHUNK
    kept = committed(store)
    assert before.items() <= kept.items()
    requests = questions(QUESTIONS)
    assert texts(store, requests) == [kept[name(request)] for request in requests]
    whole = Store(disk / "whole")
    ask(whole, requests, CountingEngine(), chunk_size=CHUNK)
    keys = [request.query_key for request in requests]
    assert store.read(SETTINGS, keys).equals(whole.read(SETTINGS, keys))
    done = upkeep.compact(store.folder(SETTINGS))
    assert done.after == 1
    assert store.read(SETTINGS, keys).equals(whole.read(SETTINGS, keys))
    found = upkeep.verify(store.root)
    assert (found.answers, found.duplicates, found.damaged) == (QUESTIONS, 0, [])


@pytest.mark.slow
def test_several_jobs_on_the_same_and_on_overlapping_sets_ask_nothing_twice(disk: Path) -> None:
    store, counter = Store(disk / "store"), disk / "asked"
    spans = [(0, 120), (0, 120), (60, 200), (0, 200), (150, 160)]
    running = [
        job(store.root, counter, last, first=first, chunk_size=size, seconds=0.02)
        for (first, last), size in zip(spans, (4, 4, 6, 10, 3), strict=True)
    ]
    for one in running:
        ended(one)
    asked = Counter(asked_name for _, names in calls(counter) for asked_name in names)
    assert asked == Counter(name(request) for request in questions(200))
    assert len({process for process, _ in calls(counter)}) > 1
    assert texts(store, questions(200)) == [f"to q{i} 0" for i in range(200)]


@pytest.mark.slow
def test_what_a_killed_job_held_is_asked_by_the_one_that_waits(disk: Path) -> None:
    store, counter = Store(disk / "store"), disk / "asked"
    hanging = job(store.root, counter, 4, seconds=600)
    while not list(calls(counter)):
        time.sleep(0.01)
    waiting = job(store.root, counter, 4)
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.communicate(timeout=4)
    assert len(list(calls(counter))) == 1
    os.killpg(hanging.pid, signal.SIGKILL)
    hanging.communicate()
    ended(waiting)
    assert [process for process, _ in calls(counter)] == [hanging.pid, waiting.pid]
    assert texts(store, questions(4)) == [f"to q{i} 0" for i in range(4)]
    assert upkeep.verify(store.root).left_over == []


@pytest.mark.slow
def test_compacted_while_jobs_ask_and_read(disk: Path) -> None:
    """Readers always find what was there once, with the same text, and nothing is asked twice."""
    store, counter = Store(disk / "store"), disk / "asked"
    folder = store.prepare(SETTINGS)
    running = [
        job(store.root, counter, 240, seconds=0.02),
        job(store.root, counter, 200, first=40, chunk_size=3, seconds=0.02),
    ]
    stop, failures, rounds = threading.Event(), [], Counter()

    def repeat(action, kind):
        while not stop.is_set():
            try:
                action()
            except Exception as error:  # noqa: BLE001
                failures.append(f"{kind}: {error!r}")
                return
            rounds[kind] += 1

    seen: set[str] = set()
    by_key = {request.query_key: request for request in questions(240)}

    def read():
        now = Listing(folder).table()["query_key"].to_pylist()
        assert seen <= set(now)
        seen.update(now)
        requests = [by_key[key] for key in seen]
        assert texts(store, requests) == [f"to {request.question} 0" for request in requests]

    def compact():
        upkeep.compact(folder, 64)
        time.sleep(0.05)

    threads = [threading.Thread(target=repeat, args=pair) for pair in ((read, "read"), (compact, "compact"))]
    for thread in threads:
        thread.start()
    try:
        for one in running:
            ended(one)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []
    assert min(rounds["read"], rounds["compact"]) >= 3
    asked = Counter(asked_name for _, names in calls(counter) for asked_name in names)
    assert asked == Counter(name(request) for request in questions(240))
    assert texts(store, questions(240)) == [f"to q{i} 0" for i in range(240)]
    upkeep.compact(folder)
    assert upkeep.verify(store.root) == upkeep.Findings(files=1, answers=240)


def wordy(length: int) -> CountingEngine:
    """Answers that compression does not make smaller."""
    return CountingEngine(text=lambda request: random.Random(request.question).randbytes(length).hex())


@pytest.mark.parametrize("kind", KINDS)
def test_a_disk_that_fills_up_is_one_message_and_the_next_run_goes_on(tmp_path: Path, kind: str) -> None:
    with mounted(kind, tmp_path / "disk", 16 * 1024) as disk:
        ballast = fill(disk, 256)
        store, engine = Store(disk / "store"), wordy(3000)
        with pytest.raises(UserError, match=r"cannot write .*free space, then run the same command again"):
            ask(store, questions(60), engine)
        kept = committed(store)
        # The room for a chunk's answers is kept before it is asked, so what was asked for is there.
        assert kept.keys() == set(engine.asked())
        assert 0 < len(kept) < 60
        found = upkeep.verify(store.root)
        assert (found.answers, found.damaged, found.left_over) == (len(kept), [], [])
        again = wordy(3000)
        with pytest.raises(UserError, match="free space"):
            ask(store, questions(60), again)
        assert again.asked() == []
        # What is there can be read and handed on; a compaction needs room, and leaves everything as it is.
        files = chunks.names(store.folder(SETTINGS))
        with pytest.raises(UserError, match="free space"):
            upkeep.compact(store.folder(SETTINGS))
        assert chunks.names(store.folder(SETTINGS)) == files
        ballast.unlink()
        later = wordy(3000)
        ask(store, questions(60), later)
        assert not kept.keys() & set(later.asked())
        assert len(later.asked()) == 60 - len(kept)
        assert committed(store).items() >= kept.items()
        assert len(committed(store)) == 60
        assert upkeep.compact(store.folder(SETTINGS)).after == 1


@contextlib.contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """A limit of the system that fails the writing of larger files, as a full disk or a quota does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_chunk_that_cannot_be_written_whole_is_not_written(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    ask(store, questions(8), CountingEngine())
    kept = committed(store)
    with files_of_at_most(70_000), pytest.raises(UserError, match=r"cannot write .*parquet: .*free space"):
        ask(store, questions(12), wordy(30_000))
    assert committed(store) == kept
    assert upkeep.verify(store.root) == upkeep.Findings(files=2, answers=8)
    engine = wordy(30_000)
    ask(store, questions(12), engine)
    assert len(engine.asked()) == 4
