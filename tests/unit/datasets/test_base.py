"""The checks that every adapter's questions must pass, and the loading of adapters."""

from dataclasses import replace
from typing import Any

import pytest

from rgd import datasets
from rgd.datasets.base import Question, validate
from rgd.errors import UserError

GOOD = Question("q-1", "sums", "What is 1 + 1?", ("1", "2"), "letter", "B")


def test_sound_questions_pass() -> None:
    validate([replace(GOOD, options=(), answer_kind="latex", label="\\frac12", part="train")])
    validate([GOOD, replace(GOOD, query_id="q-2", options=tuple(map(str, range(20))), label="T")])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": "C"}, "label 'C'.*A to B"),
        ({"label": "a"}, "label 'a'"),
        ({"label": "AB"}, "label 'AB'"),
        ({"label": ""}, "label ''"),
        ({"question": " "}, "question.*empty"),
        ({"task": ""}, "task.*empty"),
        ({"options": ()}, "0 options"),
        ({"options": tuple(map(str, range(21)))}, "21 options"),
        ({"options": ("1", " ")}, "option.*empty"),
        ({"options": ("2", "2 ")}, "option '2'"),
        ({"options": ("2",), "label": "A"}, "1 options.*2 to 20"),
        ({"part": "dev"}, "part.*'dev'"),
        ({"answer_kind": "latex", "label": " "}, "no answer"),
        ({"answer_kind": "digit"}, "answer_kind.*'digit'"),
    ],
)
def test_a_fault_names_its_row(change: dict[str, Any], message: str) -> None:
    bad = replace(GOOD, query_id="q-7", **change)
    with pytest.raises(UserError, match=rf"question 1 \('q-7'\): .*{message}"):
        validate([GOOD, bad])


def test_repeated_ids_name_both_rows() -> None:
    with pytest.raises(UserError, match=r"question 2 \('q-1'\): row 0"):
        validate([GOOD, replace(GOOD, query_id="q-2"), GOOD])


def test_loads_an_adapter_by_name() -> None:
    assert callable(datasets.load("quickstart").questions)


@pytest.mark.parametrize("name", ["no_such_adapter", "base"])
def test_what_is_no_adapter_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=name):
        datasets.load(name)
