"""A benchmark's question, and the checks that every adapter's questions must pass."""

import string
from collections.abc import Iterable
from dataclasses import dataclass

from rgd.errors import UserError

MIN_OPTIONS, MAX_OPTIONS = 1, 20


@dataclass(frozen=True)
class Question:
    """One closed-ended question; ``label`` is the letter of the right option ("A" is the first)."""

    query_id: str
    task: str
    question: str
    options: tuple[str, ...]
    answer_kind: str
    label: str


def validate(questions: Iterable[Question]) -> None:
    """Check every question.

    Raises:
        UserError: naming the first row (by number and id) with an empty text, a repeated id or option, no option or more than
            20, an answer kind other than ``letter``, or a label that is none of its options' letters.
    """
    rows: dict[str, int] = {}
    for row, question in enumerate(questions):
        if question.query_id in rows:
            raise UserError(
                f"question {row} ({question.query_id!r}): row {rows[question.query_id]} has the same query_id; make ids unique"
            )
        fault = _fault(question)
        if fault:
            raise UserError(f"question {row} ({question.query_id!r}): {fault}")
        rows[question.query_id] = row


def sound(questions: Iterable[Question]) -> tuple[list[Question], list[tuple[str, str]]]:
    """Divide what was read from elsewhere into usable questions and (query_id, fault) of the others, by :func:`validate`'s rules.

    Of several questions with one id the first stays. Two equal options stay as well: published benchmarks have a few, and
    their letters tell them apart.
    """
    kept: dict[str, Question] = {}
    dropped: list[tuple[str, str]] = []
    for question in questions:
        fault = "it repeats an id" if question.query_id in kept else _fault(question, may_repeat_options=True)
        if fault:
            dropped.append((question.query_id, fault))
        else:
            kept[question.query_id] = question
    return list(kept.values()), dropped


def _fault(question: Question, may_repeat_options: bool = False) -> str | None:
    for field in ("query_id", "task", "question"):
        if not getattr(question, field).strip():
            return f"{field} is empty; every question needs one"
    options = question.options
    if not MIN_OPTIONS <= len(options) <= MAX_OPTIONS:
        return f"it has {len(options)} options; allowed are {MIN_OPTIONS} to {MAX_OPTIONS}"
    if not all(option.strip() for option in options):
        return f"an option is empty: {list(options)}"
    stripped = [option.strip() for option in options]
    repeated = sorted({option for option in stripped if stripped.count(option) > 1})
    if repeated and not may_repeat_options:
        return f"repeated option {repeated[0]!r}; options must differ"
    if question.answer_kind != "letter":
        return f"answer_kind is {question.answer_kind!r}; an adapter's questions are answered by a 'letter'"
    letters = string.ascii_uppercase[: len(options)]
    if len(question.label) != 1 or question.label not in letters:
        return f"label {question.label!r} is outside its options A to {letters[-1]}"
    return None
