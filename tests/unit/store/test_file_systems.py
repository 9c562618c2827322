"""The store on file systems that refuse some system calls: no job fails needlessly, and none asks without room to keep."""

import contextlib
import errno
import os
import signal
import threading
from pathlib import Path

import pytest

from rgd.errors import UserError
from rgd.store import leases as leases_module
from rgd.store import upkeep
from rgd.store.answers import Store
from rgd.store.leases import BYTES_OF_AN_ANSWER, SUFFIX, Leases, is_dead
from tests.file_systems import KINDS, failing, mounted
from tests.store_world import SETTINGS, CountingEngine, ask, calls, job, name, questions, texts

# Each case starts a process under strace: together a minute.
pytestmark = [pytest.mark.slow, pytest.mark.ci]

# Enough for the looker to come in between in every run.
ROUNDS = 1000
REFUSED = [
    *(f"fallocate:error={name}" for name in ("EOPNOTSUPP", "ENOSYS", "EINVAL", "ENODEV", "EPERM", "EBADF")),
    *(f"flock:error={name}" for name in ("ENOSYS", "ENOLCK", "EOPNOTSUPP", "EINVAL", "EACCES", "EIO")),
    *(f"fsync:error={name}" for name in ("EINVAL", "ENOSYS", "EOPNOTSUPP")),
    *(f"ftruncate:error={name}" for name in ("EIO", "EINVAL", "EPERM")),
    "utimensat:error=EPERM",
    "linkat,link:error=EPERM",
    "chmod,fchmod,fchmodat:error=EPERM",
    "chown,fchown,fchownat:error=EPERM",
]
BROKEN = [
    "fallocate:error=ENOSPC",
    "fallocate:error=EDQUOT",
    "fallocate:error=EIO",
    "fsync:error=EIO",
    "fsync:error=ENOSPC",
]


@pytest.mark.parametrize("fault", REFUSED)
def test_a_call_that_a_file_system_refuses_stops_no_job(tmp_path: Path, fault: str) -> None:
    store, counter = Store(tmp_path / "store"), tmp_path / "asked"
    running = job(store.root, counter, 10, under=failing(fault))
    _, said = running.communicate(timeout=120)
    assert running.returncode == 0, said
    assert texts(store, questions(10)) == [f"to q{i} 0" for i in range(10)]
    assert len(list(calls(counter))) == 3
    found = upkeep.verify(store.root)
    assert (found.answers, found.damaged, found.left_over) == (10, [], [])


@pytest.mark.parametrize("fault", BROKEN)
def test_a_full_or_broken_disk_is_one_message_and_the_next_run_resumes(tmp_path: Path, fault: str) -> None:
    store, counter = Store(tmp_path / "store"), tmp_path / "asked"
    ask(store, questions(4), CountingEngine())
    running = job(store.root, counter, 8, under=failing(fault))
    _, said = running.communicate(timeout=120)
    assert running.returncode == 1, said
    assert "Traceback" not in said
    assert str(store.root) in said
    if fault.startswith("fallocate"):
        assert not counter.exists(), "it asked without room for the answers"
    assert upkeep.verify(store.root).damaged == []
    engine = CountingEngine()
    ask(store, questions(8), engine)
    assert len(engine.asked()) == 4


@pytest.mark.parametrize("kind", KINDS)
def test_room_is_reserved_on_every_file_system(tmp_path: Path, kind: str) -> None:
    with mounted(kind, tmp_path / "disk", 16 * 1024) as disk:
        leases = Leases(disk)
        with leases.claiming(), leases.take({f"{i}" for i in range(64)}) as lease:
            assert lease.path.stat().st_blocks * 512 >= 64 * BYTES_OF_AN_ANSWER
            assert len(leases.held()) == 64
            lease.give_room()
            assert lease.path.stat().st_blocks * 512 < 2 * BYTES_OF_AN_ANSWER
        with pytest.raises(UserError, match=str(disk)), leases.claiming():
            leases.take({f"{i}" for i in range(4096)})
        assert list(disk.glob(".*.lease")) == []


@pytest.mark.parametrize("error", ["EPERM", "EROFS"])
def test_a_lease_that_cannot_be_removed_blocks_nobody(tmp_path: Path, error: str) -> None:
    store, counter = Store(tmp_path / "store"), tmp_path / "asked"
    for last in (6, 10):
        running = job(store.root, counter, last, under=failing(f"unlink,unlinkat:error={error}"))
        _, said = running.communicate(timeout=120)
        assert running.returncode == 0, said
    assert texts(store, questions(10)) == [f"to q{i} 0" for i in range(10)]
    assert sorted(asked for _, names in calls(counter) for asked in names) == sorted(map(name, questions(10)))
    # A lease holds half a window.
    assert len(upkeep.verify(store.root).left_over) == 5
    upkeep.clear(store.folder(SETTINGS))
    assert upkeep.verify(store.root).left_over == []


def test_a_limit_on_the_size_of_files_stops_before_anything_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))

    monkeypatch.setattr(leases_module.os, "posix_fallocate", refuse)
    engine = CountingEngine()
    with pytest.raises(UserError, match=r"\.lease"):
        ask(Store(tmp_path), questions(4), engine)
    assert engine.calls == []


def test_every_lease_is_held_while_another_process_looks_at_leases(tmp_path: Path) -> None:
    """A process that looks again and again whether leases are dead, as `rgd store verify` does."""
    looker = os.fork()
    if looker == 0:
        while True:
            for entry in os.scandir(tmp_path):
                if entry.name.endswith(SUFFIX):
                    with contextlib.suppress(FileNotFoundError):
                        is_dead(Path(entry.path))
    try:
        leases = Leases(tmp_path)
        for number in range(ROUNDS):
            with leases.claiming():
                lease = leases.take({f"{number}"})
            with lease, leases.claiming():
                assert leases.held() == {f"{number}"}
    finally:
        os.kill(looker, signal.SIGKILL)
        os.waitpid(looker, 0)


def test_a_lease_waits_until_it_is_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The looker's lock lies between the moment when the lease becomes visible and its own lock."""
    looking = threading.Event()

    def reserve(file: object, size: int) -> None:
        path = next(tmp_path.glob(".*.lease"))

        def look() -> None:
            with path.open("rb") as seen:
                leases_module.lock(seen, wait=True, exclusive=False)
                looking.set()
                threading.Event().wait(0.2)

        threading.Thread(target=look, daemon=True).start()
        looking.wait(5)

    monkeypatch.setattr(leases_module, "_reserve", reserve)
    leases = Leases(tmp_path)
    with leases.claiming():
        lease = leases.take({"a"})
    with lease, leases.claiming():
        assert leases.held() == {"a"}
        assert not is_dead(lease.path)
