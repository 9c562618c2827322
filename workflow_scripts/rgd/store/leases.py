"""Who asks what now: so that two jobs on one folder, on whatever sets of queries, do not ask the same at once.

A lease is a file that its process keeps locked (flock) and that lists the answers it is about to ask for. The system
drops the lock when the process ends, however it ends, so the lease of a dead process is told from a living one's at once
and blocks nobody. A short lock on the whole folder makes looking at the leases and taking one a single step.

Across machines this needs a shared file system that passes flock on: NFS from version 4 on does (a machine that vanishes
keeps its locks until the server's grace time, 90 seconds as a rule, is over), Lustre and BeeGFS where they are mounted so.
Where locks are local to a machine or refused, nothing is lost or blocked: two jobs may then ask the same, and the first
file in the order of names counts.
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
# What file systems without locks say.
_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP}
# Room kept on the disk while a chunk is asked: some four thousand tokens, before compression.
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
        """While this block runs no other process takes a lease in the folder, or removes a dead one's.

        Raises:
            UserError: the folder cannot be written.
        """
        with _open(self.folder / CLAIMS) as file:
            _lock(file, wait=True)
            # A network file system may show a folder as it was a minute ago, unless one has changed it oneself.
            with contextlib.suppress(OSError):
                os.utime(self.folder)
            yield

    def take(self, keys: set[str]) -> "Lease":
        """A lease on ``keys``, with room on the disk for their answers. To be called while :meth:`claiming`.

        Raises:
            UserError: the folder cannot be written, or the disk has no room: better now than when they are paid for.
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
        # Last: locking a file is what brings its content to the other machines of a network file system.
        _lock(lease.file, wait=False)
        return lease

    def held(self) -> set[str]:
        """All that other processes are asking now. To be called while :meth:`claiming`; clears dead leases away."""
        keys: set[str] = set()
        for path in sorted(self.folder.glob(f".*{SUFFIX}")):
            with contextlib.suppress(FileNotFoundError), path.open("rb+") as file:
                if _lock(file, wait=False):
                    path.unlink()
                else:
                    keys.update(_lines(file))
        return keys


class Lease:
    """What one process is asking; given back when the block ends, or the process."""

    def __init__(self, path: Path, file: BinaryIO, size: int) -> None:
        self.path, self.file, self.size = path, file, size

    def __enter__(self) -> "Lease":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def give_room(self) -> None:
        """Free the room that was kept for the answers, which are to be written now."""
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
    """While this block runs the files of answers in ``folder`` are replaced by no other process.

    Raises:
        UserError: another process is compacting or exporting the folder, or the folder cannot be written.
    """
    with _open(folder / COMPACTION) as file:
        if not _lock(file, wait=False):
            raise UserError(
                f"{folder} is being compacted or exported by another process: run this again when that has ended."
            )
        yield


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("ab+")
    except OSError as error:
        raise _unwritable(path, error) from error


def _lock(file: BinaryIO, *, wait: bool, exclusive: bool = True) -> bool:
    """Lock ``file`` until it is closed. False where another process has it; a file system without locks gives True."""
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
    """The keys of a lease, without the empty room after them."""
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
