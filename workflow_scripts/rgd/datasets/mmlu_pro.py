"""MMLU-Pro: 12,032 questions of 14 categories with up to ten options (arXiv 2406.01574)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rgd.datasets.base import Question
from rgd.mirror import read_source, task_key

COLUMNS = ["question_id", "question", "options", "answer", "category"]


def questions(settings: Mapping[str, Any], data_root: Path | None) -> list[Question]:
    """The questions of the settings' tasks, in the file's order; a task is a category.

    Raises:
        UserError: as :func:`rgd.mirror.read_source`.
    """
    return read_source(settings, data_root, COLUMNS, _question)


def _question(row: Mapping[str, Any]) -> Question:
    return Question(
        query_id=str(row["question_id"]),
        task=task_key(row["category"]),
        question=row["question"],
        options=tuple(row["options"]),
        answer_kind="letter",
        label=row["answer"],
    )
