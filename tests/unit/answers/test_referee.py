"""The referee's verdicts and the quality of labels, against counts by hand."""

import itertools

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from rgd.analysis.label_quality import (
    COLUMNS,
    label_quality,
    label_quality_for_people,
    with_averages,
)
from rgd.analysis.order import AVERAGE
from rgd.answers.referee import majority_of_draws, referee_rows
from rgd.answers.requests import referee_requests
from rgd.artifacts import schemas
from tests.slow_twins.rankings import majority_of_draws as majority_by_count

INTERVAL = {"level": 0.95, "draws": 200, "seed": 0}
PROMPT = "[user]\n{question}\n"


def questions(n: int) -> pa.Table:
    return pa.table(
        {
            "query_id": [f"q{row}" for row in range(n)],
            "task": ["algebra"] * n,
            "question": [f"Question {row}?" for row in range(n)],
            "options": [["one", "two", "three"]] * n,
            "answer_kind": ["letter"] * n,
        },
        schema=schemas.QUESTIONS,
    )


@pytest.mark.parametrize("draws", [1, 2, 3, 4, 5])
def test_the_majority_is_more_than_half_of_the_draws(draws: int) -> None:
    for answers in itertools.product(["A", "B", "C", None], repeat=draws):
        assert majority_of_draws(answers) == majority_by_count(answers), answers


def test_what_the_verdicts_of_three_draws_are() -> None:
    assert majority_of_draws(["B", "A", "B"]) == ("B", "majority")
    assert majority_of_draws(["A", None, "A"]) == ("A", "majority")
    assert majority_of_draws(["A", "B", "C"]) == (None, "tie")
    assert majority_of_draws(["A", "B", None]) == (None, "tie")
    assert majority_of_draws(["A", None, None]) == (None, "missing")


def test_every_question_is_asked_in_draws_of_its_own_and_read_in_the_same_order() -> None:
    asked = referee_requests(questions(2), PROMPT, 3)
    assert [request.draw for request in asked] == [0, 1, 2, 0, 1, 2]
    assert [request.question for request in asked] == ["Question 0?"] * 3 + ["Question 1?"] * 3
    texts = ["The answer is (A)", "The answer is (B)", "The answer is (A)", "The answer is (C)", "no idea", "?"]
    answers = [
        {"text": text, "confidence": -0.1, "prompt_tokens": 1, "completion_tokens": 1, "finish_reason": "stop"}
        for text in texts
    ]
    rows = referee_rows(questions(2), answers, "generate", 3).cast(schemas.REFEREE).to_pylist()
    assert rows == [
        {"query_id": "q0", "answers": ["A", "B", "A"], "answer": "A", "outcome": "majority"},
        {"query_id": "q1", "answers": ["C", None, None], "answer": None, "outcome": "missing"},
    ]


def verdicts(answers: list[list[str | None]]) -> pd.DataFrame:
    found = [majority_of_draws(row) for row in answers]
    return pd.DataFrame(
        {
            "query_id": [f"q{row}" for row in range(len(answers))],
            "answers": answers,
            "answer": [answer for answer, _ in found],
            "outcome": [outcome for _, outcome in found],
        }
    )


def test_agreement_leaves_out_and_counts_what_has_no_majority() -> None:
    drawn: list[list[str | None]] = [["A", "A", "A"], ["B", "B", "A"], ["A", "B", "C"], ["A", None, None]]
    labels = pd.DataFrame({"query_id": ["q3", "q2", "q1", "q0"], "label": ["A", "A", "C", "A"]})
    found = label_quality(labels, verdicts(drawn), questions(4).to_pandas(), INTERVAL)
    assert (found["n_queries"], found["majority"], found["tie"], found["missing"]) == (4, 2, 1, 1)
    assert (found["agreement"], found["agreement_lowest"], found["unanimous"]) == (0.5, 0.25, 0.25)
    assert 0 <= found["ci_low"] <= 0.5 <= found["ci_high"] <= 1


def test_without_any_majority_there_is_no_agreement_instead_of_zero() -> None:
    labels = pd.DataFrame({"query_id": ["q0"], "label": ["A"]})
    found = label_quality(labels, verdicts([["A", "B", "C"]]), questions(1).to_pandas(), INTERVAL)
    assert np.isnan(found["agreement"])
    table = pd.DataFrame([{"dataset": "quiz", "scenario": "strong", "referee": "r", "draws": 3, **found}])
    assert label_quality_for_people(table)["Agreement with the referee"].iloc[0, 1] == "no majority"


def test_a_question_without_a_label_is_an_error() -> None:
    labels = pd.DataFrame({"query_id": ["q1"], "label": ["A"]})
    with pytest.raises(ValueError, match="label"):
        label_quality(labels, verdicts([["A"]]), questions(1).to_pandas(), INTERVAL)


def test_the_average_is_over_scenarios_that_all_datasets_have() -> None:
    row = dict.fromkeys(COLUMNS, 0.0) | {"referee": "r", "draws": 3, "majority": 5}
    table = pd.DataFrame(
        [
            row | {"dataset": "a", "scenario": "s", "agreement": 0.4, "ci_low": 0.3, "ci_high": 0.5},
            row | {"dataset": "b", "scenario": "s", "agreement": 0.6, "ci_low": 0.6, "ci_high": 0.6},
            row | {"dataset": "b", "scenario": "t", "agreement": 0.1},
        ]
    )
    found = with_averages(table)
    average = found[found["dataset"] == AVERAGE]
    assert average["scenario"].tolist() == ["s"]
    assert average[["agreement", "ci_low", "ci_high", "majority"]].iloc[0].tolist() == pytest.approx(
        [0.5, 0.45, 0.55, 10]
    )
