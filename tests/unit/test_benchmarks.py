"""The benchmarks run: at their tiny size, in a minute, which says nothing about speed."""

import os
import subprocess
import sys

import pytest

from tests import ROOT

COMMANDS = {
    "routers": ["tests.benchmarks", "--sizes", "tiny", "--no-scaling"],
    **{
        name: [f"tests.benchmarks.{name}", "--size", "tiny"]
        for name in ("store", "inference", "dag", "overhead", "sweep")
    },
}
pytestmark = [pytest.mark.slow, pytest.mark.ci]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_benchmark_runs_at_its_tiny_size(name: str) -> None:
    results = ROOT / "results/bench"
    before = {path: path.stat().st_mtime_ns for path in results.glob("*")}
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "workflow_scripts"), str(ROOT)])}
    done = subprocess.run(
        [sys.executable, "-m", *COMMANDS[name]], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert {path: path.stat().st_mtime_ns for path in results.glob("*")} == before
