"""Real runs in one folder: the second is refused, and after any end of the first the same command works."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faulty_server import Asked, FaultyServer, Play
from tests.workflow.project import Project, make
from tests.workflow.test_api import RESPONSES, reply, serve

OTHER = "results/splits/tiny.parquet"


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[tuple[Project, FaultyServer, threading.Event]]:
    """A project with one member, and its server, which answers once and then no more until the event is set."""
    go = threading.Event()

    def usual(asked: Asked) -> Play:
        if len(server.asked) > 1:
            go.wait(400)
        return reply(asked)

    with FaultyServer(usual) as server:
        project = make(tmp_path / "project", tmp_path / "no_models")
        project.edit_yaml("pool/tiny.yaml", members=["served", "tiny-a-chat"])
        project.edit_yaml("site/workstation.yaml", chunk_size=1)
        serve(project, server.address, concurrency=1)
        yield project, server, go
        go.set()


def begun(project: Project, server: FaultyServer) -> "subprocess.Popen[str]":
    """A run that is asking."""
    running = subprocess.Popen(
        project.command(RESPONSES),
        cwd=project.folder,
        env=project.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while len(server.asked) < 2 and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert running.poll() is None, running.communicate()[0]
    return running


def test_a_second_run_is_refused_and_the_first_goes_on(slow: tuple[Project, FaultyServer, threading.Event]) -> None:
    project, server, go = slow
    first = begun(project, server)
    # With other targets, which Snakemake itself would run at the same time, and whose end would remove all locks.
    for target in (OTHER, RESPONSES):
        second = project.run(target)
        said = " ".join((second.stdout + second.stderr).split())
        assert second.returncode != 0
        assert f"process {first.pid} " in said
        assert f"kill -INT {first.pid}" in said
        assert "Traceback" not in said
        assert 'File "' not in said
        assert said.count(str(project.folder)) == 1
    assert not (project.folder / OTHER).exists()
    assert project.run("-n", RESPONSES).returncode == 0
    assert project.run("--summary", RESPONSES).returncode == 0
    assert project.rgd("plan", RESPONSES).returncode == 0
    # Not even after --unlock.
    assert project.run("--unlock").returncode == 0
    assert project.run(OTHER).returncode != 0
    for command in (("prune", "--yes"), ("adopt",)):
        done = project.rgd(*command)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
    assert project.run("--delete-all-output", RESPONSES).returncode != 0
    go.set()
    said, _ = first.communicate(timeout=300)
    assert first.returncode == 0, said
    assert (project.folder / RESPONSES).exists()
    assert project.run(OTHER).returncode == 0


@pytest.mark.parametrize(
    ("end", "whole"),
    [
        (signal.SIGKILL, True),
        (signal.SIGKILL, False),
        (signal.SIGINT, True),
        (signal.SIGINT, False),
        (signal.SIGTERM, True),
    ],
)
def test_after_any_end_the_same_command_works(
    slow: tuple[Project, FaultyServer, threading.Event], end: signal.Signals, whole: bool
) -> None:
    """``whole``: the run's jobs end with it; otherwise they go on without it."""
    project, server, go = slow
    first = begun(project, server)
    if whole:
        os.killpg(first.pid, end)
        if end == signal.SIGTERM:
            # On SIGTERM a run first gets the answer in flight.
            go.set()
        first.communicate(timeout=120)
    else:
        os.kill(first.pid, end)
        if end == signal.SIGINT:
            # The run itself tells its jobs to keep what they have.
            go.set()
        first.wait(timeout=120)
    try:
        go.set()
        assert project.run("-n", RESPONSES).returncode == 0
        done = project.run(RESPONSES)
        assert done.returncode == 0, done.stdout + done.stderr
        assert (project.folder / RESPONSES).exists()
    finally:
        if not whole:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(first.pid, signal.SIGKILL)
            first.communicate()
