"""Routing query by query, against a plain search, and on scores whose expectations are known."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rgd.analysis.instance_routing import (
    BMA,
    K_GRID,
    METHODS,
    NEAREST,
    ORACLE,
    PLANTED,
    RANDOM,
    choices,
    instance_rows,
    instances_for_people,
    planted,
    planted_rows,
)

INTERVAL = {"level": 0.95, "draws": 200, "seed": 0}


def slow(train: np.ndarray, test: np.ndarray, scores: np.ndarray) -> tuple[list[int], int]:
    """The members chosen and k, by loops."""

    def near(vector: np.ndarray, without: int, k: int) -> list[int]:
        similar = [round(float(vector @ other), 6) for other in train]
        order = sorted(
            (place for place in range(len(train)) if place != without), key=lambda place: (-similar[place], place)
        )
        return order[:k]

    overall = scores.mean(axis=0)

    def best(rows: list[int]) -> int:
        means = scores[rows].mean(axis=0).round(9)
        return min(range(scores.shape[1]), key=lambda member: (-means[member], -overall[member].round(9), member))

    reached = [
        round(float(np.mean([scores[row, best(near(train[row], row, k))] for row in range(len(train))])), 9)
        for k in K_GRID
    ]
    k = K_GRID[int(np.argmax(reached))]
    return [best(near(vector, -1, k)) for vector in test], k


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_it_is_a_plain_search(seed, graded):
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(40, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    scores = random.random((30, 3)).round(2) if graded else random.integers(0, 2, (30, 3)).astype(float)
    found = choices(vectors[:30], vectors[30:], scores, ["a", "b", "c"], 0)
    assert found[NEAREST].tolist() == slow(vectors[:30], vectors[30:], scores)[0]
    assert set(found[BMA]) == {int(np.argmax(scores.mean(axis=0).round(9)))}


def test_on_planted_scores_neighbours_gain_most_of_what_expectations_can():
    rows = pd.DataFrame(planted_rows(0, INTERVAL)).set_index("method")
    world = planted(0)
    tested = slice(2000, None)
    best = world.scores[tested][np.arange(1000), world.expected[tested].argmax(axis=1)].mean()
    score = rows["score"]
    assert score[RANDOM] < score[BMA] < score[NEAREST] < best < score[ORACLE]
    assert (score[NEAREST] - score[BMA]) > 0.5 * (best - score[BMA])
    assert rows.loc[[NEAREST, BMA, ORACLE], "member_calls"].tolist() == [1, 1, 11]
    assert rows.loc[NEAREST, "member_calls"] + rows.loc[NEAREST, "embedder_calls"] == 2
    assert rows["regret"].to_numpy() == pytest.approx((score[ORACLE] - score).to_numpy())


def test_planted_scores_are_graded_repeat_and_differ_by_seed():
    first, again, other = planted(1), planted(1), planted(2)
    np.testing.assert_array_equal(first.scores, again.scores)
    assert not np.array_equal(first.scores, other.scores)
    assert ((first.scores >= 0) & (first.scores <= 1)).all()
    assert len(np.unique(first.scores)) > 1000
    assert np.abs((first.scores - first.expected).mean()) < 0.01


def test_right_and_wrong_are_scores_too():
    random = np.random.default_rng(3)
    vectors = random.normal(size=(60, 5)).astype(np.float32)
    right = random.random((60, 3)) < 0.6
    split = (np.arange(40), np.arange(40, 60))
    tasks = np.array(["x", "y"] * 30)
    tables = [
        instance_rows(vectors, tasks, kind, ["a", "b", "c"], *split, 0, INTERVAL)
        for kind in (right, right.astype(float))
    ]
    assert tables[0] == tables[1]
    assert [row["method"] for row in tables[0]] == list(METHODS)
    assert tables[0][2]["score"] == right[40:].any(axis=1).mean()


def test_people_see_all_data_and_the_published_figures():
    rows = [{"dataset": PLANTED, "pool": "", **row} for row in planted_rows(0, INTERVAL)]
    (shown,) = instances_for_people(pd.DataFrame(rows)).values()
    assert len(shown) == len(METHODS) + 2
    assert {"74.75", "77.67"} <= set(shown["score %"])
