"""SuperGPQA: 26,529 questions of 13 disciplines with up to ten options (arXiv 2502.14739)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rgd.datasets.base import Question
from rgd.mirror import read_source, task_key

COLUMNS = ["uuid", "question", "options", "answer_letter", "discipline"]


def questions(settings: Mapping[str, Any], data_root: Path | None) -> list[Question]:
    """The questions of the settings' tasks, in the file's order; a task is a discipline.

    Raises:
        UserError: as :func:`rgd.mirror.read_source`.
    """
    return read_source(settings, data_root, COLUMNS, _question)


def _question(row: Mapping[str, Any]) -> Question:
    return Question(
        query_id=row["uuid"],
        task=task_key(row["discipline"]),
        question=row["question"],
        options=tuple(row["options"]),
        answer_kind="letter",
        label=row["answer_letter"],
    )
