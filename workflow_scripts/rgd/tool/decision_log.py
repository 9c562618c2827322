"""A log of served decisions, one JSON object a line: what ``rgd serve --log`` writes and ``rgd watch`` reads.

A line holds no text of a query unless that is asked for. A query is named by a keyed digest, whose key each server draws
when it starts and keeps nowhere: so equal queries of a run can be told, and no text can be guessed from its digest.
"""

import base64
import contextlib
import datetime
import errno
import hashlib
import json
import math
import os
import secrets
import stat
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rgd.errors import UserError
from rgd.tool.bundle import Content
from rgd.tool.routing import Decision

VERSION = 1
# A longer line is none of this log.
LONGEST_LINE = 1 << 20
# Of a bundle's settings, those that are only shown.
_SHOWN = ("titles", "descriptions")


def identity(content: Content) -> str:
    """A short name of a bundle by all that its decisions follow from, so that lines of another bundle are recognised."""
    routing = {name: value for name, value in content.routing.items() if name not in _SHOWN}
    keys = [member["key"] for member in content.members]
    told = json.dumps([routing, keys, content.made_from, content.digests], sort_keys=True)
    hashed = hashlib.sha256(told.encode())
    if not content.digests:
        hashed.update(np.ascontiguousarray(content.embeddings, dtype=np.float32).tobytes())
    return hashed.hexdigest()[:16]


class DecisionLog:
    """Appends decisions to a file. A file that cannot be written costs lines and never an answer.

    Each line is one append, so that several servers may share a file, and a file that is moved away (log rotation) is made
    anew. Lines that could not be written are counted in ``lost``.

    Args:
        path: the file, which is made if it is missing.
        content: the bundle's content.
        with_queries: whether to log the queries' texts.
        with_embeddings: whether to log the queries' vectors, from which much of a text can be recovered.

    Raises:
        UserError: the file cannot be opened.
    """

    def __init__(
        self, path: Path, content: Content, *, with_queries: bool = False, with_embeddings: bool = False
    ) -> None:
        self.path, self.with_queries, self.with_embeddings = path, with_queries, with_embeddings
        self.lost = 0
        self._bundle, self._key = identity(content), secrets.token_bytes(32)
        self._file = -1
        # Whether the file ends in a line that is not whole.
        self._is_torn = False
        self._is_failing = False
        try:
            self._open()
        except OSError as error:
            raise UserError(
                f"--log {path}: {error.strerror}. Name a file in a folder that exists and can be written."
            ) from None

    def add(self, decision: Decision, vector: np.ndarray, variant: str) -> None:
        """Append the decision on a query.

        Args:
            decision: the decision.
            vector: (1, d), the query's vector.
            variant: the variant that is asked.
        """
        line: dict[str, Any] = {
            "rgd": VERSION,
            "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
            "bundle": self._bundle,
            "query": hashlib.blake2b(
                decision.query.encode("utf-8", "surrogatepass"), key=self._key, digest_size=16
            ).hexdigest(),
            "variant": variant,
            "asks": decision.asked[variant],
            "scores": {ranked.member: ranked.score for ranked in decision.ranking},
            "task": decision.task,
            "cluster": None if decision.cluster is None else decision.cluster.number,
            "similarity": decision.similarity,
            "likeness": decision.likeness,
            "doubts": [doubt.kind for doubt in decision.doubts],
        }
        if self.with_queries:
            line["text"] = decision.query
        if self.with_embeddings:
            line["embedding"] = base64.b64encode(np.asarray(vector, dtype="<f2").tobytes()).decode()
        self._append(json.dumps(line).encode() + b"\n")

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
        self._file = -1

    def _append(self, line: bytes) -> None:
        try:
            if self._file < 0 or self._is_moved():
                self.close()
                self._open()
            if self._is_torn:
                line = b"\n" + line
            written = os.write(self._file, line)
            # What a full disk cut off is closed by the next line's newline.
            self._is_torn = 0 < written < len(line) or (self._is_torn and written == 0)
            if written < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            self.lost += 1
            if not self._is_failing:
                print(
                    f"rgd: {self.path} cannot be written: {error.strerror}. Decisions go on, and are not logged until it can.",
                    file=sys.stderr,
                    flush=True,
                )
            self._is_failing = True
            return
        if self._is_failing:
            print(
                f"rgd: {self.path} is written again; {self.lost} decisions are not in it.", file=sys.stderr, flush=True
            )
        self._is_failing = False

    def _open(self) -> None:
        # Readable by its owner alone: what people ask is theirs.
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
        self._file = os.open(self.path, flags, 0o600)
        status = os.fstat(self._file)
        self._is_torn = False
        if stat.S_ISREG(status.st_mode) and status.st_size:
            self._is_torn = os.pread(self._file, 1, status.st_size - 1) != b"\n"

    def _is_moved(self) -> bool:
        mine = os.fstat(self._file)
        with contextlib.suppress(FileNotFoundError):
            now = os.stat(self.path)
            return (now.st_dev, now.st_ino) != (mine.st_dev, mine.st_ino)
        return True


@dataclass(frozen=True)
class Logged:
    """A logged decision, as far as it tells about drift.

    Attributes:
        query: the query's digest.
        asks: the members that were asked.
        task: the task that it was routed by.
        similarity: cosine similarity to the nearest training query.
        likeness: as in :class:`rgd.tool.routing.Decision`; None where nothing tells it.
        text: the query; None if it is not logged.
        vector: (d,) float32; None if it is not logged.
    """

    query: str
    asks: tuple[str, ...]
    task: str
    similarity: float
    likeness: float | None
    text: str | None
    vector: np.ndarray | None


@dataclass
class Skipped:
    """Lines that are no decisions of a bundle: mangled or foreign ones, and those of another bundle."""

    mangled: int = 0
    other_bundle: int = 0


def read(paths: Iterable[Path], content: Content, skipped: Skipped) -> Iterator[Logged]:
    """The decisions of a bundle in logs, in their order; other lines are counted in ``skipped``.

    Raises:
        UserError: a file cannot be read.
    """
    bundle, dimension = identity(content), content.embeddings.shape[1]
    for path in paths:
        try:
            with path.open("rb") as file:
                for line in _lines(file):
                    found = _decision(line, dimension)
                    if found is None:
                        skipped.mangled += bool(line is None or line.strip())
                    elif found[0] != bundle:
                        skipped.other_bundle += 1
                    else:
                        yield found[1]
        except OSError as error:
            raise UserError(f"--log {path}: {error.strerror}. Name a file that `rgd serve --log` wrote.") from None


def _lines(file: Any) -> Iterator[bytes | None]:
    """The lines of a file; None for one that is too long, of which no more than a part is held."""
    while line := file.readline(LONGEST_LINE):
        if line.endswith(b"\n") or len(line) < LONGEST_LINE:
            yield line
            continue
        while (rest := file.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
            pass
        yield None


def _decision(line: bytes | None, dimension: int) -> tuple[str, Logged] | None:
    """The bundle and the decision of a line; None if it is no decision."""
    try:
        row = json.loads(line or b"")
        if row["rgd"] != VERSION or not all(isinstance(row[name], str) for name in ("bundle", "query", "task")):
            return None
        asks, text, vector = row["asks"], row.get("text"), row.get("embedding")
        similarity, likeness = float(row["similarity"]), row["likeness"]
        likeness = None if likeness is None else float(likeness)
        right = (
            isinstance(asks, list)
            and all(isinstance(member, str) for member in asks)
            and (text is None or isinstance(text, str))
            and math.isfinite(similarity)
            and (likeness is None or 0 <= likeness <= 1)
        )
        if not right:
            return None
        if vector is not None:
            vector = np.frombuffer(base64.b64decode(vector, validate=True), dtype="<f2").astype(np.float32)
            if vector.shape != (dimension,) or not np.isfinite(vector).all():
                return None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return row["bundle"], Logged(row["query"], tuple(asks), row["task"], similarity, likeness, text, vector)
