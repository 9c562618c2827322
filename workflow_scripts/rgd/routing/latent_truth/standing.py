"""Which member is best, and how surely: a posterior over the members' accuracies that allows for the model's being wrong.

With thousands of queries the parameters of the model are known to a decimal, and yet its accuracies are off by points,
because members depend on each other in ways that it does not have. How far they are off shows in how far they move when
members are left out. So the model is fitted anew without each member in turn (in larger pools without a few that are
alike), and judges all answers, those of the members left out as well. How these readings differ from the whole pool's (a
delete-a-group jackknife over members; Quenouille 1956, Kott 2001), beside the number of queries, is the uncertainty.
"""

from dataclasses import dataclass, replace

import numpy as np

from rgd.routing.latent_truth.fit import climb, pair_agreement, thinned
from rgd.routing.latent_truth.model import Pool, infer
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
DRAWS = 4000


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


def standing(right: np.ndarray, apart: np.ndarray) -> Standing:
    """The posterior over accuracies.

    Args:
        right: (n, M) the probability that each answer is right, by all members.
        apart: (R, M) from :func:`rereadings`.
    """
    covariance = sampling_error(right) + LEAST_DEVIATION**2 * np.eye(right.shape[1])
    if len(apart):
        # A shift of all members decides nothing.
        apart = apart - apart.mean(axis=1, keepdims=True)
        covariance += SPREADING**2 * apart.T @ apart / len(apart)
    return Standing(right.mean(axis=0), covariance)


def sampling_error(right: np.ndarray) -> np.ndarray:
    """The part (M, M) of the covariance that comes of few queries; ``right`` (n, M) as in :func:`standing`."""
    n, members = right.shape
    away = right - right.mean(axis=0)
    return np.asarray((away.T @ away + DOUBTED * DOUBT * np.eye(members)) / (n + DOUBTED) / n)


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
    whole = share @ credences(givers, choices, pool, np.zeros(members, dtype=bool))
    kept = thinned(counts, MOST_ANSWERS // members)
    few = kept > 0
    found = []
    for group in left_out(givers, counts):
        silent = np.isin(np.arange(members), group)
        parent = np.where(silent | np.isin(pool.parent, group), -1, pool.parent)
        start = replace(pool, parent=parent, copying=np.where(parent >= 0, pool.copying, 0.0))
        read = climb(start, unheard(givers[few], silent)[0], choices[few], kept[few], True)
        found.append(share @ credences(givers, choices, read, silent) - whole)
    return np.array(found)


def unheard(givers: np.ndarray, silent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The answers (n, M) without those of ``silent`` (M,) members, and for every answer the first heard member that gives it.

    Both as in :func:`rgd.routing.latent_truth.model.first_givers`: -1 where an answer is missing, not heard, or given by
    silent members alone.
    """
    first = np.full(givers.shape, -1, dtype=np.int64)
    for member in np.flatnonzero(~silent)[::-1]:
        column = givers[:, member : member + 1]
        first[(givers == column) & (column >= 0)] = member
    return np.where(silent, -1, first), first


def credences(givers: np.ndarray, choices: np.ndarray, pool: Pool, silent: np.ndarray) -> np.ndarray:
    """(n, M): the probability that each answer is right, where ``silent`` (M,) members are not heard; 0 for a missing one."""
    heard, first = unheard(givers, silent)
    truth = infer(heard, choices, pool.ability, pool).truth
    given = (heard == np.arange(len(silent))).sum(axis=1)
    # Answers that no heard member gives are equally probable.
    other = truth[:, -1] / np.maximum(choices - given, 1)
    found = np.where(first >= 0, np.take_along_axis(truth, np.maximum(first, 0), axis=1), other[:, None])
    return np.where(givers >= 0, found, 0.0)


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
