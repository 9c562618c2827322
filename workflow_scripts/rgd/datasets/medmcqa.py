"""MedMCQA: questions of Indian medical entrance exams with four options, 21 subjects (Pal et al. 2022)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rgd.datasets.base import Question
from rgd.mirror import read_source, task_key

OPTIONS = ["opa", "opb", "opc", "opd"]
COLUMNS = ["id", "question", *OPTIONS, "cop", "subject_name"]


def questions(settings: Mapping[str, Any], data_root: Path | None) -> list[Question]:
    """The questions of the settings' tasks, in the file's order; a task is a subject.

    Raises:
        UserError: as :func:`rgd.mirror.read_source`.
    """
    return read_source(settings, data_root, COLUMNS, _question)


def _question(row: Mapping[str, Any]) -> Question:
    return Question(
        query_id=row["id"],
        task=task_key(row["subject_name"]),
        question=row["question"],
        options=tuple(row[name] for name in OPTIONS),
        answer_kind="letter",
        # The number of the right option, from 0; what is none of them is dropped as a faulty row.
        label="ABCD"[row["cop"]] if 0 <= row["cop"] < 4 else "",
    )
