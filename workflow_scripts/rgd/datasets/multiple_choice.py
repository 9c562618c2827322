"""Any benchmark of questions with options: a table whose columns the dataset's file names."""

import json
import string
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rgd.datasets.base import LETTER, Question
from rgd.datasets.tables import Row, checked_tasks, column_names, identity, read_rows
from rgd.errors import UserError

FIRST_INDEX = {"index_from_0": 0, "index_from_1": 1}


def questions(settings: Mapping[str, Any], folder: Path | None) -> list[Question]:
    """The questions of the settings' tasks, in the files' order.

    Args:
        settings: source (file, columns, rows) and tasks.
        folder: what the files' names are relative to.

    Raises:
        UserError: a file is missing or unreadable, lacks a column, has no question of some task, or the column of options
            does not hold lists.
    """
    source, tasks = settings["source"], settings["tasks"]
    columns = source["columns"]
    if folder is None:
        raise UserError("the adapter multiple_choice needs a source, but the dataset's file has none. Add source.")
    return checked_tasks(
        [_question(row, columns, tasks) for row in read_rows(source, tasks, folder, column_names(columns))], tasks
    )


def _question(row: Row, columns: Mapping[str, Any], tasks: Sequence[str]) -> Question:
    options = _options(row, columns["options"])
    return Question(
        **identity(row, columns, tasks),
        options=options,
        answer_kind=LETTER,
        label=_letter(row.values[columns["label"]], columns["label_form"], options),
    )


def _options(row: Row, names: str | Sequence[str]) -> tuple[str, ...]:
    if not isinstance(names, str):
        cells = [row.values[name] for name in names]
        while cells and cells[-1] is None:
            cells.pop()
        return tuple("" if cell is None else str(cell) for cell in cells)
    cell = row.values[names]
    if isinstance(cell, str):
        try:
            cell = json.loads(cell)
        except ValueError:
            cell = None
    if not isinstance(cell, list):
        raise UserError(
            f"{row.file.name}, row {row.number}: the column {names} holds {row.values[names]!r}, which is not a list of options. "
            "If each option has a column, name them all (source.columns.options: [a, b, …])."
        )
    return tuple("" if option is None else str(option) for option in cell)


def _letter(label: Any, form: str, options: Sequence[str]) -> str:
    """The letter of the right option. A label that names no option stays as it is, and later fails the questions' check."""
    text = "" if label is None else str(label).strip()
    if form == "letter":
        return text.upper()
    if form == "text":
        places = [place for place, option in enumerate(options) if option.strip() == text]
    else:
        places = [int(text) - FIRST_INDEX[form]] if text.lstrip("-").isascii() and text.lstrip("-").isdigit() else []
    found = len(places) == 1 and 0 <= places[0] < len(string.ascii_uppercase)
    return string.ascii_uppercase[places[0]] if found else f"{text} ({form})"
