"""Time asking through an engine and the store beside the same requests sent by hand: ``python -m tests.benchmarks.inference``.

Each row fills an empty store, and does by hand what a short script would: ``inference`` with a batch of prompts in vLLM,
``inference_long_tailed`` with answers of a long-tailed length in vLLM, all requests at once, and ``inference_server`` with
a server whose latencies are long-tailed. Both sides have the same requests, seeds and settings, each side of each round is
a process of its own, by turns, and the medians count. The clock runs from the loaded model to the last answer kept.
Nothing is fetched. The rows go to results/bench/inference.json; those of a row that was not run stay as they are.
"""

import argparse
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.benchmarks.inference_work import Work, works

ROOT = Path(__file__).parents[2]
RESULT = ROOT / "results" / "bench" / "inference.json"
SIDES = ("engine", "by hand")
ROUNDS = {"full": 5, "tiny": 1}
TARGET_RATIO, TARGET_STORE_SHARE = 0.95, 0.02
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "ARROW_NUM_THREADS")


def side_functions(work: Work) -> dict[str, Callable[[Work], dict[str, float]]]:
    """What each side does."""
    from tests.benchmarks import inference_server, inference_vllm

    module: Any = inference_server if work.address else inference_vllm
    return dict(zip(SIDES, (module.answer_with_engine, module.answer_by_hand), strict=True))


def measure(side: str, work: Work) -> dict[str, float]:
    """One side, in a process of its own with one thread; its peak memory is that of the process.

    Raises:
        SystemExit: it failed; what it printed is shown.
    """
    command = [sys.executable, "-m", "tests.benchmarks.inference", "--side", side, "--work", json.dumps(work.content())]
    environment = {
        **os.environ,
        **dict.fromkeys(THREADS, "1"),
        "PYTHONPATH": os.pathsep.join([str(ROOT / "workflow_scripts"), str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{work.name}, {side}, failed:\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def bench(work: Work, rounds: int) -> dict[str, Any]:
    """Both sides by turns; the row of the result."""
    found: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    with running(work) as ready:
        for number in range(rounds):
            # Which side goes first changes, so that neither always has the machine as the other left it.
            for side in SIDES if number % 2 == 0 else reversed(SIDES):
                found[side].append(measure(side, ready))
                last = found[side][-1]
                print(
                    f"{work.name}, {side:8}{last['seconds']:8.2f} s{last['cpu_seconds']:8.2f} s of CPU"
                    f"{last['tokens']:9.0f} tokens",
                    flush=True,
                )
    ours, theirs = (
        {key: statistics.median(one[key] for one in found[side]) for key in found[side][0]} for side in SIDES
    )

    def ratio(clock: str) -> float:
        return round((ours["tokens"] / ours[clock]) / (theirs["tokens"] / theirs[clock]), 3)

    return {
        "name": work.name,
        "size": work.size,
        "device": work.device,
        "seconds": round(ours["seconds"], 3),
        "baseline_seconds": round(theirs["seconds"], 3),
        "ratio": ratio("seconds"),
        "cpu_seconds": round(ours["cpu_seconds"], 3),
        "baseline_cpu_seconds": round(theirs["cpu_seconds"], 3),
        "cpu_ratio": ratio("cpu_seconds"),
        "target_ratio": TARGET_RATIO,
        "peak_memory_mb": round(ours["peak_memory_mb"], 1),
        "baseline_peak_memory_mb": round(theirs["peak_memory_mb"], 1),
        "requests": work.requests,
        "tokens": round(ours["tokens"]),
        "tokens_per_second": round(ours["tokens"] / ours["seconds"], 1),
        "baseline_tokens_per_second": round(theirs["tokens"] / theirs["seconds"], 1),
        "store_share": round(ours["store_seconds"] / ours["seconds"], 5),
        "target_store_share": TARGET_STORE_SHARE,
        "same_texts": all(one["letters"] == ours["letters"] for side in SIDES for one in found[side]),
        "rounds": [[round(one["seconds"], 3) for one in found[side]] for side in SIDES],
    }


@contextmanager
def running(work: Work) -> Iterator[Work]:
    """The work with its server running, if it has one."""
    if work.address is None:
        yield work
        return
    from tests.benchmarks.inference_server import serving

    with serving() as address:
        yield dataclasses.replace(work, address=address)


def line(row: dict[str, Any]) -> str:
    """The row for people."""
    fast = "+" if row["ratio"] >= row["target_ratio"] else "-"
    small = "+" if row["store_share"] < row["target_store_share"] else "-"
    return (
        f"{row['name']} on {row['device']}, {row['size']}: {row['seconds']:.2f} s, by hand {row['baseline_seconds']:.2f} s, "
        f"ratio {row['ratio']:.3f} (target {row['target_ratio']}{fast}), by CPU-seconds {row['cpu_ratio']:.3f}; "
        f"{row['tokens_per_second']:.0f} tokens/s; the store takes {100 * row['store_share']:.2f} % of it (target below "
        f"{100 * row['target_store_share']:g} %{small}); {'the same' if row['same_texts'] else 'other'} texts on both sides"
    )


def keep(rows: list[dict[str, Any]], path: Path) -> None:
    """Write the rows, beside those of other names that were measured before."""
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    kept = {row["name"]: row for row in [*known, *rows]}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(list(kept.values()), indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Run the bench, or one side of it."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.inference", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    parser.add_argument("--long-tailed", action="store_true", help="the long-tailed rows besides the row inference")
    parser.add_argument("--rows", nargs="+", metavar="NAME", help="these rows alone")
    parser.add_argument("--model", type=Path, help="folder of another model in Hugging Face format, for vLLM's rows")
    parser.add_argument("--size", choices=ROUNDS, default="full", help="tiny takes seconds and keeps no result")
    parser.add_argument("--requests", type=int, help="default: by the row and the device")
    parser.add_argument("--rounds", type=int, help=f"default: {ROUNDS['full']}, tiny: {ROUNDS['tiny']}")
    options = parser.parse_args()
    if options.side:
        from tests.benchmarks.measure import peak_bytes

        work = Work(**json.loads(options.work))
        found = side_functions(work)[options.side](work)
        print(json.dumps(found | {"peak_memory_mb": peak_bytes() / 1e6}))
        return
    with tempfile.TemporaryDirectory(prefix="rgd-bench-") as place:
        offered = works(Path(place), is_tiny=options.size == "tiny", model=options.model, requests=options.requests)
        names = options.rows or (list(offered) if options.long_tailed or options.size == "tiny" else ["inference"])
        if unknown := set(names) - set(offered):
            parser.error(f"unknown rows {', '.join(sorted(unknown))}: the rows are {', '.join(offered)}")
        for name in names:
            row = bench(offered[name](), options.rounds or ROUNDS[options.size])
            print(line(row), flush=True)
            if options.size == "full":
                keep([row], RESULT)


if __name__ == "__main__":
    main()
