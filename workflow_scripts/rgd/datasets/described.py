"""A user's own tasks that are only described: no questions with answers, at most some examples for a descriptor."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rgd.datasets.base import Question
from rgd.errors import UserError

EXAMPLE = "example"
"""The answer kind of a question that has no answer."""


def questions(settings: Mapping[str, Any], folder: Path | None) -> list[Question]:
    """The examples, in the order of the tasks.

    Args:
        settings: tasks, and examples of each (task -> texts).
        folder: not used.

    Raises:
        UserError: an example is repeated.
    """
    del folder
    made = []
    for task in settings["tasks"]:
        texts: Sequence[str] = settings["examples"].get(task, [])
        for number, text in enumerate(texts):
            if text.strip() in [other.strip() for other in texts[:number]]:
                raise UserError(
                    f"examples.{task} has {text.strip()[:60]!r} twice. Give another question, or lower reserved_per_task."
                )
            made.append(Question(f"{task}-example-{number:02d}", task, text.strip(), (), EXAMPLE, ""))
    return made
