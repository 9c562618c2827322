"""Reading a benchmark's rows from a folder that mirrors the model hub: the same names, the same columns."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rgd.artifacts import read_table
from rgd.datasets.base import Question
from rgd.errors import UserError


def task_key(name: str) -> str:
    """A task's name as a key: letters, digits and underscores."""
    return re.sub(r"\W+", "_", name.strip()).strip("_")


def source_folder(settings: Mapping[str, Any], data_root: Path | None) -> Path:
    """The mirror's folder of ``settings["source"]``.

    Raises:
        UserError: the dataset names no source, or there is no mirror.
    """
    source = settings["source"]
    if source is None:
        raise UserError("the dataset's file names no source: add source: {repo: OWNER/NAME, file: FILE}.")
    if data_root is None:
        raise UserError(f"{source['repo']} is read from a mirror folder: add data_root=DIR to --config.")
    return data_root / "hub" / source["repo"]


def read_source(
    settings: Mapping[str, Any],
    data_root: Path | None,
    columns: Sequence[str],
    question: Callable[[Mapping[str, Any]], Question],
) -> list[Question]:
    """The rows of ``settings["source"]`` as questions, those of ``settings["tasks"]`` alone.

    Args:
        settings: ``source`` (repo, file, rows) and ``tasks``.
        data_root: the folder whose hub/ holds the mirror.
        columns: what is read of the Parquet file.
        question: makes a question of a row.

    Raises:
        UserError: there is no mirror, the file is missing or damaged, lacks a column or has no question of some task.
    """
    path = source_folder(settings, data_root) / settings["source"]["file"]
    table = read_table(path).slice(0, settings["source"]["rows"])
    absent = [name for name in columns if name not in table.column_names]
    if absent:
        raise UserError(f"{path} has no column {absent[0]}, only {table.column_names}: is it the right file?")
    wanted = set(settings["tasks"])
    found = [question(row) for row in table.select(list(columns)).to_pylist()]
    missing = sorted(wanted - {item.task for item in found})
    if missing:
        raise UserError(
            f"{path} has no question of the task {missing[0]}; its tasks are {sorted({item.task for item in found})}."
        )
    return [item for item in found if item.task in wanted]
