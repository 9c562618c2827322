"""The maker of the quickstart's questions: closed-ended, with certain answers, from data libraries and one seed.

    pip install -r dev/requirements.txt
    python -m dev.quickstart_questions

writes ``rgd/datasets/quickstart.jsonl``, the file that the adapter ``quickstart`` reads.

A task is a module of this package with a tuple ``KINDS`` of functions that each make one draft; the task's questions
take the kinds in turn, so that every kind has an equal share.
"""

import json
from collections.abc import Iterable

import numpy as np

from dev.quickstart_questions import arithmetic, calendar, chemistry, codes, exceptions, geography
from dev.quickstart_questions.drafts import Draft, Kind
from rgd.answers.kinds import LETTER
from rgd.datasets.base import Question
from rgd.seeds import generator

SEED, PER_TASK = 1, 60
"""Of the committed file."""

TASKS: dict[str, tuple[Kind, ...]] = {
    "geography": geography.KINDS,
    "codes": codes.KINDS,
    "chemistry": chemistry.KINDS,
    "calendar": calendar.KINDS,
    "arithmetic": arithmetic.KINDS,
    "exceptions": exceptions.KINDS,
}
LETTERS = "ABCD"
DRAWS_PER_QUESTION = 200


def questions(seed: int = SEED, count: int = PER_TASK, tasks: Iterable[str] = TASKS) -> list[Question]:
    """``count`` questions of each task.

    Returns:
        Four-option questions; each letter is right equally often within a task (as near as the number allows).

    Raises:
        ValueError: a task cannot make as many different questions.
    """
    return [question for task in tasks for question in _task_questions(task, count, seed)]


def lines(made: Iterable[Question]) -> str:
    """The questions as JSONL: the content of the file."""
    rows = (
        {
            "query_id": question.query_id,
            "task": question.task,
            "question": question.question,
            "options": question.options,
            "label": question.label,
        }
        for question in made
    )
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


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
            raise ValueError(f"the task {task} makes {number} different questions, and {count} are wanted")
        seen.add(draft.question)
        drafts.append(draft)
    return drafts
