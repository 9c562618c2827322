"""Quality against cost: the curve that a router's operating points span, and figures that summarise it.

An operating point is a mean cost and a mean quality in [0, 1] over the same queries. All costs have one unit.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rgd.seeds import generator

ARENA_BETA = 0.1
"""The weight of accuracy against cost in RouterArena's leaderboard."""
ARENA_DOLLARS = (0.0044, 200.0)
"""The cheapest and the dearest router of RouterArena, in dollars per 1,000 queries."""
# Draws of the bootstrap that are in memory at once, as numbers of questions.
BLOCK_ENTRIES = 4 * 1024 * 1024


@dataclass(frozen=True)
class Curve:
    """The best mean quality at every mean cost: the non-decreasing convex hull of operating points.

    Queries can be shared at random between two operating points, so every point on the line between them can be had
    (RouterBench, arXiv 2403.12031, section 3, linear interpolation and non-decreasing convex hull). Besides, a budget need
    not be spent, and queries may be left unanswered: a router with neither cost nor quality is a point of every curve.

    Attributes:
        cost: (v,) ascending; the first is 0.
        quality: (v,) strictly ascending.
    """

    cost: np.ndarray
    quality: np.ndarray

    @classmethod
    def through(cls, cost: np.ndarray, quality: np.ndarray) -> "Curve":
        """The curve of operating points (p,) and (p,); points without a cost (NaN) are left out."""
        points = [(0.0, 0.0)]
        for place in np.lexsort((-quality, cost)).tolist():
            x, y = float(cost[place]), float(quality[place])
            if np.isnan(x) or y <= points[-1][1]:
                continue
            # Quality rises along the curve ever more slowly: what lies below a chord goes.
            while len(points) > 1 and _below(points[-2], points[-1], (x, y)):
                points.pop()
            if points[-1][0] == x:
                points.pop()
            points.append((x, y))
        return cls(*(np.array(side) for side in zip(*points, strict=True)))

    def quality_at(self, cost: float) -> float:
        """The best quality at a mean cost of at most ``cost``; NaN where the cost is unknown."""
        return float(np.interp(cost, self.cost, self.quality))

    def cost_at(self, quality: float) -> float:
        """The smallest mean cost of at least ``quality``; infinite where the curve does not reach it."""
        if quality > self.quality[-1]:
            return float("inf")
        return float(np.interp(quality, self.quality, self.cost))

    def mean_quality(self, low: float, high: float) -> float:
        """Average improvement in quality (AIQ) over the costs from ``low`` to ``high``.

        The integral of the curve divided by high - low (RouterBench, arXiv 2403.12031, section 3, comparison of routing
        systems). The authors' programme counts nothing below a router's cheapest operating point; here the curve below it
        is that of leaving queries unanswered.

        Raises:
            ValueError: ``low`` is not below ``high``.
        """
        if not 0 <= low < high:
            raise ValueError(f"a range of costs from {low:g} to {high:g} is empty")
        inside = (self.cost > low) & (self.cost < high)
        at = np.concatenate([[low], self.cost[inside], [high]])
        return float(np.trapezoid(np.interp(at, self.cost, self.quality), at) / (high - low))


def _below(first: tuple[float, float], middle: tuple[float, float], last: tuple[float, float]) -> bool:
    """Whether the middle point lies on or below the line through the others."""
    return (middle[1] - first[1]) * (last[0] - first[0]) <= (last[1] - first[1]) * (middle[0] - first[0])


def arena_score(
    accuracy: np.ndarray,
    dollars: np.ndarray,
    beta: float = ARENA_BETA,
    cheapest: float = ARENA_DOLLARS[0],
    dearest: float = ARENA_DOLLARS[1],
) -> np.ndarray:
    """RouterArena's arena score, a weighted harmonic mean of accuracy and a logarithmic cost score.

    Source: arXiv 2510.00202, the section on evaluation metrics, arena score S with beta = 0.1. With C = (log2 dearest - log2 dollars) / (log2 dearest - log2 cheapest), the score is (1 + beta) A C / (beta A + C).

    Args:
        accuracy: (...) in [0, 1].
        dollars: (...) per 1,000 queries.
        beta: weight of accuracy against cost; the smaller, the more accuracy counts.
        cheapest, dearest: dollars per 1,000 queries at which C is 1 and 0.

    Returns:
        (...) float64; 0 from ``dearest`` on, NaN where the cost is unknown or nothing (its logarithm is undefined). Below
        ``cheapest`` C exceeds 1, as in the authors' programme.
    """
    accuracy, dollars = np.asarray(accuracy, dtype=np.float64), np.asarray(dollars, dtype=np.float64)
    known = np.where(dollars > 0, dollars, np.nan)
    cost = np.maximum((np.log2(dearest) - np.log2(known)) / (np.log2(dearest) - np.log2(cheapest)), 0.0)
    below = beta * accuracy + cost
    return np.where(below > 0, (1 + beta) * accuracy * cost / np.where(below > 0, below, 1.0), below * 0.0)


def resampled_means(
    sums: np.ndarray, share: np.ndarray, strata: np.ndarray, seed: int, draws: int, purpose: str
) -> np.ndarray:
    """Means (draws, C) of stratified bootstrap samples of questions, the same questions for all columns of a draw.

    So what is computed from the columns of a draw is paired (Efron and Tibshirani 1993, section 8.3).

    Args:
        sums: (q, C), for each question the weighted sum of a column over its rows.
        share: (q,) the sum of the weights; they sum to 1.
        strata: (q,) the task of each question; every sample has as many questions of a task as there are.
        seed: seed of the bootstrap.
        draws: number of samples.
        purpose: what the samples are for, which names their seed.
    """
    means = np.empty((draws, sums.shape[1]))
    start = 0
    for counts in _samples(strata, seed, draws, purpose):
        means[start : start + len(counts)] = counts @ sums / (counts @ share)[:, None]
        start += len(counts)
    return means


def _samples(strata: np.ndarray, seed: int, draws: int, purpose: str) -> Iterator[np.ndarray]:
    """Blocks of (b, q) float64: how often each question is drawn."""
    random = generator(seed, "bootstrap", purpose)
    places = [np.flatnonzero(strata == stratum) for stratum in np.unique(strata)]
    block = max(1, BLOCK_ENTRIES // len(strata))
    for start in range(0, draws, block):
        counts = np.zeros((min(block, draws - start), len(strata)))
        for inside in places:
            drawn = random.integers(len(inside), size=(len(counts), len(inside)))
            rows = np.arange(len(counts))[:, None] * len(inside)
            found = np.bincount((drawn + rows).ravel(), minlength=len(counts) * len(inside))
            counts[:, inside] = found.reshape(len(counts), len(inside))
        yield counts
