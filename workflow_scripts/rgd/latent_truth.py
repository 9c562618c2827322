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
from dataclasses import dataclass, replace

import numpy as np

# Gauss-Hermite nodes of easiness.
NODES = 7
# How many answers are possible where a query has no options.
OPEN = 1000
# Priors, which decide only where there are few queries: the pool's mean ability, each ability about it, the spread and
# log kappa (kappa = e is 0.27 of the way from errors that never to errors that always agree), as mean and deviation.
MEAN_ABILITY = (0.5, 1.0)
ABILITY_DEVIATION = 1.0
# What a member with twice the parameters is expected to be ahead, in log-odds: about 5 points between 30 and 70 %.
PER_DOUBLING = 0.2
SPREAD = (1.5, 1.0)
LOG_KAPPA = (1.0, 0.75)
# Members are siblings where one copies the other this often: one model asked in two ways, not two of one family, whose
# likeness is no more than the easiness and the urns explain. Suspected are those that agree that much more with each
# other than with the rest, by this many standard errors.
LEAST_COPYING, COPYING_ERRORS = 0.25, 3.0
# Pseudo-queries without copying in its estimate.
COPYING_DOUBT = 20.0
MOST_COPYING = 0.95
# Up to this many queries further maxima are looked for: log-odds by which a family of copies knows more there, and how much
# its members then copy.
MOST_READ_AGAIN, KNOWS_MORE, LITTLE_COPYING = 1000, 1.5, 0.05
MAX_ITERATIONS = 90
# EM ends when a step gains less log-likelihood than this per query.
SETTLED = 1e-6
# Numbers that differ by less than this are the same number summed in another order.
DECIMALS = 9
LOWEST_LOG_KAPPA, HIGHEST_LOG_KAPPA = -4.0, 8.0


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
    mine, earlier, right = (
        mine[rows],
        givers[np.ix_(rows, np.array(before, dtype=np.intp))],
        logistic(at_node[rows, member]),
    )
    same = (earlier == mine[:, None]).sum(axis=1)
    supporters = np.stack([(earlier == s).sum(axis=1) for s in range(members)] + [np.zeros(len(rows))], axis=1)
    wrong_before = (earlier >= 0).sum(axis=1)[:, None] - supporters
    drawn = (pool.kappa / (choices[rows] - 1.0) + same)[:, None] / (pool.kappa + wrong_before)
    alone = (1.0 - right)[:, None] * drawn[:, :, None]
    alone[np.arange(len(rows)), mine] = right
    differs = np.flatnonzero(both & (givers[:, member] != theirs))
    return _Copied(rows, alone, differs, same, wrong_before.astype(np.int64))


def chances(belief: Belief, givers: np.ndarray) -> np.ndarray:
    """(n, M, Q): the probability that each member is right and the easiness is at each node; 0 for a missing answer."""
    right = np.take_along_axis(belief.joint, np.maximum(givers, 0)[:, :, None], axis=1)
    return np.where((givers >= 0)[:, :, None], right, 0.0)


def expected_abilities(parameters_billion: np.ndarray) -> np.ndarray:
    """Prior means (M,) of the abilities: larger members are expected to know more.

    A size that is not known (NaN) is taken for the middle of the known ones (on the scale of doublings).
    """
    sizes = np.asarray(parameters_billion, dtype=np.float64)
    known = np.isfinite(sizes)
    doublings = np.zeros(len(sizes))
    if known.any():
        doublings[known] = np.log2(sizes[known]) - np.log2(sizes[known]).mean()
    return MEAN_ABILITY[0] + PER_DOUBLING * doublings


def fit_pool(
    answers: np.ndarray,
    choices: np.ndarray,
    correlated: bool = True,
    copies: bool = True,
    expected: np.ndarray | float = MEAN_ABILITY[0],
) -> Pool:
    """The most probable of :func:`readings`, whose arguments these are."""
    return readings(answers, choices, correlated, copies, expected)[0][1]


def readings(
    answers: np.ndarray,
    choices: np.ndarray,
    correlated: bool = True,
    copies: bool = True,
    expected: np.ndarray | float = MEAN_ABILITY[0],
) -> list[tuple[float, Pool]]:
    """Maximum a posteriori parameters of the model, by EM over the distinct patterns of agreement.

    There may be several maxima. Where there are few queries EM starts again for every family of suspected copies (most
    are of one member), as if it knew more and its members had not copied; where there are many, the usual start finds
    the one that matters.

    Args:
        answers: (n, M) int32 codes, -1 missing.
        choices: (n,) number of possible answers.
        correlated: False for errors that are independent given the truth: no spread, kappa without bound, no copies.
        copies: whether copies are looked for.
        expected: (M,) prior means of the abilities.

    Returns:
        Log-posterior (up to a constant) and parameters of each start's maximum, the highest first.
    """
    givers, kinds, counts = agreement_patterns(answers, choices)
    start = beginning(givers, counts, correlated, copies, expected)
    starts = [start]
    if len(answers) <= MOST_READ_AGAIN:
        roots = np.array([root(start.parent, member) for member in range(len(start.ability))])
        for family in np.unique(roots):
            own = roots == family
            ability = np.where(own, start.ability + KNOWS_MORE, start.ability)
            copying = np.where(own, np.minimum(start.copying, LITTLE_COPYING), start.copying)
            starts.append(replace(start, ability=ability, copying=copying))
    found = [settled(one, givers, kinds, counts, correlated) for one in starts]
    heights = [expectation_maximization(pool, givers, kinds, counts, correlated)[1] for pool in found]
    order = np.argsort(-np.array(heights).round(DECIMALS), kind="stable")
    return [(heights[place], found[place]) for place in order]


def other_reading(found: Sequence[tuple[float, Pool]]) -> tuple[int, float]:
    """Of :func:`readings`, who leads in the most probable one with another leader, and its log-odds against the first.

    -1 and infinity where all have the same leader.
    """
    height, pool = found[0]
    for below, other in found[1:]:
        if other.ability.argmax() != pool.ability.argmax():
            return int(other.ability.argmax()), height - below
    return -1, np.inf


def agreement_patterns(answers: np.ndarray, choices: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The distinct rows of :func:`first_givers` (u, M) with their number of choices (u,), and how often each occurs (u,)."""
    patterns, counts = np.unique(np.column_stack([first_givers(answers), choices]), axis=0, return_counts=True)
    return patterns[:, :-1], patterns[:, -1], counts


def beginning(
    givers: np.ndarray, counts: np.ndarray, correlated: bool, copies: bool, expected: np.ndarray | float
) -> Pool:
    """Where EM starts: the priors' means, and the copies that are suspected."""
    members = givers.shape[1]
    pool = Pool(
        ability=np.zeros(members) + expected,
        spread=SPREAD[0] if correlated else 0.0,
        kappa=float(np.exp(LOG_KAPPA[0] if correlated else HIGHEST_LOG_KAPPA)),
        parent=np.full(members, -1),
        copying=np.zeros(members),
        expected=expected,
    )
    return suspected(pool, givers, counts) if copies and correlated and members > 2 else pool


def settled(pool: Pool, givers: np.ndarray, choices: np.ndarray, counts: np.ndarray, correlated: bool) -> Pool:
    """The maximum near ``pool``, without the copies that come out too weak."""
    if (pool.parent >= 0).any():
        # EM goes to the maximum that is near: started without copies it takes siblings for the two that know, while
        # started with them it soon finds those that know not to copy.
        pool = climb(pool, givers, choices, counts, correlated)
        keep = pool.copying >= LEAST_COPYING
        pool = replace(pool, parent=np.where(keep, pool.parent, -1), copying=np.where(keep, pool.copying, 0.0))
    return climb(pool, givers, choices, counts, correlated)


def suspected(pool: Pool, givers: np.ndarray, counts: np.ndarray) -> Pool:
    """``pool`` with a copy wherever two members agree much more than each does with the others."""
    members = givers.shape[1]
    alike, number = pair_agreement(givers, counts)
    outside = (alike.sum(axis=1)[:, None] - alike - 1.0) / (members - 2)
    usual = (outside + outside.T) / 2.0
    room = np.maximum(1.0 - usual, 1e-9)
    excess = (alike - usual) / room
    error = np.sqrt(np.maximum(alike * (1.0 - alike), 1.0 / (number + 1.0)) / np.maximum(number, 1.0)) / room
    convincing = (excess > LEAST_COPYING) & (excess > COPYING_ERRORS * error) & (number > 0)
    parent, copying = np.full(members, -1), np.zeros(members)
    for flat in np.argsort(-excess.round(DECIMALS), axis=None, kind="stable"):
        source, copy = divmod(int(flat), members)
        if (
            source < copy
            and convincing[source, copy]
            and parent[copy] < 0
            and root(parent, source) != root(parent, copy)
        ):
            parent[copy], copying[copy] = source, min(excess[source, copy], MOST_COPYING)
    return replace(pool, parent=parent, copying=copying)


def root(parent: np.ndarray, member: int) -> int:
    """The member that ``member``'s answers come from in the end."""
    while parent[member] >= 0:
        member = int(parent[member])
    return member


def climb(pool: Pool, givers: np.ndarray, choices: np.ndarray, counts: np.ndarray, correlated: bool) -> Pool:
    """EM from ``pool`` to a maximum, with every third step extrapolated (SQUAREM; Varadhan and Roland 2008).

    Args:
        pool: where to start; its parents stay.
        givers, choices: (u, M) and (u,) the distinct patterns.
        counts: (u,) how often each occurs.
        correlated: whether spread and kappa are learned.
    """

    def step(at: Pool) -> tuple[Pool, float]:
        return expectation_maximization(at, givers, choices, counts, correlated)

    least_gain, before = SETTLED * counts.sum(), -np.inf
    for _ in range(MAX_ITERATIONS // 3):
        first, height = step(pool)
        if height - before < least_gain:
            return first
        before = height
        second, second_height = step(first)
        start = _vector(pool)
        move = _vector(first) - start
        bend = _vector(second) - _vector(first) - move
        stride = min(float(np.linalg.norm(move)) / max(float(np.linalg.norm(bend)), 1e-12), 16.0)
        pool = second
        if stride > 1.0:
            further, height = step(_moved(second, start + 2.0 * stride * move + stride**2 * bend))
            # A leap that leads downhill is not taken.
            pool = further if height >= second_height else second
    return pool


def _vector(pool: Pool) -> np.ndarray:
    return np.concatenate([pool.ability, [pool.spread, np.log(pool.kappa)], pool.copying])


def _moved(pool: Pool, vector: np.ndarray) -> Pool:
    members = len(pool.ability)
    return replace(
        pool,
        ability=np.clip(vector[:members], -20.0, 20.0),
        spread=float(np.clip(vector[members], 0.0, 20.0)),
        kappa=float(np.exp(np.clip(vector[members + 1], LOWEST_LOG_KAPPA, HIGHEST_LOG_KAPPA))),
        copying=np.where(pool.parent >= 0, np.clip(vector[members + 2 :], 1e-3, MOST_COPYING), 0.0),
    )


def expectation_maximization(
    pool: Pool, givers: np.ndarray, choices: np.ndarray, counts: np.ndarray, correlated: bool
) -> tuple[Pool, float]:
    """One step of EM, and the log-posterior (up to a constant) of the pool it started from."""
    x, _ = nodes()
    belief = infer(givers, choices, pool.ability, pool)
    height = float(counts @ belief.evidence) + log_prior(pool, correlated)
    right = chances(belief, givers)
    held = np.where((givers >= 0)[:, :, None], belief.joint.sum(axis=1)[:, None], 0.0)
    copying, order = pool.copying.copy(), generations(pool.parent)
    kinds, kind = np.unique(choices, return_inverse=True)
    joins, draws = urn_counts(belief.truth, givers, kind, counts)
    at_node = np.broadcast_to(pool.ability[:, None] + pool.spread * x, (*givers.shape, len(x)))
    for place, member in enumerate(order):
        if pool.parent[member] < 0:
            continue
        found = copied(givers, choices, at_node, pool, order[:place], member)
        chance = pool.copying[member]
        own = belief.joint[found.rows] * ((1.0 - chance) / ((1.0 - chance) + chance / found.alone))
        held[found.rows, member] = own.sum(axis=1)
        right[found.rows, member] = own[np.arange(len(found.rows)), givers[found.rows, member]]
        alike, different = counts[found.rows], counts[found.differs].sum()
        taken = alike[:, None] * (belief.truth[found.rows] - own.sum(axis=2))
        expected = float(taken.sum())
        # What is copied is drawn from no urn.
        taken[np.arange(len(found.rows)), givers[found.rows, member]] = 0.0
        np.subtract.at(joins, (kind[found.rows], found.same), taken.sum(axis=1))
        np.subtract.at(draws, found.wrong, taken)
        copying[member] = np.clip(expected / (alike.sum() + different + COPYING_DOUBT), 1e-3, MOST_COPYING)
    trials, hits = np.einsum("u,ujq->jq", counts, held), np.einsum("u,ujq->jq", counts, right)
    ability, spread = abilities(hits, trials, pool.ability, pool.spread, correlated, pool.expected)
    kappa = concentration(joins, draws, kinds, pool.kappa) if correlated else pool.kappa
    return replace(pool, ability=ability, spread=spread, kappa=kappa, copying=copying), height


def log_prior(pool: Pool, correlated: bool) -> float:
    """Logarithm of the parameters' prior density, up to a constant."""
    above = pool.ability - pool.expected
    distance = (above.mean() / MEAN_ABILITY[1]) ** 2
    distance += (((above - above.mean()) / ABILITY_DEVIATION) ** 2).sum()
    if correlated:
        distance += ((pool.spread - SPREAD[0]) / SPREAD[1]) ** 2
        distance += ((np.log(pool.kappa) - LOG_KAPPA[0]) / LOG_KAPPA[1]) ** 2
    return float(-0.5 * distance + COPYING_DOUBT * np.log1p(-pool.copying).sum())


def abilities(
    hits: np.ndarray,
    trials: np.ndarray,
    ability: np.ndarray,
    spread: float,
    correlated: bool,
    expected: np.ndarray | float,
) -> tuple[np.ndarray, float]:
    """Newton steps of a logistic regression of ``hits`` (M, Q) out of ``trials`` on member and easiness, with priors."""
    x, _ = nodes()
    members = len(ability)
    # Deviations from the mean and the mean itself, each with its prior, as one precision matrix.
    precision = np.eye(members) / ABILITY_DEVIATION**2
    precision += (1.0 / MEAN_ABILITY[1] ** 2 / members - 1.0 / ABILITY_DEVIATION**2) / members
    for _ in range(3):
        p = logistic(ability[:, None] + spread * x)
        slope, curve = hits - trials * p, trials * p * (1.0 - p)
        gradient = slope.sum(axis=1) - precision @ (ability - expected)
        hessian = np.diag(curve.sum(axis=1)) + precision
        if not correlated:
            ability = ability + np.linalg.solve(hessian, gradient)
            continue
        mixed = (curve * x).sum(axis=1)
        last = (slope * x).sum() - (spread - SPREAD[0]) / SPREAD[1] ** 2
        corner = (curve * x**2).sum() + 1.0 / SPREAD[1] ** 2
        whole = np.block([[hessian, mixed[:, None]], [mixed[None], np.array([[corner]])]])
        move = np.linalg.solve(whole, np.append(gradient, last))
        ability, spread = ability + move[:members], max(spread + float(move[members]), 0.0)
    return ability, spread


def urn_counts(
    truth: np.ndarray, givers: np.ndarray, kind: np.ndarray, counts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How often, in expectation, a wrong answer joins c equal ones before it, and is drawn after c wrong ones.

    Args:
        truth: (u, M + 1) posterior of each given answer and of none.
        givers, kind, counts: the distinct patterns, the number of the kind of each, how often each occurs.

    Returns:
        (kinds, M) and (M,), by c.
    """
    members = givers.shape[1]
    votes = np.stack([(givers == s).sum(axis=1) for s in range(members)], axis=1)
    number = (givers >= 0).sum(axis=1)[:, None]
    in_urn = np.concatenate([number - votes, number], axis=1)
    wrong, steps = (1.0 - truth[:, :members]) * counts[:, None], range(members)
    joins = [np.bincount(kind, np.where(votes > step, wrong, 0.0).sum(axis=1)) for step in steps]
    draws = [np.where(in_urn > step, truth * counts[:, None], 0.0).sum() for step in steps]
    return np.stack(joins, axis=1), np.array(draws)


def concentration(joins: np.ndarray, draws: np.ndarray, kinds: np.ndarray, kappa: float) -> float:
    """Newton steps for kappa on the expected log-likelihood of the urns, with its prior.

    Args:
        joins, draws: from :func:`urn_counts`.
        kinds: (kinds,) number of possible answers.
        kappa: where to start.
    """
    steps = np.arange(len(draws))
    at = float(np.log(kappa))
    for _ in range(3):
        kappa = float(np.exp(at))
        share = kappa / (kinds - 1.0)[:, None]
        slope = (joins * share / (share + steps)).sum() - (draws * kappa / (kappa + steps)).sum()
        curve = (joins * share * steps / (share + steps) ** 2).sum() - (
            draws * kappa * steps / (kappa + steps) ** 2
        ).sum()
        slope -= (at - LOG_KAPPA[0]) / LOG_KAPPA[1] ** 2
        # Where the likelihood bends upwards the prior's curvature is used alone, and a step is at most 1.
        downwards = max(-curve, 0.0) + 1.0 / LOG_KAPPA[1] ** 2
        at = float(np.clip(at + np.clip(slope / downwards, -1.0, 1.0), LOWEST_LOG_KAPPA, HIGHEST_LOG_KAPPA))
    return float(np.exp(at))


def pair_agreement(givers: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How often each two members agree, where both answer, and how many queries that are, (M, M) each."""
    members = givers.shape[1]
    alike, number = np.eye(members), np.zeros((members, members))
    for one in range(members):
        for other in range(one):
            both = (givers[:, one] >= 0) & (givers[:, other] >= 0)
            total = float(counts[both].sum())
            same = float(counts[both] @ (givers[both, one] == givers[both, other]))
            number[one, other] = number[other, one] = total
            alike[one, other] = alike[other, one] = same / total if total else 0.0
    return alike, number


def expected_agreement(pool: Pool, givers: np.ndarray, choices: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """How often each two members would agree if none copied, on the queries that both answered, (M, M)."""
    members = givers.shape[1]
    x, weights = nodes()
    right = logistic(pool.ability[:, None] + pool.spread * x)
    both_right = (right * weights) @ right.T
    both_wrong = ((1.0 - right) * weights) @ (1.0 - right).T
    alike = (1.0 + pool.kappa / (choices - 1.0)) / (1.0 + pool.kappa)
    expected = np.eye(members)
    for one in range(members):
        for other in range(one):
            both = (givers[:, one] >= 0) & (givers[:, other] >= 0)
            chance = counts[both] @ alike[both] / max(counts[both].sum(), 1.0)
            expected[one, other] = expected[other, one] = both_right[one, other] + both_wrong[one, other] * chance
    return expected
