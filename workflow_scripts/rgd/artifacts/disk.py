"""What is said when a disk is full."""

import errno
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


def is_full(error: BaseException) -> bool:
    """Whether ``error``, or an error that led to it, says that a disk or a quota is full."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        if isinstance(cause, OSError) and cause.errno in _NO_SPACE:
            return True
        seen.add(id(cause))
        cause = cause.__cause__ or cause.__context__
    return False


def room(folders: Iterable[str | os.PathLike[str]]) -> str:
    """How much is free in ``folders``, in words: each file system once, by its first folder."""
    found: dict[int, str] = {}
    for folder in folders:
        place = _existing(Path(folder).absolute())
        if place is not None:
            found.setdefault(place.stat().st_dev, _free(place))
    return f"Free: {', '.join(found.values())}." if found else "How much is free is not known."


def _existing(place: Path) -> Path | None:
    return next((each for each in (place, *place.parents) if each.is_dir()), None)


def _free(place: Path) -> str:
    free, files = shutil.disk_usage(place).free, os.statvfs(place)
    # A file system can run out of files before it runs out of space.
    said = f"{free / 1e6:,.1f} MB" if files.f_favail or not files.f_files else "no more files"
    return f"{said} in {place}"
