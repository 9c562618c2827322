"""Any benchmark whose answers are mathematics in LaTeX: a table whose columns the dataset's file names."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rgd.answers.kinds import LATEX
from rgd.answers.latex import boxed
from rgd.datasets.base import Question
from rgd.datasets.tables import Row, checked_tasks, column_names, identity, keys_of_tasks, read_rows
from rgd.errors import UserError


def questions(settings: Mapping[str, Any], folder: Path | None) -> list[Question]:
    """The questions of the settings' tasks, or of all tasks of the table if there are none, in the files' order.

    They have no options.

    Args:
        settings: source (file, columns, rows) and tasks.
        folder: what the files' names are relative to.

    Raises:
        UserError: a file is missing or unreadable, lacks a column, or has no question of some task.
    """
    source, tasks = settings["source"], settings["tasks"]
    columns = source["columns"]
    if folder is None:
        raise UserError("the adapter mathematics needs a source, but the dataset's file has none. Add source.")
    rows = list(read_rows(source, tasks, folder, column_names(columns)))
    keys = keys_of_tasks(rows, columns, tasks)
    return checked_tasks([_question(row, columns, tasks, keys) for row in rows], tasks, list(keys))


def _question(row: Row, columns: Mapping[str, Any], tasks: Sequence[str], keys: Mapping[str, str]) -> Question:
    label: str | None = None
    if columns["label"] is not None:
        cell = row.values[columns["label"]]
        text = "" if cell is None else str(cell)
        label = boxed(text) or "" if columns["label_form"] == "boxed" else text.strip()
    return Question(**identity(row, columns, tasks, keys), options=(), answer_kind=LATEX, label=label)
