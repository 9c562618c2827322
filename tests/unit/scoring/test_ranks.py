"""Confidence sets for ranks against a plain step-down, and what they promise."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rgd.scoring.cost_quality import resampled_means
from rgd.scoring.ranks import Ranks, rank_sets
from rgd.scoring.statistics import paired_differences


def ranked(
    correct: np.ndarray, level: float = 0.9, draws: int = 200, seed: int = 0
) -> tuple[Ranks, np.ndarray, object]:
    n, count = correct.shape
    questions, strata = np.arange(n).astype(str), np.zeros(n, dtype=int).astype(str)
    first, second = np.array(list(combinations(range(count), 2)), dtype=np.int64).reshape(-1, 2).T
    compared = paired_differences(correct, questions, np.zeros(n), strata, first, second)
    order = np.argsort(questions)
    samples = resampled_means(correct[order] / n, np.full(n, 1 / n), strata, seed, draws, "test")
    return rank_sets(correct.mean(axis=0), samples, compared, level), samples, compared


def slow(correct: np.ndarray, samples: np.ndarray, compared: object, level: float) -> list[tuple[int, int]]:
    """Pairs one by one: the sets of best and worst ranks."""
    count, pairs = correct.shape[1], list(combinations(range(correct.shape[1]), 2))
    mean = correct.mean(axis=0)
    error = {pair: compared.error[place] for place, pair in enumerate(pairs)}
    undecided, beats = [pair for pair in pairs if error[pair] > 0], set()
    while undecided:
        largest = sorted(
            round(max(abs(sample[i] - sample[j] - (mean[i] - mean[j])) / error[i, j] for i, j in undecided), 9)
            for sample in samples
        )
        limit = largest[min(int(np.ceil(level * (len(samples) + 1))), len(samples)) - 1]
        found = [(i, j) for i, j in undecided if round(abs(mean[i] - mean[j]) / error[i, j], 9) > limit]
        if not found:
            break
        beats |= {(i, j) if mean[i] > mean[j] else (j, i) for i, j in found}
        undecided = [pair for pair in undecided if pair not in found]
    return [
        (1 + sum((k, j) in beats for k in range(count)), count - sum((j, k) in beats for k in range(count)))
        for j in range(count)
    ]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6), st.booleans())
def test_the_sets_are_those_of_pairs_taken_one_by_one(seed, count, graded):
    random = np.random.default_rng(seed)
    chance = random.random(count)
    correct = (
        np.clip(chance + random.normal(0, 0.3, (40, count)), 0, 1) if graded else random.random((40, count)) < chance
    )
    found, samples, compared = ranked(correct.astype(float))
    assert list(zip(found.best.tolist(), found.worst.tolist(), strict=True)) == slow(
        correct.astype(float), samples, compared, 0.9
    )
    assert ((found.best >= 1) & (found.best <= found.rank) & (found.rank <= found.worst) & (found.worst <= count)).all()


def test_those_who_are_the_same_share_a_rank_and_are_not_told_apart():
    random = np.random.default_rng(1)
    one = (random.random(300) < 0.8).astype(float)
    found, *_ = ranked(np.column_stack([one, one, np.zeros(300)]))
    assert found.rank.tolist() == [1, 1, 3]
    assert found.best.tolist() == [1, 1, 3]
    assert found.worst.tolist() == [2, 2, 3]


def test_one_competitor_is_first():
    found, *_ = ranked(np.ones((5, 1)))
    assert (found.rank.tolist(), found.best.tolist(), found.worst.tolist()) == ([1], [1], [1])


@pytest.mark.slow
def test_all_sets_together_hold_the_true_ranks_as_often_as_they_promise():
    """Of 300 experiments with three equals among five, at least about nine in ten hold every true rank."""
    random = np.random.default_rng(2)
    chance = np.array([0.7, 0.6, 0.6, 0.6, 0.45])
    # Where some are equal, a set must hold all ranks that they share.
    lowest, highest = np.array([1, 2, 2, 2, 5]), np.array([1, 4, 4, 4, 5])
    held = []
    for seed in range(300):
        hard = random.normal(size=(120, 1))
        right = (hard + random.normal(size=(120, 5))) / np.sqrt(2) < np.array([0.524, 0.253, 0.253, 0.253, -0.126])
        assert right.shape[1] == len(chance)
        found, *_ = ranked(right.astype(float), seed=seed)
        held.append(bool(((found.best <= lowest) & (highest <= found.worst)).all()))
    assert 0.86 <= np.mean(held) <= 0.99


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_the_order_of_competitors_does_not_matter(seed):
    random = np.random.default_rng(seed)
    correct = (random.random((60, 4)) < random.random(4)).astype(float)
    order = random.permutation(4)
    found, *_ = ranked(correct)
    moved, *_ = ranked(correct[:, order])
    for side in ("rank", "best", "worst"):
        assert getattr(found, side)[order].tolist() == getattr(moved, side).tolist()
