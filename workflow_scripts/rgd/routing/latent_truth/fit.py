"""Fitting the latent-truth model of a pool (rgd.routing.latent_truth.model) to its answers: the maximum of the posterior.

The posterior is climbed by L-BFGS with exact gradients and finished by Newton steps, over the distinct patterns of agreement.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rgd.routing.latent_truth.model import (
    FINE,
    MEAN_ABILITY,
    NODES,
    Pool,
    believe,
    by_temptation,
    chances,
    failures,
    first_givers,
    lay_out,
    logistic,
    nodes,
    slopes,
)
from rgd.routing.rounding import DECIMALS

# Priors, which decide only where there are few queries: the pool's mean ability, each ability about it, the spread and the
# log-odds of temptation, as mean and deviation.
ABILITY_DEVIATION = 1.0
# What a member with twice the parameters is expected to be ahead, in log-odds: about 5 points between 30 and 70 %.
PER_DOUBLING = 0.2
SPREAD = (1.5, 1.0)
TEMPTATION = (0.0, 1.0)
TEMPTATION_DEVIATION = 0.3
# The share of a blind guess's chance that even the weakest answer has of being right.
GUESSING = 0.5
# Members are siblings where one copies the other this often: one model asked in two ways, not two of one family, whose
# likeness is no more than easiness and temptation explain. Suspected are those that agree that much more with each
# other than with the rest, by this many standard errors.
LEAST_COPYING, COPYING_ERRORS = 0.25, 3.0
# Those that copy this often from the start are one member, whatever else would explain the answers.
ALIKE = 0.7
# Pseudo-queries without copying in its estimate.
COPYING_DOUBT = 20.0
MOST_COPYING = 0.95
# Copies beyond so many are not modelled: each doubles the cases of a query.
MOST_COPIES = 4
# Up to this many queries further maxima are looked for: log-odds by which a member, or a family of copies, knows more there,
# and how much its members then copy.
MOST_READ_AGAIN, KNOWS_MORE, LITTLE_COPYING = 1000, 1.5, 0.05
# Bounds of the parameters, far outside what answers ask for.
WIDEST_ABILITY, WIDEST_SPREAD, WIDEST_LOGIT = 8.0, 8.0, 6.0
MAX_STEPS, NEWTON_STEPS, BEND = 300, 8, 1e-4
# How a climb goes: the nodes of easiness, and the gain and the slope per query at which it ends.
ROUGHLY, CLOSELY = ((NODES, 1e-8, 1e-4),), ((FINE, 1e-11, 1e-6),)


@dataclass(frozen=True)
class Patterns:
    """The distinct rows of :func:`rgd.routing.latent_truth.model.first_givers` among n queries.

    Attributes:
        givers, choices: (u, M) and (u,) the patterns with their number of possible answers.
        counts: (u,) how often each occurs.
        inverse: (n,) the pattern of each query.
    """

    givers: np.ndarray
    choices: np.ndarray
    counts: np.ndarray
    inverse: np.ndarray


@dataclass(frozen=True)
class Reading:
    """One maximum of the posterior: its height (a log-posterior up to a constant) and parameters."""

    height: float
    pool: Pool


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


def patterns_of(answers: np.ndarray, choices: np.ndarray) -> Patterns:
    """The distinct patterns of agreement among answers (n, M) with (n,) possible answers each."""
    rows = np.column_stack([first_givers(answers), choices])
    found, inverse, counts = np.unique(rows, axis=0, return_inverse=True, return_counts=True)
    return Patterns(found[:, :-1], found[:, -1], counts.astype(np.float64), inverse.reshape(-1))


def readings(
    found: Patterns,
    correlated: bool = True,
    copies: bool = True,
    expected: np.ndarray | float = MEAN_ABILITY[0],
    floor: float | None = None,
) -> list[Reading]:
    """The maxima of the posterior that are found, the highest first.

    There may be several. The climb starts from the priors' means with the copies that are suspected, and without those
    that are no near-duplicates. Where there are few queries it starts again for every family of suspected copies (most
    are of one member), as if it knew more and its members had not copied.

    Args:
        found: the patterns of n queries.
        correlated: False for errors that are independent given the truth: no spread, no temptation, no copies.
        copies: whether copies are looked for.
        expected: (M,) prior means of the abilities.
        floor: probability of guessing right; by default GUESSING of a blind guess's.
    """
    start = beginning(found, correlated, copies, expected, floor)
    starts = [start]
    doubted = (start.parent >= 0) & (start.copying < ALIKE)
    if doubted.any():
        starts.append(_without_copies(start, doubted))
    if found.counts.sum() <= MOST_READ_AGAIN:
        roots = np.array([root(start.parent, member) for member in range(len(start.ability))])
        for family in np.unique(roots):
            own = roots == family
            ability = np.where(own, start.ability + KNOWS_MORE, start.ability)
            copying = np.where(own, np.minimum(start.copying, LITTLE_COPYING), start.copying)
            starts.append(replace(start, ability=ability, copying=copying))
    reached = [settled(one, found, correlated) for one in starts]
    return sorted(reached, key=lambda reading: -round(reading.height, 3))


def beginning(
    found: Patterns, correlated: bool, copies: bool, expected: np.ndarray | float, floor: float | None = None
) -> Pool:
    """Where the climb starts: the priors' means, and the copies that are suspected."""
    members = found.givers.shape[1]
    guess = GUESSING * float(found.counts @ (1.0 / found.choices)) / float(found.counts.sum())
    pool = Pool(
        ability=np.zeros(members) + expected,
        spread=SPREAD[0] if correlated else 0.0,
        temptation=np.full(members, logistic(TEMPTATION[0]) if correlated else 0.0),
        parent=np.full(members, -1),
        copying=np.zeros(members),
        floor=(guess if correlated else 0.0) if floor is None else floor,
        expected=expected,
    )
    return suspected(pool, found) if copies and correlated and members > 2 else pool


def settled(pool: Pool, found: Patterns, correlated: bool) -> Reading:
    """The maximum near ``pool``, without the copies that come out too weak."""
    if (pool.parent >= 0).any():
        # The climb ends at the maximum that is near: started without copies it takes siblings for the two that know,
        # while started with them it soon finds those that know not to copy.
        pool = climb(pool, found, correlated).pool
        pool = _without_copies(pool, pool.copying < LEAST_COPYING)
    return climb(pool, found, correlated)


def _without_copies(pool: Pool, dropped: np.ndarray) -> Pool:
    """``pool`` where these members (M,) copy nobody."""
    return replace(pool, parent=np.where(dropped, -1, pool.parent), copying=np.where(dropped, 0.0, pool.copying))


def suspected(pool: Pool, found: Patterns) -> Pool:
    """``pool`` with a copy wherever two members agree much more than each does with the others."""
    members = found.givers.shape[1]
    alike, number = pair_agreement(found.givers, found.counts)
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
            and (parent >= 0).sum() < MOST_COPIES
        ):
            parent[copy], copying[copy] = source, min(excess[source, copy], MOST_COPYING)
    return replace(pool, parent=parent, copying=copying)


def root(parent: np.ndarray, member: int) -> int:
    """The member that ``member``'s answers come from in the end."""
    while parent[member] >= 0:
        member = int(parent[member])
    return member


def _log_odds(chance: np.ndarray) -> np.ndarray:
    return np.log(chance) - np.log1p(-chance)


def _about_the_mean(members: int, of_mean: float, of_each: float) -> np.ndarray:
    """The precision (M, M) of values that differ from their mean by ``of_each``, and whose mean differs by ``of_mean``."""
    precision = np.eye(members) / of_each**2
    return np.asarray(precision + (1.0 / of_mean**2 / members - 1.0 / of_each**2) / members)


class Posterior:
    """The log-posterior of the parameters of a pool, as a function of one vector.

    The vector has M abilities, then, unless errors are independent, the spread, the log-odds of temptation, and those of
    copying of each copy.
    """

    def __init__(
        self, pool: Pool, found: Patterns, correlated: bool, silent: np.ndarray | None = None, fine: int = FINE
    ) -> None:
        self.fine = fine
        self.start, self.counts, self.correlated = pool, found.counts, correlated
        self.layout = lay_out(found.givers, found.choices, pool.parent, silent)
        self.members, self.copies = len(pool.ability), np.flatnonzero(pool.parent >= 0)
        wide, narrow = (-WIDEST_ABILITY, WIDEST_ABILITY), (-WIDEST_LOGIT, WIDEST_LOGIT)
        self.bounds = [wide] * self.members
        if correlated:
            self.bounds += [(0.0, WIDEST_SPREAD)] + [narrow] * (self.members + len(self.copies))
        # Deviations from the mean and the mean itself, each with its prior, as one precision matrix.
        self.precision = _about_the_mean(self.members, MEAN_ABILITY[1], ABILITY_DEVIATION)
        self.tempted_precision = _about_the_mean(self.members, TEMPTATION[1], TEMPTATION_DEVIATION)

    def vector(self, pool: Pool) -> np.ndarray:
        """The parameters of ``pool``."""
        if not self.correlated:
            return pool.ability
        return np.concatenate(
            [pool.ability, [pool.spread], _log_odds(pool.temptation), _log_odds(pool.copying[self.copies])]
        )

    def pool(self, vector: np.ndarray) -> Pool:
        """The pool with these parameters."""
        members = self.members
        if not self.correlated:
            return replace(self.start, ability=vector)
        copying = np.zeros(members)
        copying[self.copies] = logistic(vector[2 * members + 1 :])
        return replace(
            self.start,
            ability=vector[:members],
            spread=float(vector[members]),
            temptation=logistic(vector[members + 1 : 2 * members + 1]),
            copying=copying,
        )

    def __call__(self, vector: np.ndarray) -> tuple[float, np.ndarray]:
        """The log-posterior, up to a constant, and its gradient.

        The gradient is the expected one of the answers with the truth, the easiness and the copying known (Fisher's
        identity).
        """
        pool, layout = self.pool(vector), self.layout
        failed = failures(layout, pool.temptation)
        belief = believe(layout, pool.ability, pool, self.fine, failed)
        x, _ = nodes(self.fine)
        weight = self.counts[layout.query[layout.case]]
        joint = belief.joint * weight[:, None]
        hits, cases = layout.support.T @ joint, np.add.reduceat(joint, layout.starts[1], axis=0)
        trials = layout.hears.T @ cases
        for_right, for_any = slopes(pool.ability[:, None] + pool.spread * x, pool.floor)
        score = hits * for_right - trials * for_any
        above = self.precision @ (pool.ability - pool.expected)
        height = float(self.counts @ belief.evidence) - 0.5 * float((pool.ability - pool.expected) @ above)
        gradient = [score.sum(axis=1) - above]
        if self.correlated:
            spread = vector[self.members]
            tempted = vector[self.members + 1 : 2 * self.members + 1] - TEMPTATION[0]
            pull = by_temptation(layout, failed, joint.sum(axis=1), pool.temptation)
            gradient.append(np.array([(score @ x).sum() - (spread - SPREAD[0]) / SPREAD[1] ** 2]))
            gradient.append(pull - self.tempted_precision @ tempted)
            height -= 0.5 * ((spread - SPREAD[0]) / SPREAD[1]) ** 2
            height -= 0.5 * float(tempted @ self.tempted_precision @ tempted)
            chance, of_case = pool.copying[self.copies], cases.sum(axis=1)
            taken, own = (of_case @ kind[:, self.copies] for kind in (layout.copied, layout.alone))
            gradient.append(taken - chance * (taken + own + COPYING_DOUBT))
            height += COPYING_DOUBT * float(np.log1p(-chance).sum())
        return height, np.concatenate(gradient)


def climb(
    pool: Pool, found: Patterns, correlated: bool, silent: np.ndarray | None = None, closely: bool = True
) -> Reading:
    """From ``pool`` to a maximum of the posterior (L-BFGS; Liu and Nocedal 1989, finished by Newton steps); its parents stay.

    Args:
        pool: where to start.
        found: the patterns of the queries.
        correlated: whether spread, temptation and copying are learned.
        silent: (M,) whose answers say nothing.
        closely: False to stop near the maximum.
    """
    # scipy is imported where it is used, so that a router's class can be read without it.
    from scipy.optimize import minimize

    posterior = Posterior(pool, found, correlated, silent, NODES)
    scale = float(found.counts.sum())

    def downhill(vector: np.ndarray) -> tuple[float, np.ndarray]:
        height, gradient = posterior(vector)
        return -height / scale, -gradient / scale

    low, high = np.array(posterior.bounds).T
    best = np.clip(posterior.vector(pool), low, high)
    for fine, height, slope in ROUGHLY if not closely else (*ROUGHLY, *CLOSELY):
        posterior.fine = fine
        options = {"maxiter": MAX_STEPS, "maxcor": 20, "ftol": height, "gtol": slope}
        best = minimize(downhill, best, jac=True, method="L-BFGS-B", bounds=posterior.bounds, options=options).x
    if closely or scale <= MOST_READ_AGAIN:
        best = _finished(posterior, best)
    return Reading(posterior(best)[0], posterior.pool(best))


def _finished(posterior: Posterior, vector: np.ndarray) -> np.ndarray:
    """The maximum near ``vector``, by Newton steps: as exact as numbers are, whatever the order in which sums are taken."""
    low, high = np.array(posterior.bounds).T
    fine, posterior.fine = posterior.fine, NODES
    free = np.flatnonzero((vector > low + BEND) & (vector < high - BEND))
    moves = BEND * np.eye(len(vector))[free]
    curve = np.array([(posterior(vector - move)[1] - posterior(vector + move)[1])[free] for move in moves]) / (
        2.0 * BEND
    )
    posterior.fine = fine
    curve = (curve + curve.T) / 2.0
    if not len(free) or np.linalg.eigvalsh(curve).min() <= 0.0:
        return vector
    slope = posterior(vector)[1][free]
    for _ in range(NEWTON_STEPS):
        moved = vector.copy()
        moved[free] += np.linalg.solve(curve, slope)
        inside = np.clip(moved, low, high)
        after = posterior(inside)[1][free]
        if np.abs(after).max() >= np.abs(slope).max():
            break
        vector, slope = inside, after
    return vector


def other_reading(found: Sequence[Reading]) -> tuple[int, float]:
    """Of :func:`readings`, who leads in the most probable one with another leader, and its log-odds against the first.

    -1 and infinity where all have the same leader.
    """
    first = leader(found[0].pool)
    for other in found[1:]:
        if leader(other.pool) != first:
            return leader(other.pool), found[0].height - other.height
    return -1, np.inf


def leader(pool: Pool) -> int:
    """The member that knows most; of equals the first."""
    return int(pool.ability.round(DECIMALS).argmax())


def credences(givers: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(n, M): the probability that each member's answer is right, by ``truth`` (n, M + 1); 0 for a missing answer."""
    return np.where(givers >= 0, np.take_along_axis(truth, np.maximum(givers, 0), axis=1), 0.0)


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
    x, weights = nodes(FINE)
    log_right, log_wrong = chances(pool.ability[:, None] + pool.spread * x, pool.floor)
    right, wrong = np.exp(log_right), np.exp(log_wrong)
    both_right, both_wrong = (right * weights) @ right.T, (wrong * weights) @ wrong.T
    expected = np.eye(members)
    for one in range(members):
        for other in range(one):
            both = (givers[:, one] >= 0) & (givers[:, other] >= 0)
            tempted = pool.temptation[one] * pool.temptation[other]
            chance = counts[both] @ (1.0 / (choices[both] - 1.0)) / max(counts[both].sum(), 1.0)
            chance = tempted + (1.0 - tempted) * chance
            expected[one, other] = expected[other, one] = both_right[one, other] + both_wrong[one, other] * chance
    return expected
