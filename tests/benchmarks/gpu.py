"""What is to be known of a machine with a GPU: ``python -m tests.benchmarks.gpu`` (make gpu-smoke).

The tests of the engines, each file in a process of its own; an experiment in small from questions to cells; and the
throughput of filling a store beside vLLM by hand, at the shape of a model of 8B parameters with random weights. It needs
the CUDA builds and a GPU of 40 GB or more, and neither network nor weights: all models are made here. The figures go to
results/bench/gpu.json, the throughput also to results/bench/inference.json. It fails if a test or the experiment does.
"""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.benchmarks.inference import RESULT as THROUGHPUT

ROOT = Path(__file__).parents[2]
RESULT = ROOT / "results" / "bench" / "gpu.json"


def machine() -> dict[str, Any]:
    """The GPU and the software.

    Raises:
        SystemExit: there is none.
    """
    import torch
    import vllm

    if not torch.cuda.is_available():
        sys.exit("no GPU here: torch.cuda is not available; nothing was tested.")
    query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    return {
        "gpus": subprocess.run(query, capture_output=True, text=True, check=True).stdout.splitlines(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "vllm": vllm.__version__,
        "python": platform.python_version(),
    }


def run_tests(_: argparse.Namespace) -> dict[str, Any]:
    """The exit status of each file of tests; 0 if all passed."""
    files = sorted((ROOT / "tests/gpu").glob("test_*.py"))
    started = time.monotonic()
    statuses = {
        file.name: subprocess.run(
            [sys.executable, "-m", "pytest", "-rfEs", str(file)], cwd=ROOT, check=False
        ).returncode
        for file in files
    }
    return {
        "files": statuses,
        "seconds": round(time.monotonic() - started, 1),
        "passed": not any(statuses.values()),
    }


def run_experiment(_: argparse.Namespace) -> dict[str, Any]:
    """The experiment, and whether all answers came from a GPU."""
    from tests.gpu import experiment

    with tempfile.TemporaryDirectory(prefix="rgd-gpu-") as place:
        try:
            found = experiment.run(Path(place), gpus=1)
        except RuntimeError as error:
            return {"error": str(error), "passed": False}
    return found | {"passed": found["devices"] == ["cuda"] and found["cells"] > 0}


def run_throughput(options: argparse.Namespace) -> dict[str, Any]:
    """The row of the inference bench with answers of a long-tailed length."""
    command = [sys.executable, "-m", "tests.benchmarks.inference", "--rows", "inference_long_tailed"]
    command += ["--rounds", str(options.rounds)]
    command += ["--requests", str(options.requests)] if options.requests else []
    if subprocess.run(command, cwd=ROOT, check=False).returncode:
        return {"passed": False}
    rows = json.loads(THROUGHPUT.read_text(encoding="utf-8"))
    return next(row for row in rows if row["name"] == "inference_long_tailed") | {"passed": True}


PARTS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "tests": run_tests,
    "experiment": run_experiment,
    "throughput": run_throughput,
}


def main() -> None:
    """Run all parts, or some; exit with 1 if one fails."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.gpu", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="default: all")
    parser.add_argument("--rounds", type=int, default=1, help="of the throughput; default: 1")
    parser.add_argument("--requests", type=int, help="of the throughput; default: those of the inference bench")
    options = parser.parse_args()
    kept = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
    found = machine()
    # Figures of other parts stay, if they are of the same machine.
    found = (kept if all(kept.get(key) == value for key, value in found.items()) else {}) | found
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    for name in options.parts:
        print(f"{name} ...", flush=True)
        found[name] = PARTS[name](options)
        print(json.dumps(found[name], indent=2), flush=True)
        RESULT.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    failed = [name for name in options.parts if not found[name]["passed"]]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
