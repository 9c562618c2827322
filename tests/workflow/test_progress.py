"""A run as one sees it: on a terminal, in a pipe, with failures, and stopped by Ctrl-C once and twice."""

import contextlib
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import ROOT

SNAKEFILE = """
from rgd.progress.run import Job, Run

onstart:
    manager = workflow.logger_manager
    for each in manager.get_log_handlers():
        jobs = {job.jobid: Job(job.jobid, job.rule.name, planned_s=3) for job in workflow.dag.needrun_jobs() if job.output}
        each.expect(Run("small", 2, True, jobs), next(iter(manager.get_logfile()), ""))

rule all:
    input: "0.txt", "1.txt", "2.txt"

rule fit:
    output: "{n}.txt"
    log: "logs/{n}.log"
    message: "Fitting {wildcards.n}"
    shell: "python3 job.py {wildcards.n} {output} {log}"
"""
JOB = """
import os, sys, time
print("words of a library", file=sys.stderr)
number, output, log = sys.argv[1:]
with open(log, "w", buffering=1) as file:
    print("started", os.getpid(), file=file)
    for step in range(int(os.environ.get("STEPS", "1"))):
        print(f"answers: {step} of 40, 10.0/s", file=file)
        time.sleep(0.1)
    if number == os.environ.get("ODD"):
        print("fit: the file X is odd", file=file)
        sys.exit(1)
    print("warning: a doubt about", number, file=file)
open(output, "w").close()
"""
# What moves a cursor, or returns to the beginning of the line.
STEERING = re.compile(r"\x1b\[[0-9;?]*[ABCDGHJKlh]|\r(?!\n)")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "job.py").write_text(JOB)
    return tmp_path


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "snakemake", "--cores", "2", "--keep-going", "--logger", "rgd", *arguments]


def environment(**more: str) -> dict[str, str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PYTHONPATH": str(ROOT / "workflow_scripts"), "PATH": path, "TERM": "xterm", **more}


def run(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        cwd=folder,
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def on_terminal(folder: Path, *ctrl_c: Path, **more: str) -> tuple[int, str]:
    """The exit code and the output of a run on a terminal, on which Ctrl-C is typed when files of jobs are there."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execvpe(sys.executable, command(), environment(**more))
    said, waiting, deadline = b"", list(ctrl_c), time.monotonic() + 120
    os.set_blocking(terminal, False)
    while time.monotonic() < deadline:
        if waiting and waiting[0].exists():
            os.write(terminal, b"\x03")
            waiting.pop(0)
            time.sleep(0.5)
        try:
            read = os.read(terminal, 65536)
        except BlockingIOError:
            time.sleep(0.05)
            continue
        except OSError:
            break
        if not read:
            break
        said += read
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said.decode()


def test_a_pipe_gets_a_line_for_each_job_and_nothing_that_moves_a_cursor(folder: Path) -> None:
    done = run(folder)
    assert done.returncode == 0, done.stderr
    assert not STEERING.search(done.stderr)
    lines = done.stderr.splitlines()
    for number in range(3):
        assert sum(f"Fitting {number} (" in line and "doubt" not in line for line in lines) == 1
        assert sum(f"a doubt about {number}" in line for line in lines) == 1
    assert sum("of the time" in line for line in lines) == 2
    assert "reason" not in done.stderr.lower()
    assert "words of a library" not in done.stderr
    log = next((folder / ".snakemake/log").glob("*.log")).read_text()
    assert log.count("words of a library") == 3
    assert "Reason: " in log
    assert "Nothing to be done" in run(folder).stderr


def test_a_terminal_gets_a_picture_of_the_stages(folder: Path) -> None:
    code, said = on_terminal(folder, STEPS="20")
    assert code == 0, said
    assert STEERING.search(said)
    for shown in ("small", "routers", "now: Fitting", "of 40", "of the time", "3/3"):
        assert shown in said
    assert "words of a library" not in said
    # The cursor is shown again.
    assert said.rindex("\x1b[?25h") > said.rindex("\x1b[?25l")


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_failure_is_told_once_and_the_others_go_on(folder: Path, is_terminal: bool) -> None:
    if is_terminal:
        code, said = on_terminal(folder, ODD="1")
    else:
        done = run(folder, ODD="1")
        code, said = done.returncode, done.stderr
    assert code == 1
    assert said.count("the file X is odd") == 1
    assert said.count("logs/1.log") == 1
    assert "Traceback" not in said
    assert (folder / "0.txt").exists()
    assert (folder / "2.txt").exists()


def test_a_dry_run_is_short_and_does_nothing(folder: Path) -> None:
    done = run(folder, "-n")
    assert done.returncode == 0, done.stderr
    counts = dict(re.findall(r"^(\w+) +(\d+)$", done.stdout, re.MULTILINE))
    assert counts == {"all": "1", "fit": "3", "total": "4"}
    assert len(done.stdout.splitlines()) < 15
    assert "rgd plan" in done.stdout
    assert not (folder / "0.txt").exists()


def test_verbose_tells_all_that_snakemake_says(folder: Path) -> None:
    done = run(folder, "--verbose")
    assert done.returncode == 0, done.stderr
    for shown in ("Reason: ", "words of a library", "of the time"):
        assert shown in done.stderr
    assert not STEERING.search(done.stderr)


def is_alive(log: Path) -> bool:
    """Whether the job that writes a log is at work."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(int(log.read_text().split()[1]), 0)
        return True
    return False


def test_ctrl_c_lets_jobs_end_and_twice_ends_at_once_without_a_traceback(folder: Path) -> None:
    job = folder / "job.py"
    # Jobs that keep what they have take their time.
    job.write_text(f"import signal; signal.signal(signal.SIGINT, lambda *_: None)\n{JOB}")
    code, said = on_terminal(folder, folder / "logs/0.log", STEPS="30")
    assert code == 1
    assert "Stopp" in said
    assert "failed" not in said
    assert "Traceback" not in said
    for output in folder.glob("*.txt"):
        output.unlink()
    for log in folder.glob("logs/*"):
        log.unlink()
    code, said = on_terminal(folder, folder / "logs/0.log", folder / "logs/0.log", STEPS="300")
    assert code == -signal.SIGINT
    assert "Traceback" not in said
    deadline = time.monotonic() + 10
    while any(map(is_alive, folder.glob("logs/*"))) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(is_alive, folder.glob("logs/*")))
