"""References that are not routers: the oracle, and the exact expectation of members drawn at random."""

from itertools import combinations

import numpy as np

from rgd.routing.consensus import vote_counts
from rgd.routing.rounding import DECIMALS
from rgd.routing.votes import summed_z


def oracle(correct: np.ndarray) -> np.ndarray:
    """(n,) float64: the best that some member did on each query, by correctness or scores (n, M) in [0, 1]."""
    return np.asarray(correct.max(axis=1), dtype=np.float64)


def random_vote(answers: np.ndarray, labels: np.ndarray, size: int, z: np.ndarray | None = None) -> np.ndarray:
    """Exact probability that a majority vote of ``size`` random members is right.

    This is the mean over all subsets of ``size`` members (or the whole pool if it is smaller). Where answers tie, it is
    also the mean over all orders of the subset's members, which would break the tie. With ``z``, the higher summed z
    breaks a tie first, as in every other vote. Answers that still tie have equally many givers, so each is equally likely
    to have the first of them. With ``size`` 1 this is the mean accuracy of the pool.

    Args:
        answers: (n, M) int32 codes, -1 missing.
        labels: (n,) int32 codes.
        size: number of members drawn.
        z: (n, M) z-scores, NaN where a vote has none.

    Returns:
        (n,) float64 in [0, 1].
    """
    if size < 1:
        raise ValueError(f"size must be at least 1, not {size}")
    pool = answers.shape[1]
    subsets = list(combinations(range(pool), min(size, pool)))
    total = np.zeros(len(answers))
    for subset in subsets:
        given = answers[:, subset]
        votes = vote_counts(given)
        winners = (given >= 0) & (votes == votes.max(axis=1, keepdims=True))
        if z is not None:
            backing = np.where(winners, summed_z(given, z[:, subset]).round(DECIMALS), -np.inf)
            winners &= backing == backing.max(axis=1, keepdims=True)
        right = (winners & _right(given, labels)).sum(axis=1)
        total += right / np.maximum(winners.sum(axis=1), 1)
    return total / len(subsets)


def _right(answers: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return (answers == labels[:, None]) & (answers >= 0)
