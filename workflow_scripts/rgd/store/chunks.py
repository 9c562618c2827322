"""The files of the store: their columns, and how they are read, written and listed while other jobs write and compact."""

import errno
import hashlib
import json
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rgd.artifacts.files import flush, replacing
from rgd.errors import UserError

SCHEMA = pa.schema(
    {
        "query_key": pa.string(),
        "draw": pa.int32(),
        "text": pa.string(),
        "scores": pa.list_(pa.float32()),
        "confidence": pa.float32(),
        "prompt_tokens": pa.int32(),
        "completion_tokens": pa.int32(),
        "finish_reason": pa.string(),
        "trimmed": pa.bool_(),
        "attempts": pa.int32(),
        "cost": pa.float64(),
        "served_model": pa.string(),
    }
)
SETTINGS_FILE = "settings.json"
"""The file beside a folder's answers that holds their settings."""
PROVENANCE = "provenance"
# A file's columns: the answer's, and what computed it as JSON, the same for all answers of a chunk.
FILE_SCHEMA = SCHEMA.append(pa.field(PROVENANCE, pa.string()))
KEY_COLUMNS = ["query_key", "draw"]
# Values for chunk files that were written before these columns existed; their provenance is in the file's metadata.
DEFAULTS: dict[str, Any] = {"attempts": 1, "cost": 0.0, "served_model": ""}
OLD_PROVENANCE = b"rgd.artifacts.provenance"
REPEATED = ["finish_reason", "served_model", PROVENANCE]
# Rows that are decompressed together: the cost of reading a few answers from a large file.
GROUP_ROWS = 4096
# A file up to this size, such as a chunk that a job commits, is read in one piece.
SMALL_BYTES = 1024 * 1024
# How often files are listed again because one has disappeared; a compaction replaces all of a folder's at once.
ATTEMPTS = 100
MOST_DOLLARS = 10_000.0
"""No single answer costs more."""

# Compacted files sort before every chunk ("-" sorts before the digits), so of two answers to one query the same one
# counts before and after a compaction.
COMPACTED = "000-"
FILE_NAME = re.compile(rf"(?:{COMPACTED})?[0-9a-f]{{20}}\.parquet")
FOLDER_NAME = re.compile(r"[0-9a-f]{20}")

Found = TypeVar("Found")


def key_of(pairs: Iterable[Sequence[Any]]) -> str:
    """20 hexadecimal digits that name an ordered list of (query key, draw): the stem of its file."""
    return hashlib.sha256(json.dumps([list(pair) for pair in pairs]).encode()).hexdigest()[:20]


def table_key(table: pa.Table) -> str:
    """:func:`key_of` the answers of ``table``."""
    return key_of(zip(table["query_key"].to_pylist(), table["draw"].to_pylist(), strict=True))


def provenance_of(text: str) -> dict[str, Any]:
    """An answer's provenance.

    Raises:
        ValueError: ``text`` is not a JSON object.
    """
    try:
        content = json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(content, dict):
        raise ValueError("it is no JSON object")
    return content


def engine_of(provenance: str) -> str:
    """Engine and version from an answer's provenance, such as ``vllm 0.32.0``."""
    content = provenance_of(provenance)
    return " ".join(str(content[name]) for name in ("engine", "version") if name in content) or "unknown"


def names(folder: Path) -> list[str]:
    """The files of answers in ``folder``, sorted by name; none if there is no folder.

    A folder that changes while it is listed may show neither a new compacted file nor the files that it replaced. The
    next listing shows what the previous one missed, so two listings that agree are complete.
    """
    before, found = None, _names(folder)
    while found != before:
        before, found = found, _names(folder)
    return found


def _names(folder: Path) -> list[str]:
    try:
        return sorted(name for name in os.listdir(folder) if FILE_NAME.fullmatch(name))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise UserError(
            f"cannot list {folder}: {error.strerror}. Check its permissions, then run the same command again."
        ) from error


def settled(attempt: Callable[[], Found]) -> Found:
    """The result of ``attempt``, which lists files and reads them; repeated if a compaction removes a file meanwhile.

    Raises:
        UserError: a listed file repeatedly cannot be found.
    """
    gone: OSError
    for _ in range(ATTEMPTS):
        try:
            return attempt()
        except FileNotFoundError as error:
            gone = error
        except OSError as error:
            # The error of a network file system for a file that another machine has removed.
            if error.errno != errno.ESTALE:
                raise
            gone = error
    raise UserError(f"a file of the store is listed but cannot be found ({gone}): check whether it is a broken link.")


def read(path: Path, columns: Sequence[str], rows: np.ndarray | None = None) -> pa.Table:
    """``columns`` of the file of answers at ``path``, with :data:`DEFAULTS` for those that an older file lacks.

    Args:
        path: the file.
        columns: names of :data:`FILE_SCHEMA`.
        rows: (n,) indices of the wanted rows, ascending; only their row groups are read. Default: all.

    Raises:
        FileNotFoundError: a compaction has replaced the file.
        UserError: the file is damaged, or cannot be opened.
    """

    def content() -> pa.Table:
        is_small = path.stat().st_size <= SMALL_BYTES
        # One request to a network file system instead of several, and no thread to wait for.
        source = pa.BufferReader(path.read_bytes()) if is_small else path
        with pq.ParquetFile(source, page_checksum_verification=True) as file:
            schema = file.schema_arrow
            # If an older file lacks all of them, a column that every file has gives the number of rows.
            present = [name for name in columns if name in schema.names] or ["draw"]
            table = file.read(present, use_threads=not is_small) if rows is None else _rows(file, present, rows)
            return _complete(table, columns, schema.metadata or {})

    return opened(path, content)


def _rows(file: pq.ParquetFile, columns: Sequence[str], rows: np.ndarray) -> pa.Table:
    sizes = np.array([file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)], np.int64)
    starts = np.cumsum(sizes) - sizes
    group = np.searchsorted(starts, rows, side="right") - 1
    wanted = np.unique(group)
    # The first row of each group among the rows that are read.
    begins = np.cumsum(sizes[wanted]) - sizes[wanted]
    place = begins[np.searchsorted(wanted, group)] + rows - starts[group]
    return file.read_row_groups(wanted.tolist(), list(columns)).take(pa.array(place))


def write(path: Path, table: pa.Table) -> None:
    """Write a file of answers, whole or not at all, with checksums that reveal later damage.

    Raises:
        UserError: the disk is full or the folder cannot be written.
    """
    with replacing(path) as temporary:
        pq.write_table(
            table.select(FILE_SCHEMA.names).cast(FILE_SCHEMA),
            temporary,
            compression="zstd",
            use_dictionary=REPEATED,
            row_group_size=GROUP_ROWS,
            write_page_checksum=True,
        )


def sync(folder: Path) -> None:
    """Make the folder's renames survive a crash of the machine."""
    number = os.open(folder, os.O_RDONLY)
    try:
        flush(number)
    finally:
        os.close(number)


def cost(path: Path) -> float:
    """The cost of all answers in the file at ``path`` in US dollars.

    Raises:
        FileNotFoundError: a compaction has replaced the file.
        UserError: the file is damaged.
    """
    costs = read(path, ["cost"])["cost"]
    if (reason := cost_fault(costs)) is not None:
        raise Damaged(path, reason)
    return math.fsum(costs.to_pylist())


def cost_fault(costs: pa.ChunkedArray) -> str | None:
    """Why one of ``costs`` is no cost of an answer; None if all are."""
    is_right = pc.and_(pc.greater_equal(costs, 0.0), pc.less_equal(costs, MOST_DOLLARS))
    wrong = costs.filter(pc.invert(pc.fill_null(is_right, False)))
    return f"the cost of an answer is {wrong[0].as_py()}" if len(wrong) else None


def opened(path: Path, content: Callable[[], Found]) -> Found:
    """The result of ``content``, which reads the file of answers at ``path``.

    Raises:
        FileNotFoundError: a compaction has replaced the file.
        UserError: the file is damaged, or cannot be opened.
    """
    try:
        return content()
    except (pa.ArrowException, OSError, KeyError, ValueError, MemoryError) as error:
        number = getattr(error, "errno", None)
        if number in (errno.ENOENT, errno.ESTALE):
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        # A system error says nothing about the file's content; deleting the file would lose good answers.
        if number is not None and number != errno.EIO:
            raise UserError(
                f"the chunk of answers {path} cannot be opened ({reason}): fix the cause, then run the same command again."
            ) from error
        raise Damaged(path, reason) from error


class Damaged(UserError):
    """A file of answers is damaged; ``reason`` says how."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"the chunk of answers {path} is damaged ({reason}): delete this one file and run the same command again; only its "
            "answers are asked again."
        )
        self.reason = reason


def _complete(table: pa.Table, columns: Sequence[str], metadata: Mapping[bytes, bytes]) -> pa.Table:
    """``table`` with all of ``columns``, in the types of :data:`FILE_SCHEMA`.

    Raises:
        KeyError: a column that every file has is missing.
        ArrowException: a column has another type.
    """
    older = {**DEFAULTS, PROVENANCE: metadata.get(OLD_PROVENANCE, b"{}").decode()}
    for name in columns:
        if name in older and name not in table.column_names:
            value = pa.scalar(older[name], FILE_SCHEMA.field(name).type)
            table = table.append_column(FILE_SCHEMA.field(name), pa.repeat(value, len(table)))
    schema = pa.schema([FILE_SCHEMA.field(name) for name in columns])
    table = table.select(columns).replace_schema_metadata(None)
    return table if table.schema.equals(schema) else table.cast(schema)
