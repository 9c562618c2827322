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
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from rgd.artifacts.files import flush
from rgd.artifacts.locks import Lock, lock
from rgd.errors import UserError
from rgd.store import batch_files

CLAIMS = ".claims.lock"
COMPACTION = ".compaction.lock"
SUFFIX = ".lease"
# The disk is full, a quota or limit is reached, or the disk is broken. Any other error means that the file system cannot
# reserve space, and each of them names that by another number.
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
# Disk space reserved for an answer while it is asked: about four thousand tokens, before compression.
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
            lock(file, wait=True)
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
        try:
            lease = Lease(path, path.open("xb+"), len(lines))
        except OSError as error:
            raise _unwritable(path, error) from error
        try:
            lease.file.write(lines)
            lease.file.flush()
            _reserve(lease.file, len(keys) * BYTES_OF_AN_ANSWER)
        except OSError as error:
            lease.release()
            raise _unwritable(path, error) from error
        # Last: on a network file system, locking a file makes its content visible to the other machines. It waits for
        # processes that are just looking whether the lease is dead; unlocked, the lease would count as dead.
        lock(lease.file, wait=True)
        return lease

    def held(self) -> set[str]:
        """The keys that other processes, or batches, are asking for. Call it within :meth:`claiming`; removes dead leases.

        Raises:
            UserError: a lease or a batch's file cannot be read.
        """
        keys = batch_files.held(self.folder)
        for path in sorted(self.folder.glob(f".*{SUFFIX}")):
            try:
                with path.open("rb") as file:
                    if not _is_dead(file):
                        keys.update(_lines(file))
                        continue
                # Another user's may have to stay; it blocks nobody.
                with contextlib.suppress(OSError):
                    path.unlink()
            except OSError as error:
                # Released in this moment; ESTALE if by another machine.
                if error.errno not in (errno.ENOENT, errno.ESTALE):
                    raise _unreadable(path, error) from error
        return keys


class Lease:
    """The keys that one process is asking for; released when the block ends, or the process."""

    def __init__(self, path: Path, file: BinaryIO, size: int) -> None:
        self.path, self.file, self.size = path, file, size

    def __enter__(self) -> "Lease":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def give_room(self, left: int = 0) -> None:
        """Free the disk space reserved for answers that are about to be written, but for the ``left`` other ones.

        If that fails, the answers, which are paid for, are written all the same.
        """
        with contextlib.suppress(OSError):
            self.file.truncate(max(self.size, left * BYTES_OF_AN_ANSWER))

    def release(self) -> None:
        """Remove the file while it is still locked, so that nobody finds it without its owner.

        A file that cannot be removed is a dead lease, which blocks nobody.
        """
        with contextlib.suppress(OSError):
            self.path.unlink()
        with contextlib.suppress(OSError):
            self.file.close()


def is_dead(path: Path) -> bool:
    """Whether no process holds the lease at ``path``; changes nothing."""
    with path.open("rb") as file:
        return _is_dead(file)


@contextlib.contextmanager
def compacting(folder: Path) -> Iterator[None]:
    """Keep other processes from replacing the files of answers in ``folder`` while the block runs.

    Raises:
        UserError: another process is compacting or exporting the folder, or the folder cannot be written.
    """
    with _open(folder / COMPACTION) as file:
        if lock(file, wait=False) is Lock.BUSY:
            raise UserError(
                f"{folder} is being compacted or exported by another process: run the command again when that process has ended."
            )
        yield


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("ab+")
    except OSError as error:
        raise _unwritable(path, error) from error


def _is_dead(file: BinaryIO) -> bool:
    """Whether no process holds the lease. A shared lock does not disturb other processes that are looking."""
    return lock(file, wait=False, exclusive=False) is not Lock.BUSY


def _lines(file: BinaryIO) -> Iterator[str]:
    """The keys of a lease, without the reserved space after them."""
    while (line := file.readline(_LONGEST_LINE)) and not line.startswith(b"\0"):
        yield line.decode().rstrip()


def _reserve(file: BinaryIO, size: int) -> None:
    """Reserve disk space for a file that was opened for reading and writing, without appending.

    If the file system cannot reserve space, the C library writes a byte to every block instead. It needs such a file for
    that. A network file system notices a full disk only when these bytes are flushed.
    """
    try:
        os.posix_fallocate(file.fileno(), 0, size)
        flush(file.fileno())
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise


def _unwritable(path: Path, error: OSError) -> UserError:
    return UserError(
        f"cannot write {path}: {error.strerror or error}. Check the folder's permissions and free space, then run the same "
        "command again."
    )


def _unreadable(path: Path, error: OSError) -> UserError:
    return UserError(
        f"cannot read {path}, which lists what another job is asking: {error.strerror or error}. Check the file's "
        "permissions, then run the same command again."
    )
