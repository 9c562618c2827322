"""A benchmark's question, and the checks that every adapter's questions must pass."""

import string
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rgd.answers.kinds import KINDS, NUMBER, OPTION_TEXT, SCORE, TEXT, WITHOUT_OPTIONS
from rgd.answers.values import value
from rgd.answers.wording import key
from rgd.errors import UserError
from rgd.seeds import generator

MIN_OPTIONS, MAX_OPTIONS = 2, 20
PARTS = ("train", "test")
ONE_OPTION, REPEATED_OPTION = "one_option", "repeated_option"
"""Faults that a benchmark's file may accept, to keep the published number of questions."""


@dataclass(frozen=True)
class Question:
    """A question whose answers fall into classes.

    Attributes:
        answer_kind: one of :data:`rgd.answers.kinds.KINDS`.
        label: the letter of the right option ("A" is the first), or the right answer; None if the dataset has no labels.
        part: ``train`` or ``test`` where the benchmark divides its questions itself, else None.
    """

    query_id: str
    task: str
    question: str
    options: tuple[str, ...]
    answer_kind: str
    label: str | None
    part: str | None = None


class Dropped(NamedTuple):
    """An unused row: its number and id, the class of its fault (for counting), and the fault in detail."""

    row: int
    query_id: str
    reason: str
    detail: str


UNLISTED = "task not listed"
"""The class of a row whose task the dataset's file does not name."""


class Read(list[Question]):
    """The questions that an adapter read, and the rows of tasks that are not listed, which are no questions of the dataset.

    Attributes:
        unlisted: those rows.
        names: the tasks' names as the files spell them.
    """

    def __init__(self, questions: Iterable[Question], unlisted: Sequence[Dropped], names: Iterable[str]) -> None:
        super().__init__(questions)
        self.unlisted, self.names = tuple(unlisted), tuple(names)


def doubts(questions: Sequence[Question], names: Iterable[str]) -> list[str]:
    """What may be a mistake, though every question is usable: equal questions, and names of tasks that hardly differ.

    Args:
        questions: in order.
        names: the tasks' names.
    """
    found = []
    counts = Counter((question.question.strip(), question.options) for question in questions)
    repeated = [key for key, count in counts.items() if count > 1]
    if repeated:
        rows = sum(counts[key] for key in repeated)
        found.append(
            f"{rows} questions have only {len(repeated)} different texts with options; the first is {repeated[0][0][:60]!r}"
        )
    alike: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        alike.setdefault(unicodedata.normalize("NFKC", name).casefold().strip(), []).append(name)
    for same in alike.values():
        if len(same) > 1:
            found.append(
                f"the tasks {', '.join(map(repr, same))} differ only in case or in the form of their characters"
            )
    return found


def validate(questions: Iterable[Question]) -> None:
    """Check every question.

    Raises:
        UserError: naming the first row (by number and id) with an empty text, a repeated id or option, too few or too many
            options, an unknown answer kind or part, or a label that is not the letter of an option.
    """
    _, dropped = sound(questions)
    for row, query_id, _, detail in dropped:
        raise UserError(f"question {row} ({query_id!r}): {detail}")


def sound(questions: Iterable[Question], accept: Collection[str] = ()) -> tuple[list[Question], list[Dropped]]:
    """Separate usable questions from the others, each with its fault.

    Of several questions with the same id, the first is kept.

    Args:
        questions: in the order of their rows.
        accept: ``one_option`` and ``repeated_option`` let such questions pass.
    """
    kept: dict[str, tuple[int, Question]] = {}
    dropped: list[Dropped] = []
    for row, question in enumerate(questions):
        fault = _fault(question, accept)
        if fault is None and question.query_id in kept:
            fault = ("repeated id", f"row {kept[question.query_id][0]} has the same query_id; make ids unique")
        if fault:
            dropped.append(Dropped(row, question.query_id, *fault))
        else:
            kept[question.query_id] = (row, question)
    return [question for _, question in kept.values()], dropped


def sample(questions: Sequence[Question], sizes: Mapping[str, int], seed: int) -> list[Question]:
    """The questions in order; of each part in ``sizes`` at most that many, drawn with ``seed``."""
    left_out: set[int] = set()
    for part, size in sizes.items():
        rows = [row for row, question in enumerate(questions) if question.part == part]
        left_out.update(generator(seed, "sample", part).permutation(rows)[size:].tolist())
    return [question for row, question in enumerate(questions) if row not in left_out]


def _fault(question: Question, accept: Collection[str]) -> tuple[str, str] | None:
    """The class of a question's fault and the fault itself; None where it has none."""
    for field in ("query_id", "task", "question"):
        if not getattr(question, field).strip():
            return f"empty {field}", f"{field} is empty; every question needs one"
    if question.part not in (None, *PARTS):
        return "unknown part", f"part is {question.part!r}; it is one of {', '.join(PARTS)}"
    if question.answer_kind not in KINDS:
        return "unknown answer kind", f"answer_kind is {question.answer_kind!r}; it is one of {', '.join(KINDS)}"
    if question.answer_kind in (*WITHOUT_OPTIONS, SCORE):
        return _fault_of_answer(question)
    return _fault_of_options(question, accept)


def _fault_of_answer(question: Question) -> tuple[str, str] | None:
    if question.label is None:
        return None
    if not question.label.strip():
        return "no label", "there is no answer"
    if question.answer_kind == NUMBER and value(question.label) is None:
        return "label is no number", f"label {question.label!r} is no single number"
    if question.answer_kind == TEXT and "\n" in question.label:
        accepted = question.label.split("\n")
        return (
            "several accepted answers",
            f"the label has {len(accepted)} answers that are not equal: {accepted}; keep one",
        )
    return None


def _fault_of_options(question: Question, accept: Collection[str]) -> tuple[str, str] | None:
    options = [option.strip() for option in question.options]
    fewest = 1 if ONE_OPTION in accept else MIN_OPTIONS
    if not fewest <= len(options) <= MAX_OPTIONS:
        few = len(options) < fewest
        reason = f"fewer than {fewest} options" if few else f"more than {MAX_OPTIONS} options"
        return reason, f"it has {len(options)} options; allowed are {fewest} to {MAX_OPTIONS}"
    if not all(options):
        return "empty option", f"an option is empty: {list(question.options)}"
    repeated = sorted({option for option in options if options.count(option) > 1})
    if repeated and REPEATED_OPTION not in accept:
        return "repeated option", f"repeated option {repeated[0]!r}; options must differ"
    alike = {key(option) for option in options}
    if question.answer_kind == OPTION_TEXT and len(alike) < len(options):
        return (
            "options alike",
            f"two options differ only in case or spaces: {list(question.options)}; give them other texts",
        )
    letters = string.ascii_uppercase[: len(options)]
    if question.label is None:
        return None
    if not question.label:
        return "no label", "label '' is missing"
    if len(question.label) != 1 or question.label not in letters:
        return "label outside the options", f"label {question.label!r} is outside its options A to {letters[-1]}"
    return None
