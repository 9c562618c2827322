"""Tables of questions: their files in several formats, and what the named columns say about each row."""

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from rgd.artifacts.texts import csv_records, open_text, other_separator
from rgd.datasets.base import UNLISTED, Dropped, Question, Read
from rgd.datasets.mirror import SourceFile, source_files, task_keys, task_name
from rgd.errors import UserError

ONLY_TASK = "all"
"""The task of all questions, where neither the dataset's file nor the table names any."""


class Row(NamedTuple):
    """A row of a table: its file, its number in the file, and its values by column."""

    file: SourceFile
    number: int
    values: Mapping[str, Any]


def read_rows(source: Mapping[str, Any], tasks: Sequence[str], folder: Path, columns: Sequence[str]) -> Iterator[Row]:
    """The rows of a source's files, in order.

    Args:
        source: file and rows of the dataset.
        tasks: the dataset's tasks.
        folder: what the files' names are relative to.
        columns: the columns to read.

    Raises:
        UserError: a file is missing, unreadable, in an unknown format, or lacks a column, or none has a row.
    """
    files = source_files(source, tasks)
    is_empty = True
    for file in files:
        for number, values in enumerate(read_table_file(folder / file.name, columns)[: source["rows"]]):
            is_empty = False
            yield Row(file, number, values)
    if is_empty:
        names = ", ".join(str(folder / file.name) for file in files)
        raise UserError(f"{names} has no rows, only a header or nothing. Write a row for each question.")


def read_table_file(path: Path, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """The rows of a Parquet, JSONL, CSV or TSV file, each with ``columns`` (default: all); an empty cell of a CSV is None.

    Raises:
        UserError: the file is missing, unreadable, in another format, or lacks a column.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise UserError(
            f"{path} ends in {path.suffix or 'nothing'}, which is not a known format. Use {', '.join(READERS)}."
        )
    try:
        return reader(path, columns)
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing. Correct source.file in the dataset's file, or data_root.") from error
    except (OSError, ValueError, pa.ArrowException) as error:
        raise UserError(f"{path} cannot be read as {path.suffix[1:]} ({error}). Copy it again.") from error


def _parquet(path: Path, columns: Sequence[str] | None) -> list[dict[str, Any]]:
    present = pq.read_schema(path).names
    return pq.read_table(path, columns=_needed(path, columns, present)).to_pylist()


def _jsonl(path: Path, columns: Sequence[str] | None) -> list[dict[str, Any]]:
    rows = []
    with open_text(path) as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from error
            if not isinstance(row, dict):
                raise ValueError(f"line {number} is not a JSON object")
            rows.append(row)
    present = list(dict.fromkeys(name for row in rows for name in row))
    wanted = _needed(path, columns, present)
    return [{name: row.get(name) for name in wanted} for row in rows]


def _csv(path: Path, columns: Sequence[str] | None) -> list[dict[str, Any]]:
    with open_text(path) as file:
        records = csv_records(path, file)
        _, header = next(records, (0, []))
        separated = other_separator(path, header)
        if separated is not None and header[0] not in (columns or ()):
            raise UserError(separated)
        wanted = _needed(path, columns, header)
        rows = []
        for line, cells in records:
            if not cells:
                continue
            if len(cells) > len(header):
                raise UserError(
                    f"{path}, line {line}: the row has {len(cells)} cells, but the header has {len(header)}. Put quotes around a "
                    "cell that contains the separator."
                )
            row = dict(zip(header, cells, strict=False))
            rows.append({name: row.get(name) or None for name in wanted})
    return rows


READERS = {".parquet": _parquet, ".jsonl": _jsonl, ".csv": _csv, ".ndjson": _jsonl, ".tsv": _csv}


def _needed(path: Path, columns: Sequence[str] | None, present: Sequence[str]) -> list[str]:
    """``columns``, all of which must be ``present``."""
    for name in columns or []:
        if present.count(name) > 1:
            raise UserError(f"{path} has {present.count(name)} columns called {name}. Keep one of them.")
        if name not in present:
            close = difflib.get_close_matches(name, present, n=1, cutoff=0.5)
            hint = f"Did you mean {close[0]}?" if close else f"It has {', '.join(present) or 'no columns'}."
            raise UserError(f"{path} has no column {name}. {hint} The dataset's file names it under source.columns.")
    return list(present if columns is None else dict.fromkeys(columns))


def column_names(columns: Mapping[str, Any]) -> list[str]:
    """The columns of the table that ``source.columns`` names."""
    named = [columns[key] for key in ("id", "question", "options", "label", "task", "part")]
    lists = [[name] if isinstance(name, str) else name for name in named if name is not None]
    return [name for names in lists for name in names]


def told(value: Any) -> str:
    """A cell as text: empty if nothing is in it, and without the point of a whole number (a column with gaps has floats)."""
    if value is None or value != value:
        return ""
    is_whole = isinstance(value, float | Decimal) and abs(float(value)) < 2**53 and value == int(value)
    return str(int(value)) if is_whole else str(value)


def text_of(row: Row, column: str) -> str:
    """A cell as text, as :func:`told`; of a list of one it is that one.

    Raises:
        UserError: the cell holds another list or a structure.
    """
    value = row.values[column]
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, list | dict):
        raise UserError(
            f"{row.file.name}, row {row.number}: the column {column} holds {type(value).__name__} ({str(value)[:60]}), where a text or "
            "a number is expected. Write texts, or name another column under source.columns."
        )
    return told(value)


def keys_of_tasks(rows: Sequence[Row], columns: Mapping[str, Any], tasks: Sequence[str]) -> dict[str, str]:
    """The key of each task that the column of tasks names; see :func:`rgd.datasets.mirror.task_keys`."""
    column = columns["task"]
    return {} if column is None else task_keys([text_of(row, column) for row in rows], tasks)


def identity(row: Row, columns: Mapping[str, Any], tasks: Sequence[str], keys: Mapping[str, str]) -> dict[str, Any]:
    """query_id, task, question and part of a row; an empty cell becomes an empty text.

    Args:
        row: the row.
        columns: the columns' names.
        tasks: the dataset's tasks.
        keys: from :func:`keys_of_tasks`.
    """

    def text(key: str) -> str:
        return text_of(row, columns[key])

    if columns["task"] is not None:
        task = keys[text("task")]
    else:
        task = row.file.task if row.file.task is not None else next(iter(tasks), ONLY_TASK)
    prefix = "".join(f"{word}-" for word in (row.file.task, row.file.part) if word)
    return {
        "query_id": text("id") if columns["id"] is not None else f"{prefix or 'row-'}{row.number:05d}",
        "task": task,
        "question": text("question"),
        "part": text("part").strip() if columns["part"] is not None else row.file.part,
    }


def checked_tasks(questions: Sequence[Question], tasks: Sequence[str], names: Sequence[str] = ()) -> Read:
    """The questions of ``tasks``, and the faulty ones without a task; the rows of other tasks are listed beside them.

    Args:
        questions: of all rows, in order.
        tasks: the dataset's tasks; empty if those of the table are meant.
        names: the tasks' names as the files spell them.

    Raises:
        UserError: a task has no question.
    """
    if not tasks:
        return Read(questions, [], map(task_name, names))
    found = {question.task for question in questions}
    missing = [task for task in tasks if task not in found]
    if missing:
        raise UserError(
            f"there are no questions for the task {missing[0]}; the file has the tasks {sorted(found)}. Correct `tasks` in the "
            "dataset's file."
        )
    unlisted = [
        Dropped(row, question.query_id, UNLISTED, f"its task is {question.task!r}")
        for row, question in enumerate(questions)
        if question.task and question.task not in tasks
    ]
    kept = [question for question in questions if not question.task or question.task in tasks]
    return Read(kept, unlisted, [*tasks, *map(task_name, names)])
