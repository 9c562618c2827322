"""Any benchmark of questions with options: a table whose columns the dataset's file names."""

import json
import re
import string
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rgd.answers.kinds import LETTER
from rgd.answers.wording import key
from rgd.datasets.base import Question
from rgd.datasets.tables import Row, checked_tasks, column_names, identity, keys_of_tasks, read_rows, told
from rgd.errors import UserError

FIRST_INDEX = {"index_from_0": 0, "index_from_1": 1}
# A letter, alone or as people mark an option: (B), B., ["B"].
_LETTER = re.compile(r"[\s(\[{\"'*]*([A-Za-z])[\s)\]}\"'*.:]*")
_WHOLE_NUMBER = re.compile(r"-?[0-9]+(?=(\.0*)?\Z)")


def questions(settings: Mapping[str, Any], folder: Path | None) -> list[Question]:
    """The questions of the settings' tasks, or of all tasks of the table if there are none, in the files' order.

    Args:
        settings: source (file, columns, rows), tasks, and answer_kind unless it is letters.
        folder: what the files' names are relative to.

    Raises:
        UserError: a file is missing or unreadable, lacks a column, has no question of some task, or the column of options
            does not hold lists.
    """
    source, tasks = settings["source"], settings["tasks"]
    columns = source["columns"]
    if folder is None:
        raise UserError("the adapter multiple_choice needs a source, but the dataset's file has none. Add source.")
    rows = list(read_rows(source, tasks, folder, column_names(columns)))
    keys = keys_of_tasks(rows, columns, tasks)
    kind = settings.get("answer_kind", LETTER)
    return checked_tasks([_question(row, columns, tasks, keys, kind) for row in rows], tasks, list(keys))


def _question(
    row: Row, columns: Mapping[str, Any], tasks: Sequence[str], keys: Mapping[str, str], kind: str
) -> Question:
    same = columns.get("same_options")
    options, marks = _options(row, columns["options"]) if same is None else (tuple(same), ())
    return Question(
        **identity(row, columns, tasks, keys),
        options=options,
        answer_kind=kind,
        label=None
        if columns["label"] is None
        else _letter(
            row.values[columns["label"]],
            columns["label_form"],
            options,
            marks,
            str.strip if kind == LETTER else key,
        ),
    )


def _options(row: Row, names: str | Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The texts of the options, and the marks by which a label names them where the table has its own (as ARC)."""
    if not isinstance(names, str):
        cells = [row.values[name] for name in names]
        while cells and cells[-1] is None:
            cells.pop()
        return tuple("" if cell is None else str(cell) for cell in cells), ()
    cell = row.values[names]
    if isinstance(cell, str):
        try:
            cell = json.loads(cell)
        except ValueError:
            cell = None
    marks: Sequence[Any] = ()
    if (
        isinstance(cell, list)
        and cell
        and all(isinstance(each, dict) and {"text", "label"} <= set(each) for each in cell)
    ):
        cell = {name: [each[name] for each in cell] for name in ("text", "label")}
    if isinstance(cell, dict) and isinstance(cell.get("text"), list) and isinstance(cell.get("label"), list):
        cell, marks = cell["text"], cell["label"]
        if len(marks) != len(cell):
            raise UserError(
                f"{row.file.name}, row {row.number}: the column {names} has {len(cell)} texts of options, but {len(marks)} labels."
            )
    if not isinstance(cell, list):
        raise UserError(
            f"{row.file.name}, row {row.number}: the column {names} holds {row.values[names]!r}, which is not a list of options. "
            "If each option has a column, name them all (source.columns.options: [a, b, …])."
        )
    return tuple("" if option is None else str(option) for option in cell), tuple(told(mark).strip() for mark in marks)


def _letter(label: Any, form: str, options: Sequence[str], marks: Sequence[str], same: Callable[[str], str]) -> str:
    """The letter of the right option. A label that names no option stays as it is, and later fails the questions' check."""
    if isinstance(label, list) and len(label) == 1:
        label = label[0]
    text = told(label).strip()
    if form == "letter":
        if marks:
            places = [place for place, mark in enumerate(marks) if mark == text]
        else:
            found = _LETTER.fullmatch(text)
            return found.group(1).upper() if found else text.upper()
    elif form == "text":
        places = [place for place, option in enumerate(options) if same(option) == same(text)]
    else:
        number = _WHOLE_NUMBER.match(text)
        places = [int(number.group()) - FIRST_INDEX[form]] if number else []
    if not text:
        return ""
    is_one = len(places) == 1 and 0 <= places[0] < len(string.ascii_uppercase)
    return string.ascii_uppercase[places[0]] if is_one else f"{text} ({form})"
