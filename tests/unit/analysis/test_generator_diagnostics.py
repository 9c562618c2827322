"""Generator diagnostics against counts query by query."""

import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from rgd.analysis.generator_diagnostics import (
    COLUMNS,
    diagnostics_for_people,
    differentiation,
    draw_counts,
    own_accuracy,
)

MEMBERS = ["m0", "m1", "m2"]


def test_differentiation_is_that_of_a_count() -> None:
    rng = np.random.default_rng(0)
    answers = rng.choice(np.array(["A", "B", "C", None], dtype=object), (2, 40, 3), p=[0.4, 0.3, 0.2, 0.1])
    scores = rng.random((2, 40, 3))
    rows = [
        {
            "seed": seed,
            "query_id": f"q{query}",
            "member": member,
            "answer": answers[seed, query, place],
            "consensus": scores[seed, query, place],
        }
        for seed in range(2)
        for place, member in enumerate(MEMBERS)
        for query in range(40)
    ]
    found = differentiation(pa.Table.from_pylist(rows), MEMBERS)
    given = [[{a for a in query if a is not None} for query in seed] for seed in answers.tolist()]
    numbers = [[sum(a is not None for a in query) for query in seed] for seed in answers.tolist()]
    queries = [(seed, query) for seed in range(2) for query in range(40)]
    assert found["n_queries"] == 40
    assert found["disagreement"] == pytest.approx(sum(len(given[s][q]) > 1 for s, q in queries) / 80)
    apart = sum(len(given[s][q]) > 1 and len(given[s][q]) == numbers[s][q] for s, q in queries)
    assert found["all_differ"] == pytest.approx(apart / 80)
    assert found["distinct_answers"] == pytest.approx(sum(len(given[s][q]) for s, q in queries) / 80)
    assert found["missing_answers"] == pytest.approx(1 - sum(map(sum, numbers)) / 240)
    means = scores.mean(axis=1)
    assert found["spread"] == pytest.approx(np.mean([math.sqrt(np.var(row)) for row in means]))
    assert found["range"] == pytest.approx(np.mean(means.max(axis=1) - means.min(axis=1)))


def test_own_accuracy_counts_a_missing_answer_as_another() -> None:
    answers = pa.table({"query_id": ["a", "b", "c", "d"], "answer": pa.array(["A", None, "B", "C"])})
    labels = pa.table({"query_id": ["d", "c", "b", "a"], "label": ["C", "A", "B", "A"]})
    assert own_accuracy(answers, labels) == 0.5
    with pytest.raises(ValueError, match=r"labels.*queries"):
        own_accuracy(answers.slice(1), labels)


def test_draws_are_counted_by_what_became_of_them() -> None:
    counts = pa.table(
        {
            "task": ["a", "a", "a", "b", "b"],
            "outcome": ["kept", "truncated", "surplus", "kept", "repeats_query"],
            "draws": [5, 2, 1, 6, 3],
        }
    )
    assert draw_counts(counts) == {
        "draws": 17,
        "kept": 11,
        "surplus": 1,
        "dropped": 5,
        "reasons": "repeats_query 3, truncated 2",
    }


def test_people_see_that_a_generator_is_no_member_rather_than_zero() -> None:
    row = dict.fromkeys(COLUMNS, 1.0) | {"dataset": "quiz", "pool": "p", "reasons": ""}
    table = pd.DataFrame([row | {"scenario": "real"}, row | {"scenario": "strong", "own_accuracy": math.nan}])
    shown = diagnostics_for_people(table)["quiz, p"].set_index("queries of")
    assert shown["own accuracy %"].tolist() == ["", "not a member"]
