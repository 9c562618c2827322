"""Queries as people give them to ``rgd route``: one on the command line, a file of any kind, or lines of text."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rgd.errors import UserError


class Query(NamedTuple):
    """A question to be routed, and its options where it has any."""

    question: str
    options: tuple[str, ...] = ()


def read(file: Path | None) -> Iterator[Query]:
    """The queries of a table (.jsonl, .csv, .parquet) or of a text, one a line; of the standard input for None or ``-``.

    Raises:
        UserError: the file cannot be read, nobody writes to the standard input, or a row has no question.
    """
    if file is None and sys.stdin.isatty():
        raise UserError("nothing to route: give a QUERY, --file FILE, or queries on the standard input, one a line.")
    if file is None or str(file) == "-":
        yield from lines(sys.stdin, "the standard input")
    elif file.suffix.lower() in (".jsonl", ".csv", ".parquet"):
        from rgd.datasets.tables import read_table_file

        if not file.is_file():
            raise UserError(f"--file {file}: there is no such file.")
        for number, row in enumerate(read_table_file(file), start=1):
            yield _query(row, f"{file}, row {number}")
    else:
        try:
            with file.open(encoding="utf-8") as opened:
                yield from lines(opened, str(file))
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"--file {file} cannot be read as text: {error}.") from None


def lines(texts: Iterable[str], where: str) -> Iterator[Query]:
    """A query a line: its text, or a JSON object with a question; ``where`` the lines come from is named in errors."""
    for number, line in enumerate(texts, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line) if line.lstrip().startswith("{") else None
        except ValueError:
            # A text may begin with a brace.
            row = None
        yield Query(line.strip()) if row is None else _query(row, f"{where}, line {number}")


def _query(row: Mapping[str, Any], where: str) -> Query:
    question, options = row.get("question"), row.get("options") or ()
    if isinstance(options, str):
        try:
            options = json.loads(options)
        except ValueError:
            options = None
    if not isinstance(question, str) or not question.strip():
        raise UserError(
            f"{where}: there is no question, but {', '.join(map(str, row)) or 'nothing'}. Name the column question."
        )
    if not isinstance(options, list | tuple) or not all(isinstance(each, str) for each in options):
        raise UserError(f"{where}: options is {row.get('options')!r}; give a list of texts.")
    return Query(question, tuple(options))
