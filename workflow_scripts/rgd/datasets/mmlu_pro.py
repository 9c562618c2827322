"""MMLU-Pro: 12,032 questions of 14 categories with up to ten options (arXiv 2406.01574)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rgd.datasets.base import Question
from rgd.mirror import read_source

COLUMNS = ["question_id", "question", "options", "answer", "category"]


def questions(settings: Mapping[str, Any], data_root: Path | None) -> list[Question]:
    """The questions of the settings' tasks, in the file's order; a task is a category, its spaces as underscores.

    Raises:
        UserError: there is no mirror, the file is missing or damaged, or the settings name a task that it does not have.
    """
    return read_source(settings, data_root, COLUMNS, _question)


def _question(row: Mapping[str, Any]) -> Question:
    return Question(
        query_id=str(row["question_id"]),
        task=row["category"].strip().replace(" ", "_"),
        question=row["question"],
        options=tuple(row["options"]),
        answer_kind="letter",
        label=row["answer"],
    )
