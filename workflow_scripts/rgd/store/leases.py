"""Leases on answers: two jobs on one folder, whatever their sets of queries, do not ask for the same answer at once.

A lease is a file that its process keeps locked (flock) and that lists the answers it is about to ask for. The system
releases the lock however the process ends, so the lease of a dead process is recognised at once and blocks nobody. A
short lock on the whole folder makes checking the leases and taking one a single step.

Across machines this needs a shared file system that shares flock: NFS from version 4 does (a machine that vanishes keeps
its locks for the server's grace period, usually 90 seconds), and Lustre and BeeGFS do if they are mounted that way. If
locks are local to a machine or refused, nothing is lost or blocked: two jobs may then ask for the same answer, and the
first file by name counts.
"""

import contextlib
import errno
import fcntl
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from rgd.errors import UserError

CLAIMS = ".claims.lock"
COMPACTION = ".compaction.lock"
SUFFIX = ".lease"
# Errors of file systems without locks.
_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP}
# Disk space reserved for an answer while its chunk is asked: about four thousand tokens, before compression.
BYTES_OF_AN_ANSWER = 16 * 1024
_LONGEST_LINE = 200


class Leases:
    """The leases on one settings' folder.

    Attributes:
        folder: the folder; it must exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextlib.contextmanager
    def claiming(self) -> Iterator[None]:
        """Keep other processes from taking leases and from removing dead ones in the folder while the block runs.

        Raises:
            UserError: the folder cannot be written.
        """
        with _open(self.folder / CLAIMS) as file:
            _lock(file, wait=True)
            # A network file system may show a folder as it was a minute ago, until this machine changes the folder.
            with contextlib.suppress(OSError):
                os.utime(self.folder)
            yield

    def take(self, keys: set[str]) -> "Lease":
        """A lease on ``keys``, with disk space for their answers. Call it within :meth:`claiming`.

        Raises:
            UserError: the folder cannot be written, or the disk is full: better now than after the answers are paid for.
        """
        path = self.folder / f".{uuid.uuid4().hex}{SUFFIX}"
        lines = "".join(f"{key}\n" for key in sorted(keys)).encode()
        lease = Lease(path, _open(path), len(lines))
        try:
            lease.file.write(lines)
            lease.file.flush()
            _reserve(lease.file, len(keys) * BYTES_OF_AN_ANSWER)
        except OSError as error:
            lease.release()
            raise _unwritable(path, error) from error
        # Last: on a network file system, locking a file makes its content visible to the other machines.
        _lock(lease.file, wait=False)
        return lease

    def held(self) -> set[str]:
        """The keys that other processes are asking for. Call it within :meth:`claiming`; removes dead leases."""
        keys: set[str] = set()
        for path in sorted(self.folder.glob(f".*{SUFFIX}")):
            with contextlib.suppress(FileNotFoundError), path.open("rb+") as file:
                if _lock(file, wait=False):
                    path.unlink()
                else:
                    keys.update(_lines(file))
        return keys


class Lease:
    """The keys that one process is asking for; released when the block ends, or the process."""

    def __init__(self, path: Path, file: BinaryIO, size: int) -> None:
        self.path, self.file, self.size = path, file, size

    def __enter__(self) -> "Lease":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def give_room(self) -> None:
        """Free the disk space reserved for the answers, which are about to be written."""
        self.file.truncate(self.size)

    def release(self) -> None:
        """Remove the file while it is still locked, so that nobody finds it without its owner."""
        self.path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.file.close()


def is_dead(path: Path) -> bool:
    """Whether no process holds the lease at ``path``; changes nothing."""
    with path.open("rb") as file:
        return _lock(file, wait=False, exclusive=False)


@contextlib.contextmanager
def compacting(folder: Path) -> Iterator[None]:
    """Keep other processes from replacing the files of answers in ``folder`` while the block runs.

    Raises:
        UserError: another process is compacting or exporting the folder, or the folder cannot be written.
    """
    with _open(folder / COMPACTION) as file:
        if not _lock(file, wait=False):
            raise UserError(
                f"{folder} is being compacted or exported by another process: run the command again when that process has ended."
            )
        yield


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("ab+")
    except OSError as error:
        raise _unwritable(path, error) from error


def _lock(file: BinaryIO, *, wait: bool, exclusive: bool = True) -> bool:
    """Lock ``file`` until it is closed. False if another process holds the lock; True on a file system without locks."""
    kind = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
    try:
        fcntl.flock(file, kind if wait else kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    return True


def _lines(file: BinaryIO) -> Iterator[str]:
    """The keys of a lease, without the reserved space after them."""
    while (line := file.readline(_LONGEST_LINE)) and not line.startswith(b"\0"):
        yield line.decode().rstrip()


def _reserve(file: BinaryIO, size: int) -> None:
    try:
        os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        if error.errno not in _NO_LOCKS | {errno.EINVAL}:
            raise


def _unwritable(path: Path, error: OSError) -> UserError:
    return UserError(
        f"cannot write {path}: {error.strerror or error}. Check the folder's permissions and free space, then run the same "
        "command again."
    )
