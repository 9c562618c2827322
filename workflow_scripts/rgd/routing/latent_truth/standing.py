"""Which member is best, and how surely: a posterior over the members' accuracies that allows for the model's being wrong.

With thousands of queries the parameters of the model are known to a decimal, and yet its accuracies are off by points,
because members depend on each other in ways that it does not have. How far they are off shows in how far they move when
members are left out. So the model is fitted anew without each member in turn (in larger pools without a few that are
alike), and judges all answers, those of the members left out as well. How these readings differ from the whole pool's (a
delete-a-group jackknife over members; Quenouille 1956, Kott 2001) is most of the uncertainty. With few queries it is also
how little they tell of the parameters (Laplace's approximation), and how far they are from all queries.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rgd.routing.latent_truth.fit import DIFFERENCE, Posterior, curvature, maximum, pair_agreement, thinned
from rgd.routing.latent_truth.model import Pool, first_givers, infer
from rgd.routing.rounding import DECIMALS

# The deviation of a member's accuracy that no reading shows, and the factor from that among readings to that of the truth.
# Both are measured: they make the stated probabilities and the expected regret those of the recorded pools
# (docs/latent_truth.md).
LEAST_DEVIATION, SPREADING = 0.025, 0.85
# By how much the accuracies of all members are off together. Agreement tells members apart, and says less of how hard the
# queries are for all. With it 98 % of the intervals of recorded pools hold the accuracy on the test questions.
LEVEL_DEVIATION = 0.07
# So many readings at most; so many answers at most are read again, which is enough for the points that they tell apart.
MOST_READINGS, MOST_ANSWERS = 8, 16000
# Pseudo-queries, and the variance of a difference in them, for pools of very few queries.
DOUBTED, DOUBT = 5.0, 0.1
# The largest deviation of a parameter: along an axis of theirs on which the queries tell nothing.
MOST_DEVIATION = 2.0
DRAWS = 4000
# Maxima less probable than the first by more than this weigh as little as this (logarithm).
LEAST_ODDS = 50.0


@dataclass(frozen=True)
class Standing:
    """A posterior over the accuracies of M members, a normal distribution.

    Attributes:
        mean: (M,) estimated accuracies.
        covariance: (M, M), without what shifts all members together, which decides nothing between them.
        shift: variance of what shifts all members together.
    """

    mean: np.ndarray
    covariance: np.ndarray
    shift: float = LEVEL_DEVIATION**2

    @property
    def deviation(self) -> np.ndarray:
        """(M,): the standard deviation of each accuracy."""
        return np.asarray(np.sqrt(np.diag(self.covariance) + self.shift))

    def draws(self, count: int = DRAWS) -> np.ndarray:
        """(count, M) accuracies drawn from the posterior, the same at every call and for every order of the members."""
        order = np.lexsort((np.diag(self.covariance).round(DECIMALS), -self.mean.round(DECIMALS)))
        normal = np.random.default_rng(0).normal(size=(count, len(order)))
        drawn = np.empty((count, len(order)))
        factor = np.linalg.cholesky(self.covariance[np.ix_(order, order)])
        drawn[:, order] = self.mean[order] + normal @ factor.T
        return drawn

    def best(self) -> np.ndarray:
        """(M,): the probability that each member is the most accurate."""
        return np.bincount(self.draws().argmax(axis=1), minlength=len(self.mean)) / DRAWS

    def regret(self) -> np.ndarray:
        """(M,): by how much each member is expected to be less accurate than the best one."""
        drawn = self.draws()
        return np.asarray((drawn.max(axis=1, keepdims=True) - drawn).mean(axis=0))


def standing(right: np.ndarray, apart: np.ndarray, within_reach: np.ndarray | None = None) -> Standing:
    """The posterior over accuracies.

    Args:
        right: (n, M) the probability that each answer is right, by all members.
        apart: (R, M) from :func:`rereadings`.
        within_reach: (S, M) from :func:`others_within_reach`.
    """
    covariance = sampling_error(right) + LEAST_DEVIATION**2 * np.eye(right.shape[1])
    if len(apart):
        # A shift of all members decides nothing.
        apart = apart - apart.mean(axis=1, keepdims=True)
        covariance += SPREADING**2 * apart.T @ apart / len(apart)
    if within_reach is not None:
        covariance += within_reach.T @ within_reach
    return Standing(right.mean(axis=0), covariance)


def sampling_error(right: np.ndarray) -> np.ndarray:
    """The part (M, M) of the covariance that comes of few queries; ``right`` (n, M) as in :func:`standing`."""
    n, members = right.shape
    away = right - right.mean(axis=0)
    return np.asarray((away.T @ away + DOUBTED * DOUBT * np.eye(members)) / (n + DOUBTED) / n)


def others_within_reach(
    found: Sequence[tuple[float, Pool]], givers: np.ndarray, choices: np.ndarray, counts: np.ndarray
) -> np.ndarray:
    """By how much the members' accuracies differ in other maxima from the first, by the root of their weights, (S, M).

    A maximum weighs in proportion to its posterior density; the first one's accuracies are the mean.

    Args:
        found: from :func:`rgd.routing.latent_truth.fit.readings`.
        givers, choices, counts: as for :func:`rereadings`.
    """
    heights = np.array([height for height, _ in found])
    odds = np.exp(np.maximum(heights - heights[0], -LEAST_ODDS))
    share = counts / counts.sum()
    means = [share @ infer(givers, choices, pool.ability, pool).credences for _, pool in found]
    away = np.array(means[1:]).reshape(len(found) - 1, givers.shape[1]) - means[0]
    return np.sqrt(odds[1:, None] / odds.sum()) * away


def parameter_moves(
    givers: np.ndarray, choices: np.ndarray, counts: np.ndarray, pool: Pool, correlated: bool = True
) -> np.ndarray:
    """By how much the members' accuracies move with the parameters by one posterior deviation of these, (F, M).

    The posterior is taken for normal (Laplace's approximation), a row for each axis of it.

    Args:
        givers, choices, counts: as for :func:`rereadings`.
        pool: the maximum.
        correlated: as for :class:`rgd.routing.latent_truth.fit.Posterior`.
    """
    kept = thinned(counts, MOST_ANSWERS // givers.shape[1])
    few = kept > 0
    givers, choices, share = givers[few], choices[few], kept[few] / kept.sum()
    posterior = Posterior(pool, givers, choices, kept[few], correlated)
    vector = posterior.vector()
    free, values, axes = curvature(posterior, vector, posterior.lowered(vector)[1])

    def accuracies(at: np.ndarray) -> np.ndarray:
        near = posterior.at(at)
        return np.asarray(share @ infer(givers, choices, near.ability, near).credences)

    here = accuracies(vector)
    steps = DIFFERENCE * np.eye(len(vector))[free]
    slopes = np.array([accuracies(vector + step) - here for step in steps]).reshape(len(free), len(here)) / DIFFERENCE
    deviations = 1.0 / np.sqrt(np.maximum(values * float(counts.sum()), MOST_DEVIATION**-2))
    moves = deviations[:, None] * (axes.T @ slopes)
    # A shift of all members decides nothing.
    return np.asarray(moves - moves.mean(axis=1, keepdims=True))


def rereadings(givers: np.ndarray, choices: np.ndarray, counts: np.ndarray, pool: Pool) -> np.ndarray:
    """By how much the members' accuracies differ from those by ``pool`` if some members are not heard, (R, M).

    A reading does not hear the members of one of :func:`left_out`. A pool of one or two has no readings.

    Args:
        givers, choices, counts: (u, M), (u,) and (u,) from :func:`rgd.routing.latent_truth.fit.agreement_patterns`.
        pool: what was fitted to them.
    """
    members = givers.shape[1]
    if members < 3:
        return np.zeros((0, members))
    share = counts / counts.sum()
    whole = share @ infer(givers, choices, pool.ability, pool).credences
    kept = thinned(counts, MOST_ANSWERS // members)
    few = kept > 0
    found = []
    for group in left_out(givers, counts):
        silent = np.isin(np.arange(members), group)
        parent = np.where(silent | np.isin(pool.parent, group), -1, pool.parent)
        start = replace(pool, parent=parent, copying=np.where(parent >= 0, pool.copying, 0.0))
        heard = first_givers(np.where(silent, -1, givers[few]))
        _, read = maximum(start, heard, choices[few], kept[few], True, exactly=False)
        found.append(share @ infer(givers, choices, read.ability, read, silent).credences - whole)
    return np.array(found)


def left_out(givers: np.ndarray, counts: np.ndarray) -> list[np.ndarray]:
    """The groups of members that are left out in turn: each member, or in larger pools a few that agree most."""
    members = givers.shape[1]
    group = np.arange(members)
    alike, _ = pair_agreement(givers, counts)
    largest = -(-2 * members // MOST_READINGS)
    for pair in np.argsort(-np.triu(alike, 1).round(DECIMALS), axis=None, kind="stable"):
        if len(np.unique(group)) <= MOST_READINGS:
            break
        one, other = (group == group[member] for member in divmod(int(pair), members))
        if not one[other].any() and one.sum() + other.sum() <= largest:
            group[other] = group[one][0]
    return [np.flatnonzero(group == number) for number in np.unique(group)]
