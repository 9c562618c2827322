"""What is true, and who knows it, from the answers alone: a latent-truth model of a pool whose errors are correlated.

Each query has a latent true answer, uniform over its possible answers, and a latent easiness x ~ N(0, 1). Member j, where
it answers, is right with probability logistic(ability_j + spread x): one coin per member (Dawid and Skene 1979), on one
scale with the query's easiness (Rasch 1960; Whitehill et al. 2009), so that members fail together on hard queries. Wrong
answers are drawn from shares of the wrong options that are the query's own, Dirichlet with total concentration kappa, so
that members fail alike: two wrong answers agree with probability (1 + kappa / (K - 1)) / (1 + kappa) among K possible
answers, 1 / (K - 1) as kappa grows. Integrated out, this is a Polya urn: a wrong answer joins those before it with
probability proportional to kappa / (K - 1) + their number. A member may beside that copy another member (its sibling)
with some probability, which discounts what the two say alike (Dong, Berti-Equille and Srivastava 2009).

The truth may be an answer that nobody gave. A missing answer says nothing. docs/latent_truth.md has the derivation.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Gauss-Hermite nodes of easiness.
NODES = 7
# How many answers are possible where a query has no options.
OPEN = 1000
# Prior mean and deviation of the pool's mean ability.
MEAN_ABILITY = (0.5, 1.0)


@dataclass(frozen=True)
class Pool:
    """What the model says of M members.

    Attributes:
        ability: (M,) log-odds of being right on a query of middle easiness.
        spread: how much the log-odds move with a standard deviation of easiness.
        kappa: concentration of wrong answers.
        parent: (M,) int, the member that each copies, -1 for none; no member is its own ancestor.
        copying: (M,) probability of copying it.
        expected: prior mean of the abilities, (M,) or one for all.
    """

    ability: np.ndarray
    spread: float
    kappa: float
    parent: np.ndarray
    copying: np.ndarray
    expected: np.ndarray | float = MEAN_ABILITY[0]


@dataclass(frozen=True)
class Belief:
    """The posterior of n queries, given some members' answers.

    Attributes:
        joint: (n, M + 1, Q) probability that the answer first given by member s is true (M: one that nobody gave) and
            that the easiness is at node q.
        evidence: (n,) log-likelihood of the answers.
    """

    joint: np.ndarray
    evidence: np.ndarray

    @property
    def truth(self) -> np.ndarray:
        """(n, M + 1): the probability of each given answer, and that no given answer is right."""
        return self.joint.sum(axis=2)


def first_givers(answers: np.ndarray) -> np.ndarray:
    """For each answer (n, M) the first member that gave the same one, -1 where it is missing, int64 (n, M)."""
    found = np.full(answers.shape, -1, dtype=np.int64)
    for member in range(answers.shape[1] - 1, -1, -1):
        column = answers[:, member : member + 1]
        found[(answers == column) & (column >= 0)] = member
    return found


def possible_answers(options: np.ndarray | None, n: int) -> np.ndarray:
    """K of each of n queries, int64 (n,), from the number of their options; one option or none tells nobody apart."""
    if options is None:
        return np.full(n, OPEN, dtype=np.int64)
    options = np.asarray(options, dtype=np.int64)
    return np.where(options <= 0, OPEN, np.maximum(options, 2))


@functools.cache
def nodes() -> tuple[np.ndarray, np.ndarray]:
    """Easiness x and probability of each node, (Q,) and (Q,)."""
    points, weights = np.polynomial.hermite_e.hermegauss(NODES)
    weights /= weights.sum()
    # Every caller gets the same two arrays.
    points.flags.writeable = weights.flags.writeable = False
    return points, weights


def infer(givers: np.ndarray, choices: np.ndarray, logits: np.ndarray, pool: Pool) -> Belief:
    """The posterior of the truth and the easiness of n queries.

    Args:
        givers: (n, M) from :func:`first_givers`; an answer that is not to count is -1.
        choices: (n,) number K of possible answers.
        logits: (n, M) or (M,) each member's log-odds of being right at middle easiness.
        pool: the rest of the model.
    """
    n, members = givers.shape
    x, weights = nodes()
    given = givers >= 0
    logits = np.broadcast_to(logits, (n, members))
    votes, support = np.zeros((n, members), dtype=np.int64), np.zeros((n, members))
    for member in range(members):
        said = np.flatnonzero(given[:, member])
        votes[said, givers[said, member]] += 1
        support[said, givers[said, member]] += logits[said, member]
    at_node = logits[:, :, None] + pool.spread * x
    all_wrong = -np.where(given[:, :, None], softplus(at_node), 0.0).sum(axis=1)
    kinds, kind = np.unique(choices, return_inverse=True)
    alike, total = urn_factors(pool.kappa, kinds, members)
    number = given.sum(axis=1)
    each = alike[kind[:, None], votes]
    together = each.sum(axis=1)
    joint = np.empty((n, members + 1, len(x)))
    # If s is true, its votes leave the urn.
    urn = together[:, None] - each - total[number[:, None] - votes]
    joint[:, :members] = np.where(votes > 0, support + urn, -np.inf)[:, :, None]
    joint[:, :members] += all_wrong[:, None] + votes[:, :, None] * (pool.spread * x)
    unseen = np.maximum(choices - (votes > 0).sum(axis=1), 0)
    with np.errstate(divide="ignore"):
        joint[:, members] = all_wrong + (together - total[number] + np.log(unseen))[:, None]
    order = generations(pool.parent)
    for place, member in enumerate(order):
        if pool.parent[member] >= 0:
            found = copied(givers, choices, at_node, pool, order[:place], member)
            joint[found.rows] += np.log((1.0 - pool.copying[member]) + pool.copying[member] / found.alone)
            joint[found.differs] += np.log1p(-pool.copying[member])
    joint += np.log(weights) - np.log(choices)[:, None, None]
    highest = joint.max(axis=(1, 2))
    joint = np.exp(joint - highest[:, None, None])
    sums = joint.sum(axis=(1, 2))
    return Belief(joint / sums[:, None, None], np.log(sums) + highest)


def urn_factors(kappa: float, kinds: np.ndarray, members: int) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms of the urn's rising factorials.

    Returns:
        (kinds, M + 1): of kappa / (K - 1), c factors, for c equal wrong answers; (M + 1,): of kappa, for c in all.
    """
    steps = np.arange(members)
    share = kappa / (kinds - 1.0)
    alike = np.concatenate([np.zeros((len(kinds), 1)), np.cumsum(np.log(share[:, None] + steps), axis=1)], axis=1)
    return alike, np.concatenate([[0.0], np.cumsum(np.log(kappa + steps))])


def softplus(values: np.ndarray) -> np.ndarray:
    """log(1 + exp(values))."""
    return np.maximum(values, 0.0) + np.log1p(np.exp(-np.abs(values)))


def logistic(values: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-values))."""
    return 1.0 / (1.0 + np.exp(-np.clip(values, -500.0, 500.0)))


def generations(parent: np.ndarray) -> list[int]:
    """The members in an order in which every parent stands before its copies."""
    depth = []
    for member in range(len(parent)):
        steps = 0
        while parent[member] >= 0:
            member, steps = int(parent[member]), steps + 1
        depth.append(steps)
    return np.argsort(depth, kind="stable").tolist()


@dataclass(frozen=True)
class _Copied:
    """Where a copy and its parent both answered: alike (rows, and how likely alone), or not (differs).

    ``same`` (r,) and ``wrong`` (r, M + 1) count the members before it with its answer, and, by what is true, those wrong.
    """

    rows: np.ndarray
    alone: np.ndarray
    differs: np.ndarray
    same: np.ndarray
    wrong: np.ndarray


def copied(
    givers: np.ndarray, choices: np.ndarray, at_node: np.ndarray, pool: Pool, before: Sequence[int], member: int
) -> _Copied:
    """How likely ``member``'s answers would be without copying, where they equal its parent's.

    Returns:
        With r rows, ``alone`` (r, M + 1, Q): given that the answer of s is true, the node, and the answers of the
        members ``before`` it.
    """
    members, mine = givers.shape[1], givers[:, member]
    theirs = givers[:, pool.parent[member]]
    both = (mine >= 0) & (theirs >= 0)
    rows = np.flatnonzero(both & (mine == theirs))
    mine, earlier = mine[rows], givers[np.ix_(rows, np.array(before, dtype=np.intp))]
    same = (earlier == mine[:, None]).sum(axis=1)
    supporters = np.stack([(earlier == s).sum(axis=1) for s in range(members)] + [np.zeros(len(rows))], axis=1)
    wrong_before = (earlier >= 0).sum(axis=1)[:, None] - supporters
    drawn = (pool.kappa / (choices[rows] - 1.0) + same)[:, None] / (pool.kappa + wrong_before)
    # 1 less the logistic function would be 0 from 37 on.
    alone = logistic(-at_node[rows, member])[:, None] * drawn[:, :, None]
    alone[np.arange(len(rows)), mine] = logistic(at_node[rows, member])
    differs = np.flatnonzero(both & (givers[:, member] != theirs))
    return _Copied(rows, alone, differs, same, wrong_before.astype(np.int64))


def chances(belief: Belief, givers: np.ndarray) -> np.ndarray:
    """(n, M, Q): the probability that each member is right and the easiness is at each node; 0 for a missing answer."""
    right = np.take_along_axis(belief.joint, np.maximum(givers, 0)[:, :, None], axis=1)
    return np.where((givers >= 0)[:, :, None], right, 0.0)
