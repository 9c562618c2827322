"""Whom to ask: the value of a panel (a set of members), the best panel in each group, and when to stop asking.

The value of a panel on a training query is the probability, by the posterior from the whole pool's answers, that the
panel's answer is right. It is counted over the training queries, not derived from the members' accuracies, so that
members that err together are worth less together. No label is used.
"""

import itertools
import math
from collections.abc import Sequence

import numpy as np

from rgd.routing.latent_truth.confidence import doubt, soft, sums
from rgd.routing.latent_truth.model import Pool, first_givers, infer
from rgd.routing.rounding import DECIMALS

# Up to this many panels of a size are all valued; of more, those that extend the best ones of one member fewer.
ALL_PANELS, BEST_PANELS = 64, 8


def restrict(pool: Pool, members: Sequence[int]) -> Pool:
    """The model of some members; a copy whose source is not among them answers for itself."""
    members = list(members)
    place = {member: index for index, member in enumerate(members)}
    parent = np.array([place.get(int(pool.parent[member]), -1) for member in members])
    copying = np.where(parent >= 0, pool.copying[members], 0.0)
    return Pool(pool.ability[members], pool.spread, pool.kappa, parent, copying)


def lead(answers: np.ndarray, choices: np.ndarray, logits: np.ndarray, pool: Pool) -> tuple[np.ndarray, np.ndarray]:
    """The most probable of the given answers, and its probability.

    Equally probable answers: that of the first member; a query without an answer has -1 and probability 0.

    Args:
        answers: (n, m) codes of the members that were asked, -1 missing or not asked.
        choices: (n,) number of possible answers.
        logits: (n, m) their log-odds.
        pool: the model of these m members.
    """
    truth = infer(first_givers(answers), choices, logits, pool).truth[:, :-1]
    best = np.argmax(truth.round(DECIMALS), axis=1)
    rows = np.arange(len(answers))
    given = (answers >= 0).any(axis=1)
    return np.where(given, answers[rows, best], -1), np.where(given, truth[rows, best], 0.0)


def credence(truth: np.ndarray, answers: np.ndarray, claimed: np.ndarray) -> np.ndarray:
    """The probability that each claimed answer (n,) is right; 0 where there is none.

    Args:
        truth: (n, M + 1) of the whole pool's answers.
        answers: (n, M) the whole pool's answers, among which every claimed one is.
        claimed: (n,) codes, -1 none.
    """
    said = (answers == claimed[:, None]) & (claimed >= 0)[:, None]
    first = np.argmax(said, axis=1)
    return np.where(said.any(axis=1), truth[np.arange(len(answers)), first], 0.0)


def values(
    panels: Sequence[tuple[int, ...]],
    answers: np.ndarray,
    choices: np.ndarray,
    logits: np.ndarray,
    pool: Pool,
    truth: np.ndarray,
) -> np.ndarray:
    """(panels, n): how probably each panel's answer to each query is right."""
    found = np.empty((len(panels), len(answers)))
    for index, panel in enumerate(panels):
        members = list(panel)
        claimed, _ = lead(answers[:, members], choices, logits[:, members], restrict(pool, members))
        found[index] = credence(truth, answers, claimed)
    return found


def candidates(size: int, members: int, best: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """The panels of ``size`` to be valued: all, or those with one member more than one of ``best``."""
    if math.comb(members, size) <= ALL_PANELS:
        return list(itertools.combinations(range(members), size))
    return sorted({tuple(sorted((*panel, extra))) for panel in best for extra in range(members) if extra not in panel})


def grow(best: Sequence[tuple[int, ...]], value: np.ndarray) -> list[tuple[int, ...]]:
    """The panels with the highest mean values, from which larger ones are grown."""
    return [best[index] for index in np.argsort(-value.mean(axis=1).round(DECIMALS), kind="stable")[:BEST_PANELS]]


def group_values(value: np.ndarray, groups: Sequence[np.ndarray], caution: float) -> list[np.ndarray]:
    """The mean value of each panel in each group of each level, shrunk to that of the level above.

    What a group's value, measured against the mean of all panels on the same queries, differs from the level above
    is moved towards 0 by ``caution`` standard errors: a group keeps the order of the level above unless its own
    queries speak clearly.

    Args:
        value: (P, n) of each panel on each query.
        groups: for each level, coarse to fine, (n,) group numbers without gaps.
        caution: standard errors.

    Returns:
        For the pool of all queries and then for each level, (groups, P); the pool of all is one group.
    """
    relative = (value - value.mean(axis=0)).T
    found = [relative.mean(axis=0)[None]]
    above = np.zeros(value.shape[1], dtype=np.int64)
    for group in groups:
        count = int(group.max()) + 1
        size = np.maximum(np.bincount(group, minlength=count), 1)[:, None]
        parent = np.zeros(count, dtype=np.int64)
        parent[group] = above
        mean = sums(relative, group, count) / size
        variance = sums((relative - mean[group]) ** 2, group, count) / size
        error = np.sqrt(variance / np.maximum(size - 1, 1))
        found.append(found[-1][parent] + soft(mean - found[-1][parent], doubt(caution * error, size)))
        above = group
    return found


def stops(confidence: np.ndarray, threshold: float) -> np.ndarray:
    """After how many answers each query's asking stops, int64 (n,): when the lead reaches ``threshold``, or after all.

    ``confidence`` (n, M) is the probability of the leading answer after each.
    """
    enough = confidence.round(DECIMALS) >= threshold
    enough[:, -1] = True
    return np.argmax(enough, axis=1) + 1


def mean_price(prices: np.ndarray, asked: np.ndarray) -> float:
    """Mean price per query of asking (n,) members each, in the order of their ``prices`` (n, M)."""
    total = np.cumsum(prices, axis=1)
    return float(total[np.arange(len(asked)), asked - 1].mean())


def within(price: float, budget: float) -> bool:
    """Whether a mean price is no more than ``budget``, but for rounding."""
    return price <= budget * (1.0 + 10.0**-DECIMALS)


def threshold_for(budget: float, confidence: np.ndarray, prices: np.ndarray) -> float:
    """The highest threshold whose mean price on these queries is within ``budget``; 0 if none is.

    Args:
        budget: mean price per query.
        confidence: (n, M) of the leading answer after each answer.
        prices: (n, M) in the order of asking.
    """
    # Just above every value that occurs, the next query goes on asking; above all of them, all do.
    reached = np.unique(confidence[:, :-1].round(DECIMALS))
    levels = np.concatenate([[0.0], np.nextafter(reached, np.inf)])
    low, high = 0, len(levels) - 1
    while low < high:
        middle = (low + high + 1) // 2
        if within(mean_price(prices, stops(confidence, levels[middle])), budget):
            low = middle
        else:
            high = middle - 1
    return float(levels[low])
