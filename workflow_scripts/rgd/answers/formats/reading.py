"""Reading the files of other tools: record by record, with one message that names the file and the place of a fault."""

import contextlib
import csv
import io
import json
import zipfile
import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from rgd.answers.formats.documents import Document
from rgd.artifacts.texts import csv_records, open_text, other_separator, read_text
from rgd.errors import UserError

MOST_BYTES = 2**30
"""Most bytes of one entry of a zip archive, as unpacked."""
BATCH_ROWS = 4096
PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".joblib")

# What reading raises for content that is not what it should be.
_FAULTS = (
    *(OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError, OverflowError, SyntaxError),
    *(
        NotImplementedError,
        MemoryError,
        EOFError,
        csv.Error,
        pa.ArrowException,
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
    ),
    zlib.error,
)


@contextlib.contextmanager
def reading(path: Path, place: str = "") -> Iterator[None]:
    """Report a fault of ``path`` as one message.

    Args:
        path: the file.
        place: where in it, as "line 3".

    Raises:
        UserError: the block failed because of the file's content.
    """
    where = f"{path}, {place}" if place else str(path)
    try:
        yield
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing. Correct its name.") from error
    except UserError as error:
        if str(error).startswith(str(path)):
            raise
        raise UserError(f"{where}: {error}") from error
    except _FAULTS as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(
            f"{where} cannot be read ({reason}). Is the file whole and of this format? Copy it again."
        ) from error


def checked_files(paths: Sequence[Path], patterns: Sequence[str]) -> list[Path]:
    """The files to read: ``paths``, with the files of folders that match one of ``patterns``, each once and in order.

    Raises:
        UserError: a path is missing, is a pickle, or a folder has no such file.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inner = sorted({each for pattern in patterns for each in path.rglob(pattern) if each.is_file()})
            if not inner:
                raise UserError(
                    f"{path} contains no file called {' or '.join(patterns)}. Is it the folder of another format?"
                )
            found += inner
        else:
            found.append(path)
    for path in found:
        if path.suffix.lower() in PICKLES:
            raise UserError(f"{path} is a pickle, which can run code, and is not loaded. Export it as CSV or Parquet.")
        if not path.exists():
            raise UserError(f"{path} is missing. Correct its name.")
    return list(dict.fromkeys(found))


def json_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The place and the object of every line that is not empty.

    Raises:
        UserError: a line is no JSON object.
    """
    with reading(path), open_text(path) as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                place = f"line {number}"
                with reading(path, place):
                    yield place, _object(json.loads(line))


def json_document(path: Path) -> Any:
    """The content of a small JSON file.

    Raises:
        UserError: the file is not JSON.
    """
    with reading(path):
        return json.loads(read_text(path))


def json_header(path: Path, names: Collection[str]) -> dict[str, Any]:
    """Those members of a JSON object that are called one of ``names``; reading ends when all are found.

    Raises:
        UserError: the file is not a JSON object, up to where it is read.
    """
    found: dict[str, Any] = {}
    for key, value in json_members(path, names):
        found[key] = value
        if len(found) == len(names):
            break
    return found


def json_members(path: Path, names: Collection[str] | None = None) -> Iterator[tuple[str, Any]]:
    """The members of a JSON object, each value whole, one in memory; others than ``names`` are skipped if it is given.

    Raises:
        UserError: the file is not a JSON object.
    """
    with reading(path), open_text(path) as file:
        yield from _members(file, names)


def json_rows(path: Path, member: str | None = None) -> Iterator[Any]:
    """The values of a JSON list, one in memory: of the file's list, or of the list ``member`` of the file's object.

    Nothing is given if the object has no such member or it is null.

    Raises:
        UserError: the file is not JSON, or there is no list where it should be.
    """
    with reading(path), open_text(path) as file:
        document = Document(file)
        if member is None:
            yield from document.items()
        else:
            for key in document.members():
                if key != member:
                    document.skip()
                elif document.kind() == "[":
                    yield from document.items()
                elif document.value() is not None:
                    raise UserError(f"its {member} is no list")
        document.end()


def json_objects(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a file of JSON lines, a JSON list, or one JSON object, with their places.

    Raises:
        UserError: the file is none of these.
    """
    with reading(path), open_text(path) as file:
        start = file.read(1)
        while start.isspace():
            start = file.read(1)
        first = start + file.readline() if start == "{" else ""
    try:
        is_lines = isinstance(json.loads(first), dict)
    except (ValueError, RecursionError):
        is_lines = False
    if is_lines:
        yield from json_lines(path)
        return
    for number, item in enumerate(json_rows(path) if start == "[" else [json_document(path)]):
        place = f"entry {number}"
        with reading(path, place):
            yield place, _object(item)


def zipped_json(path: Path, archive: zipfile.ZipFile, name: str, names: Collection[str]) -> dict[str, Any]:
    """Those members of a JSON object, an entry of a zip archive, that are called one of ``names``.

    Raises:
        UserError: it is damaged, unreasonably large, or not a JSON object.
    """
    with reading(path, name):
        if archive.getinfo(name).file_size > MOST_BYTES:
            raise UserError("is larger than 1 GiB")
        with archive.open(name) as entry:
            return dict(_members(io.TextIOWrapper(entry, encoding="utf-8-sig"), names))


def csv_rows(path: Path) -> Iterator[tuple[str, list[str]]]:
    """The place and the cells of every row of a CSV or TSV file, the header first.

    Raises:
        UserError: it is no table, or a row has another number of cells than the header.
    """
    with reading(path), open_text(path) as file:
        records = csv_records(path, file)
        _, header = next(records, (0, None))
        if header is None:
            raise UserError("is empty")
        if separated := other_separator(path, header):
            raise UserError(separated)
        if len(set(header)) < len(header):
            raise UserError(f"two columns are called {next(name for name in header if header.count(name) > 1)!r}")
        yield "the header", header
        number = 0
        for line, row in records:
            if not row:
                continue
            number += 1
            if len(row) != len(header):
                raise UserError(f"line {line} has {len(row)} cells, but the header has {len(header)}. Is the file cut?")
            yield f"line {line}", row
        if not number:
            raise UserError("has a header and no rows")


def table_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The place and the cells by column of every row of a CSV, TSV, JSONL or Parquet file.

    Raises:
        UserError: it is none of these.
    """
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv"):
        rows = csv_rows(path)
        _, header = next(rows)
        for place, row in rows:
            yield place, dict(zip(header, row, strict=True))
    elif suffix in (".jsonl", ".ndjson"):
        yield from json_lines(path)
    elif suffix == ".parquet":
        with reading(path), pq.ParquetFile(path) as file:
            number = 0
            for batch in file.iter_batches(BATCH_ROWS):
                for row in batch.to_pylist():
                    yield f"row {number}", row
                    number += 1
    elif not path.exists():
        raise UserError(f"{path} is missing. Correct its name.")
    else:
        raise UserError(
            f"{path} ends in {suffix or 'nothing'}, which is no known table. Use .csv, .tsv, .jsonl or .parquet."
        )


def distinct_names(names: Iterable[str], what: str) -> None:
    """Refuse names that a file system without upper and lower case takes for one.

    Raises:
        UserError: two names are the same.
    """
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name.casefold(), name)
        if other is not name:
            raise UserError(f"two {what} would share the file {name}. Rename one of them.")


def _members(file: TextIO, names: Collection[str] | None) -> Iterator[tuple[str, Any]]:
    document = Document(file)
    for key in document.members():
        if names is None or key in names:
            yield key, document.value()
        else:
            document.skip()
    document.end()


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UserError(f"holds {type(value).__name__}, not a JSON object")
    return value
