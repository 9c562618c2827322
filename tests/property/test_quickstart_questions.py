"""What holds for the questions that the quickstart's maker makes, whatever the seed and the number."""

import hashlib
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rgd.datasets.base import Question, validate
from tests.quickstart_maker import maker

MAKER = maker()
TASKS = MAKER.TASKS


def make(seed: int, count: int, tasks: list[str]) -> list[Question]:
    return MAKER.questions(seed, count, tasks)


def digest(made: list[Question]) -> str:
    return hashlib.sha256(repr(made).encode()).hexdigest()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31 - 1), count=st.integers(1, 40), task=st.sampled_from(sorted(TASKS)))
def test_questions_are_sound(seed: int, count: int, task: str) -> None:
    made = make(seed, count, [task])
    validate(made)
    assert len(made) == count
    assert len({question.question for question in made}) == count
    for question in made:
        assert len({option.casefold() for option in question.options}) == 4
        assert question.label in "ABCD"
        assert question.task == task
    letters = Counter(question.label for question in made)
    assert max(letters.values()) - min(letters[letter] for letter in "ABCD") <= 1


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31 - 1))
def test_same_seed_same_bytes_and_another_seed_differs(seed: int) -> None:
    tasks = sorted(TASKS)
    assert digest(make(seed, 9, tasks)) == digest(make(seed, 9, tasks))
    assert digest(make(seed, 9, tasks)) != digest(make(seed + 1, 9, tasks))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31 - 1), tasks=st.permutations(sorted(TASKS)))
def test_a_task_does_not_depend_on_the_others(seed: int, tasks: list[str]) -> None:
    together = make(seed, 8, tasks)
    assert [question for question in together if question.task == tasks[-1]] == make(seed, 8, [tasks[-1]])


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31 - 1), task=st.sampled_from(sorted(TASKS)))
def test_every_letter_hides_the_answer_as_often(seed: int, task: str) -> None:
    assert Counter(question.label for question in make(seed, 40, [task])) == dict.fromkeys("ABCD", 10)


def test_more_questions_than_there_are_is_an_error() -> None:
    with pytest.raises(ValueError, match="chemistry"):
        make(0, 100_000, ["chemistry"])
