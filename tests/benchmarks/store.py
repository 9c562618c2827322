"""Time the store with a million answers, on one core: ``python -m tests.benchmarks.store``.

*Listed and joined*: which of 20,000 queries are answered (``Store.answered``), then their answers (``Store.read``). *Overhead*: what filling adds to a chunk of 64, with an engine that takes no time. The
files are as a compaction leaves them; the last rows have the same in chunks of 256 and of 64, fewer of them, so that the
time of a file can be seen. The result goes to results/bench/store.json.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

ROOT = Path(__file__).parents[2]
RESULT = ROOT / "results" / "bench" / "store.json"
ANSWERS, WANTED = 1_000_000, 20_000
# Answers in the store and in a file, how many are wanted, and whether these were asked together or are spread over everything.
Case = tuple[int, int, int, bool]
SIZES: dict[str, list[Case]] = {
    "full": [
        (ANSWERS, 65_536, WANTED, False),
        (ANSWERS, 65_536, WANTED, True),
        (ANSWERS, 256, WANTED, False),
        (100_000, 64, WANTED, False),
    ],
    "tiny": [(1000, 256, 50, True)],
}
TARGET_SECONDS = 3.0
WORDS_OF_A_TEXT = 40
CHUNK, CHUNKS = 64, 20
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ARROW_NUM_THREADS")


def key(number: int) -> str:
    """The key of a made-up query."""
    return hashlib.sha256(str(number).encode()).hexdigest()


def build(root: Path, answers: int, in_a_file: int) -> Any:
    """A store of made-up answers; its settings."""
    import numpy as np
    import pyarrow as pa

    from rgd.store import chunks
    from rgd.store.answers import AnswerSettings, Store

    settings = AnswerSettings("0" * 64, "likelihood", "{question}", 4096)
    folder = Store(root).prepare(settings)
    rng = np.random.default_rng(0)
    words = [" ".join(f"word{rng.integers(5000)}" for _ in range(WORDS_OF_A_TEXT)) for _ in range(997)]
    provenance = json.dumps({"engine": "made up", "version": "1", "asked_at": "2026-01-01T00:00:00+00:00"})
    for start in range(0, answers, in_a_file):
        numbers = range(start, min(start + in_a_file, answers))
        n = len(numbers)
        keys = [key(number) for number in numbers]
        columns = [
            pa.array(keys),
            pa.array(np.zeros(n, np.int32)),
            pa.array([f"{words[number % 997]} {number}" for number in numbers]),
            pa.array([None] * n, pa.list_(pa.float32())),
            pa.array(rng.random(n, np.float32)),
            *(pa.array(rng.integers(1, 900, n, np.int32)) for _ in range(2)),
            pa.array(["stop"] * n),
            pa.array(np.zeros(n, bool)),
            pa.array(np.ones(n, np.int32)),
            pa.array(np.zeros(n)),
            pa.array([""] * n),
            pa.array([provenance] * n),
        ]
        # The first key is name enough here: hashing them all is no part of what is timed.
        chunks.write(folder / f"{keys[0][:20]}.parquet", pa.table(columns, schema=chunks.FILE_SCHEMA))
    return settings


def seconds_of(work: Callable[[], Any]) -> tuple[float, float]:
    """Seconds and CPU seconds of ``work``."""
    started, worked = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - started, time.process_time() - worked


def measure(answers: int, in_a_file: int, count: int, spread: bool) -> dict[str, Any]:
    """One case, in this process."""
    import resource

    import numpy as np
    import pyarrow as pa

    from rgd.engines.base import Answer, Engine, Message, Request, Sampling
    from rgd.store.answers import Store
    from rgd.store.fill import fill

    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    with tempfile.TemporaryDirectory(prefix="rgd-bench-store-") as folder:
        root = Path(folder)
        settings = build(root, answers, in_a_file)
        first = answers // 2
        numbers = np.random.default_rng(1).choice(answers, count, False) if spread else range(first, first + count)
        wanted = [key(int(number)) for number in numbers]
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        store = Store(root)
        answered = seconds_of(lambda: store.answered(settings, wanted))
        read = seconds_of(lambda: store.read(settings, wanted))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

        class Instant(Engine):
            provenance: ClassVar = {"engine": "instant"}
            at_once = window = CHUNK

            def __init__(self) -> None:
                self.added: list[Request] = []

            @property
            def in_flight(self) -> int:
                return len(self.added)

            def add(self, request: Request, sampling: Sampling | None) -> None:
                self.added.append(request)

            def step(self) -> list[tuple[Request, Answer]]:
                ended = [(request, Answer("x", -1.0, (-1.0,), 1, 1, "scored", False)) for request in self.added]
                self.added = []
                return ended

            def abandon(self) -> None:
                self.added = []

            def close(self) -> None:
                self.added = []

        requests = [Request((Message("user", f"new {number}"),)) for number in range(CHUNK * CHUNKS)]
        empty = Store(root / "empty")
        filling = seconds_of(lambda: fill(empty, settings, requests, Instant, CHUNK, lambda _: None))
        beside = seconds_of(lambda: fill(Store(root), settings, requests, Instant, CHUNK, lambda _: None))
        listing = seconds_of(lambda: Store(root).answered(settings, wanted[:1]))
    return {
        "answers": answers,
        "in_a_file": in_a_file,
        "wanted": "spread" if spread else "asked together",
        "answered_seconds": round(answered[0], 3),
        "read_seconds": round(read[0], 3),
        "seconds": round(answered[0] + read[0], 3),
        "cpu_seconds": round(answered[1] + read[1], 3),
        "target_seconds": TARGET_SECONDS if answers == ANSWERS else None,
        "more_memory_mb": round((peak - before) / 1024, 1),
        "chunk_overhead_ms": round(1000 * filling[0] / CHUNKS, 2),
        "chunk_overhead_beside_all_ms": round(1000 * max(0.0, beside[0] - listing[0]) / CHUNKS, 2),
    }


def line(found: dict[str, Any]) -> str:
    """A row of the table."""
    target = found["target_seconds"]
    verdict = "" if target is None else f"{target:7.0f}{'+' if found['seconds'] < target else '-'}"
    return (
        f"{found['answers']:>10,}{found['in_a_file']:>8}  {found['wanted']:<15}{found['answered_seconds']:>9.2f}"
        f"{found['read_seconds']:>7.2f}{found['seconds']:>9.2f}{found['cpu_seconds']:>7.2f}{found['more_memory_mb']:>9.0f}"
        f"{found['chunk_overhead_ms']:>10.1f}{found['chunk_overhead_beside_all_ms']:>8.1f}{verdict:>9}"
    )


HEADER = (
    f"{'answers':>10}{'a file':>8}  {'wanted':<15}{'answered':>9}{'read':>7}{'seconds':>9}{'cpu':>7}{'more MB':>9}"
    f"{'ms/chunk':>10}{'in full':>8}{'target':>9}"
)


def bench(cases: Sequence[Case]) -> list[dict[str, Any]]:
    """All cases, each in a process of its own with one thread; prints each row as it is known.

    Raises:
        SystemExit: one failed; what it printed is shown.
    """
    print(HEADER, flush=True)
    rows = []
    for case in cases:
        environment = {
            **os.environ,
            **dict.fromkeys(THREADS, "1"),
            "PYTHONPATH": f"{ROOT / 'workflow_scripts'}{os.pathsep}{ROOT}",
        }
        command = [sys.executable, "-m", "tests.benchmarks.store", "--case", json.dumps(case)]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"the store with {case} failed:\n{done.stderr}")
        rows.append(json.loads(done.stdout.splitlines()[-1]))
        print(line(rows[-1]), flush=True)
    return rows


def main() -> None:
    """Run the bench, or one case of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.store", description=__doc__)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--size", choices=SIZES, default="full", help="tiny takes seconds and keeps no result")
    options = parser.parse_args()
    if options.case:
        print(json.dumps(measure(*json.loads(options.case))))
        return
    rows = bench(SIZES[options.size])
    if options.size == "tiny":
        return
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
