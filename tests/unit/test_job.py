"""The frame of every script: how a job ends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT

SCRIPTS = ROOT / "workflow_scripts"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("from rgd.errors import UserError; raise UserError('told')", 1),
        ("from rgd.store.batches import ToCollect; raise ToCollect('told')", 75),
        ("raise KeyboardInterrupt", 130),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", 143),
    ],
)
def test_a_job_ends_with_the_code_of_its_error_and_without_a_traceback(tmp_path: Path, error: str, code: int) -> None:
    script = f"""
from types import SimpleNamespace
from _job import running
with running(SimpleNamespace(log=[{str(tmp_path / "log")!r}], scriptdir={str(SCRIPTS)!r}, rule="ask")):
    {error}
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "log").read_text() == done.stderr
