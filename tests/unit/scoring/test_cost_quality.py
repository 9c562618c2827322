"""Quality against cost against slow definitions: every pair of points, every sample written out."""

from itertools import combinations_with_replacement, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rgd.scoring.cost_quality import Curve, arena_score, resampled_means
from rgd.seeds import generator

POINTS = st.lists(
    st.tuples(st.integers(0, 20).map(float), st.integers(0, 20).map(lambda share: share / 20)), min_size=1, max_size=7
)
BUDGETS = np.linspace(0, 25, 101)


def slow_quality(points: list[tuple[float, float]], budget: float) -> float:
    """The best that sharing queries between two points, or with no answer at all, reaches within a budget."""
    found = 0.0
    for one, other in combinations_with_replacement([(0.0, 0.0), *points], 2):
        for share in {0.0, 1.0} | crossing(one[0], other[0], budget):
            cost = (1 - share) * one[0] + share * other[0]
            if cost <= budget + 1e-9:
                found = max(found, (1 - share) * one[1] + share * other[1])
    return found


def crossing(one: float, other: float, budget: float) -> set[float]:
    share = (budget - one) / (other - one) if one != other else 0.0
    return {share} if 0 <= share <= 1 else set()


def curve(points: list[tuple[float, float]]) -> Curve:
    return Curve.through(*np.array(points).T)


@given(POINTS)
def test_the_curve_is_the_best_of_all_pairs(points):
    found = curve(points)
    assert [found.quality_at(budget) for budget in BUDGETS] == pytest.approx(
        [slow_quality(points, budget) for budget in BUDGETS]
    )
    slopes = np.diff(found.quality) / np.diff(found.cost)
    assert (slopes > 0).all()
    assert (np.diff(slopes) < 1e-9).all()


@given(POINTS, st.integers(0, 10), st.integers(1, 30))
def test_aiq_is_the_mean_of_the_curve(points, low, width):
    found = curve(points).mean_quality(low, low + width)
    # A trapezium is exact between whole costs: all points lie on them.
    values = [slow_quality(points, budget) for budget in range(low, low + width + 1)]
    total = sum((first + second) / 2 for first, second in pairwise(values))
    assert found == pytest.approx(total / width)


@given(POINTS, st.floats(0, 1))
def test_the_cost_of_a_quality_is_the_smallest_budget_that_reaches_it(points, quality):
    cost = curve(points).cost_at(quality)
    if quality > max(share for _, share in points):
        assert cost == float("inf")
    else:
        assert slow_quality(points, cost) >= quality - 1e-9
        assert cost == 0 or slow_quality(points, max(cost - 1e-3, 0)) < quality + 1e-9


def test_points_without_a_cost_count_for_nothing():
    known = Curve.through(np.array([2.0, np.nan]), np.array([0.5, 0.9]))
    assert known.quality.tolist() == [0.0, 0.5]
    assert Curve.through(np.array([np.nan]), np.array([0.5])).cost_at(0.1) == float("inf")


@pytest.mark.parametrize(("low", "high"), [(1.0, 1.0), (2.0, 1.0), (-1.0, 1.0)])
def test_an_empty_range_of_costs_is_refused(low, high):
    with pytest.raises(ValueError, match=f"{low:g}"):
        curve([(1.0, 0.5)]).mean_quality(low, high)


# Accuracy, dollars per 1,000 queries and score on RouterArena's board (costs to the cent).
@pytest.mark.parametrize(
    ("accuracy", "dollars", "score"), [(0.7597, 0.11, 0.7538), (0.6841, 0.29, 0.6765), (0.649, 0.60, 0.638)]
)
def test_the_arena_score_is_that_of_the_published_board(accuracy, dollars, score):
    assert arena_score(np.array(accuracy), np.array(dollars)) == pytest.approx(score, abs=0.002)


@given(st.floats(0, 1), st.floats(1e-6, 1e4), st.floats(0.01, 2))
def test_the_arena_score_is_the_weighted_harmonic_mean(accuracy, dollars, beta):
    cost = max(np.log(200 / dollars) / np.log(200 / 0.0044), 0.0)
    expected = 0.0 if accuracy == 0 or cost == 0 else (1 + beta) / (beta / cost + 1 / accuracy)
    assert arena_score(np.array([accuracy]), np.array([dollars]), beta)[0] == pytest.approx(expected)


def test_the_arena_score_of_no_or_an_unknown_cost_is_unknown():
    assert np.isnan(arena_score(np.array([0.5, 0.5]), np.array([0.0, np.nan]))).all()


@settings(max_examples=20)
@given(st.integers(0, 1000), st.integers(1, 12))
def test_samples_are_stratified_and_the_same_for_all_columns(seed, n):
    random = np.random.default_rng(seed)
    strata = random.integers(0, 3, n).astype(str)
    share = random.random(n) + 0.1
    share /= share.sum()
    sums = random.random((n, 2)) * share[:, None]
    found = resampled_means(sums, share, strata, seed, 7, "test")
    expected = np.zeros((7, 2))
    below = np.zeros(7)
    again = generator(seed, "bootstrap", "test")
    for stratum in sorted(set(strata)):
        inside = [place for place in range(n) if strata[place] == stratum]
        for draw, row in enumerate(again.integers(len(inside), size=(7, len(inside)))):
            for place in row:
                expected[draw] += sums[inside[place]]
                below[draw] += share[inside[place]]
    assert found == pytest.approx(expected / below[:, None])
