"""Locks on files (flock), which the system releases however the process that holds them ends."""

import contextlib
import enum
import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


class Lock(enum.Enum):
    """The result of trying to lock a file."""

    TAKEN = enum.auto()
    """This process holds the lock."""
    BUSY = enum.auto()
    """Another process holds it."""
    UNSUPPORTED = enum.auto()
    """The file system has no locks, or refuses them."""


def lock(file: BinaryIO, *, wait: bool, exclusive: bool = True) -> Lock:
    """Lock ``file`` until it is closed.

    File systems report missing locks by many different errors, so every error but a busy file counts as one.

    Args:
        file: a file that is open for writing, which network file systems require for an exclusive lock.
        wait: wait for other processes instead of returning ``BUSY``.
        exclusive: False shares the lock with other processes that share it.
    """
    kind = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
    try:
        fcntl.flock(file, kind if wait else kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return Lock.BUSY
    except OSError:
        return Lock.UNSUPPORTED
    return Lock.TAKEN


@contextlib.contextmanager
def turn(path: Path) -> Iterator[None]:
    """Wait until no other process is in a block with the same ``path``; without locks nobody waits.

    Raises:
        OSError: the file at ``path`` cannot be written.
    """
    with path.open("ab+") as file:
        lock(file, wait=True)
        yield
