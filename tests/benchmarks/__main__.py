"""Time routers at the paper's sizes beside plain baselines, on one core: ``make bench`` or ``python -m tests.benchmarks``.

A cell is fitting, routing and scoring one seed, with the reading and writing of Parquet. Finding the nearest training
queries, the training sets and the consensus are artifacts that routers share, and are timed once. The result goes to results/bench.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.benchmarks.sizes import MMLU_PRO, POOLS, SCALING, SIZES, SUPERGPQA, Size

ROOT = Path(__file__).parents[2]
RESULT = ROOT / "results" / "bench" / "latest.json"
ROUTERS = (
    "latent_truth",
    "cascal",
    "cascal_gt",
    "smoothie",
    "avengers",
    "knn",
    "llmrank_query_only",
    "benchmark_s3",
    "topk",
)
SCALED = ("latent_truth", "cascal", "smoothie", "avengers", "knn")
SHARED_STEPS, CELL_STEPS = ("neighbours", "train", "consensus"), ("fit", "route", "score")
WITH_BASELINE = ("neighbours", "cascal", "smoothie", "avengers", "knn")
NEEDS_ANSWERS = ("smoothie",)
# Seconds that a cell may take.
TARGETS = {
    ("latent_truth", "mmlu_pro"): 3,
    ("latent_truth", "members_10"): 6,
    ("latent_truth", "members_20"): 15,
    ("cascal", "mmlu_pro"): 3,
    ("cascal", "supergpqa"): 20,
    ("smoothie", "mmlu_pro"): 4,
    ("avengers", "mmlu_pro"): 4,
    ("knn", "mmlu_pro"): 4,
    ("llmrank_query_only", "mmlu_pro"): 20,
}
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "ARROW_NUM_THREADS")
HEADER = f"{'':20}{'size':>11}{'fit':>8}{'route':>8}{'score':>8}{'seconds':>9}{'of CPU':>8}{'baseline':>10}{'of CPU':>8}{'ratio':>8}{'peak MB':>9}{'of data':>9}{'target':>9}"


def measure(kind: str, folder: Path, size: Size, name: str, router: str = "-") -> dict[str, float]:
    """Seconds and peak memory of one thing, done in a process of its own with one thread.

    Raises:
        SystemExit: it failed; what it printed is shown.
    """
    command = [sys.executable, "-m", "tests.benchmarks.measure", kind, str(folder), size.name, name, router]
    environment = {
        **os.environ,
        **dict.fromkeys(THREADS, "1"),
        "PYTHONPATH": f"{ROOT / 'workflow_scripts'}{os.pathsep}{ROOT}",
    }
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{kind} {name} of {router} at {size.name} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def row(name: str, size: Size, steps: dict[str, dict[str, float]], baseline: dict[str, float] | None) -> dict[str, Any]:
    """A line of the result; a cell's steps are processes of their own, so that its peak is the largest of theirs."""
    seconds = sum(step["seconds"] for step in steps.values())
    return {
        "name": name,
        "size": size.name,
        "train": size.train,
        "test": size.test,
        "seconds": round(seconds, 3),
        "cpu_seconds": round(sum(step["cpu_seconds"] for step in steps.values()), 3),
        "baseline_seconds": None if baseline is None else round(baseline["seconds"], 3),
        "baseline_cpu_seconds": None if baseline is None else round(baseline["cpu_seconds"], 3),
        "ratio": None if baseline is None else round(baseline["seconds"] / seconds, 2),
        "peak_memory_mb": round(max(step["peak_memory_mb"] for step in steps.values()), 1),
        "embeddings_mb": round(embeddings_mb(name, size), 3),
        "target_seconds": TARGETS.get((name, size.name)),
        "steps": {step: round(found["seconds"], 3) for step, found in steps.items()},
    }


def embeddings_mb(name: str, size: Size) -> float:
    """Size of all embeddings that a cell reads, train and test: the answers' too where a router compares answers."""
    if name not in NEEDS_ANSWERS:
        return size.embeddings_mb
    return size.embeddings_mb * (1 + size.members * size.answer_dimension / size.dimension)


def line(found: dict[str, Any]) -> str:
    """A row of the table; for a shared step the time stands under seconds alone."""
    steps = "".join(f"{found['steps'][step]:8.2f}" if step in found["steps"] else f"{'':8}" for step in CELL_STEPS)
    baseline, target = f"{'':26}", ""
    if found["ratio"] is not None:
        baseline = f"{found['baseline_seconds']:10.2f}{found['baseline_cpu_seconds']:8.2f}{found['ratio']:7.1f}x"
    if found["target_seconds"] is not None:
        target = f"{found['target_seconds']}{'+' if found['seconds'] < found['target_seconds'] else '-'}"
    share = found["peak_memory_mb"] / found["embeddings_mb"]
    seconds, peak = (
        f"{found['seconds']:9.2f}{found['cpu_seconds']:8.2f}",
        f"{found['peak_memory_mb']:9.0f}{share:8.2f}x",
    )
    return f"{found['name']:20}{found['size']:>11}{steps}{seconds}{baseline}{peak}{target:>9}"


def bench(size: Size, routers: tuple[str, ...], with_baselines: bool, folder: Path) -> list[dict[str, Any]]:
    """Measure what the routers share and their cells at one size; prints each row as it is known."""
    measure("world", folder, size, "answers" if set(routers) & set(NEEDS_ANSWERS) else "plain")
    rows = []
    for name in (*SHARED_STEPS, *routers):
        steps = {name: "-"} if name in SHARED_STEPS else dict.fromkeys(CELL_STEPS, name)
        found = {step: measure("step", folder, size, step, router) for step, router in steps.items()}
        plain = with_baselines and name in WITH_BASELINE
        baseline = measure("baseline", folder, size, name) if plain else None
        rows.append(row(name, size, found, baseline))
        print(line(rows[-1]), flush=True)
    return rows


def growth(rows: list[dict[str, Any]]) -> list[str]:
    """How each time grows with the training queries, beside how they grow: since the first size, since the one before."""
    lines = []
    for name in dict.fromkeys(found["name"] for found in rows):
        mine = [found for found in rows if found["name"] == name]
        times = [
            f"{found['train'] / mine[0]['train']:.0f}x: {found['seconds'] / mine[0]['seconds']:.1f}" for found in mine
        ]
        steps = [f"{after['seconds'] / before['seconds']:.1f}" for before, after in pairwise(mine)]
        lines.append(f"{name:20}{'   '.join(times)}   (from size to size {', '.join(steps)})")
    return lines


def main() -> None:
    """Run the whole bench, or the sizes and routers asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument(
        "--sizes",
        nargs="+",
        choices=SIZES,
        help="default: mmlu_pro, supergpqa for cascal, and larger pools for latent_truth",
    )
    parser.add_argument(
        "--routers", nargs="+", metavar="ROUTER", help=f"files of config/router; default: {', '.join(ROUTERS)}"
    )
    parser.add_argument("--no-baselines", action="store_true", help="time the workflow alone")
    parser.add_argument("--no-scaling", action="store_true", help="leave out the growth with training queries")
    options = parser.parse_args()
    routers = tuple(options.routers or ROUTERS)
    missing = [name for name in routers if not (ROOT / "config" / "router" / f"{name}.yaml").exists()]
    if options.routers and missing:
        sys.exit(f"config/router has no {', '.join(missing)}")
    routers = tuple(name for name in routers if name not in missing)
    plan = [(SIZES[name], routers) for name in options.sizes or ()]
    if not plan:
        plan = [(MMLU_PRO, routers), (SUPERGPQA, tuple(name for name in routers if name == "cascal"))]
        plan += [(size, ("latent_truth",)) for size in POOLS if "latent_truth" in routers]
    print(HEADER, flush=True)
    rows = []
    for size, chosen in plan:
        with tempfile.TemporaryDirectory(prefix="rgd-bench-") as folder:
            rows += bench(size, chosen, not options.no_baselines, Path(folder))
    if not options.no_scaling and not options.sizes:
        scaling = []
        for size in SCALING:
            with tempfile.TemporaryDirectory(prefix="rgd-bench-") as folder:
                scaling += bench(size, tuple(name for name in routers if name in SCALED), False, Path(folder))
        print("\nSeconds against training queries, both by those of the smallest:", *growth(scaling), sep="\n")
        rows += scaling
    if options.sizes == ["tiny"]:
        return
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(rows, indent=2) + "\n")
    print(
        f"\n{RESULT.relative_to(ROOT)}; on one core, seconds above the imports, peak of one process above the imports; +: within the target"
    )


if __name__ == "__main__":
    main()
