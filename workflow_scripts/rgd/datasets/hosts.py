"""Hosts of data repositories: the commit behind a name, a file's stated size and hash, and its bytes."""

import abc
import contextlib
import errno
import json
import os
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rgd.artifacts.address import masked
from rgd.errors import UserError

GITHUB_FILES, GITHUB_API = "RGD_GITHUB_FILES", "RGD_GITHUB_API"
"""Environment variables with the addresses of a GitHub mirror, like HF_ENDPOINT for the Hugging Face hub."""
TIMEOUT_S = 10
# Errors of this machine's disk, which say nothing about the host.
_OF_THE_DISK = (errno.ENOSPC, errno.EACCES, errno.EPERM, errno.EROFS, errno.EDQUOT)


@dataclass(frozen=True)
class Piece:
    """A file of a repository: its name, its size in bytes, and the hash that the host states ("" if none)."""

    name: str
    size: int
    stated_hash: str


class Host(abc.ABC):
    """A host of data repositories.

    Args:
        repo: owner/name.

    Attributes:
        address: base address of the files.
        page: the repository's web page.
    """

    address: str
    page: str

    def __init__(self, repo: str) -> None:
        self.repo = repo

    @abc.abstractmethod
    def commit(self, revision: str | None) -> str:
        """The commit that a branch or tag points to; None stands for the main branch."""

    @abc.abstractmethod
    def piece(self, name: str, commit: str) -> Piece:
        """The size and hash that the host states for a file."""

    @abc.abstractmethod
    def download(self, piece: Piece, commit: str, folder: Path) -> Path:
        """Download a file into ``folder``, and return its path."""

    @contextlib.contextmanager
    def asking(self, what: str) -> Iterator[None]:
        """Turn errors of the clients in this block, which share no base class, into one message about ``what``.

        Raises:
            UserError: the host cannot be reached, or refuses or lacks ``what``.
            OSError: the disk is full or cannot be written.
        """
        from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, RevisionNotFoundError

        try:
            yield
        except Exception as error:
            if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
                raise
            status = getattr(getattr(error, "response", None), "status_code", None)
            if isinstance(error, GatedRepoError):
                status = 403
            elif isinstance(error, EntryNotFoundError | RevisionNotFoundError):
                status = 404
            raise self._refused(what, status, error) from error

    def _refused(self, what: str, status: int | None, error: Exception) -> UserError:
        if status in (401, 403):
            fix = (
                f"open {self.page} in a browser, accept the conditions if there are any, and set HF_TOKEN to a token of that "
                "account (or run `hf auth login`); the host answers the same for a name that does not exist"
            )
        elif status == 404:
            fix = f"check {self.page} and correct source.repo, source.revision or source.remote in the dataset's file"
        elif status == 429:
            fix = "too many requests: wait a few minutes, then run the same command again"
        else:
            fix = (
                "connect to the network (behind a proxy set HTTPS_PROXY), or run `rgd data fetch --data-root DIR` on a machine "
                "with a network and copy DIR here"
            )
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        said = f"answers {status}" if status else f"cannot be reached ({reason})"
        return UserError(masked(f"{what} of {self.repo}: {self.address} {said}. Fix: {fix}."))


class HuggingFace(Host):
    """Datasets of the Hugging Face hub, or of the mirror that HF_ENDPOINT names; the hub's client finds the token."""

    def __init__(self, repo: str) -> None:
        super().__init__(repo)
        self.address = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
        self.page = f"{self.address}/datasets/{repo}"

    def commit(self, revision: str | None) -> str:
        import huggingface_hub as hub

        with self.asking(f"revision {revision}"):
            found = hub.HfApi(endpoint=self.address).dataset_info(self.repo, revision=revision, timeout=TIMEOUT_S).sha
        return str(found)

    def piece(self, name: str, commit: str) -> Piece:
        import huggingface_hub as hub

        url = hub.hf_hub_url(self.repo, name, repo_type="dataset", revision=commit, endpoint=self.address)
        with self.asking(name):
            stated = hub.get_hf_file_metadata(url, timeout=TIMEOUT_S, endpoint=self.address)
        return Piece(name, int(stated.size or 0), (stated.etag or "").strip('"'))

    def download(self, piece: Piece, commit: str, folder: Path) -> Path:
        import huggingface_hub as hub

        with self.asking(piece.name):
            path = hub.hf_hub_download(
                self.repo,
                piece.name,
                repo_type="dataset",
                revision=commit,
                local_dir=folder,
                etag_timeout=TIMEOUT_S,
                endpoint=self.address,
            )
        return Path(path)


class GitHub(Host):
    """Repositories of GitHub, or of the mirrors that RGD_GITHUB_FILES and RGD_GITHUB_API name."""

    def __init__(self, repo: str) -> None:
        super().__init__(repo)
        self.address = os.environ.get(GITHUB_FILES) or "https://raw.githubusercontent.com"
        self.api = os.environ.get(GITHUB_API) or "https://api.github.com"
        self.page = f"https://github.com/{repo}"

    def commit(self, revision: str | None) -> str:
        url = f"{self.api}/repos/{self.repo}/commits/{urllib.parse.quote(revision or 'HEAD', safe='')}"
        with self._reply("GET", url, f"revision {revision}") as reply:
            return str(json.loads(reply.read())["sha"])

    def piece(self, name: str, commit: str) -> Piece:
        with self._reply("HEAD", self._url(name, commit), name) as reply:
            return Piece(name, int(reply.headers["Content-Length"]), "")

    def download(self, piece: Piece, commit: str, folder: Path) -> Path:
        path = folder / piece.name
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._reply("GET", self._url(piece.name, commit), piece.name) as reply, path.open("wb") as file:
            for block in reply.iter_bytes():
                file.write(block)
        return path

    def _url(self, name: str, commit: str) -> str:
        return f"{self.address}/{self.repo}/{commit}/{urllib.parse.quote(name)}"

    @contextlib.contextmanager
    def _reply(self, method: str, url: str, what: str) -> Iterator[Any]:
        import httpx2

        # Without compression, so that the stated length is the file's.
        plain = {"Accept-Encoding": "identity"}
        with (
            self.asking(what),
            httpx2.stream(method, url, headers=plain, timeout=TIMEOUT_S, follow_redirects=True) as reply,
        ):
            reply.raise_for_status()
            yield reply


HOSTS: dict[str, type[Host]] = {"huggingface": HuggingFace, "github": GitHub}
