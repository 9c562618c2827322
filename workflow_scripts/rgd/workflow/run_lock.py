"""One run at a time in a folder: a lock that the system releases however the run ends.

Snakemake's own locks are files. A killed run leaves them behind, and a run that ends removes those of every other run in
the folder. So a run here also keeps a file in ``.snakemake`` locked (flock), and clears Snakemake's locks only once it
has this one. Dry runs, plans and ``--unlock`` need no lock.

The file names its holder. A file system that does not share locks between machines would give the lock to a second
machine as well. So a file left by another machine, whose run did not end by itself, is believed until `snakemake
--unlock`. On a file system without locks Snakemake's own locks hold alone.
"""

import contextlib
import datetime
import functools
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from rgd.artifacts.locks import Lock, lock
from rgd.errors import UserError

SNAKEMAKE = Path(".snakemake")
"""Snakemake's folder in the working directory."""
NAME = "run.lock"
# Others may lock the file for a moment to see whether a run holds it.
SECONDS_OF_A_LOOK = 1.0
_BOOT = Path("/proc/sys/kernel/random/boot_id")
# The folders whose lock this process holds.
_held: set[Path] = set()


@contextlib.contextmanager
def holding(folder: Path = SNAKEMAKE) -> Iterator[bool]:
    """Hold the lock of ``folder`` while the block runs; a lock that this process holds already stays.

    Yields:
        Whether no other process can hold it; False on a file system without locks.

    Raises:
        UserError: another run holds it, or another machine's run did not end by itself.
    """
    place = folder.resolve()
    if place in _held:
        yield True
        return
    with _opened(place) as file:
        state = Lock.UNSUPPORTED if file is None else _locked(file)
        if file is None or state is Lock.UNSUPPORTED:
            yield False
            return
        _refuse(place, _record(file), is_free=state is Lock.TAKEN)
        _write(file, _own_record())
        _held.add(place)
        try:
            yield True
        finally:
            _held.discard(place)
            _write(file, {})


@contextlib.contextmanager
def alone(folder: Path = SNAKEMAKE) -> Iterator[None]:
    """Keep runs from starting in ``folder`` while the block changes results or Snakemake's records.

    Raises:
        UserError: a run is in progress, or may be.
    """
    with holding(folder) as is_sure:
        locks = folder / "locks"
        if not is_sure and locks.is_dir() and any(locks.iterdir()):
            raise UserError(
                f"{locks} says that a run is in progress in {folder.resolve().parent}. If none is, run `snakemake --unlock`, "
                "then the same command again."
            )
        yield


def is_held(folder: Path = SNAKEMAKE) -> bool | None:
    """Whether another process holds the lock of ``folder``; None if its file system has no locks."""
    place = folder.resolve()
    if place in _held:
        return False
    try:
        with (place / NAME).open("rb") as file:
            state = lock(file, wait=False, exclusive=False)
    except OSError:
        return False
    return None if state is Lock.UNSUPPORTED else state is Lock.BUSY


def forget(folder: Path) -> None:
    """Forget a run that did not end by itself, also another machine's; a run in progress here keeps its lock."""
    place = folder.resolve()
    with _opened(place) as file:
        if file is None:
            return
        if _locked(file) is Lock.BUSY:
            print(f"{_who(_record(file))} goes on in {place.parent} and keeps its lock.", file=sys.stderr)
        else:
            _write(file, {})


def guard() -> None:
    """Make Snakemake take the lock wherever it takes its own, and forget killed runs with ``--unlock``."""
    from snakemake.dag import DAG
    from snakemake.persistence import PersistenceBase

    if hasattr(PersistenceBase.lock, "guarded"):
        return
    own_lock, own_cleanup, own_clean = PersistenceBase.lock, PersistenceBase.cleanup_locks, DAG.clean
    own_warning = PersistenceBase.lock_warn_only

    @contextlib.contextmanager
    def for_snakemake(folder: Path) -> Iterator[bool]:
        with contextlib.ExitStack() as stack:
            try:
                is_sure = stack.enter_context(holding(folder))
            except UserError as error:
                # Snakemake would put the places in the code below its own errors.
                sys.exit(f"Error: {error}")
            yield is_sure

    @functools.wraps(own_lock)
    @contextlib.contextmanager
    def guarded_lock(self: Any) -> Iterator[None]:
        with for_snakemake(Path(self.path)) as is_sure:
            if is_sure:
                # Left by a killed run. Removing the locks removes their folder, which writing them expects.
                own_cleanup(self)
                (Path(self.path) / "locks").mkdir(exist_ok=True)
            with own_lock(self):
                yield

    @functools.wraps(own_warning)
    @contextlib.contextmanager
    def warning(self: Any) -> Iterator[None]:
        # Not because of a killed run's locks.
        with contextlib.nullcontext() if is_held(Path(self.path)) is False else own_warning(self):
            yield

    @functools.wraps(own_cleanup)
    def cleanup(self: Any) -> None:
        own_cleanup(self)
        forget(Path(self.path))

    @functools.wraps(own_clean)
    async def clean(self: Any, only_temp: bool = False, dryrun: bool = False) -> None:
        with contextlib.nullcontext() if dryrun else for_snakemake(SNAKEMAKE):
            await own_clean(self, only_temp=only_temp, dryrun=dryrun)

    guarded_lock.guarded = True  # type: ignore[attr-defined]
    PersistenceBase.lock, PersistenceBase.cleanup_locks, DAG.clean = guarded_lock, cleanup, clean
    PersistenceBase.lock_warn_only = warning


@contextlib.contextmanager
def _opened(place: Path) -> Iterator[BinaryIO | None]:
    """The lock's file; None if it cannot be written, so that no run can either."""
    try:
        place.mkdir(parents=True, exist_ok=True)
        file = (place / NAME).open("ab+")
    except OSError:
        yield None
        return
    with file:
        yield file


def _locked(file: BinaryIO) -> Lock:
    """Lock ``file``; a run holds it only if it stays busy for longer than a look."""
    deadline = time.monotonic() + SECONDS_OF_A_LOOK
    while (state := lock(file, wait=False)) is Lock.BUSY and time.monotonic() < deadline:
        time.sleep(0.02)
    return state


def _refuse(place: Path, record: dict[str, Any], *, is_free: bool) -> None:
    if not is_free:
        raise UserError(
            f"{_who(record)} is in progress in {place.parent}. Two runs at once would overwrite each other's files: wait until "
            f"it has ended, or stop it{_how(record)}, then run the same command again."
        )
    mine = _own_record()
    if record and record.get("host") != mine["host"] and record.get("boot") != mine["boot"]:
        raise UserError(
            f"{_who(record)} in {place.parent} did not end by itself, and whether it still runs cannot be seen from "
            f"{mine['host']}. If it has ended, run `snakemake --unlock`, then the same command again."
        )


def _own_record() -> dict[str, Any]:
    try:
        boot = _BOOT.read_text(encoding="ascii").strip()
    except OSError:
        boot = ""
    since = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    return {"pid": os.getpid(), "host": socket.gethostname(), "boot": boot, "since": since}


def _who(record: dict[str, Any]) -> str:
    if not record:
        return "a run"
    return f"the run of process {record.get('pid')} on {record.get('host')} (since {record.get('since')})"


def _how(record: dict[str, Any]) -> str:
    """How to stop the run, as Ctrl-C in its terminal does, so that its jobs keep what they have."""
    if not isinstance(record.get("pid"), int):
        return ""
    there = "" if record.get("host") == socket.gethostname() else f" on {record.get('host')}"
    return f" (kill -INT {record['pid']}{there})"


def _record(file: BinaryIO) -> dict[str, Any]:
    """Who holds the lock or held it last; empty if that run ended by itself."""
    file.seek(0)
    try:
        found = json.loads(file.read(4096) or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _write(file: BinaryIO, record: dict[str, Any]) -> None:
    """Write who holds the lock. It is held without that as well, on a full disk for instance."""
    with contextlib.suppress(OSError):
        file.truncate(0)
        if record:
            file.write(json.dumps(record).encode())
        file.flush()
