"""A few labels: which queries to ask a person about, and what the labels say of the members beside the answers.

Labels of a handful of queries are too few to rank members by, and lost among thousands of queries in a likelihood. They can
correct the estimated accuracies, though: the mean error of the model on queries drawn with known chances is an unbiased
estimate of its mean error on all of them, with all or a part of what the model believes (the difference estimator; Horvitz
and Thompson 1952; Sarndal, Swensson and Wretman 1992; its part: Angelopoulos et al. 2023, arXiv 2311.01453). Only differences between members matter, so queries on which all agree are never asked about, and the others are drawn
the more often, the farther the members that may be the best are expected to be apart there (importance sampling; for model
selection Sawade, Landwehr and Scheffer 2012). How far the estimate is trusted depends on the posterior of
:mod:`rgd.routing.latent_truth.standing`, whose width labels show to be right or wrong.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from rgd.routing.latent_truth.model import credences
from rgd.routing.latent_truth.standing import Standing, sampling_error
from rgd.routing.rounding import DECIMALS
from rgd.seeds import derive_seed

# Shares that do not follow from what the model believes: of the queries drawn, of the truth (any given answer or none), and of
# who is the best (any member).
ANY_QUERY, ANY_ANSWER, ANY_MEMBER = 0.1, 0.3, 0.2
# The posterior without labels as a mixture of normal distributions, (share, factor of the deviations): mostly the model is
# better than its mean square error, rarely much worse. Shares are about the most likely ones of recorded pools and of random
# sub-pools of them (docs/latent_truth.md).
WIDTHS = ((0.3, 0.35), (0.5, 0.7), (0.15, 1.2), (0.05, 3.0))
# The part of what the model believes that the estimate uses; on recorded pools it varies least with about this one.
TRUST = 0.6
# What the model expects of the labels' noise counts as much as this many labels, multiplied by this factor.
EXPECTED_LABELS, EXPECTED_NOISE = 20.0, 1.5
# Shares of labels that may have been drawn at random instead of by rate, and by how much of log-likelihood one has to be
# better than no such label.
ANY_DESIGN, DESIGN_GAIN = (0.0, 0.25, 0.5, 0.75, 1.0), 3.0
# By how much the usual rule of a panel is better than another in the mean, and the deviation of a rule's accuracy.
USUAL_GAIN, RULE_DEVIATION = 0.005, 0.007
# Numbers of further labels that are considered, and what expected regret is small enough to need no more.
FURTHER, LITTLE_REGRET = (10, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1000), 0.0025
DRAWS = 2000
# Of a shift of log-odds by 1, the error of an accuracy that is put up with.
RIDGE = 1e-4
STEPS, SETTLED = 50, 1e-9


@dataclass(frozen=True)
class Evidence:
    """What labels say of the accuracies of M members on n training queries.

    Attributes:
        accuracy: (M,) estimates; only their differences mean anything.
        variance: (M, M) of their deviations from their mean.
    """

    accuracy: np.ndarray
    variance: np.ndarray


@dataclass(frozen=True)
class Mixture:
    """A posterior over the accuracies of M members: one of several normal distributions, with their shares.

    Attributes:
        shares: (W,), sum 1.
        parts: the W normal distributions.
    """

    shares: np.ndarray
    parts: tuple[Standing, ...]

    @property
    def mean(self) -> np.ndarray:
        """(M,)."""
        return np.asarray(sum(share * part.mean for share, part in zip(self.shares, self.parts, strict=True)))

    @property
    def deviation(self) -> np.ndarray:
        """(M,): the standard deviation of each accuracy."""
        square = sum(
            share * (part.deviation**2 + (part.mean - self.mean) ** 2)
            for share, part in zip(self.shares, self.parts, strict=True)
        )
        return np.asarray(np.sqrt(square))

    def best(self) -> np.ndarray:
        """(M,): the probability that each member is the most accurate."""
        return np.asarray(sum(share * part.best() for share, part in zip(self.shares, self.parts, strict=True)))

    def regret(self) -> np.ndarray:
        """(M,): by how much each member is expected to be less accurate than the best one."""
        return np.asarray(sum(share * part.regret() for share, part in zip(self.shares, self.parts, strict=True)))


def doubted(givers: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """``truth`` (n, M + 1) mixed with a share of ANY_ANSWER for any given answer or none."""
    possible = np.zeros(truth.shape)
    rows = np.arange(len(givers))
    for column in givers.T:
        possible[rows[column >= 0], column[column >= 0]] = 1.0
    possible[:, -1] = 1.0
    return (1.0 - ANY_ANSWER) * truth + ANY_ANSWER * possible / possible.sum(axis=1, keepdims=True)


def drawing_rates(givers: np.ndarray, truth: np.ndarray, best: np.ndarray) -> np.ndarray:
    """How often each query is to be drawn, (n,), sum 1; 0 where all members agree or none answers.

    The rate is the root of the expected mean square of what the label shows of the members' differences, which is what
    makes the variance of an estimate by inverse chances least (importance sampling).

    Args:
        givers: (n, M) from :func:`rgd.routing.latent_truth.model.first_givers`.
        truth: (n, M + 1) the probability of each given answer, and of none.
        best: (M,) the probability that each member is the best: members count accordingly.
    """
    n, members = givers.shape
    weight = (1.0 - ANY_MEMBER) * best / best.sum() + ANY_MEMBER / members
    right, rows = TRUST * credences(givers, truth), np.arange(n)
    mean, square = right @ weight, right**2 @ weight
    # For each answer that may be true: the weight of its supporters, and what they were believed.
    support, believed = np.zeros((2, n, members + 1))
    for member, column in enumerate(givers.T):
        said = np.flatnonzero(column >= 0)
        np.add.at(support, (rows[said], column[said]), weight[member])
        np.add.at(believed, (rows[said], column[said]), weight[member] * right[said, member])
    spread = support - 2.0 * believed + square[:, None] - (support - mean[:, None]) ** 2
    telling = np.sqrt(np.maximum((doubted(givers, truth) * spread).sum(axis=1), 0.0))
    apart = differing(givers)
    telling[~apart] = 0.0
    if not telling.any():
        return np.asarray(apart / max(apart.sum(), 1))
    return np.asarray((1.0 - ANY_QUERY) * telling / telling.sum() + ANY_QUERY * apart / apart.sum())


def differing(givers: np.ndarray) -> np.ndarray:
    """(n,): whether some members are right and others are not, if a given answer is right."""
    return np.asarray((givers != givers[:, :1]).any(axis=1))


def drawn(rates: np.ndarray, query_ids: np.ndarray, seed: int) -> np.ndarray:
    """The rows with a rate above 0 in the order in which they are drawn without replacement, int64.

    Each query has a random number of its own, by its id and the seed, so that a pool that changes a little asks about nearly
    the same queries. An exponential variable divided by the rate is the time of its draw (Efraimidis and Spirakis 2006; Rosen
    1997).
    """
    rows = np.flatnonzero(rates > 0)
    ids = query_ids[rows]
    chance = (np.array([derive_seed(seed, "labels", str(query)) for query in ids.tolist()]) + 0.5) / 2.0**31
    return rows[np.lexsort((ids, -np.log(chance) / rates[rows]))].astype(np.int64)


def inclusion(rates: np.ndarray, count: int) -> np.ndarray:
    """The chance (n,) that each query is among the first ``count`` drawn: 1 - exp(-rate t), with t such that they sum to it."""
    telling = rates > 0
    if count >= telling.sum():
        return np.where(telling, 1.0, 0.0)
    low, high = 0.0, 1.0
    while -np.expm1(-rates * high).sum() < count:
        low, high = high, 2.0 * high
    for _ in range(60):
        middle = (low + high) / 2.0
        low, high = (middle, high) if -np.expm1(-rates * middle).sum() < count else (low, middle)
    return np.asarray(-np.expm1(-rates * high))


def chances_of(rates: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The chance (n,) that each query is labelled, where those in ``rows`` are.

    Labels need not be of the queries that would be asked about now: the pool may have changed, or somebody labelled others. A
    part of them then counts as drawn at random, the least that explains which queries are labelled and which are not.
    """
    labelled = np.zeros(len(rates), dtype=bool)
    labelled[rows] = True
    found, heights = [], []
    for share in ANY_DESIGN:
        mixed = (1.0 - share) * rates + share / len(rates)
        chance = inclusion(mixed, int((labelled & (mixed > 0)).sum()))
        with np.errstate(divide="ignore"):
            heights.append(np.log(np.where(labelled, chance, 1.0 - chance)).sum())
        found.append(chance)
    return found[int(np.argmax(np.array(heights) >= max(heights) - DESIGN_GAIN))]


def expected_noise(givers: np.ndarray, truth: np.ndarray, likely: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """The variance (M, M) of the estimate by labels that the model expects, as in :class:`Evidence`.

    ``likely`` (n, M + 1) is the truth as it is drawn from, by :func:`doubted`.
    """
    weight = np.where(chance > 0, (1.0 - chance) / np.maximum(chance, 1e-300), 0.0)
    kept = weight > 0
    givers, weight = givers[kept], weight[kept, None]
    right, drawn_right = TRUST * credences(givers, truth[kept]), credences(givers, likely[kept]) * weight
    together = np.stack(
        [
            ((givers == column[:, None]) & (givers >= 0)).T @ drawn_right[:, place]
            for place, column in enumerate(givers.T)
        ]
    )
    mixed = drawn_right.T @ right
    centre = np.eye(givers.shape[1]) - 1.0 / givers.shape[1]
    return np.asarray(centre @ (together - mixed - mixed.T + (right * weight).T @ right) @ centre / len(chance) ** 2)


def evidence(
    givers: np.ndarray,
    truth: np.ndarray,
    likely: np.ndarray,
    rows: np.ndarray,
    right: np.ndarray,
    chance: np.ndarray,
) -> Evidence:
    """The accuracies by a part of what the model believes, and by what labels say beyond it, weighed by their inverse chance.

    The variance is that of a draw of fixed size (Hajek 1964), shrunk towards the model's expectation.

    Args:
        givers: (n, M) whose answer each member gives, as in :func:`drawing_rates`; or each of M rules by which a panel answers.
        truth, likely, chance: as in :func:`expected_noise`.
        rows: (l,) the labelled queries; those without a chance do not count.
        right: (l, M) which answers to them are right.
    """
    seen = chance[rows] > 0
    rows, right = rows[seen], right[seen]
    n, count = len(givers), len(rows)
    believed = TRUST * credences(givers, truth)
    error = (right - believed[rows]) / chance[rows, None]
    error -= error.mean(axis=1, keepdims=True)
    open_share = 1.0 - chance[rows]
    away = error - (open_share @ error) / max(open_share.sum(), 1e-9)
    seen_noise = (away.T * open_share) @ away / n**2 * count / max(count - 1, 1)
    expected = EXPECTED_NOISE * expected_noise(givers, truth, likely, chance)
    variance = (count * seen_noise + EXPECTED_LABELS * expected) / (count + EXPECTED_LABELS)
    return Evidence(believed.mean(axis=0) + error.sum(axis=0) / n, variance)


def prior(stand: Standing, sampling: np.ndarray) -> Mixture:
    """The posterior without labels, of the accuracies on the training queries, as a mixture of WIDTHS.

    Args:
        stand: that of all queries.
        sampling: (M, M) the part of its covariance by which all queries differ from those.
    """
    shares, factors = np.array(WIDTHS).T
    doubt = stand.covariance - sampling
    return Mixture(shares / shares.sum(), tuple(Standing(stand.mean, factor**2 * doubt) for factor in factors))


def preferred(found: Evidence, usual: int) -> int:
    """Which of several rules by which a panel answers is the best with the labels at hand; ``usual`` is the best without.

    The model does not tell them apart: it takes those that trust it for better. So what is known without labels is what was
    measured on recorded pools, USUAL_GAIN and RULE_DEVIATION.
    """
    rules = len(found.accuracy)
    mean = np.where(np.arange(rules) == usual, USUAL_GAIN, 0.0)
    now = updated(prior(Standing(mean, RULE_DEVIATION**2 * np.eye(rules)), np.zeros((rules, rules))), found)
    return int(now.mean.round(DECIMALS).argmax())


def updated(before: Mixture, found: Evidence) -> Mixture:
    """The posterior after labels: a Gaussian update of each part, and of their shares by how well they foresaw the labels."""
    contrasts = contrast_basis(len(found.accuracy))
    noise = contrasts.T @ found.variance @ contrasts
    parts, heights = [], []
    for share, part in zip(before.shares, before.parts, strict=True):
        surprise = contrasts.T @ (found.accuracy - part.mean)
        cross = part.covariance @ contrasts
        total = contrasts.T @ cross + noise
        gain = np.linalg.solve(total, cross.T).T
        covariance = part.covariance - gain @ cross.T
        parts.append(Standing(part.mean + gain @ surprise, (covariance + covariance.T) / 2.0))
        heights.append(
            np.log(share) - 0.5 * np.linalg.slogdet(total)[1] - 0.5 * surprise @ np.linalg.solve(total, surprise)
        )
    odds = np.exp(np.array(heights) - max(heights))
    return Mixture(odds / odds.sum(), tuple(parts))


def contrast_basis(members: int) -> np.ndarray:
    """(M, M - 1) orthonormal columns that span the differences between members."""
    return np.linalg.svd(np.eye(members) - 1.0 / members)[0][:, : members - 1]


def widened(mixture: Mixture, sampling: np.ndarray) -> Mixture:
    """The posterior of the accuracies on all queries, from that of those on the training queries."""
    return Mixture(mixture.shares, tuple(Standing(part.mean, part.covariance + sampling) for part in mixture.parts))


def further_labels(
    before: Mixture, now: Mixture, sampling: np.ndarray, noises: Iterator[tuple[int, np.ndarray]]
) -> int | None:
    """How many more labels are expected to bring the expected regret under LITTLE_REGRET; None for more than were considered.

    The preposterior analysis of Raiffa and Schlaifer (1961): what will then be believed is drawn from what is believed now, and
    what is true from what will be believed.

    Args:
        before, now: the posterior without labels and with those at hand.
        sampling: (M, M) as in :func:`prior`, and what else no label tells.
        noises: numbers of further labels, ascending, each with the variance (M, M) of the estimate by all labels then.
    """
    if float(widened(now, sampling).regret().min()) <= LITTLE_REGRET:
        return 0
    contrasts = contrast_basis(len(sampling))
    # Draws are the same for every order of the members.
    order = np.lexsort((np.diag(sampling).round(DECIMALS), -now.mean.round(DECIMALS)))
    normal = np.random.default_rng(0).normal(size=(2, DRAWS, len(order)))
    for count, variance in noises:
        noise = contrasts.T @ variance @ contrasts
        regret = 0.0
        for share, old, part in zip(now.shares, before.parts, now.parts, strict=True):
            cross = old.covariance @ contrasts
            left = old.covariance - cross @ np.linalg.solve(contrasts.T @ cross + noise, cross.T)
            learned = part.mean[order] + normal[0] @ root((part.covariance - left)[np.ix_(order, order)])
            true = learned + normal[1] @ root((left + sampling)[np.ix_(order, order)])
            chosen = true[np.arange(DRAWS), learned.argmax(axis=1)]
            regret += share * float((true.max(axis=1) - chosen).mean())
        if regret <= LITTLE_REGRET:
            return count
    return None


def root(covariance: np.ndarray) -> np.ndarray:
    """The symmetric square root of a covariance; what rounding makes negative counts as 0."""
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2.0)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T)


def tilted(
    givers: np.ndarray, truth: np.ndarray, accuracy: np.ndarray, free: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The truth (n, M + 1) nearest to ``truth`` by which the members' accuracies differ as ``accuracy`` (M,) does.

    Nearest is what has the least relative entropy (Csiszar 1975). It moves the log-odds of every answer by a shift (M,) of each
    member that gave it, the second value, with sum 0. Only queries that are ``free`` (n,) move. Where no shift gives these
    differences, the result is the nearest that moderate shifts give.
    """
    n, members = givers.shape
    centre = np.eye(members) - 1.0 / members
    own, base = givers[free], truth[free]
    target = centre @ (n * accuracy - credences(givers[~free], truth[~free]).sum(axis=0))
    shift, step = np.zeros(members), 1.0
    height, moved = _tilt(own, base, shift, target, n)
    for _ in range(STEPS):
        right = credences(own, moved)
        slope = centre @ (right.sum(axis=0) - target) + RIDGE * n * shift
        if not len(own) or np.abs(slope).max() <= SETTLED * n:
            break
        together = np.stack([((own == column[:, None]) * right).sum(axis=0) for column in own.T])
        curve = centre @ (together - right.T @ right) @ centre + RIDGE * n * np.eye(members)
        ahead = np.linalg.solve(curve, slope)
        step = min(1.0, 2.0 * step)
        while step > 1e-6:
            there, then = _tilt(own, base, shift - step * ahead, target, n)
            if there <= height:
                break
            step /= 2.0
        else:
            break
        shift, height, moved = shift - step * ahead, there, then
    found = truth.copy()
    found[free] = moved
    return found, shift


def odds_of(accuracy: np.ndarray) -> np.ndarray:
    """Log-odds of accuracies (M,), which count as between 0.01 and 0.99."""
    inside = np.clip(accuracy, 0.01, 0.99)
    return np.asarray(np.log(inside / (1.0 - inside)))


def _tilt(
    givers: np.ndarray, truth: np.ndarray, shift: np.ndarray, target: np.ndarray, n: int
) -> tuple[float, np.ndarray]:
    """The convex function that the right shift minimizes, and the truth after ``shift``."""
    odds, rows = np.zeros(truth.shape), np.arange(len(givers))
    for member, column in enumerate(givers.T):
        said = column >= 0
        odds[rows[said], column[said]] += shift[member]
    highest = odds.max(axis=1, keepdims=True)
    moved = truth * np.exp(odds - highest)
    total = moved.sum(axis=1, keepdims=True)
    height = float((np.log(total) + highest).sum() - shift @ target + RIDGE * n * (shift @ shift) / 2.0)
    return height, moved / total


def revealed(givers: np.ndarray, truth: np.ndarray, rows: np.ndarray, right: np.ndarray) -> np.ndarray:
    """``truth`` (n, M + 1), in which the labelled ``rows`` are known; ``right`` (l, M) says which answers to them are right."""
    known = np.zeros((len(rows), truth.shape[1]))
    first = np.where(right.any(axis=1), givers[rows, right.argmax(axis=1)], truth.shape[1] - 1)
    known[np.arange(len(rows)), first] = 1.0
    found = truth.copy()
    found[rows] = known
    return found


@dataclass(frozen=True)
class Learned:
    """What is believed with the labels at hand.

    Attributes:
        posterior: of the accuracies.
        truth: (n, M + 1) of each query, as in :func:`drawing_rates`; the members' mean accuracies by it differ as the
            posterior's do, and labelled queries are known.
        shift: (M,) by which the log-odds of each member's being right move.
        chance: (n,) that each query is labelled; None without labels.
        further: how many more labels would bring the expected regret under LITTLE_REGRET; -1 for more than can be told.
    """

    posterior: Standing | Mixture
    truth: np.ndarray
    shift: np.ndarray
    chance: np.ndarray | None
    further: int


def learn(
    givers: np.ndarray,
    truth: np.ndarray,
    stand: Standing,
    rows: np.ndarray,
    right: np.ndarray,
    parameters: np.ndarray | float = 0.0,
) -> Learned:
    """Correct what is believed without labels by a few; without any nothing changes.

    The labels correct the posterior of the accuracies, and everything else follows from that: the truth of the other queries is
    the nearest by which members differ as they do in the posterior.

    Args:
        givers, truth: as in :func:`drawing_rates`.
        stand: the posterior without labels.
        rows: (l,) training rows with a label.
        right: (l, M) which answers to them are right.
        parameters: (M, M) what few queries leave open of the parameters, which the widths of the prior do not know. It makes
            what is stated less sure, and leaves what labels change as it is.
    """
    rates = drawing_rates(givers, truth, stand.best())
    sampling = sampling_error(credences(givers, truth))
    before = prior(stand, sampling)
    sampling = sampling + parameters
    posterior: Standing | Mixture = replace(stand, covariance=stand.covariance + parameters)
    now, judged, shift, chance = before, truth, np.zeros(givers.shape[1]), None
    likely = doubted(givers, truth)
    if len(rows):
        chance = chances_of(rates, rows)
        now = updated(before, evidence(givers, truth, likely, rows, right, chance))
        free = np.ones(len(givers), dtype=bool)
        free[rows] = False
        judged, _ = tilted(givers, revealed(givers, truth, rows, right), now.mean, free)
        shift = odds_of(credences(givers, judged).mean(axis=0)) - odds_of(credences(givers, truth).mean(axis=0))
        posterior = widened(now, sampling)
    telling = rates > 0
    at_hand = int(telling[rows].sum())
    noises = (
        (count, EXPECTED_NOISE * expected_noise(givers, truth, likely, inclusion(rates, at_hand + count)))
        for count in FURTHER
        if count <= telling.sum() - at_hand
    )
    further = further_labels(before, now, sampling, noises)
    return Learned(posterior, judged, shift, chance, -1 if further is None else further)
