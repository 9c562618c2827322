"""What a routing job costs beside its work: ``python -m tests.benchmarks.overhead``.

A small synthetic experiment is made once; then its routes and cells are deleted and made again, one job at a time. Of a job's
time, its benchmark file tells what its process took; the rest is Snakemake's between jobs. What the process spends on its
imports is told by processes that do nothing else, the least of several times. The result goes to results/bench/overhead.json.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.sweep import GENERATORS, ROOT, Sweep, environment, write_inputs, write_project

RESULT = ROOT / "results" / "bench" / "overhead.json"
TARGET_SECONDS = 0.3
ROUTERS = ("cascal", "cascal_gt", "avengers", "knn", "topk", "majority")
# Of the first dataset and the real scenario.
SIZES = {
    "full": Sweep(("mmlu_pro",), GENERATORS[:1], ("large", "small"), ROUTERS, 0.02),
    "tiny": Sweep(("bbeh",), GENERATORS[:1], ("large",), ("topk",), 0.02),
}
REPEATS = 5
# What a script of a routing job imports, in the order in which it does.
IMPORTS = {
    "Python starts": "pass",
    "what Snakemake puts before a script": "from snakemake import script",
    "numpy, pyarrow": "import numpy, pyarrow.parquet",
    "this project's modules": "import _job, rgd.artifacts.files, rgd.routers, rgd.artifacts.schemas, rgd.scoring.cells, rgd.routing.training",
}


def start_seconds(folder: Path, statement: str) -> float:
    """The least wall time of a process that executes the statement alone."""
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", statement], env=environment(folder), check=True)
        times.append(time.perf_counter() - began)
    return min(times)


def import_seconds(folder: Path) -> dict[str, float]:
    """What each group of imports adds to those before it."""
    added, statements, before = {}, "pass", 0.0
    for name, statement in IMPORTS.items():
        statements = f"{statements}; {statement}"
        seconds = start_seconds(folder, statements)
        added[name], before = max(0.0, seconds - before), seconds
    return added


def run(folder: Path, cells: list[str], *options: str) -> float:
    """Seconds of one invocation of Snakemake on one core.

    Raises:
        SystemExit: it failed; what it printed is shown.
    """
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *options, *cells, "--config", "experiment=sweep"]
    began = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return time.perf_counter() - began


def process_seconds(results: Path, rules: tuple[str, ...]) -> list[float]:
    """What the jobs' own processes took, from their benchmark files."""
    files = [file for rule in rules for file in (results / "benchmarks" / rule).rglob("*.jsonl")]
    return [json.loads(file.read_text().splitlines()[-1])["s"] for file in files]


def measure(folder: Path, sweep: Sweep) -> dict[str, object]:
    """The parts of a routing job's time in seconds, the mean over all jobs."""
    write_project(folder, sweep)
    write_inputs(folder / "results", sweep)
    results = folder / "results"
    cells = [
        f"results/cells/{sweep.datasets[0]}/real/{pool}/{router}.parquet"
        for pool in sweep.pools
        for router in sweep.routers
    ]
    run(folder, cells)
    for made in ("routes", "cells"):
        shutil.rmtree(results / made)
    laid_out = run(folder, cells, "--dry-run")
    for rule in ("route", "score"):
        shutil.rmtree(results / "benchmarks" / rule)
    whole = run(folder, cells)
    own = process_seconds(results, ("route", "score"))
    imports = import_seconds(folder)
    per_job, process = (whole - laid_out) / len(own), sum(own) / len(own)
    starts = ("Python starts", "what Snakemake puts before a script")
    parts = {
        "Snakemake between jobs": per_job - process,
        **imports,
        "the job's work, its log and provenance": process - sum(imports.values()),
    }
    return {
        "jobs": len(own),
        "seconds_per_job": round(per_job, 3),
        "overhead_seconds": round(per_job - process + sum(imports[name] for name in starts), 3),
        "target_seconds": TARGET_SECONDS,
        "parts": {name: round(seconds, 3) for name, seconds in parts.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.overhead", description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="full", help="tiny takes a minute and keeps no result")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rgd-overhead-") as name:
        found = measure(Path(name), SIZES[options.size])
    if options.size == "tiny":
        print(json.dumps(found, indent=2))
        return
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
