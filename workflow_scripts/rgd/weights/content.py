"""What the weights in a folder of the user's own hold: retrained in place, they are another model."""

import hashlib
from pathlib import Path

from rgd.artifacts.digests import KEPT, files_digest, remember, remembered
from rgd.weights.names import SNAPSHOT

SIGN = "@"
"""Between the path and the digest of a folder's content, in the identity of a model."""


def path_identity(path: str, kept: Path = KEPT) -> str:
    """What identifies the weights in the folder ``path``: ``path:PATH@DIGEST``, with 20 hexadecimal digits of its content.

    A folder that is gone keeps the identity that it had; one that was never seen is ``path:PATH``.

    Args:
        path: a folder in Hugging Face format; may begin with ``~``.
        kept: see :mod:`rgd.artifacts.digests`.

    Raises:
        UserError: a file in it cannot be read.
    """
    folder = Path(path).expanduser().resolve()
    place = kept / f"folder-{hashlib.sha256(str(folder).encode('utf-8', 'surrogateescape')).hexdigest()[:32]}.json"
    names = sorted(model_files(folder))
    if not names:
        known = remembered(place)
        return f"path:{path}{SIGN}{known['sha256'][:20]}" if known else f"path:{path}"
    digest = files_digest(folder, names, kept)
    remember(place, {"path": str(folder), "sha256": digest})
    return f"path:{path}{SIGN}{digest[:20]}"


def changed_at(path: str) -> float:
    """When a file of the weights in the folder ``path`` was last written, in seconds since 1970; infinite if there is none."""
    folder = Path(path).expanduser()
    return max((folder.joinpath(name).stat().st_mtime for name in model_files(folder)), default=float("inf"))


def model_files(folder: Path) -> list[str]:
    """The files of a model's folder that decide what it computes: weights, configuration, tokenizer."""
    if not folder.is_dir():
        return []
    files = (file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    return [name for name in files if SNAPSHOT.fullmatch(name)]
