"""Turns: one process at a time where there are locks, and nobody fails where there are none."""

import errno
import os
import threading
from pathlib import Path

import pytest

from rgd.artifacts import locks
from rgd.artifacts.files import flush, write_json
from rgd.artifacts.locks import Lock, lock, turn


def test_one_at_a_time(tmp_path: Path) -> None:
    inside, most = [], []

    def work() -> None:
        with turn(tmp_path / "lock"):
            inside.append(1)
            most.append(len(inside))
            threading.Event().wait(0.02)
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 5


def test_a_shared_lock_is_busy_for_an_exclusive_one_alone(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with path.open("ab+") as one, path.open("rb") as two, path.open("ab+") as three:
        assert lock(one, wait=False, exclusive=False) is Lock.TAKEN
        assert lock(two, wait=False, exclusive=False) is Lock.TAKEN
        assert lock(three, wait=False) is Lock.BUSY


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL, errno.EIO])
def test_without_locks_nobody_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    with turn(tmp_path / "lock"), turn(tmp_path / "lock"), (tmp_path / "lock").open("ab+") as file:
        assert lock(file, wait=True) is Lock.UNSUPPORTED


@pytest.mark.parametrize(
    ("number", "stops"), [(errno.EINVAL, False), (errno.ENOSYS, False), (errno.EIO, True), (errno.ENOSPC, True)]
)
def test_only_a_full_or_broken_disk_stops_a_flush(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, stops: bool
) -> None:
    def refuse(_: int) -> None:
        raise OSError(number, os.strerror(number))

    write_json(tmp_path / "a.json", {})
    monkeypatch.setattr(os, "fsync", refuse)
    with (tmp_path / "a.json").open("rb+") as file:
        if stops:
            with pytest.raises(OSError, match=os.strerror(number)):
                flush(file.fileno())
        else:
            flush(file.fileno())
