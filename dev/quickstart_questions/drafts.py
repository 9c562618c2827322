"""What the task modules share: a draft (a question before its options are shuffled) and seeded choices."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")


@dataclass(frozen=True)
class Draft:
    """A question, its answer, and three wrong options."""

    question: str
    answer: str
    distractors: tuple[str, ...]

    @property
    def options(self) -> tuple[str, ...]:
        """The answer first, then the distractors."""
        return (self.answer, *self.distractors)


Kind = Callable[[np.random.Generator], Draft | None]
"""Makes one draft of one kind of question; None when the numbers drawn give no sound question (draw again)."""


def choose(rng: np.random.Generator, items: Sequence[Item]) -> Item:
    """One of ``items``."""
    return items[int(rng.integers(len(items)))]


def sample(rng: np.random.Generator, items: Sequence[Item], count: int) -> list[Item]:
    """``count`` different places of ``items``, in random order."""
    return [items[int(place)] for place in rng.permutation(len(items))[:count]]


def whole(rng: np.random.Generator, low: int, high: int) -> int:
    """A whole number from ``low`` to ``high``, both possible."""
    return int(rng.integers(low, high + 1))


def three_of(rng: np.random.Generator, answer: str, candidates: Sequence[str]) -> tuple[str, ...]:
    """Three different candidates other than ``answer`` (fewer when there are not enough)."""
    wrong = [candidate for candidate in dict.fromkeys(candidates) if candidate != answer]
    return tuple(sample(rng, wrong, 3))


def three_first(answer: str, candidates: Sequence[str]) -> tuple[str, ...]:
    """The first three different candidates other than ``answer``: for lists that begin with the likeliest mistakes."""
    return tuple([candidate for candidate in dict.fromkeys(candidates) if candidate != answer][:3])


def numeric(
    rng: np.random.Generator, question: str, answer: int, mistakes: Sequence[int], spread: Sequence[int] = (1, 2, 3, 10)
) -> Draft:
    """A draft with a whole number as its answer.

    Args:
        rng: the source of choices.
        question: the text.
        answer: the right number.
        mistakes: numbers that typical mistakes lead to, likeliest first; negative ones count only if the answer is negative.
        spread: distances of near values that fill up when the mistakes are fewer than three.
    """
    near = [answer + sign * step for step in spread for sign in sample(rng, (1, -1), 2)]
    allowed = [number for number in (*mistakes, *sample(rng, near, len(near))) if number >= 0 or answer < 0]
    return Draft(question, str(answer), three_first(str(answer), [str(number) for number in allowed]))


def name_list(names: Sequence[str]) -> str:
    """``a, b and c``."""
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
