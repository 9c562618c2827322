"""Fetching datasets at a pinned revision from where they are published, into the layout of a mirror (rgd.datasets.mirror)."""

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rgd.artifacts.address import masked
from rgd.artifacts.digests import digest
from rgd.artifacts.files import flush, write_json
from rgd.artifacts.locks import turn
from rgd.config.schema.base import COMMIT
from rgd.datasets.hosts import HOSTS, Host, Piece
from rgd.datasets.mirror import MANIFEST, fill, manifest, source_files
from rgd.datasets.tables import read_table_file
from rgd.errors import UserError


def fetch(
    source: Mapping[str, Any],
    tasks: Sequence[str],
    root: Path,
    *,
    allow_moving: bool = False,
    report: Callable[[str], None] = print,
) -> None:
    """Fetch the files of a dataset's source into ``root``/hub, except those already there at the same revision.

    A file is complete or absent, even after an interruption. Files that the user put there are left alone.

    Args:
        source: repo, host, revision, file and remote of the dataset.
        tasks: the dataset's tasks.
        root: the folder to be given as data_root.
        allow_moving: accept a branch or tag, or take the newest commit if the revision is None; the commit is reported.
        report: called with a line for each file.

    Raises:
        UserError: the revision is not a commit, the host cannot be reached, refuses or lacks a file, a file is damaged, or
            the folder cannot be written.
    """
    folder = root / "hub" / source["repo"]
    host = HOSTS[source["host"]](source["repo"])
    remote = source["remote"] or source["file"]
    pieces = [remote] if isinstance(remote, str) else remote
    wanted = {
        file.name: [fill(piece, file.task, file.part) for piece in pieces] for file in source_files(source, tasks)
    }
    commit = source["revision"] or ""
    pinned = COMMIT.fullmatch(commit) is not None
    if not pinned and not allow_moving:
        if all((folder / name).is_file() for name in wanted):
            return
        raise UserError(
            f"{source['repo']}: source.revision = {source['revision']} is not a commit, so the data may change. Name a commit "
            "(40 hexadecimal digits), or add --allow-moving to take the newest commit and report it."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with turn(folder / ".rgd-fetch.lock"):
            have = manifest(folder)
            if not pinned:
                commit = host.commit(source["revision"])
                report(f"{source['repo']}: the newest commit is {commit}; pin it as source.revision")
            lacking = {
                name: names for name, names in wanted.items() if not _is_there(folder, name, have, commit, report)
            }
            if lacking:
                _fetch_all(host, commit, lacking, folder, have, report)
    except OSError as error:
        raise _cannot_keep(folder, error) from error


def _is_there(
    folder: Path, name: str, have: Mapping[str, Mapping[str, Any]], commit: str, report: Callable[[str], None]
) -> bool:
    path = folder / name
    if not path.is_file():
        return False
    if name not in have:
        report(f"{path}: already present, not fetched by rgd; left as it is ({readable_size(path.stat().st_size)})")
        return True
    there = have[name]["revision"] == commit and have[name]["bytes"] == path.stat().st_size
    if there:
        report(f"{path}: already present ({readable_size(path.stat().st_size)})")
    return there


def _fetch_all(
    host: Host,
    commit: str,
    wanted: Mapping[str, Sequence[str]],
    folder: Path,
    have: dict[str, dict[str, Any]],
    report: Callable[[str], None],
) -> None:
    pieces = {name: [host.piece(remote, commit) for remote in remotes] for name, remotes in wanted.items()}
    total = sum(piece.size for of_file in pieces.values() for piece in of_file)
    free = shutil.disk_usage(folder).free
    if total > free:
        raise UserError(
            f"{host.repo} needs {readable_size(total)} in {folder}, but only {readable_size(free)} are free. Make room."
        )
    report(
        f"{host.repo}: fetching {len(pieces)} file{'s' * (len(pieces) > 1)}, {readable_size(total)}, at {commit[:12]} from {masked(host.address)}"
    )
    with tempfile.TemporaryDirectory(dir=folder, prefix=".fetching-") as temporary:
        for name, of_file in pieces.items():
            arrived = []
            for piece in of_file:
                path = host.download(piece, commit, Path(temporary))
                _check(path, piece, host.repo)
                arrived.append(path)
            path = _as_one(arrived, Path(temporary) / f"whole{Path(name).suffix}")
            with path.open("rb+") as opened:
                flush(opened.fileno())
            size = path.stat().st_size
            entry = {"revision": commit, "bytes": size, "sha256": digest(path)}
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            path.replace(folder / name)
            have[name] = entry | {"remote": [piece.name for piece in of_file]}
            write_json(folder / MANIFEST, {"files": have})
            report(f"{folder / name}: {readable_size(size)}")


def _as_one(arrived: Sequence[Path], target: Path) -> Path:
    """The only downloaded file, or a Parquet file with the rows of all."""
    if len(arrived) == 1 and arrived[0].suffix == target.suffix:
        return arrived[0]
    tables = [
        pq.read_table(path) if path.suffix == ".parquet" else pa.Table.from_pylist(read_table_file(path))
        for path in arrived
    ]
    pq.write_table(pa.concat_tables(tables, promote_options="permissive"), target, compression="zstd")
    return target


def _check(path: Path, piece: Piece, repo: str) -> None:
    """Check a file against the stated size and hash: SHA-256 for a large file, git's blob hash for a small one."""
    size = path.stat().st_size
    if len(piece.stated_hash) == 64:
        found = digest(path)
    elif len(piece.stated_hash) == 40:
        found = hashlib.sha1(b"blob %d\0" % size + path.read_bytes()).hexdigest()
    else:
        found = piece.stated_hash
    if size != piece.size or found != piece.stated_hash:
        raise UserError(
            f"{piece.name} of {repo} arrived with {size:,} bytes and hash {found or 'none'}; expected {piece.size:,} bytes and hash "
            f"{piece.stated_hash or 'none'}. The file was discarded. Run the same command again."
        )


def _cannot_keep(folder: Path, error: OSError) -> UserError:
    return UserError(
        f"cannot write to {folder}: {error.strerror or error}. Check its permissions and free space, or name another --data-root, "
        "then run the same command again."
    )


def readable_size(count: int) -> str:
    """A number of bytes in readable form."""
    return f"{count / 1e6:,.1f} MB" if count >= 100_000 else f"{count:,} bytes"
