"""Fitting the latent-truth model of a pool (rgd.routing.latent_truth.model) to its answers, by EM, and where EM has to start."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rgd.routing.latent_truth.model import (
    MEAN_ABILITY,
    Pool,
    chances,
    copied,
    first_givers,
    generations,
    infer,
    logistic,
    nodes,
)
from rgd.routing.rounding import DECIMALS

# Priors, which decide only where there are few queries: the pool's mean ability, each ability about it, the spread and
# log kappa (kappa = e is 0.27 of the way from errors that never to errors that always agree), as mean and deviation.
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
# Of more patterns than this, EM climbs on so many of the queries first.
MANY_PATTERNS, FEW_QUERIES = 5000, 2000
# EM ends when a step gains less log-likelihood than this per query.
SETTLED = 1e-6
# Bounds of abilities and spread, and of log kappa, outside what answers ask for.
WIDEST = 20.0
LOWEST_LOG_KAPPA, HIGHEST_LOG_KAPPA = -4.0, 8.0


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
    first = leader(pool)
    for below, other in found[1:]:
        if leader(other) != first:
            return leader(other), height - below
    return -1, np.inf


def leader(pool: Pool) -> int:
    """The member that knows most; of equals the first."""
    return int(pool.ability.round(DECIMALS).argmax())


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
    if len(counts) > MANY_PATTERNS:
        few = thinned(counts, FEW_QUERIES)
        pool = settled(pool, givers[few > 0], choices[few > 0], few[few > 0], correlated)
        return climb(pool, givers, choices, counts, correlated)
    if (pool.parent >= 0).any():
        # EM goes to the maximum that is near: started without copies it takes siblings for the two that know, while
        # started with them it soon finds those that know not to copy.
        pool = climb(pool, givers, choices, counts, correlated)
        keep = pool.copying >= LEAST_COPYING
        pool = replace(pool, parent=np.where(keep, pool.parent, -1), copying=np.where(keep, pool.copying, 0.0))
    return climb(pool, givers, choices, counts, correlated)


def thinned(counts: np.ndarray, most: int) -> np.ndarray:
    """``counts`` (u,) of at most so many of the queries, spread evenly over the patterns."""
    n = int(counts.sum())
    if n <= most:
        return counts.astype(np.float64)
    return np.diff(np.floor(np.cumsum(counts) * most / n + 0.5), prepend=0.0)


def suspected(pool: Pool, givers: np.ndarray, counts: np.ndarray) -> Pool:
    """``pool`` with a copy wherever two members agree much more than each does with the others."""
    members = givers.shape[1]
    alike, number = pair_agreement(givers, counts)
    outside = (alike.sum(axis=1)[:, None] - alike - 1.0) / (members - 2)
    usual = (outside + outside.T) / 2.0
    room = np.maximum(1.0 - usual, 1e-9)
    excess = (alike - usual) / room
    error = np.sqrt(np.maximum(alike * (1.0 - alike), 1.0 / (number + 1.0)) / np.maximum(number, 1.0)) / room
    above = (excess - np.maximum(LEAST_COPYING, COPYING_ERRORS * error)).round(DECIMALS)
    convincing = (above > 0) & (number > 0)
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
        ability=np.clip(vector[:members], -WIDEST, WIDEST),
        spread=float(np.clip(vector[members], 0.0, WIDEST)),
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
            ability = np.clip(ability + np.linalg.solve(hessian, gradient), -WIDEST, WIDEST)
            continue
        mixed = (curve * x).sum(axis=1)
        last = (slope * x).sum() - (spread - SPREAD[0]) / SPREAD[1] ** 2
        corner = (curve * x**2).sum() + 1.0 / SPREAD[1] ** 2
        whole = np.block([[hessian, mixed[:, None]], [mixed[None], np.array([[corner]])]])
        move = np.linalg.solve(whole, np.append(gradient, last))
        # A step from far away may overshoot.
        ability = np.clip(ability + move[:members], -WIDEST, WIDEST)
        spread = float(np.clip(spread + move[members], 0.0, WIDEST))
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
