"""The quickstart benchmark: closed-ended questions with certain answers, stored beside this module.

``python -m dev.quickstart_questions`` made the file once, from data libraries and one seed.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rgd.answers.kinds import LETTER
from rgd.datasets.base import Question
from rgd.datasets.tables import read_table_file
from rgd.errors import UserError

FILE = Path(__file__).with_suffix(".jsonl")
SEED = 1
"""The seed that made the file's questions."""


def questions(settings: Mapping[str, Any], folder: Path | None = None) -> list[Question]:
    """The first questions of each task, tasks in the order of the settings.

    Args:
        settings: ``seed``, ``questions_per_task`` (None for all) and ``tasks``.
        folder: not used; the file lies beside this module.

    Raises:
        UserError: a seed, a task or a number of questions that the file does not have.
    """
    del folder
    of_task: dict[str, list[Question]] = {}
    for row in read_table_file(FILE):
        question = Question(**row | {"options": tuple(row["options"]), "answer_kind": LETTER})
        of_task.setdefault(question.task, []).append(question)
    seed, count = settings["seed"], settings["questions_per_task"]
    if seed != SEED:
        raise UserError(
            f"quickstart: seed = {seed}, but its questions were made with seed {SEED}. Set seed: {SEED} in the dataset's file."
        )
    for task in settings["tasks"]:
        if task not in of_task:
            raise UserError(
                f"quickstart: there are no questions for the task {task}. Name tasks from {', '.join(of_task)}."
            )
        if count is not None and not 1 <= count <= len(of_task[task]):
            raise UserError(
                f"quickstart: questions_per_task = {count}, but the task {task} has {len(of_task[task])} questions. Set "
                f"questions_per_task to at most {len(of_task[task])} in the dataset's file."
            )
    return [question for task in settings["tasks"] for question in of_task[task][:count]]
