"""Any benchmark of questions without options whose answers are numbers, a few words, yes and no, or scores.

The table's columns are those that the dataset's file names.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rgd.answers.kinds import BEST_SCORE, SCORE, TEXT, YES_AND_NO, YES_NO
from rgd.answers.wording import FALSE, NO, TRUE, YES, key, normal
from rgd.datasets.base import Question
from rgd.datasets.tables import Row, checked_tasks, column_names, identity, keys_of_tasks, read_rows, told
from rgd.errors import UserError


def questions(settings: Mapping[str, Any], folder: Path | None) -> list[Question]:
    """The questions of the settings' tasks, or of all tasks of the table if there are none, in the files' order.

    Args:
        settings: source (file, columns, rows), tasks, and answer_kind (``number``, ``text``, ``yes_no`` or ``score``).
        folder: what the files' names are relative to.

    Raises:
        UserError: a file is missing or unreadable, lacks a column, or has no question of some task.
    """
    source, tasks = settings["source"], settings["tasks"]
    columns = source["columns"]
    if folder is None:
        raise UserError("the adapter free_form needs a source, but the dataset's file has none. Add source.")
    rows = list(read_rows(source, tasks, folder, column_names(columns)))
    keys = keys_of_tasks(rows, columns, tasks)
    kind = settings["answer_kind"]
    return checked_tasks([_question(row, columns, tasks, keys, kind) for row in rows], tasks, list(keys))


def _question(
    row: Row, columns: Mapping[str, Any], tasks: Sequence[str], keys: Mapping[str, str], kind: str
) -> Question:
    if kind == SCORE:
        return Question(**identity(row, columns, tasks, keys), options=(), answer_kind=kind, label=BEST_SCORE)
    label = None if columns["label"] is None else _label(row.values[columns["label"]], kind)
    options = YES_AND_NO if kind == YES_NO else ()
    return Question(**identity(row, columns, tasks, keys), options=options, answer_kind=kind, label=label)


def _label(cell: Any, kind: str) -> str:
    if kind == YES_NO:
        return _yes_or_no(cell)
    return "\n".join(_accepted(cell)) if kind == TEXT else told(cell).strip()


def _accepted(cell: Any) -> list[str]:
    """The answers that a cell accepts, which differ in their normal form, each on one line; a list in CSV is written as JSON."""
    if isinstance(cell, str) and cell.strip().startswith("["):
        try:
            listed = json.loads(cell)
        except ValueError:
            listed = cell
        cell = listed if isinstance(listed, list) else cell
    answers = cell if isinstance(cell, list) else [cell]
    texts = [text for answer in answers if (text := " ".join(told(answer).split()))]
    return list({normal(text): text for text in reversed(texts)}.values())[::-1]


def _yes_or_no(cell: Any) -> str:
    """The letter of yes or of no. Another label stays as it is, and later fails the questions' check."""
    text = told(cell).strip()
    said = key({"1": "yes", "0": "no"}.get(text, text))
    return "A" if said in (*YES, *TRUE) else "B" if said in (*NO, *FALSE) else text
