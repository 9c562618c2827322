"""Whether the queries that are served are like those that a router learned from.

The likeness of a query is the share of training queries whose own nearest training query is no more similar than the
query's. Queries drawn as the training queries were have likenesses that are spread evenly from 0 to 1; new kinds of queries
have low ones. Where the queries' vectors are logged, the maximum mean discrepancy (:mod:`rgd.analysis.shift`) compares
them with the training queries' as well.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from rgd.tool.decision_log import Logged, Skipped
from rgd.tool.routing import FAR_SHARE

# Fewer different queries tell nothing.
LEAST_QUERIES = 50
# From this share of queries on that are unlike all training queries, the router does not fit what is served.
MOST_UNLIKE = 0.1
# From this mean likeness on downwards; it is a half where nothing has changed.
LEAST_LIKENESS = 0.25
# A finding has to be this sure: the probability of as much by chance is at most this.
CHANCE = 0.001
# At most so many vectors of each side are compared, with so many permutations.
MOST_VECTORS, PERMUTATIONS = 1000, 999
SHOWN = 5
LIKE, UNLIKE, TOO_FEW = "like", "unlike", "too_few"


@dataclass(frozen=True)
class Drift:
    """How like the training queries the served queries are.

    Attributes:
        verdict: ``like``, ``unlike`` or ``too_few``.
        decisions: the decisions that were read.
        queries: the different queries among them, which all figures are of.
        unlike: the share of queries that are unlike all training queries.
        mean_likeness: a half where nothing has changed; None where no query has a likeness.
        mmd2: squared maximum mean discrepancy to the training queries; None without vectors.
        p_value: how probable a discrepancy as large is by chance; None without vectors.
        asked: by member the share of queries for which it is asked.
        tasks: by task the share of queries that are routed by it.
        least_like: the least like queries: similarity, likeness, and text (or digest).
        skipped: lines that are no decision of this bundle.
    """

    verdict: str
    decisions: int
    queries: int
    unlike: float
    mean_likeness: float | None
    mmd2: float | None
    p_value: float | None
    asked: dict[str, float]
    tasks: dict[str, float]
    least_like: tuple[dict[str, Any], ...]
    skipped: Skipped

    def content(self) -> dict[str, Any]:
        """The figures as plain types, for JSON."""
        return asdict(self)


def drift(
    logged: Iterable[Logged], training: np.ndarray, skipped: Skipped, last: int | None = None
) -> tuple[Drift, list[Logged]]:
    """Compare served queries with the training queries.

    Args:
        logged: the decisions, oldest first.
        training: (n, d) vectors of the training queries.
        skipped: counts that ``logged`` fills as it is read.
        last: only so many of the last decisions count; None: all.

    Returns:
        The figures, and the queries that are unlike all training queries.
    """
    decisions = list(logged)[-last if last else None :]
    different = list({each.query: each for each in decisions}.values())
    likeness = np.array([each.likeness for each in different if each.likeness is not None])
    far = [each for each in different if each.likeness is not None and each.likeness < FAR_SHARE]
    # A single training query has no other one to be near to, so nothing can be told beside it.
    n = len(likeness)
    unlike, mean = (len(far) / n, float(likeness.mean())) if n else (0.0, None)
    mmd2, p_value = _discrepancy(different, training)
    verdict = LIKE
    if mean is None or n < LEAST_QUERIES:
        verdict = TOO_FEW
    # A mean of n even spreads is normal, with the variance 1 / 12 n.
    elif (unlike > MOST_UNLIKE and _at_least(len(far), n, FAR_SHARE) < CHANCE) or (
        mean < LEAST_LIKENESS and math.erfc((0.5 - mean) * math.sqrt(6 * n)) / 2 < CHANCE
    ):
        verdict = UNLIKE
    order = np.argsort([each.similarity for each in different], kind="stable")[:SHOWN].tolist()
    shown = tuple(
        {
            "similarity": different[place].similarity,
            "likeness": different[place].likeness,
            "query": different[place].text or different[place].query,
        }
        for place in order
    )
    found = Drift(
        verdict,
        len(decisions),
        len(different),
        unlike,
        mean,
        mmd2,
        p_value,
        _shares(Counter(member for each in different for member in set(each.asks)), len(different)),
        _shares(Counter(each.task for each in different), len(different)),
        shown,
        skipped,
    )
    return found, far


def _at_least(hits: int, n: int, share: float) -> float:
    """The probability of at least ``hits`` of ``n`` by a chance of ``share`` each."""
    from scipy.stats import binom

    return float(binom.sf(hits - 1, n, share))


def _discrepancy(different: Sequence[Logged], training: np.ndarray) -> tuple[float | None, float | None]:
    vectors = [each.vector for each in different if each.vector is not None]
    if min(len(vectors), len(training)) < LEAST_QUERIES:
        return None, None
    from rgd.analysis.shift import discrepancy, subsample

    served = np.stack(vectors)[subsample(len(vectors), MOST_VECTORS, 0, "served")]
    known = training[subsample(len(training), MOST_VECTORS, 0, "training")]
    found = discrepancy(known, served, PERMUTATIONS, 0)
    return found.mmd2, found.p_value


def _shares(counts: Counter[str], n: int) -> dict[str, float]:
    return {name: count / n for name, count in counts.most_common()}
