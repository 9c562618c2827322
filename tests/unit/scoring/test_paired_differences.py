"""Paired differences over questions: by hand, against a slow twin, and on planted differences."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from rgd.scoring.statistics import PairedDifferences, large_strata, paired_differences
from tests.slow_twins.paired import paired

ALPHA = 0.05
REPEATS = 3000
# Four standard errors of a share of 5 % among so many repeats.
NOISE = 4 * math.sqrt(ALPHA * (1 - ALPHA) / REPEATS)


def of(difference, questions=None, seeds=None, strata=None) -> PairedDifferences:
    """The procedure on one pair whose second column is 0."""
    difference = np.asarray(difference, dtype=float)
    questions = np.arange(len(difference)) if questions is None else np.array(questions)
    seeds = np.zeros(len(difference), int) if seeds is None else np.array(seeds)
    strata = np.full(len(difference), "t") if strata is None else np.array(strata)
    correct = np.column_stack([np.maximum(difference, 0), np.maximum(-difference, 0)])
    return paired_differences(correct, questions, seeds, strata, np.array([0]), np.array([1]))


def test_one_split_and_one_task_are_a_t_test() -> None:
    difference = np.random.default_rng(0).choice([-1.0, 0.0, 1.0], 60, p=[0.2, 0.4, 0.4])
    found, expected = of(difference), ttest_1samp(difference, 0.0)
    assert found.degrees == 59
    assert found.estimate[0] == pytest.approx(difference.mean())
    assert found.p_values()[0] == pytest.approx(expected.pvalue)
    ends = expected.confidence_interval(0.95)
    assert [side[0] for side in found.ends(ALPHA)] == pytest.approx([ends.low, ends.high])


def test_a_question_of_several_splits_is_one_observation() -> None:
    # Question 0 is right by the first alone in all three splits, 1 by the second in one, 2 to 5 make no difference.
    questions, seeds = [0, 2, 3, 0, 1, 4, 0, 5, 2], np.repeat([0, 1, 2], 3)
    difference = [1, 0, 0, 1, -1, 0, 1, 0, 0]
    found = of(difference, questions, seeds)
    assert found.estimate[0] == pytest.approx(2 / 9)
    # Sums less 2/9 of the number of splits, in ninths of a question: 3 - 6/9, -1 - 2/9, -4/9, and thrice -2/9.
    squares = [(21 / 9) ** 2 / (1 - 3 / 9), (11 / 9) ** 2 / (1 - 1 / 9), (4 / 9) ** 2 / (1 - 2 / 9)]
    squares += [(2 / 9) ** 2 / (1 - 1 / 9)] * 3
    # Four questions that differ weigh 4 (9 + 1 + 4 + 1 + 1 + 1) / 6 = 34/3, which is more.
    assert sum(squares) < 34 / 3
    assert found.error[0] == pytest.approx(math.sqrt(34 / 3) / 9)
    # Squared weights 9, 1, 4, 1, 1, 1: 17^2 / (81 + 1 + 16 + 1 + 1 + 1), of which one in six goes to the mean.
    assert found.degrees == pytest.approx(17**2 / 101 * 5 / 6)


def test_what_differs_between_tasks_is_no_error() -> None:
    difference = [1.0, 0.0] * 10 + [-1.0, 0.0] * 10
    together = of(difference)
    apart = of(difference, strata=["a"] * 20 + ["b"] * 20)
    assert together.estimate[0] == apart.estimate[0] == 0
    assert together.error[0] == pytest.approx(math.sqrt(20 * 40 / 39) / 40)
    assert apart.error[0] == pytest.approx(math.sqrt(2 * 20 / 19 * 20 * 0.25) / 40)
    assert (together.degrees, apart.degrees) == (39, 38)


@pytest.mark.parametrize(
    ("strata", "expected"),
    [
        ("aabb", [0, 0, 1, 1]),
        ("aabcd", [0, 0, 1, 1, 1]),
        ("aaabbc", [0, 0, 0, 1, 1, 1]),
        ("abbc", [0, 1, 1, 0]),
        ("abc", [0, 0, 0]),
        ("a", [0]),
    ],
)
def test_tasks_of_one_question_are_joined(strata: str, expected: list[int]) -> None:
    assert large_strata(np.array(list(strata))).tolist() == expected


@st.composite
def rows_of_splits(draw):
    """Rows (split, question, task, first, second) of a few splits, and whether outcomes are right or wrong."""
    questions, splits = draw(st.integers(1, 12)), draw(st.integers(1, 4))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    tasks = random.integers(0, draw(st.integers(1, 4)), questions)
    binary = draw(st.booleans())
    values = np.array([0.0, 1.0]) if binary else np.array([0.25, 0.5])
    if draw(st.booleans()):
        values = values[:1]
    rows = []
    for split in range(splits):
        part = random.permutation(questions)[: random.integers(1, questions + 1)]
        rows += [(split, int(q), f"t{tasks[q]}", *random.choice(values, 2)) for q in part]
    return rows


@settings(max_examples=200, deadline=None)
@given(rows_of_splits(), st.randoms())
def test_the_procedure_is_its_slow_twin_in_any_order(rows, random) -> None:
    def found(rows):
        seeds, questions, tasks, first, second = map(np.array, zip(*rows, strict=True))
        pairs = np.array([0, 1]), np.array([1, 0])
        return paired_differences(np.column_stack([first, second]), questions, seeds, tasks, *pairs)

    binary = all(value in (0.0, 1.0) for *_, first, second in rows for value in (first, second))
    estimate, error, degrees = paired([(*row[:3], row[3] - row[4]) for row in rows], binary)
    one = found(rows)
    assert one.estimate == pytest.approx([estimate, -estimate], abs=1e-11)
    assert one.error == pytest.approx([error, error], abs=1e-11)
    assert one.degrees == pytest.approx(degrees)
    # The same bytes, whatever the order of the rows; the same verdict, whichever router comes first.
    other = found(random.sample(rows, len(rows)))
    for attribute in ("estimate", "error"):
        np.testing.assert_array_equal(getattr(one, attribute), getattr(other, attribute))
    assert (one.degrees, one.p_values().tolist()) == (other.degrees, other.p_values().tolist())
    assert one.p_values()[0] == one.p_values()[1]
    for alpha in (0.5, ALPHA, 1e-3, 5e-5):
        low, high = one.ends(alpha)
        assert ((low > 0) | (high < 0)).tolist() == (one.p_values() < alpha).tolist()
        np.testing.assert_array_equal(low, -high[::-1])
        assert ((low >= -1) & (low <= one.estimate) & (one.estimate <= high) & (high <= 1)).all()


@given(st.lists(st.integers(-3, 3), min_size=2, max_size=40), st.floats(1e-6, 0.9))
def test_the_p_value_is_the_smallest_alpha_whose_interval_leaves_out_zero(differences, alpha) -> None:
    found = of(np.array(differences) / 4)
    p_value = found.p_values()[0]
    for level, leaves_out in ((min(p_value * (1 + 1e-6), 1.0), True), (p_value * (1 - 1e-6), False), (alpha, None)):
        low, high = (side[0] for side in found.ends(level))
        if leaves_out is None:
            assert (low > 0 or high < 0) == (p_value < level)
        elif 1e-8 < p_value < 0.999:
            assert (low > 0 or high < 0) == leaves_out


def test_p_values_go_far_below_what_a_bootstrap_can_count() -> None:
    found = of([1.0] * 40 + [0.0] * 200)
    assert 0 < found.p_values()[0] < 1e-9
    assert found.ends(5e-5)[0][0] > 0


@pytest.mark.parametrize("n", [1, 2, 5, 300])
def test_the_same_outcomes_have_no_difference(n: int) -> None:
    found = of([0.0] * n)
    assert [side.tolist() for side in (found.estimate, *found.ends(ALPHA), found.p_values())] == [[0], [0], [0], [1]]
    assert np.isnan(found.detectable(ALPHA)).all()


def test_splits_that_cancel_are_not_the_same_outcomes() -> None:
    found = of([1, -1, 0, -1, 1, 0], [0, 1, 2] * 2, np.repeat([0, 1], 3))
    assert found.estimate[0] == 0
    assert found.error[0] > 0
    assert found.p_values()[0] == 1


@pytest.mark.parametrize("size", [1.0, 0.25])
@pytest.mark.parametrize(("n", "real"), [(1, False), (2, False), (5, False), (6, True), (300, True)])
def test_the_same_difference_everywhere_is_real_from_six_questions_on(n: int, real: bool, size: float) -> None:
    # As by a sign test, whose p-value is 2 / 2^n.
    found = of([size] * n)
    low, high = (side[0] for side in found.ends(ALPHA))
    assert (found.p_values()[0] < ALPHA) == (low > 0) == real
    assert low <= size <= high <= 1


def test_three_questions_that_differ_are_never_a_difference() -> None:
    for n in (4, 30, 10_000):
        for differing in (1, 2, 3):
            assert of([1.0] * differing + [0.0] * (n - differing)).p_values()[0] > 0.1


def planted(kind: str, n: int, splits: int, truth: float, seed: int = 0) -> PairedDifferences:
    """So many repeats of an experiment with ``truth`` between two routers, each a pair of columns.

    In each of several splits, two fifths of the questions of every task are tested, and a router answers a question in
    the same way in most of them.
    """
    random = np.random.default_rng(seed)
    tasks = np.arange(n) % 3
    shift = np.array([0.3, 0.0, -0.3])[tasks] if kind == "tasks" else np.zeros(n)
    shift = truth + shift - shift.mean()
    if kind == "skewed":
        # A few questions make most of the difference; it has skewness 2.
        size = random.exponential(0.12, (n, REPEATS)) - 0.12
        noise = random.normal(0, 0.02, (splits, n, REPEATS))
        first, second = 0.5 + truth + size + noise, np.full((splits, n, REPEATS), 0.5)
    else:
        # One draw decides over both where they agree, so that few questions differ.
        apart = {"right or wrong": 0.5, "rarely apart": 0.25, "tasks": 1.0}[kind]
        own = random.random((2, n, REPEATS))
        again = random.random((splits, 2, n, REPEATS))
        drawn = np.where(random.random((splits, 1, n, REPEATS)) < 0.7, own, again)
        alike = random.random((n, REPEATS)) < 1 - apart
        second = np.where(alike, drawn[:, 0] < 0.5, drawn[:, 1] < 0.5)
        first = np.where(alike, drawn[:, 0] < 0.5, drawn[:, 0] < 0.5 + shift[:, None] / apart)
    parts = [np.arange(n)] if splits == 1 else []
    while len(parts) < splits:
        parts.append(np.concatenate([random.permutation(np.flatnonzero(tasks == t))[: 2 * n // 15] for t in range(3)]))
    rows = [np.concatenate([first[s][part], second[s][part]], axis=1) for s, part in enumerate(parts)]
    questions = np.concatenate(parts)
    seeds = np.repeat(np.arange(splits), [len(part) for part in parts])
    pairs = np.arange(REPEATS), np.arange(REPEATS) + REPEATS
    return paired_differences(np.concatenate(rows).astype(float), questions, seeds, tasks[questions], *pairs)


WORLDS = [
    *[
        (kind, n, splits)
        for kind in ("right or wrong", "tasks")
        for n, splits in ((30, 1), (60, 3), (150, 1), (150, 5))
    ],
    *[("rarely apart", n, splits) for n, splits in ((150, 1), (300, 3))],
    *[("skewed", n, splits) for n, splits in ((300, 1), (450, 3))],
]


@pytest.mark.parametrize(("kind", "n", "splits"), WORLDS)
@pytest.mark.parametrize("truth", [0.0, 0.08])
def test_planted_differences_are_covered_and_no_more_are_found_than_promised(kind, n, splits, truth) -> None:
    found = planted(kind, n, splits, truth)
    assert found.estimate.mean() == pytest.approx(truth, abs=0.01)
    for alpha in (ALPHA, 0.01):
        low, high = found.ends(alpha)
        missed = 1 - ((low <= truth) & (truth <= high)).mean()
        assert missed == pytest.approx(alpha, abs=NOISE)
        if truth == 0:
            assert (found.p_values() < alpha).mean() == pytest.approx(missed)


@pytest.mark.parametrize("kind", ["right or wrong", "skewed"])
def test_power_grows_with_the_difference_and_with_the_questions(kind: str) -> None:
    def power(n: int, truth: float) -> float:
        return float((planted(kind, n, 3, truth).p_values() < ALPHA).mean())

    by_difference = [power(90, truth) for truth in (0.0, 0.06, 0.12, 0.18)]
    by_questions = [power(n, 0.06) for n in (45, 90, 180, 360)]
    for powers in (by_difference, by_questions):
        assert all(small < large or small > 0.99 for small, large in pairwise(powers))


def test_the_detectable_difference_is_found_as_often_as_promised() -> None:
    detectable = np.median(planted("right or wrong", 300, 3, 0.1).detectable(0.01))
    found = planted("right or wrong", 300, 3, float(detectable), seed=1)
    assert (found.p_values() < 0.01).mean() == pytest.approx(0.8, abs=0.03)


def test_no_question_is_an_error() -> None:
    with pytest.raises(ValueError, match="question"):
        of([])
