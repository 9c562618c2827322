"""Digests of the user's own files, which are read again only if they have changed.

The content of such a file decides results, so its digest is a parameter of the rules that read it, and every run needs it.
"""

import contextlib
import functools
import hashlib
import json
import os
import time
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rgd.errors import UserError

KEPT = Path(".snakemake/digests")
"""The folder, in the working directory, that remembers digests of files."""

# A file that was written this recently may be written again without a visible change of its time.
_SETTLED_NS = 2_000_000_000


def digest(path: str | Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_digest(path: Path, kept: Path = KEPT) -> str:
    """SHA-256 of a file's content, in hex; taken from ``kept`` if the file is the one that was read before.

    Raises:
        UserError: the file cannot be read.
    """
    try:
        return _digest(path.resolve(), _state(path), kept)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}. Check its path and permissions.") from error


def files_digest(folder: Path, names: Iterable[str], kept: Path = KEPT) -> str:
    """SHA-256 of the names and contents of some files of a folder.

    Raises:
        UserError: a file cannot be read.
    """
    content = {name: file_digest(folder / name, kept) for name in names}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _state(path: Path) -> tuple[int, ...]:
    """Numbers that differ once a file is written again or replaced."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


@functools.cache
def _digest(path: Path, state: tuple[int, ...], kept: Path) -> str:
    place = kept / f"{hashlib.sha256(str(path).encode('utf-8', 'surrogateescape')).hexdigest()[:32]}.json"
    known = remembered(place)
    if known is not None and known.get("state") == list(state):
        return str(known["sha256"])
    found = digest(path)
    if max(state[1], state[2]) < time.time_ns() - _SETTLED_NS:
        remember(place, {"path": str(path), "state": state, "sha256": found})
    return found


def remembered(place: Path) -> dict[str, Any] | None:
    """What :func:`remember` kept at ``place``, which has a digest ``sha256``; None if nothing or something else is there."""
    try:
        content = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) and isinstance(content.get("sha256"), str) else None


def remember(file: Path, content: Any) -> None:
    """Keep as JSON what only saves time: if it cannot be written, nothing is lost."""
    temporary = file.with_name(f".{file.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(content), encoding="utf-8")
        os.replace(temporary, file)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
