"""Fetching datasets at a pinned revision from where they are published, into the layout of a mirror (rgd.datasets.mirror)."""

import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rgd.artifacts.files import write_json
from rgd.artifacts.provenance import digest
from rgd.datasets.mirror import MANIFEST, fill, manifest, source_files
from rgd.datasets.tables import read_table_file
from rgd.errors import UserError

COMMIT = re.compile(r"[0-9a-f]{40}")
GITHUB_FILES, GITHUB_API = "RGD_GITHUB_FILES", "RGD_GITHUB_API"
"""Environment variables with the addresses of a mirror of GitHub, as HF_ENDPOINT has that of the Hugging Face hub."""
TIMEOUT_S = 10
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Piece:
    """A file of a repository: its name, its size in bytes, and the hash that the host states for it ("" where it states none)."""

    name: str
    size: int
    stated_hash: str


def fetch(
    source: Mapping[str, Any],
    tasks: Sequence[str],
    root: Path,
    *,
    allow_moving: bool = False,
    report: Callable[[str], None] = print,
) -> None:
    """Put the files of a dataset's source under ``root``/hub; those that are there at the same revision stay.

    A file is whole or absent under its name, whatever happens meanwhile. Files that the user put there stay as they are.

    Args:
        source: repo, host, revision, file and remote of the dataset.
        tasks: the dataset's tasks.
        root: the folder to be given as data_root.
        allow_moving: take a branch or tag, or the newest commit where the revision is None; which commit it was is told.
        report: told of each file.

    Raises:
        UserError: the revision is no commit, the host cannot be reached, refuses or lacks a file, a file arrived damaged, or
            the folder cannot be written.
    """
    import filelock

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
            f"{source['repo']}: source.revision = {source['revision']} is no commit, and what is not pinned may change: name the "
            "40 hexadecimal digits of one, or add --allow-moving, which takes the newest and tells its commit."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder / ".rgd-fetch.lock"):
            have = manifest(folder)
            if not pinned:
                commit = host.commit(source["revision"])
                report(f"{source['repo']}: the newest commit is {commit}: pin it as source.revision")
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
        report(f"{path}: there already, from elsewhere; it stays ({readable_size(path.stat().st_size)})")
        return True
    there = have[name]["revision"] == commit and have[name]["bytes"] == path.stat().st_size
    if there:
        report(f"{path}: there already ({readable_size(path.stat().st_size)})")
    return there


def _fetch_all(
    host: "Host",
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
            f"{host.repo} needs {readable_size(total)} in {folder}, where {readable_size(free)} are free: make room."
        )
    report(
        f"{host.repo}: fetching {len(pieces)} file{'s' * (len(pieces) > 1)}, {readable_size(total)}, at {commit[:12]} from {host.address}"
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
                os.fsync(opened.fileno())
            size = path.stat().st_size
            entry = {"revision": commit, "bytes": size, "sha256": digest(path)}
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            path.replace(folder / name)
            have[name] = entry | {"remote": [piece.name for piece in of_file]}
            write_json(folder / MANIFEST, {"files": have})
            report(f"{folder / name}: {readable_size(size)}")


def _as_one(arrived: Sequence[Path], target: Path) -> Path:
    """The one file that arrived, or a Parquet file of the rows of all."""
    if len(arrived) == 1 and arrived[0].suffix == target.suffix:
        return arrived[0]
    tables = [
        pq.read_table(path) if path.suffix == ".parquet" else pa.Table.from_pylist(read_table_file(path))
        for path in arrived
    ]
    pq.write_table(pa.concat_tables(tables, promote_options="permissive"), target, compression="zstd")
    return target


def _check(path: Path, piece: Piece, repo: str) -> None:
    """The size and the hash that the host states: SHA-256 of a large file, git's own hash of a small one."""
    size = path.stat().st_size
    if len(piece.stated_hash) == 64:
        found = digest(path)
    elif len(piece.stated_hash) == 40:
        found = hashlib.sha1(b"blob %d\0" % size + path.read_bytes()).hexdigest()
    else:
        found = piece.stated_hash
    if size != piece.size or found != piece.stated_hash:
        raise UserError(
            f"{piece.name} of {repo} arrived with {size:,} bytes and the hash {found or 'none'}; stated are {piece.size:,} bytes and "
            f"{piece.stated_hash or 'no hash'}. Nothing of it was kept: run the same command again."
        )


class Host:
    """A place that publishes repositories of data.

    Args:
        repo: owner/name.
    """

    address: str

    def __init__(self, repo: str) -> None:
        self.repo = repo

    def commit(self, revision: str | None) -> str:
        """The commit that a branch or tag is now; of the main branch for None."""
        raise NotImplementedError

    def piece(self, name: str, commit: str) -> Piece:
        """What the host says of a file."""
        raise NotImplementedError

    def download(self, piece: Piece, commit: str, folder: Path) -> Path:
        """Where in ``folder`` the file now lies."""
        raise NotImplementedError


class HuggingFace(Host):
    """Datasets of the Hugging Face hub, or of the mirror that HF_ENDPOINT names; a token is the hub client's own."""

    def __init__(self, repo: str) -> None:
        super().__init__(repo)
        self.address = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"

    def commit(self, revision: str | None) -> str:
        import huggingface_hub as hub

        with self._asking(f"revision {revision}"):
            found = hub.HfApi(endpoint=self.address).dataset_info(self.repo, revision=revision, timeout=TIMEOUT_S).sha
        return str(found)

    def piece(self, name: str, commit: str) -> Piece:
        import huggingface_hub as hub

        url = hub.hf_hub_url(self.repo, name, repo_type="dataset", revision=commit, endpoint=self.address)
        with self._asking(name):
            stated = hub.get_hf_file_metadata(url, timeout=TIMEOUT_S, endpoint=self.address)
        return Piece(name, int(stated.size or 0), (stated.etag or "").strip('"'))

    def download(self, piece: Piece, commit: str, folder: Path) -> Path:
        import huggingface_hub as hub

        with self._asking(piece.name):
            return Path(
                hub.hf_hub_download(
                    self.repo,
                    piece.name,
                    repo_type="dataset",
                    revision=commit,
                    local_dir=folder,
                    etag_timeout=TIMEOUT_S,
                    endpoint=self.address,
                )
            )

    def _asking(self, what: str) -> "_Refusals":
        return _Refusals(self, what)


class _Refusals:
    """Turns what the hub's client raises, which has no common base class, into one message."""

    def __init__(self, host: Host, what: str) -> None:
        self.host, self.what = host, what

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        from huggingface_hub import errors

        if error is None or not isinstance(error, Exception) or isinstance(error, UserError):
            return
        if isinstance(error, OSError) and error.errno in (
            errno.ENOSPC,
            errno.EACCES,
            errno.EPERM,
            errno.EROFS,
            errno.EDQUOT,
        ):
            return
        status = getattr(getattr(error, "response", None), "status_code", None)
        if isinstance(error, errors.GatedRepoError):
            status = 403
        elif isinstance(error, errors.EntryNotFoundError | errors.RevisionNotFoundError):
            status = 404
        raise refused(self.host, self.what, status, error) from error


class GitHub(Host):
    """Repositories of GitHub, or of the mirrors that RGD_GITHUB_FILES and RGD_GITHUB_API name."""

    def __init__(self, repo: str) -> None:
        super().__init__(repo)
        self.address = os.environ.get(GITHUB_FILES) or "https://raw.githubusercontent.com"

    def commit(self, revision: str | None) -> str:
        api = os.environ.get(GITHUB_API) or "https://api.github.com"
        url = f"{api}/repos/{self.repo}/commits/{urllib.parse.quote(revision or 'HEAD', safe='')}"
        with self._open(url, f"revision {revision}") as answer:
            return str(json.load(answer)["sha"])

    def piece(self, name: str, commit: str) -> Piece:
        with self._open(self._url(name, commit), name, method="HEAD") as answer:
            return Piece(name, int(answer.headers["Content-Length"]), "")

    def download(self, piece: Piece, commit: str, folder: Path) -> Path:
        path = folder / piece.name
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._open(self._url(piece.name, commit), piece.name) as answer, path.open("wb") as file:
            while block := self._read(answer, piece.name):
                file.write(block)
        return path

    def _url(self, name: str, commit: str) -> str:
        return f"{self.address}/{self.repo}/{commit}/{urllib.parse.quote(name)}"

    def _open(self, url: str, what: str, method: str = "GET") -> Any:
        # Without compression, so that the length that is stated is that of the file.
        request = urllib.request.Request(url, method=method, headers={"Accept-Encoding": "identity"})
        try:
            return urllib.request.urlopen(request, timeout=TIMEOUT_S)
        except urllib.error.HTTPError as error:
            raise refused(self, what, error.code, error) from error
        except OSError as error:
            raise refused(self, what, None, error) from error

    def _read(self, answer: Any, what: str) -> bytes:
        try:
            return bytes(answer.read(_BLOCK))
        except OSError as error:
            raise refused(self, what, None, error) from error


HOSTS: dict[str, type[Host]] = {"huggingface": HuggingFace, "github": GitHub}


def refused(host: Host, what: str, status: int | None, error: Exception) -> UserError:
    """What to tell when a host does not give ``what``."""
    page = f"{host.address}/{'datasets/' if isinstance(host, HuggingFace) else ''}{host.repo}"
    if status in (401, 403):
        fix = (
            f"open {page} in a browser, accept the conditions if it names some, and set HF_TOKEN to a token of that account "
            "(or run `hf auth login`); a name that does not exist is answered so as well"
        )
    elif status == 404:
        fix = f"look at {page} and correct source.repo, source.revision or source.remote in the dataset's file"
    elif status == 429:
        fix = "it is asked too often: wait a few minutes and run the same command again"
    else:
        fix = (
            "connect to the network (behind a proxy set HTTPS_PROXY), or run `rgd data fetch --data-root DIR` on a machine that "
            "has one and copy DIR here"
        )
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    said = f"answers {status}" if status else f"cannot be reached ({reason})"
    return UserError(f"{what} of {host.repo}: {host.address} {said}. To mend it: {fix}.")


def _cannot_keep(folder: Path, error: OSError) -> UserError:
    return UserError(
        f"cannot write to {folder}: {error.strerror or error}. Check its permissions and free space, or name another --data-root; "
        "then run the same command again."
    )


def readable_size(count: int) -> str:
    """A number of bytes for people."""
    return f"{count / 1e6:,.1f} MB" if count >= 100_000 else f"{count:,} bytes"
