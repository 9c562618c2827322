"""Fitting the latent-truth model of a pool (rgd.routing.latent_truth.model) to its answers: the highest posterior, surely."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rgd.routing.latent_truth.model import (
    MEAN_ABILITY,
    MOST_COPIES,
    Pool,
    cases_of,
    copies,
    first_givers,
    kinds_of_copies,
    log_chances,
    logistic,
    nodes,
    normalized,
)
from rgd.routing.rounding import DECIMALS

# Priors, which decide only where there are few queries: the pool's mean ability, each ability about it, the spread and
# log kappa (kappa = e is 0.27 of the way from errors that never to errors that always agree), as mean and deviation.
ABILITY_DEVIATION = 1.0
# What a member with twice the parameters is expected to be ahead, in log-odds: about 5 points between 30 and 70 %.
PER_DOUBLING = 0.2
SPREAD = (1.5, 1.0)
LOG_KAPPA = (1.0, 0.75)
# Of what a guess would get right, the part that a member gets right at least.
GUESSING = 0.5
# Two members that agree by more than this part of the room that their agreement with the rest leaves are near-duplicates,
# of which one counts.
DUPLICATE = 0.7
# Members are siblings where one copies the other this often: one model asked in two ways, not two of one family, whose
# likeness is no more than the easiness and the urns explain. Suspected are those that agree that much more with each
# other than with the rest, by this many standard errors.
LEAST_COPYING, COPYING_ERRORS = 0.25, 3.0
# Pseudo-queries without copying in its estimate.
COPYING_DOUBT = 20.0
# Log-odds by which a family of copies knows more in a further start, how much its members then copy, and on how many
# queries these starts are tried first.
KNOWS_MORE, LITTLE_COPYING, TRIED = 1.5, 0.05, 1000
# Maxima with heights and abilities nearer than this are one.
SAME_HEIGHT, SAME_ABILITY = 0.01, 0.05
# Bounds of abilities, spread, log kappa and the log-odds of copying, outside what answers ask for, but for the spread: strong
# members of one kind ask for 4 and more, whereupon most queries pass for easy ones, and shared mistakes in them for the truth
# (docs/latent_truth.md has what the bound is worth).
BOUNDS = ((-8.0, 8.0), (0.0, 2.5), (-4.0, 8.0), (-6.9, 2.95))
# The gradient's largest entry per query at which the search ends, and how often Newton's method then refines its end.
SETTLED, MAX_STEPS, REFINEMENTS, DIFFERENCE = 1e-6, 200, 6, 1e-5


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
    """Maxima of the parameters' posterior.

    With the floor and enough nodes of easiness there is nearly always one. To be sure, the search starts again for every
    family of suspected copies (most are of one member), as if it knew more and its members had not copied: on a part of the
    queries where there are many, and on all from every maximum found there.

    Args:
        answers: (n, M) int32 codes, -1 missing.
        choices: (n,) number of possible answers.
        correlated: False for errors that are independent given the truth: no spread, kappa without bound, no copies.
        copies: whether near-duplicates and copies are looked for.
        expected: (M,) prior means of the abilities.

    Returns:
        Log-posterior (up to a constant) and parameters of each maximum, the highest first.
    """
    givers, kinds, counts = agreement_patterns(answers, choices)
    start = beginning(givers, kinds, counts, correlated, copies, expected)
    givers, kinds, counts = simplified(givers, kinds, counts, start)
    first = settled(start, givers, kinds, counts, correlated)
    found = [first]
    few = thinned(counts, TRIED)
    part = givers[few > 0], kinds[few > 0], few[few > 0]
    tried = [maximum(first[1], *part, correlated, exactly=False)]
    for other in starts(replace(start, parent=first[1].parent, copying=first[1].copying)):
        reached = settled(other, *part, correlated, exactly=False)
        if all(apart(reached, before) for before in tried):
            tried.append(reached)
            found.append(maximum(reached[1], givers, kinds, counts, correlated))
    order = np.argsort(-np.array([height for height, _ in found]).round(DECIMALS), kind="stable")
    kept: list[tuple[float, Pool]] = []
    for place in order:
        if all(apart(found[place], before) for before in kept):
            kept.append(found[place])
    return kept


def starts(start: Pool) -> list[Pool]:
    """Further starts: each family of copies in turn knows more, and its members have not copied."""
    roots = np.array([root(start.parent, member) for member in range(len(start.ability))])
    found = []
    for family in np.unique(roots) if len(roots) > 1 else []:
        own = roots == family
        ability = np.where(own, start.ability + KNOWS_MORE, start.ability)
        little = own & (start.copying < 1.0)
        copying = np.where(little, np.minimum(start.copying, LITTLE_COPYING), start.copying)
        found.append(replace(start, ability=ability, copying=copying))
    return found


def apart(one: tuple[float, Pool], other: tuple[float, Pool]) -> bool:
    """Whether two maxima (height, parameters) are not the same."""
    away = np.abs(one[1].ability - other[1].ability).max()
    return bool(abs(one[0] - other[0]) > SAME_HEIGHT or away > SAME_ABILITY)


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
    """The distinct rows of :func:`first_givers` (u, M) with their number of choices (u,), and how often each occurs (u,).

    They come in an order that depends on neither the order of queries nor, without ties, that of members.
    """
    givers = first_givers(answers)
    alike, _ = pair_agreement(givers, np.ones(len(answers)))
    order = np.argsort(alike.sum(axis=1).round(DECIMALS), kind="stable")
    table = np.column_stack([choices, first_givers(answers[:, order])])
    patterns, counts = np.unique(table, axis=0, return_counts=True)
    return first_givers(patterns[:, 1:][:, np.argsort(order)]), patterns[:, 0], counts


def beginning(
    givers: np.ndarray,
    choices: np.ndarray,
    counts: np.ndarray,
    correlated: bool,
    copies: bool,
    expected: np.ndarray | float,
) -> Pool:
    """Where the search starts: the priors' means, the near-duplicates, and the copies that are suspected."""
    members = givers.shape[1]
    pool = Pool(
        ability=np.zeros(members) + expected,
        spread=SPREAD[0] if correlated else 0.0,
        kappa=float(np.exp(LOG_KAPPA[0] if correlated else BOUNDS[2][1])),
        parent=np.full(members, -1),
        copying=np.zeros(members),
        expected=expected,
        floor=float(GUESSING * (counts @ (1.0 / choices)) / counts.sum()),
    )
    if not (copies and correlated and members > 2):
        return pool
    alike, number = pair_agreement(givers, counts)
    pool = duplicates(pool, alike, number)
    return suspected(pool, alike, number)


def duplicates(pool: Pool, alike: np.ndarray, number: np.ndarray) -> Pool:
    """``pool`` with every near-duplicate bound to the member that stands for it.

    Args:
        pool: without copies.
        alike, number: from :func:`pair_agreement`.
    """
    members = len(alike)
    if members < 4:
        return pool
    parent = np.full(members, -1)
    for one, other in ranked_pairs(alike):
        rest = np.delete(np.arange(members), [one, other])
        usual = max(np.median(alike[one, rest]), np.median(alike[other, rest]))
        if alike[one, other] - usual > DUPLICATE * (1.0 - usual) + 10.0**-DECIMALS and number[one, other] > 0:
            first, second = (root(parent, member) for member in (one, other))
            if first != second:
                parent[second] = first
    parent = np.array([-1 if parent[member] < 0 else root(parent, member) for member in range(members)])
    return replace(pool, parent=parent, copying=(parent >= 0).astype(np.float64))


def ranked_pairs(alike: np.ndarray) -> list[tuple[int, int]]:
    """All pairs of members, those that agree most first; of a pair, that which agrees more with all others is the first."""
    order = np.argsort(-alike.sum(axis=1).round(DECIMALS), kind="stable")
    pairs = [(int(one), int(other)) for place, one in enumerate(order) for other in order[place + 1 :]]
    return sorted(pairs, key=lambda pair: -alike[pair].round(DECIMALS))


def suspected(pool: Pool, alike: np.ndarray, number: np.ndarray) -> Pool:
    """``pool`` with a copy wherever two members agree much more than each does with the others, MOST_COPIES at most."""
    alone = pool.parent < 0
    if alone.sum() < 3:
        return pool
    inside = alike * alone
    outside = (inside.sum(axis=1)[:, None] - inside - 1.0) / (alone.sum() - 2)
    usual = (outside + outside.T) / 2.0
    room = np.maximum(1.0 - usual, 1e-9)
    excess = (alike - usual) / room
    error = np.sqrt(np.maximum(alike * (1.0 - alike), 1.0 / (number + 1.0)) / np.maximum(number, 1.0)) / room
    above = (excess - np.maximum(LEAST_COPYING, COPYING_ERRORS * error)).round(DECIMALS)
    parent, copying, copied = pool.parent.copy(), pool.copying.copy(), 0
    for source, copy in sorted(ranked_pairs(alike), key=lambda pair: -excess[pair].round(DECIMALS)):
        convincing = above[source, copy] > 0 and number[source, copy] > 0 and alone[source] and alone[copy]
        if convincing and copied < MOST_COPIES and parent[copy] < 0 and root(parent, source) != copy:
            parent[copy], copying[copy] = source, min(excess[source, copy], 0.95)
            copied += 1
    return replace(pool, parent=parent, copying=copying)


def root(parent: np.ndarray, member: int) -> int:
    """The member that ``member``'s answers come from in the end."""
    while parent[member] >= 0:
        member = int(parent[member])
    return member


def simplified(
    givers: np.ndarray, choices: np.ndarray, counts: np.ndarray, pool: Pool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The patterns without the answers of near-duplicates that do not count, and how often each then occurs."""
    double = pool.copying >= 1.0
    if not double.any():
        return givers, choices, counts
    idle = double & (givers[:, np.maximum(pool.parent, 0)] >= 0)
    table = np.column_stack([first_givers(np.where(idle, -1, givers)), choices])
    patterns, place = np.unique(table, axis=0, return_inverse=True)
    return patterns[:, :-1], patterns[:, -1], np.bincount(place.reshape(-1), counts)


def settled(
    pool: Pool, givers: np.ndarray, choices: np.ndarray, counts: np.ndarray, correlated: bool, exactly: bool = True
) -> tuple[float, Pool]:
    """The maximum near ``pool`` without the copies that come out too weak, and its height."""
    weak = pool.parent >= 0
    while weak.any():
        _, pool = maximum(pool, givers, choices, counts, correlated, exactly=False)
        weak = (pool.parent >= 0) & (pool.copying < LEAST_COPYING)
        parent, copying = np.where(weak, -1, pool.parent), np.where(weak, 0.0, pool.copying)
        pool = replace(pool, parent=parent, copying=copying)
    return maximum(pool, givers, choices, counts, correlated, exactly)


class Posterior:
    """The log-posterior per query of the model's parameters, and its gradient.

    Parameters are a vector: the abilities of the members that no other one stands for and, where errors are correlated, the
    spread, log kappa, and the log-odds of copying of every copy.

    Args:
        pool: the parents, and what is not learned.
        givers, choices, counts: (u, M), (u,) and (u,) the distinct patterns, and how often each occurs.
        correlated: whether spread, kappa and copying are learned.
    """

    def __init__(
        self, pool: Pool, givers: np.ndarray, choices: np.ndarray, counts: np.ndarray, correlated: bool
    ) -> None:
        self.pool, self.correlated = pool, correlated
        self.counts = counts.astype(np.float64)
        self.cases = cases_of(givers, choices, pool)
        self.partial, double = kinds_of_copies(pool)
        scene = self.cases.case_scene
        self.heard_in_case, self.supports = self.cases.heard[scene].astype(np.float64), self.cases.supports()
        self.copied_in_case = self.cases.copied[np.ix_(scene, self.partial)].astype(np.float64)
        # A near-duplicate shares the ability of the member that stands for it.
        self.own = np.flatnonzero(~double)
        stands = [root(np.where(double, pool.parent, -1), member) for member in range(len(double))]
        self.slot = np.searchsorted(self.own, stands)
        self.expected = np.broadcast_to(np.asarray(pool.expected, dtype=np.float64), (len(double),))[self.own]
        self.case_counts = self.counts[self.cases.case_query, None]
        # How many groups of equal wrong answers have more than so many votes, for each number of possible answers.
        steps, votes = np.arange(givers.shape[1]), self.cases.votes[scene]
        right, kind = self.cases.right_votes[:, None], self.cases.kind[self.cases.case_query]
        joins = np.stack([(votes > step).sum(axis=1) for step in steps], axis=1) - (right > steps)
        rows = [np.flatnonzero(kind == index) for index in range(len(self.cases.kinds))]
        self.joins = [(part, joins[part].astype(np.float64)) for part in rows]
        self.draws = (votes.sum(axis=1)[:, None] - right > steps).astype(np.float64)
        self.both = self.counts @ self.cases.both[:, self.partial]

    def vector(self) -> np.ndarray:
        """The parameters of the pool, within bounds."""
        ability = np.clip(self.pool.ability[self.own], *BOUNDS[0])
        if not self.correlated:
            return ability
        chance = np.clip(self.pool.copying[self.partial], 1e-3, 0.95)
        rest = [self.pool.spread, np.log(self.pool.kappa), *(np.log(chance) - np.log1p(-chance))]
        return np.concatenate([ability, np.clip(rest, *np.array(self.bounds()[len(ability) :]).T)])

    def bounds(self) -> list[tuple[float, float]]:
        """The least and the largest value of each parameter."""
        found = [BOUNDS[0]] * len(self.own)
        return [*found, BOUNDS[1], BOUNDS[2], *[BOUNDS[3]] * len(self.partial)] if self.correlated else found

    def at(self, vector: np.ndarray) -> Pool:
        """The pool with these parameters."""
        size = len(self.own)
        pool = replace(self.pool, ability=vector[:size][self.slot])
        if not self.correlated:
            return pool
        copying = pool.copying.copy()
        copying[self.partial] = logistic(vector[size + 2 :])
        return replace(pool, spread=float(vector[size]), kappa=float(np.exp(vector[size + 1])), copying=copying)

    def urns(self, kappa: float) -> tuple[np.ndarray, np.ndarray]:
        """As :func:`rgd.routing.latent_truth.model.urns`, and the derivatives by log kappa, (r,) each."""
        steps, share = np.arange(self.draws.shape[1]), (kappa / (self.cases.kinds - 1.0))[:, None]
        value, slope = -self.draws @ np.log(kappa + steps), -self.draws @ (kappa / (kappa + steps))
        for (rows, joins), each in zip(self.joins, share, strict=True):
            value[rows] += joins @ np.log(each + steps)
            slope[rows] += joins @ (each / (each + steps))
        return value, slope

    def lowered(self, vector: np.ndarray) -> tuple[float, np.ndarray]:
        """Minus the log-posterior per query, up to a constant, and its gradient."""
        x, weights = nodes()
        pool, cases, size, total = self.at(vector), self.cases, len(self.own), self.counts.sum()
        log_odds = pool.ability[:, None] + pool.spread * x
        log_right, log_wrong = log_chances(log_odds, pool.floor)
        joint = self.heard_in_case @ log_wrong + self.supports @ (log_right - log_wrong)
        urn, urn_slope = self.urns(pool.kappa)
        constant = cases.constant + urn + copies(cases, pool)[cases.case_scene]
        joint, evidence = normalized(joint + constant[:, None] + np.log(weights), cases)
        joint *= self.case_counts
        hits, trials = self.supports.T @ joint, self.heard_in_case.T @ joint
        p = logistic(log_odds)
        slope = hits * (1.0 - pool.floor) * p * (1.0 - p) / np.exp(log_right) - (trials - hits) * p
        above = vector[:size] - self.expected
        mean = above.mean() / MEAN_ABILITY[1] ** 2
        deviation = (above - above.mean()) / ABILITY_DEVIATION**2
        height = self.counts @ evidence - 0.5 * (mean * above.mean() + deviation @ (above - above.mean()))
        gradient = np.bincount(self.slot, slope.sum(axis=1), size) - mean / size - deviation
        if self.correlated:
            spread, log_kappa, chance = vector[size], vector[size + 1], pool.copying[self.partial]
            away = (spread - SPREAD[0]) / SPREAD[1], (log_kappa - LOG_KAPPA[0]) / LOG_KAPPA[1]
            height += COPYING_DOUBT * np.log1p(-chance).sum() - 0.5 * (away[0] ** 2 + away[1] ** 2)
            each = joint @ np.ones(len(x))
            copied = self.copied_in_case.T @ each
            gradient = np.concatenate(
                [
                    gradient,
                    [(slope * x).sum() - away[0] / SPREAD[1]],
                    [each @ urn_slope - away[1] / LOG_KAPPA[1]],
                    copied - chance * (self.both + COPYING_DOUBT),
                ]
            )
        return float(-height / total), -gradient / total


def maximum(
    pool: Pool, givers: np.ndarray, choices: np.ndarray, counts: np.ndarray, correlated: bool, exactly: bool = True
) -> tuple[float, Pool]:
    """The maximum of the posterior near ``pool``, which keeps its parents: its height (up to a constant) and parameters.

    By L-BFGS with exact gradients (Byrd et al. 1995) and, to be exact, Newton's method, so that the end depends on neither
    the way nor the last bits.
    """
    # It takes long to import, and routing does without it.
    from scipy.optimize import minimize

    posterior = Posterior(pool, givers, choices, counts, correlated)
    options = {"maxiter": MAX_STEPS, "maxcor": 20, "ftol": 1e-12, "gtol": SETTLED}
    found = minimize(
        posterior.lowered, posterior.vector(), jac=True, method="L-BFGS-B", bounds=posterior.bounds(), options=options
    )
    vector = refined(posterior, found.x) if exactly else found.x
    return -posterior.lowered(vector)[0] * float(counts.sum()), posterior.at(vector)


def refined(posterior: Posterior, vector: np.ndarray) -> np.ndarray:
    """Newton's method from near a maximum; parameters at a bound stay there."""
    low, high = np.array(posterior.bounds()).T
    gradient = posterior.lowered(vector)[1]
    free, values, axes = curvature(posterior, vector, gradient)
    if not len(free) or values[0] <= 0.0:
        return vector
    for _ in range(REFINEMENTS):
        step = np.zeros(len(vector))
        step[free] = axes @ ((axes.T @ gradient[free]) / values)
        after = np.clip(vector - step, low, high)
        slope = posterior.lowered(after)[1]
        if np.abs(slope[free]).max() >= np.abs(gradient[free]).max():
            break
        vector, gradient = after, slope
    return vector


def curvature(
    posterior: Posterior, vector: np.ndarray, gradient: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The F parameters that are at no bound, and the Hessian in them, by differences of gradients.

    Returns:
        Their places (F,), and the eigenvalues (F,), ascending, and eigenvectors (F, F), of what ``posterior.lowered`` returns.
    """
    low, high = np.array(posterior.bounds()).T
    free = np.flatnonzero((vector > low + DIFFERENCE) & (vector < high - DIFFERENCE))
    hessian = np.empty((len(free), len(free)))
    for row, index in enumerate(free):
        moved = vector.copy()
        moved[index] += DIFFERENCE
        hessian[row] = (posterior.lowered(moved)[1] - gradient)[free] / DIFFERENCE
    return free, *np.linalg.eigh((hessian + hessian.T) / 2.0)


def thinned(counts: np.ndarray, most: int) -> np.ndarray:
    """``counts`` (u,) of at most so many of the queries, spread evenly over the patterns."""
    n = int(counts.sum())
    if n <= most:
        return counts.astype(np.float64)
    return np.diff(np.floor(np.cumsum(counts) * most / n + 0.5), prepend=0.0)


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
    right = pool.floor + (1.0 - pool.floor) * logistic(pool.ability[:, None] + pool.spread * x)
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
