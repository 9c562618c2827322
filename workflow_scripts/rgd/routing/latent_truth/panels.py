"""Whom to ask: the value of a panel (a set of members), the best panel in each group, and when to stop asking.

The value of a panel on a training query is the probability, by the posterior from the whole pool's answers, that the
panel's answer is right. It is counted over the training queries, not derived from the members' accuracies, so that
members that err together are worth less together. No label is used.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rgd.routing.latent_truth.confidence import doubt, soft, sums
from rgd.routing.latent_truth.model import Pool, first_givers, infer
from rgd.routing.rounding import DECIMALS
from rgd.seeds import derive_seed

# Up to this many panels of a size are all valued; of more, those that extend the best ones of one member fewer.
ALL_PANELS, BEST_PANELS = 64, 8
# How many times as probable as the best member's another answer has to be for a panel to give it, and for those asked one by
# one, who are often more. The posterior believes several members that agree more than they deserve: what makes them err alike
# beyond the model counts as evidence. Both are measured on recorded pools (docs/latent_truth.md).
PANEL_TRUST, SEQUENCE_TRUST = 1.4, 2.0
# Among these labels choose for a panel.
TRUSTS = (1.0, PANEL_TRUST, 2.0, 4.0, 8.0)
# So many thresholds are tried.
MOST_LEVELS = 200
# Standard deviations on either side of the mean that hold 95 % of a normal distribution.
NORMAL_95 = 1.959964


def restrict(pool: Pool, members: Sequence[int]) -> Pool:
    """The model of some members; a copy whose source is not among them answers for itself."""
    members = list(members)
    place = {member: index for index, member in enumerate(members)}
    parent = np.array([place.get(int(pool.parent[member]), -1) for member in members])
    copying = np.where(parent >= 0, pool.copying[members], 0.0)
    return Pool(pool.ability[members], pool.spread, pool.kappa, parent, copying, floor=pool.floor)


def lead(
    answers: np.ndarray,
    choices: np.ndarray,
    logits: np.ndarray,
    pool: Pool,
    ranking: np.ndarray | None = None,
    trust: float = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """The most probable of the given answers, and its probability.

    Equally probable answers: that of the first member; a query without an answer has -1 and probability 0.

    Args:
        answers: (n, m) codes of the members that were asked, -1 missing or not asked.
        choices: (n,) number of possible answers.
        logits: (n, m) their log-odds.
        pool: the model of these m members.
        ranking: (n, m) the members, the best first; None where no member's answer is preferred.
        trust: how many times as probable as that of the best member that answered another answer has to be.
    """
    givers = first_givers(answers)
    truth = infer(givers, choices, logits, pool).truth[:, :-1]
    rows = np.arange(len(answers))
    weighed = truth
    if ranking is not None:
        foremost = ranking[rows, np.argmax(np.take_along_axis(givers >= 0, ranking, axis=1), axis=1)]
        weighed = truth.copy()
        weighed[rows, np.maximum(givers[rows, foremost], 0)] *= trust
    best = np.argmax(weighed.round(DECIMALS), axis=1)
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


def first_with(answers: np.ndarray, claimed: np.ndarray) -> np.ndarray:
    """The first member (n,) with each claimed answer (n,) among ``answers`` (n, M), -1 where there is none."""
    said = (answers == claimed[:, None]) & (claimed >= 0)[:, None]
    return np.where(said.any(axis=1), said.argmax(axis=1), -1)


def values(
    panels: Sequence[tuple[int, ...]],
    answers: np.ndarray,
    choices: np.ndarray,
    logits: np.ndarray,
    pool: Pool,
    truth: np.ndarray,
) -> np.ndarray:
    """(panels, n): how probably each panel's most probable answer to each query is right."""
    found = np.empty((len(panels), len(answers)))
    for index, panel in enumerate(panels):
        members = list(panel)
        claimed, _ = lead(answers[:, members], choices, logits[:, members], restrict(pool, members))
        found[index] = credence(truth, answers, claimed)
    return found


def coverage(truth: np.ndarray, answers: np.ndarray, panel: Sequence[int]) -> np.ndarray:
    """The probability (n,) that any of a panel's answers is right; ``truth`` and ``answers`` as in :func:`credence`."""
    givers = first_givers(answers)[:, list(panel)]
    named = (givers[:, :, None] == np.arange(answers.shape[1])).any(axis=1)
    return np.asarray((truth[:, :-1] * named).sum(axis=1))


def candidates(size: int, members: int, best: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """The panels of ``size`` to be valued: all, or those with one member more than one of ``best``."""
    if math.comb(members, size) <= ALL_PANELS:
        return list(itertools.combinations(range(members), size))
    return sorted({tuple(sorted((*panel, extra))) for panel in best for extra in range(members) if extra not in panel})


def grow(best: Sequence[tuple[int, ...]], value: np.ndarray) -> list[tuple[int, ...]]:
    """The panels with the highest mean values, from which larger ones are grown."""
    return [best[index] for index in np.argsort(-value.mean(axis=1).round(DECIMALS), kind="stable")[:BEST_PANELS]]


def group_values(
    value: np.ndarray, groups: Sequence[np.ndarray], caution: float, least: float = 0.0
) -> list[np.ndarray]:
    """The mean value of each panel in each group of each level, shrunk to that of the level above.

    What a group's value, measured against the mean of all panels on the same queries, differs from the level above
    is moved towards 0 by ``caution`` standard errors: a group keeps the order of the level above unless its own
    queries speak clearly.

    Args:
        value: (P, n) of each panel on each query.
        groups: for each level, coarse to fine, (n,) group numbers without gaps.
        caution: standard errors.
        least: what a standard error counts at least, however many queries a group has.

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
        error = np.sqrt(variance / np.maximum(size - 1, 1) + least**2)
        found.append(found[-1][parent] + soft(mean - found[-1][parent], doubt(caution * error, size)))
        above = group
    return found


def stops(confidence: np.ndarray, threshold: float | np.ndarray) -> np.ndarray:
    """After how many answers each query's asking stops, int64 (n,): when the lead reaches ``threshold``, or after all.

    ``confidence`` (n, M) is the probability of the leading answer after each; there may be a threshold for each query.
    """
    enough = confidence.round(DECIMALS) >= np.asarray(threshold)[..., None]
    enough[:, -1] = True
    return np.argmax(enough, axis=1) + 1


def within(price: float, budget: float) -> bool:
    """Whether a mean price is no more than ``budget``, but for rounding."""
    return price <= budget * (1.0 + 10.0**-DECIMALS)


@dataclass(frozen=True)
class Stopping:
    """Two thresholds at which asking stops, and how often the higher one holds: what that costs and is worth per query.

    Attributes:
        low, high: the thresholds.
        share: the part of queries for which ``high`` holds.
        price, spread: mean price per query, and its deviation among queries.
        worth: mean probability that the answer is right.
    """

    low: float
    high: float
    share: float
    price: float
    spread: float
    worth: float

    def interval(self, n: int, others: int) -> tuple[float, float]:
        """Where the mean price of so many ``others`` lies with 95 % probability, as the mean of n queries is ``price``."""
        reach = NORMAL_95 * self.spread * math.sqrt(1.0 / n + 1.0 / others)
        return max(self.price - reach, 0.0), self.price + reach

    def thresholds(self, query_ids: np.ndarray) -> np.ndarray:
        """The threshold of each query (n,), by its id alone."""
        chance = np.array([derive_seed(0, "threshold", str(query)) for query in query_ids.tolist()]) / 2.0**31
        return np.where(chance < self.share, self.high, self.low)


def stopping(budget: float, confidence: np.ndarray, prices: np.ndarray, worth: np.ndarray) -> Stopping:
    """The mixture of two thresholds that is worth most of those whose mean price is within ``budget``.

    Where many queries look alike, one threshold asks for all of them or for none, and no single one meets a budget. Mixtures of
    thresholds reach every point of the upper concave hull of (price, worth), and the best ones lie on it. Where even the
    lowest threshold costs more, it is taken.

    Args:
        budget: mean price per query.
        confidence: (n, M) of the leading answer after each answer.
        prices: (n, M) in the order of asking.
        worth: (n, M) how probably the leading answer after each answer is right.
    """
    # Above a value that occurs, but below the next one after rounding, such queries go on asking; above the last one, all do.
    reached = np.unique(confidence[:, :-1].round(DECIMALS))
    if len(reached) > MOST_LEVELS:
        reached = reached[np.linspace(0, len(reached) - 1, MOST_LEVELS).round().astype(int)]
    levels = np.concatenate([[0.0], reached + 0.5 * 10.0**-DECIMALS])
    paid, gained = np.empty((2, len(levels), len(confidence)))
    total, rows = np.cumsum(prices, axis=1), np.arange(len(confidence))
    for index, level in enumerate(levels):
        last = stops(confidence, level) - 1
        paid[index], gained[index] = total[rows, last], worth[rows, last]
    price, value = paid.mean(axis=1), gained.mean(axis=1)
    corners = upper_hull(price, value)
    below = [corner for corner in corners if within(price[corner], budget)] or corners[:1]
    low = below[-1]
    above = [corner for corner in corners if price[corner] > price[low]]
    high = above[0] if above and within(price[low], budget) else low
    share = 0.0 if high == low else float(np.clip((budget - price[low]) / (price[high] - price[low]), 0.0, 1.0))
    mean = (1.0 - share) * price[low] + share * price[high]
    square = (1.0 - share) * (paid[low] ** 2).mean() + share * (paid[high] ** 2).mean()
    return Stopping(
        low=float(levels[low]),
        high=float(levels[high]),
        share=share,
        price=float(mean),
        spread=float(np.sqrt(max(square - mean**2, 0.0))),
        worth=float((1.0 - share) * value[low] + share * value[high]),
    )


def upper_hull(price: np.ndarray, value: np.ndarray) -> list[int]:
    """The corners of the upper concave hull of points, by price; of points with one price the most valuable."""
    corners: list[int] = []
    for place in np.lexsort((-value.round(DECIMALS), price.round(DECIMALS))).tolist():
        if corners and price[place] - price[corners[-1]] < 10.0**-DECIMALS:
            continue
        while len(corners) > 1:
            first, last = corners[-2:]
            rise = (value[place] - value[first]) * (price[last] - price[first])
            if (value[last] - value[first]) * (price[place] - price[first]) > rise + 10.0**-DECIMALS:
                break
            corners.pop()
        corners.append(place)
    return corners
