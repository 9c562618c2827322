"""Tasks that are only described: their examples, and what a descriptor is shown of them."""

import pyarrow as pa
import pytest

from rgd.datasets.described import EXAMPLE, questions
from rgd.errors import UserError
from rgd.generation.describing import reserved_questions

EXAMPLES = {"kitchen": [f"How many grams are {number} cups?" for number in range(5)], "trains": ["When? ", "Where?"]}


def test_examples_are_questions_without_answers_in_the_order_of_the_tasks() -> None:
    found = questions({"tasks": ["trains", "kitchen"], "examples": EXAMPLES}, None)
    assert [each.question for each in found] == ["When?", "Where?", *EXAMPLES["kitchen"]]
    assert {(each.options, each.answer_kind, each.label) for each in found} == {((), EXAMPLE, "")}
    assert len({each.query_id for each in found}) == 7


def test_a_descriptor_is_shown_the_examples_and_no_more() -> None:
    found = questions({"tasks": ["kitchen"], "examples": EXAMPLES}, None)
    table = pa.table({name: [getattr(each, name) for each in found] for name in ("query_id", "task", "question")})
    assert reserved_questions(table, 5, {}) == {"kitchen": EXAMPLES["kitchen"]}


def test_tasks_without_examples_have_no_questions() -> None:
    assert questions({"tasks": ["kitchen"], "examples": {}}, None) == []


def test_an_example_that_stands_there_twice_is_told() -> None:
    with pytest.raises(UserError, match=r"examples\.trains.*'When'"):
        questions({"tasks": ["trains"], "examples": {"trains": ["When", "When "]}}, None)
