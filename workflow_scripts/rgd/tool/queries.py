"""Queries for ``rgd route``: one on the command line, a file of any kind, or lines of text."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rgd.artifacts.texts import open_text
from rgd.errors import UserError

TEXTS = ("", ".txt", ".text", ".md")
"""Endings of files of lines of text."""


class Query(NamedTuple):
    """A question to route, and its options if it has any."""

    question: str
    options: tuple[str, ...] = ()


def read(file: Path | None) -> Iterator[Query]:
    """The queries in a table (.jsonl, .csv, .parquet), a JSON list, or lines of text; None or ``-`` reads the standard input.

    Raises:
        UserError: the file cannot be read or has another ending, the standard input is a terminal, or a row has no question.
    """
    if file is None and sys.stdin.isatty():
        raise UserError("nothing to route. Give a QUERY, --file FILE, or queries on the standard input, one per line.")
    if file is None or str(file) == "-":
        yield from lines(sys.stdin, "the standard input")
    elif file.suffix.lower() in (".jsonl", ".csv", ".parquet"):
        from rgd.answers.formats.column_names import need_columns
        from rgd.datasets.tables import read_table_file

        if not file.is_file():
            raise UserError(f"--file {file}: this file does not exist.")
        for number, row in enumerate(read_table_file(file), start=1):
            need_columns(file, f"row {number}", row, ["question"])
            yield _query(row, f"{file}, row {number}")
    elif file.suffix.lower() == ".json":
        from rgd.answers.formats.reading import json_objects

        for place, row in json_objects(file):
            yield _query(row, f"{file}, {place}")
    elif file.suffix.lower() not in TEXTS:
        raise UserError(
            f"--file {file} ends in {file.suffix}, which is no known format. Use .jsonl, .json, .csv, .parquet, or .txt for lines of text."
        )
    else:
        try:
            with open_text(file) as opened:
                yield from lines(opened, str(file))
        except OSError as error:
            raise UserError(f"--file {file}: this file cannot be read as text: {error}.") from None


def lines(texts: Iterable[str], where: str) -> Iterator[Query]:
    """One query per line: its text, or a JSON object with a question; errors name ``where`` the lines come from."""
    for number, line in enumerate(texts, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line) if line.lstrip().startswith("{") else None
        except ValueError:
            # A text may begin with a brace too.
            row = None
        yield Query(line.strip()) if row is None else _query(row, f"{where}, line {number}")


def _query(row: Mapping[str, Any], where: str) -> Query:
    question, options = row.get("question"), row.get("options") or ()
    if isinstance(options, str):
        try:
            options = json.loads(options)
        except ValueError:
            options = None
    if "question" in row and (not isinstance(question, str) or not question.strip()):
        raise UserError(f"{where}: the question is {question!r}. Write a text.")
    if not isinstance(question, str):
        raise UserError(
            f"{where}: there is no question, only {', '.join(map(str, row)) or 'nothing'}. Name the text question."
        )
    if not isinstance(options, list | tuple) or not all(isinstance(each, str) for each in options):
        raise UserError(f"{where}: options is {row.get('options')!r}. Give a list of texts.")
    return Query(question, tuple(options))
