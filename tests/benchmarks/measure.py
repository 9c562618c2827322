"""One measurement, in a process of its own: ``python -m tests.benchmarks.measure ARGUMENTS`` prints it as JSON.

The clock runs, and memory counts, from after the imports; the process is small before, so that the peak is the work's.
"""

import importlib
import json
import os
import resource
import sys
import time
from pathlib import Path

LIBRARIES = (
    "numpy",
    "pyarrow.compute",
    "pyarrow.dataset",
    "pyarrow.parquet",
    "rgd.artifacts.provenance",
    "rgd.scoring.cells",
    "rgd.datasets.splits",
    "rgd.routing.training",
)


def peak_bytes() -> int:
    """The most memory this process has held (ru_maxrss: kilobytes on Linux, bytes on macOS)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def main(kind: str, folder: str, size: str, name: str, router: str) -> None:
    """Do one thing and print its seconds, its processor's seconds, and its peak memory above the imports in MB.

    Args:
        kind: ``world`` (write a benchmark), ``step`` (run a script) or ``baseline``.
        folder: of the benchmark.
        size: its size.
        name: of the step or baseline; for a world ``answers`` if answers' embeddings are wanted.
        router: whose step it is, or ``-``.
    """
    from tests.benchmarks.baselines import run_baseline
    from tests.benchmarks.layout import Layout
    from tests.benchmarks.sizes import SIZES
    from tests.benchmarks.steps import job, router_settings, run_script
    from tests.benchmarks.world import write_world

    for library in LIBRARIES:
        importlib.import_module(library)
    members = Layout.members(SIZES[size].members)
    if kind == "step":
        if router != "-" and router_settings(router)["method"] == "llmrank":
            importlib.import_module("torch")
        work = job(name, None if router == "-" else router, members, Path(folder))
        for path in work.output:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
    elif kind == "baseline":
        importlib.import_module("sklearn.cluster")
        importlib.import_module("sklearn.metrics")
    os.chdir(folder)
    before, start, cpu_start = peak_bytes(), time.perf_counter(), time.process_time()
    if kind == "world":
        write_world(SIZES[size], Path(), answers_too=name == "answers")
    elif kind == "step":
        run_script(name, work)
    else:
        run_baseline(name, members)
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    peak = (peak_bytes() - before) / 1e6
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_memory_mb": peak}))


if __name__ == "__main__":
    main(*sys.argv[1:])
