"""The lock of a run: held by one process at a time, free as soon as that process is gone, and it names its holder."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rgd.artifacts import locks
from rgd.errors import UserError
from rgd.workflow import run_lock
from rgd.workflow.run_lock import alone, forget, holding, is_held

HOLD = """
import sys, time
from pathlib import Path
from rgd.workflow.run_lock import holding
with holding(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@contextlib.contextmanager
def another(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process that holds the lock."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, folder], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_second_process_is_refused_and_told_by_whom(tmp_path: Path) -> None:
    with another(tmp_path) as first:
        assert is_held(tmp_path)
        for taking in (holding, alone):
            with pytest.raises(UserError, match=rf"\b{first.pid}\b.* {os.uname().nodename} "), taking(tmp_path):
                pass
    assert not is_held(tmp_path)
    with holding(tmp_path) as is_sure:
        assert is_sure


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_however_a_process_ends_its_lock_is_free(tmp_path: Path, end: signal.Signals) -> None:
    with another(tmp_path) as first:
        first.send_signal(end)
        first.wait(30)
        with holding(tmp_path) as is_sure:
            assert is_sure


def test_a_process_takes_its_lock_again_within(tmp_path: Path) -> None:
    with holding(tmp_path), alone(tmp_path):
        assert is_held(tmp_path) is False
    assert (tmp_path / run_lock.NAME).read_bytes() == b""


def test_a_look_does_not_refuse_a_run(tmp_path: Path) -> None:
    with holding(tmp_path):
        pass
    file = (tmp_path / run_lock.NAME).open("rb")
    locks.lock(file, wait=False, exclusive=False)
    threading.Timer(0.3, file.close).start()
    with holding(tmp_path) as is_sure:
        assert is_sure


def test_another_machines_unfinished_run_is_believed_until_it_is_forgotten(tmp_path: Path) -> None:
    record = {"pid": 4711, "host": "elsewhere", "boot": "another", "since": "2026-01-01T00:00:00+00:00"}
    (tmp_path / run_lock.NAME).write_text(json.dumps(record))
    with pytest.raises(UserError, match=r"4711 on elsewhere .*--unlock"), holding(tmp_path):
        pass
    forget(tmp_path)
    with holding(tmp_path) as is_sure:
        assert is_sure


@pytest.mark.parametrize("same", ["host", "boot"])
def test_this_machines_killed_run_is_not_believed(tmp_path: Path, same: str) -> None:
    record = {"pid": 4711, "host": "elsewhere", "boot": "another", "since": "then"}
    (tmp_path / run_lock.NAME).write_text(json.dumps(record | {same: run_lock._own_record()[same]}))
    with holding(tmp_path) as is_sure:
        assert is_sure


@pytest.mark.parametrize("text", ["", "{", "[]", "\0\0", "null"])
def test_a_damaged_record_is_nobodys(tmp_path: Path, text: str) -> None:
    (tmp_path / run_lock.NAME).write_text(text)
    with holding(tmp_path) as is_sure:
        assert is_sure


def test_forgetting_leaves_a_running_holder_its_lock(tmp_path: Path) -> None:
    with another(tmp_path):
        before = (tmp_path / run_lock.NAME).read_bytes()
        forget(tmp_path)
        assert (tmp_path / run_lock.NAME).read_bytes() == before
        assert is_held(tmp_path)


def test_without_locks_snakemakes_own_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    with holding(tmp_path) as is_sure:
        assert not is_sure
    assert not (tmp_path / run_lock.NAME).exists() or is_held(tmp_path) is None
    with alone(tmp_path):
        pass
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks/0.input.lock").touch()
    with pytest.raises(UserError, match="--unlock"), alone(tmp_path):
        pass
