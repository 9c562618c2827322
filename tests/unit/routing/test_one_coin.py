"""Accuracies without labels, beside slow implementations and on planted worlds."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rgd.routing.one_coin import (
    FEWEST,
    MOST,
    OPEN,
    PRIOR,
    Cells,
    agreeing_accuracy,
    expected_accuracy,
    triplet_accuracy,
    weighted_vote,
)


def planted(accuracy: list[float], n: int = 4000, options: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Answers of members that err independently, and the right ones."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(options, size=n)
    answers = np.empty((n, len(accuracy)), dtype=np.int32)
    for column, chance in enumerate(accuracy):
        wrong = (truth + rng.integers(1, options, size=n)) % options
        answers[:, column] = np.where(rng.random(n) < chance, truth, wrong)
    return answers, truth


@pytest.mark.parametrize("estimate", [expected_accuracy, agreeing_accuracy, triplet_accuracy])
@pytest.mark.parametrize("options", [2, 4, 10])
def test_accuracies_of_independent_members_are_found(estimate, options: int) -> None:
    accuracy = [0.9, 0.75, 0.7, 0.6, 0.55]
    answers, _ = planted(accuracy, options=options)
    missing = np.random.default_rng(1).random(answers.shape) < 0.1
    found = estimate(np.where(missing, -1, answers), np.full(len(answers), options))
    assert found == pytest.approx(accuracy, abs=0.04)


def slow_posterior(answers: list[int], possible: int, accuracy: np.ndarray) -> dict[int, float]:
    """By the definition: every possible answer is right with equal probability."""
    codes = [*dict.fromkeys(code for code in answers if code >= 0)]
    unknown = possible - len(codes)
    weights = {}
    for truth in [*codes, None]:
        parts = [
            accuracy[member] if code == truth else (1 - accuracy[member]) / (possible - 1)
            for member, code in enumerate(answers)
            if code >= 0
        ]
        weights[truth] = math.prod(parts) * (unknown if truth is None else 1)
    total = sum(weights.values())
    return {truth: weight / total for truth, weight in weights.items() if truth is not None}


@given(st.integers(0, 10_000), st.integers(2, 5), st.integers(1, 12), st.sampled_from([0, 2, 4, 10]))
def test_the_posterior_is_that_of_the_definition(seed: int, members: int, n: int, options: int) -> None:
    rng = np.random.default_rng(seed)
    answers = rng.integers(-1, 4, size=(n, members)).astype(np.int32)
    accuracy = rng.uniform(0.05, 0.95, members)
    cells = Cells(answers, np.full(n, options))
    found = cells.posterior(accuracy)
    means = cells.means(found)
    sums = np.full(members, PRIOR)
    for row in range(n):
        distinct = len({code for code in answers[row].tolist() if code >= 0})
        slow = slow_posterior(answers[row].tolist(), max(options or OPEN, distinct, 2), accuracy)
        mine = dict(zip(sorted(slow), found[cells.group_rows == row], strict=True))
        assert mine == pytest.approx(slow)
        for member, code in enumerate(answers[row].tolist()):
            sums[member] += slow.get(code, 0.0)
    counts = (answers >= 0).sum(axis=0) + 2 * PRIOR
    assert means == pytest.approx(np.clip(sums / counts, FEWEST, MOST))


@given(st.integers(0, 10_000), st.integers(1, 6), st.sampled_from([0, 3, 4]))
def test_the_weighted_vote_is_the_most_probable_answer(seed: int, members: int, options: int) -> None:
    rng = np.random.default_rng(seed)
    answers = rng.integers(-1, 3, size=(6, members)).astype(np.int32)
    accuracy = rng.uniform(0.4, 0.95, members)
    asked = np.tile(np.argsort(-accuracy), (6, 1))
    found = weighted_vote(answers, np.full(6, options), asked, accuracy)
    for row in range(6):
        slow = slow_posterior(answers[row].tolist(), options or OPEN, accuracy)
        assert (found[row] >= 0) == bool(slow)
        if slow:
            assert slow[int(found[row])] == pytest.approx(max(slow.values()))


def test_no_member_and_no_order_changes_what_is_estimated() -> None:
    answers, _ = planted([0.8, 0.7, 0.6, 0.5], n=500)
    options = np.full(len(answers), 4)
    for estimate in (expected_accuracy, agreeing_accuracy, triplet_accuracy):
        whole = estimate(answers, options)
        for order in itertools.islice(itertools.permutations(range(4)), 1, 24, 7):
            assert estimate(answers[:, list(order)], options) == pytest.approx(whole[list(order)], abs=1e-6)
        assert estimate(answers[::-1], options) == pytest.approx(whole, abs=1e-9)


@pytest.mark.parametrize("estimate", [expected_accuracy, agreeing_accuracy, triplet_accuracy])
def test_odd_pools_are_estimated_without_a_warning(estimate) -> None:
    options = np.array([4, 0, 2])
    for answers in (
        np.full((3, 2), -1),
        np.zeros((3, 1)),
        np.zeros((3, 4)),
        np.array([[0, 1], [1, 0], [0, 1]]),
        np.array([[5, -1, 2], [-1, -1, -1], [0, 0, 1]]),
    ):
        with np.errstate(all="raise"):
            found = estimate(answers.astype(np.int32), options)
        assert ((found >= FEWEST) & (found <= MOST)).all()


def test_triplets_see_through_a_pair_that_errs_alike_where_pairs_do_not() -> None:
    answers, truth = planted([0.8, 0.75, 0.7, 0.65, 0.6, 0.6], n=6000, seed=3)
    alike = np.random.default_rng(4).random(len(answers)) < 0.6
    answers[alike, 5] = answers[alike, 4]
    right = (answers == truth[:, None]).mean(axis=0)
    pairs, triplets = (
        estimate(answers, np.full(len(answers), 4)) for estimate in (agreeing_accuracy, triplet_accuracy)
    )
    assert np.abs(triplets - right).mean() < np.abs(pairs - right).mean()
