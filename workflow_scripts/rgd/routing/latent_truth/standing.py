"""Which member is best, and how surely: a posterior over the members' accuracies that owns up to the model's being wrong.

With thousands of queries the parameters of the model are known to a decimal, and yet its accuracies are off by points,
because members depend on each other in ways that it does not have. How far they are off shows in how far they move when
members are left out: where the rest of the pool tells the same story whoever is missing, the story is right more often.
So the model is fitted anew without each member in turn (in larger pools without a few that are alike), and judges all
answers, those of the members left out as well. The mean of these readings is the estimate. How they differ (a delete-a-group
jackknife over members; Quenouille 1956, Kott 2001), beside the number of queries, is its uncertainty.
"""

from dataclasses import dataclass, replace

import numpy as np

from rgd.routing.latent_truth.fit import WIDEST_ABILITY, Patterns, Posterior, climb, credences, pair_agreement
from rgd.routing.latent_truth.model import Pool, believe, chances, lay_out, nodes

# The deviation of a member's accuracy that no reading shows, and the factor from that among readings to that of the truth.
# Both are measured: expected and actual regret agree on the recorded pools (docs/latent_truth.md).
LEAST_DEVIATION, SPREADING = 0.025, 0.5
# So many readings at most; so many queries at most are read again.
MOST_READINGS, MOST_QUERIES = 8, 2000
# Up to so many patterns the uncertainty of the parameters counts: among more it is small beside that of the model.
FEW_PATTERNS = 400
# Pseudo-queries, and the variance of a difference in them, for pools of very few queries.
DOUBTED, DOUBT = 5.0, 0.1
DRAWS = 4000


@dataclass(frozen=True)
class Standing:
    """A posterior over the accuracies of M members, a normal distribution.

    Attributes:
        mean: (M,) estimated accuracies.
        covariance: (M, M).
    """

    mean: np.ndarray
    covariance: np.ndarray

    def shrunk(self) -> np.ndarray:
        """(M,): the accuracies to weigh answers by, moved towards their mean as far as they may differ by error alone
        (Efron and Morris 1973)."""
        apart = self.mean - self.mean.mean()
        error = float(np.diag(self.covariance).mean())
        return np.asarray(
            self.mean.mean() + apart * max(1.0 - error / max(float(apart @ apart) / len(apart), 1e-12), 0.0)
        )

    def draws(self, count: int = DRAWS) -> np.ndarray:
        """(count, M) accuracies drawn from the posterior, the same at every call."""
        normal = np.random.default_rng(0).normal(size=(count, len(self.mean)))
        return np.asarray(self.mean + normal @ np.linalg.cholesky(self.covariance).T)

    def best(self) -> np.ndarray:
        """(M,): the probability that each member is the most accurate."""
        return np.bincount(self.draws().argmax(axis=1), minlength=len(self.mean)) / DRAWS

    def regret(self) -> np.ndarray:
        """(M,): by how much each member is expected to be less accurate than the best one."""
        drawn = self.draws()
        return np.asarray(drawn.max(axis=1).mean() - drawn.mean(axis=0))


def standing(found: Patterns, pool: Pool, correlated: bool, truths: np.ndarray, mean: np.ndarray) -> Standing:
    """The posterior over accuracies.

    Args:
        found: the patterns of the queries.
        pool: what was fitted to them.
        correlated: whether errors are; if not, nothing but the number of queries makes the accuracies uncertain.
        truths: from :func:`rereadings`.
        mean: (M,) estimated accuracies.
    """
    members, n = len(mean), float(found.counts.sum())
    certain = credences(found.givers, truths.mean(axis=0))
    away = certain - found.counts @ certain / n
    covariance = ((away * found.counts[:, None]).T @ away + DOUBTED * DOUBT * np.eye(members)) / (n + DOUBTED) / n
    covariance += LEAST_DEVIATION**2 * np.eye(members)
    if len(truths) > 1:
        read = np.array([found.counts @ credences(found.givers, truth) / n for truth in truths])
        apart = read - read.mean(axis=0)
        # A shift of all members decides nothing.
        apart -= apart.mean(axis=1, keepdims=True)
        covariance += SPREADING**2 * apart.T @ apart / len(apart)
    if len(found.counts) <= FEW_PATTERNS:
        covariance += _of_parameters(found, pool, correlated)
    return Standing(mean, covariance)


def rereadings(found: Patterns, pool: Pool, correlated: bool) -> np.ndarray:
    """The truth by each reading (R, u, M + 1) of the patterns, as :attr:`Belief.truth` has it.

    A reading does not hear the members of one of :func:`left_out`. A pool of one or two, or one whose errors are taken to
    be independent, has one reading, that of all members.
    """
    if not correlated or found.givers.shape[1] < 3:
        return believe(lay_out(found.givers, found.choices, pool.parent), pool.ability, pool).truth[None]
    heard = thinned(found, MOST_QUERIES)
    return np.array([_without(group, found, heard, pool) for group in left_out(found)])


def reconciled(truth: np.ndarray, found: Patterns, pool: Pool, truths: np.ndarray) -> np.ndarray:
    """The truth (n, M + 1) of each query by all readings and by confidence.

    Args:
        truth: (n, M + 1) by confidence and the parameters of ``pool``.
        found: the patterns of the queries.
        pool: what was fitted to them, without confidence.
        truths: from :func:`rereadings`; what they say on average, against ``pool``, moves the odds of each answer.
    """
    if len(truths) == 1:
        return truth
    alone = believe(lay_out(found.givers, found.choices, pool.parent), pool.ability, pool).truth
    ratio = np.where(alone > 0, truths.mean(axis=0) / np.where(alone > 0, alone, 1.0), 0.0)
    moved = truth * ratio[found.inverse]
    return np.asarray(moved / moved.sum(axis=1, keepdims=True))


def moves(pool: Pool, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """(M,) what to add to log-odds for accuracies ``after`` in the place of ``before``."""
    x, weights = nodes()
    found = []
    for wanted in (before, after):
        low, high = np.full(len(wanted), -WIDEST_ABILITY), np.full(len(wanted), WIDEST_ABILITY)
        for _ in range(50):
            middle = (low + high) / 2.0
            right = np.exp(chances(middle[:, None] + pool.spread * x, pool.floor)[0]) @ weights
            low, high = np.where(right < wanted, middle, low), np.where(right < wanted, high, middle)
        found.append((low + high) / 2.0)
    return found[1] - found[0]


def left_out(found: Patterns) -> list[np.ndarray]:
    """The groups of members that are left out in turn: each member, or in larger pools those that agree most."""
    members = found.givers.shape[1]
    if members <= MOST_READINGS:
        return [np.array([member]) for member in range(members)]
    # scipy is imported where it is used, so that a router's class can be read without it.
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    alike, _ = pair_agreement(found.givers, found.counts)
    order = leaves_list(linkage(squareform((1.0 - alike).round(9), checks=False), "average"))
    return [np.sort(part) for part in np.array_split(order, MOST_READINGS)]


def _without(group: np.ndarray, found: Patterns, heard: Patterns, pool: Pool) -> np.ndarray:
    """(u, M + 1) the truth by a fit to ``heard`` that does not hear the members of ``group``."""
    silent = np.isin(np.arange(len(pool.ability)), group)
    parent = np.where(silent | np.isin(pool.parent, group), -1, pool.parent)
    start = replace(pool, parent=parent, copying=np.where(parent >= 0, pool.copying, 0.0))
    read = climb(start, heard, True, silent=silent, closely=False).pool
    return believe(lay_out(found.givers, found.choices, parent, silent), read.ability, read).truth


def thinned(found: Patterns, most: int) -> Patterns:
    """At most so many of the queries, spread evenly over the patterns."""
    n = int(found.counts.sum())
    if n <= most:
        return found
    ends = np.floor(np.cumsum(found.counts) * most / n + 0.5)
    counts = np.diff(ends, prepend=0.0)
    kept = counts > 0
    return Patterns(found.givers[kept], found.choices[kept], counts[kept], np.zeros(0, dtype=np.int64))


def _of_parameters(found: Patterns, pool: Pool, correlated: bool) -> np.ndarray:
    """(M, M) covariance of the accuracies from that of the parameters (Laplace's approximation)."""
    posterior = Posterior(pool, found, correlated)
    at, step = posterior.vector(pool), 1e-4
    low, high = np.array(posterior.bounds).T
    free = np.flatnonzero((at > low + step) & (at < high - step))

    def accuracies(vector: np.ndarray) -> np.ndarray:
        moved = posterior.pool(vector)
        truth = believe(posterior.layout, moved.ability, moved).truth
        return np.asarray(found.counts @ credences(found.givers, truth) / found.counts.sum())

    moves = step * np.eye(len(at))[free]
    slope = np.array([(accuracies(at + move) - accuracies(at - move)) / (2.0 * step) for move in moves])
    curve = np.array([(posterior(at - move)[1] - posterior(at + move)[1])[free] / (2.0 * step) for move in moves])
    values, vectors = np.linalg.eigh((curve + curve.T) / 2.0)
    turned = vectors.T @ slope
    # A prior's curvature at least: differences of the gradient are not exact.
    return np.asarray(turned.T @ (turned / np.maximum(values, 0.1)[:, None]))
