"""What is true, and who knows it, from the answers alone: a latent-truth model of a pool whose errors are correlated.

Each query has a latent true answer, uniform over its possible answers, and a latent easiness x ~ N(0, 1). Member j, where
it answers, is right with probability floor + (1 - floor) logistic(ability_j + spread x): one coin per member (Dawid and
Skene 1979), on one scale with the query's easiness (Rasch 1960; Whitehill et al. 2009), above a floor for guessing
(Birnbaum 1968), so that members fail together on hard queries. One wrong answer of each query, uniform over the wrong
ones, is tempting: a wrong answer is the tempting one with probability ``temptation``, and otherwise any wrong one. A member
may beside that copy another member (its sibling) with some probability: its answer then says nothing of its own (Dong,
Berti-Equille and Srivastava 2009).

The truth may be an answer that nobody gave. A missing answer says nothing. docs/latent_truth.md has the derivation.
"""

import functools
from dataclasses import dataclass

import numpy as np

# Nodes of easiness, between REACH standard deviations: for many queries one by one, and for the end of a fit.
REACH, NODES, FINE = 4.4, 19, 41
# How many answers are possible where a query has no options.
OPEN = 1000
# Log-odds beyond are as good as certain.
WIDEST = 500.0
# Prior mean and deviation of the pool's mean ability.
MEAN_ABILITY = (0.5, 1.0)


@dataclass(frozen=True)
class Pool:
    """What the model says of M members.

    Attributes:
        ability: (M,) log-odds of being right without guessing on a query of middle easiness.
        spread: how much the log-odds move with a standard deviation of easiness.
        temptation: (M,) probability that a wrong answer is the query's tempting one.
        parent: (M,) int, the member that each copies, -1 for none; no member is its own ancestor.
        copying: (M,) probability of copying it.
        floor: probability of guessing right.
        expected: prior mean of the abilities, (M,) or one for all.
    """

    ability: np.ndarray
    spread: float
    temptation: np.ndarray
    parent: np.ndarray
    copying: np.ndarray
    floor: float = 0.0
    expected: np.ndarray | float = MEAN_ABILITY[0]


@dataclass(frozen=True)
class Layout:
    """Who says what on n queries, as far as it does not depend on the parameters.

    A query on which r members repeat the answer of the member that they copy stands for 2^r cases: in each, some of
    these have copied and do not count. A candidate is a case and what may be true in it: a given answer, or none.

    Attributes:
        givers: (n, M) of :func:`first_givers`.
        query: (c,) of each case, in the queries' order.
        heard: (c, M) whether a member has an answer of its own.
        copied, alone: (c, M) whether it has copied, and whether it could have and has not.
        case: (s,) of each candidate, in the cases' order.
        answer: (s,) the member that gave it first; M if nobody gave it.
        place: (c, M) the candidate that each member's answer is, where it is heard.
        share: (s,) logarithm of the prior probability that the truth is among what the candidate stands for.
        wrong: (s,) number of heard answers that are wrong if it is true.
        choices: (s,) number of possible answers.
    """

    givers: np.ndarray
    query: np.ndarray
    heard: np.ndarray
    copied: np.ndarray
    alone: np.ndarray
    case: np.ndarray
    answer: np.ndarray
    place: np.ndarray
    share: np.ndarray
    wrong: np.ndarray
    choices: np.ndarray

    @functools.cached_property
    def support(self) -> np.ndarray:
        """(s, M): 1 where a heard member gives the candidate's answer."""
        found = np.zeros((len(self.case), self.heard.shape[1]))
        rows, members = np.nonzero(self.heard)
        found[self.place[rows, members], members] = 1.0
        return found

    @functools.cached_property
    def hears(self) -> np.ndarray:
        """``heard`` as numbers."""
        return self.heard.astype(np.float64)

    @functools.cached_property
    def voted(self) -> np.ndarray:
        """(s,) whether a heard member gives the candidate's answer."""
        return np.asarray(self.support.any(axis=1))

    @functools.cached_property
    def kinds(self) -> tuple[np.ndarray, np.ndarray]:
        """The distinct numbers of possible wrong answers (k,), and (s, k) 1 where it is the candidate's."""
        kinds, kind = np.unique(self.choices, return_inverse=True)
        return kinds - 1.0, np.eye(len(kinds))[kind]

    @functools.cached_property
    def starts(self) -> tuple[np.ndarray, np.ndarray]:
        """The first candidate of each query, and of each case."""
        of_query = self.query[self.case]
        return (
            np.flatnonzero(np.diff(of_query, prepend=-1)),
            np.flatnonzero(np.diff(self.case, prepend=-1)),
        )


@dataclass(frozen=True)
class Belief:
    """The posterior of n queries, given some members' answers.

    Attributes:
        layout: with s candidates.
        joint: (s, Q) probability that a candidate is true and that the easiness is at node q; they add up to 1 for each query.
        evidence: (n,) log-likelihood of the answers.
    """

    layout: Layout
    joint: np.ndarray
    evidence: np.ndarray

    @functools.cached_property
    def truth(self) -> np.ndarray:
        """(n, M + 1): the probability of each given answer, and that no given answer is right."""
        n, width = len(self.evidence), self.layout.heard.shape[1] + 1
        at = self.layout.query[self.layout.case] * width + self.layout.answer
        return np.bincount(at, self.joint.sum(axis=1), n * width).reshape(n, width)

    def own(self) -> tuple[np.ndarray, np.ndarray]:
        """(c, Q) the probability of each case and node, and (c, M, Q) that of each heard answer's being right there."""
        cases = np.add.reduceat(self.joint, self.layout.starts[1], axis=0)
        right = np.where(self.layout.heard[:, :, None], self.joint[self.layout.place], 0.0)
        return cases, right


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
def nodes(count: int = NODES) -> tuple[np.ndarray, np.ndarray]:
    """Easiness x and probability of each of ``count`` nodes, (count,) and (count,).

    They are equally spaced (the trapezoidal rule): the error falls exponentially with their number (Trefethen and Weideman
    2014), and much sooner than that of Gauss and Hermite's where the spread makes the logistic function steep.
    """
    points = np.linspace(-REACH, REACH, count)
    weights = np.exp(-0.5 * points**2)
    weights /= weights.sum()
    # Every caller gets the same two arrays.
    points.flags.writeable = weights.flags.writeable = False
    return points, weights


def lay_out(givers: np.ndarray, choices: np.ndarray, parent: np.ndarray, silent: np.ndarray | None = None) -> Layout:
    """The cases and candidates of n queries.

    Args:
        givers: (n, M) from :func:`first_givers`; an answer that is not to count is -1.
        choices: (n,) number K of possible answers.
        parent: (M,) whom each member copies, -1 for nobody.
        silent: (M,) whose answers may be true, but say nothing; by default nobody's.
    """
    n, members = givers.shape
    query, heard = np.arange(n), givers >= 0
    if silent is not None:
        heard &= ~silent
    copied = np.zeros((n, members), dtype=bool)
    for member in np.flatnonzero(parent >= 0):
        mine = givers[query, member]
        rows = np.flatnonzero((mine >= 0) & (mine == givers[query, parent[member]]))
        taken = np.zeros((len(rows), members), dtype=bool)
        taken[:, member] = True
        query = np.concatenate([query, query[rows]])
        heard, copied = np.concatenate([heard, heard[rows] & ~taken]), np.concatenate([copied, copied[rows] | taken])
    if len(query) > n:
        order = np.argsort(query, kind="stable")
        query, heard, copied = query[order], heard[order], copied[order]
    said = givers[query]
    alone = heard & (parent >= 0) & (said[:, np.maximum(parent, 0)] >= 0)
    votes = np.zeros((len(query), members), dtype=np.int64)
    for member in range(members):
        rows = np.flatnonzero(heard[:, member])
        votes[rows, said[rows, member]] += 1
    possible, given = choices[query], givers == np.arange(members)
    unseen = np.maximum(choices - given.sum(axis=1), 0)[query]
    case, answer = np.nonzero(np.column_stack([given[query], unseen > 0]))
    none = answer == members
    place = np.zeros((len(query), members), dtype=np.int64)
    place[case[~none], answer[~none]] = np.flatnonzero(~none)
    place = np.where(heard, np.take_along_axis(place, np.maximum(said, 0), axis=1), 0)
    supporters = np.where(none, 0, votes[case, np.minimum(answer, members - 1)])
    return Layout(
        givers=givers,
        query=query,
        heard=heard,
        copied=copied,
        alone=alone,
        case=case,
        answer=answer,
        place=place,
        share=np.log(np.where(none, unseen[case], 1)) - np.log(possible[case]),
        wrong=heard.sum(axis=1)[case] - supporters,
        choices=possible[case],
    )


def infer(givers: np.ndarray, choices: np.ndarray, logits: np.ndarray, pool: Pool) -> Belief:
    """The posterior of the truth and the easiness of n queries.

    Args:
        givers: (n, M) from :func:`first_givers`; an answer that is not to count is -1.
        choices: (n,) number K of possible answers.
        logits: (n, M) or (M,) each member's log-odds of being right at middle easiness.
        pool: the rest of the model.
    """
    return believe(lay_out(givers, choices, pool.parent), logits, pool)


def believe(
    layout: Layout, logits: np.ndarray, pool: Pool, fine: int = NODES, failed: "Failures | None" = None
) -> Belief:
    """:func:`infer` of queries that are laid out, with ``fine`` nodes and, where they are known, their failures."""
    x, weights = nodes(fine)
    if logits.ndim == 1:
        right, wrong = chances(logits[:, None] + pool.spread * x, pool.floor)
        joint = (layout.hears @ wrong)[layout.case] + layout.support @ (right - wrong)
    else:
        by_case, joint = np.zeros((len(layout.query), len(x))), np.zeros((len(layout.case), len(x)))
        for member in range(logits.shape[1]):
            rows = np.flatnonzero(layout.heard[:, member])
            right, wrong = chances(logits[layout.query[rows], member, None] + pool.spread * x, pool.floor)
            by_case[rows] += wrong
            joint[layout.place[rows, member]] += right - wrong
        joint += by_case[layout.case]
    joint += np.log(weights)
    failed = failures(layout, pool.temptation) if failed is None else failed
    joint += (layout.share + failed.value)[:, None]
    if layout.alone.any() or layout.copied.any():
        chance = np.where(pool.parent >= 0, pool.copying, 0.5)
        joint += (layout.copied @ np.log(chance) + layout.alone @ np.log1p(-chance))[layout.case][:, None]
    first, _ = layout.starts
    highest = np.maximum.reduceat(joint.max(axis=1), first)
    of_query = layout.query[layout.case]
    joint = np.exp(joint - highest[of_query][:, None])
    sums = np.add.reduceat(joint.sum(axis=1), first)
    return Belief(layout, joint / sums[of_query][:, None], np.log(sums) + highest)


def chances(eta: np.ndarray, floor: float) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms of the probabilities of being right and wrong at log-odds ``eta`` without guessing."""
    eta = np.clip(eta, -WIDEST, WIDEST)
    knows = logistic(eta)
    log_knows = np.log(knows)
    right = np.log(floor + (1.0 - floor) * knows) if floor > 0 else log_knows
    return right, log_knows - eta + np.log1p(-floor)


def slopes(eta: np.ndarray, floor: float) -> tuple[np.ndarray, np.ndarray]:
    """What a right answer adds to the derivative by ``eta``, and what any answer takes from it."""
    return logistic(eta - _log(floor)), logistic(eta)


@dataclass(frozen=True)
class Failures:
    """How likely the wrong answers of each candidate are, if it is true.

    Attributes:
        value: (s,) logarithms.
        size: (s,) how likely the candidate's answer is the tempting one, relative to others of its case.
        rest: (s,) the same of all answers but the candidate's.
        slopes: (k, M) derivative, by the log-odds of temptation, of the logarithm of how much more likely a member is to give
            the tempting answer than another wrong one, for each number of wrong answers.
    """

    value: np.ndarray
    size: np.ndarray
    rest: np.ndarray
    slopes: np.ndarray


def failures(layout: Layout, temptation: np.ndarray) -> Failures:
    """The wrong answers' likelihood, the tempting answer summed out.

    Args:
        layout: of s candidates.
        temptation: (M,).
    """
    other, (kinds, kind) = layout.choices - 1.0, layout.kinds
    odds = kinds[:, None] * (temptation / (1.0 - temptation))
    weight = np.where(layout.voted, ((layout.support @ np.log1p(odds).T) * kind).sum(axis=1), -np.inf)
    case, starts = layout.case, layout.starts[1]
    # Relative to the largest of the case, or to an answer that nobody gives where that is larger.
    most = np.maximum(np.maximum.reduceat(weight, starts), 0.0)[case]
    size = np.exp(weight - most)
    whole = np.add.reduceat(size, starts)[case]
    # One that is more than half of the sum is left out before the others are added: a difference would be all rounding.
    large = size > 0.5 * whole
    behind = np.add.reduceat(np.where(large, 0.0, size), starts)[case]
    voted = np.add.reduceat(layout.voted.astype(np.float64), starts)[case] - layout.voted
    rest = np.where(large, behind, whole - size) + np.maximum(other - voted, 0.0) * np.exp(-most)
    missed = np.log1p(-temptation)
    value = (layout.hears @ missed)[case] - layout.support @ missed
    value += np.log(rest) + most - (layout.wrong + 1.0) * np.log(other)
    return Failures(value, size, rest, odds / (1.0 + odds))


def by_temptation(layout: Layout, found: Failures, weight: np.ndarray, temptation: np.ndarray) -> np.ndarray:
    """(M,) derivatives of the sum of the failures' values, with ``weight`` (s,), by the log-odds of temptation."""
    starts, kind = layout.starts[1], layout.kinds[1]
    share = weight / found.rest
    others = np.add.reduceat(share, starts)[layout.case] - share
    tempted = (layout.support.T @ ((found.size * others)[:, None] * kind) * found.slopes.T).sum(axis=1)
    wrong = np.add.reduceat(weight, starts) @ layout.hears - weight @ layout.support
    return np.asarray(tempted - wrong * temptation)


def logistic(values: np.ndarray | float) -> np.ndarray:
    """1 / (1 + exp(-values))."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(values, -WIDEST, WIDEST))))


def _log(value: np.ndarray | float) -> np.ndarray:
    """The logarithm, -infinity at 0."""
    value = np.asarray(value, dtype=np.float64)
    return np.where(value > 0, np.log(np.where(value > 0, value, 1.0)), -np.inf)
