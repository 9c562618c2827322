"""One accuracy for each member, estimated without labels from who agrees with whom, and votes weighed by it."""

import itertools

import numpy as np

OPEN = 1000
"""Possible answers assumed for a query without options."""
FEWEST, MOST = 0.01, 0.99
"""The range of an estimated accuracy, so that no vote weighs infinitely much."""
TOLERANCE = 1e-7
MOST_STEPS = 500
PRIOR = 1.0
"""Right and wrong answers that are added to every member's."""
LEAST_PRODUCT = 1e-3
"""The least agreement beyond chance that anything is divided by."""


class Cells:
    """The given answers of n queries and M members, and which of them are equal.

    Args:
        answers: (n, M) codes, -1 missing.
        options: (n,) options of each query, 0 where it has none.

    Attributes:
        rows, columns: (c,) query and member of each given answer.
        groups: (c,) the number of its distinct answer.
        group_rows: (g,) the query of each distinct answer.
        possible: (n,) float, possible answers of each query.
    """

    def __init__(self, answers: np.ndarray, options: np.ndarray) -> None:
        self.shape = answers.shape
        self.rows, self.columns = np.nonzero(answers >= 0)
        codes = answers[self.rows, self.columns].astype(np.int64)
        width = int(codes.max(initial=0)) + 1
        distinct, self.groups = np.unique(self.rows * width + codes, return_inverse=True)
        self.group_rows = distinct // width
        given = np.bincount(self.group_rows, minlength=len(answers))
        # An answer outside the options is one more possible answer; one alone could not be wrong.
        self.possible = np.maximum(np.where(options > 0, options, OPEN), np.maximum(given, 2)).astype(np.float64)

    def support(self, accuracy: np.ndarray) -> np.ndarray:
        """The log-odds (g,) by which each distinct answer is more probable than one that nobody gave."""
        weights = log_odds(accuracy)[self.columns] + np.log(self.possible - 1)[self.rows]
        return np.bincount(self.groups, weights, minlength=len(self.group_rows))

    def posterior(self, accuracy: np.ndarray) -> np.ndarray:
        """The probability (g,) that each distinct answer is the right one; those not given share the rest."""
        support = self.support(accuracy)
        highest = np.zeros(self.shape[0])
        np.maximum.at(highest, self.group_rows, support)
        raised = np.exp(support - highest[self.group_rows])
        sums = np.bincount(self.group_rows, raised, minlength=self.shape[0])
        given = np.bincount(self.group_rows, minlength=self.shape[0])
        total = sums + (self.possible - given) * np.exp(-highest)
        return raised / total[self.group_rows]

    def means(self, values: np.ndarray) -> np.ndarray:
        """The mean (M,) of a value of each distinct answer over the answers of each member, with the prior."""
        members = self.shape[1]
        sums = np.bincount(self.columns, values[self.groups], minlength=members)
        counts = np.bincount(self.columns, minlength=members)
        return np.clip((sums + PRIOR) / (counts + 2 * PRIOR), FEWEST, MOST)


def log_odds(accuracy: np.ndarray) -> np.ndarray:
    """log(p / (1 - p))."""
    return np.log(accuracy) - np.log1p(-accuracy)


def expected_accuracy(answers: np.ndarray, options: np.ndarray) -> np.ndarray:
    """Accuracies (M,) by the EM algorithm of Dawid and Skene (1979) with one coin for each member.

    A member is right with its accuracy, and else gives any of the wrong answers alike. EM starts from the share of the pool that
    gives the same answer, and so at members that agree.

    Args:
        answers: (n, M) codes, -1 missing.
        options: (n,) options of each query, 0 where it has none.
    """
    cells = Cells(answers, options)
    voters = np.bincount(cells.rows, minlength=len(answers))
    share = np.bincount(cells.groups, minlength=len(cells.group_rows)) / np.maximum(voters[cells.group_rows], 1)
    accuracy = cells.means(share)
    for _ in range(MOST_STEPS):
        before, accuracy = accuracy, cells.means(cells.posterior(accuracy))
        if np.abs(accuracy - before).max() < TOLERANCE:
            break
    return accuracy


def agreeing_accuracy(answers: np.ndarray, options: np.ndarray) -> np.ndarray:
    """Accuracies (M,) from the agreement of pairs, as far as errors are independent.

    With K possible answers two members agree with probability p q + (1 - p)(1 - q) / (K - 1). Less what chance gives, and
    scaled, that is the product of what each member knows, (p - 1/K) / (1 - 1/K). A table of such products has rank one but for
    its diagonal, which is left out (Parisi et al. 2014 for two answers).

    Args:
        answers: (n, M) codes, -1 missing.
        options: (n,) options of each query, 0 where it has none.
    """
    members = answers.shape[1]
    product = shared_knowledge(answers, options)
    # Half of what the mean pair shares is a start on the right side of zero.
    known = np.full(members, np.sqrt(max(product.sum() / max(members * (members - 1), 1), 1e-4)))
    for _ in range(MOST_STEPS):
        squares = (known**2).sum() - known**2
        before, known = known, np.clip(product @ known / np.maximum(squares, 1e-12), 0.0, 1.0)
        # Two members tell their product alone; the mean of two steps keeps them from changing places.
        known = (known + before) / 2
        if np.abs(known - before).max() < TOLERANCE:
            break
    return with_guesses(known, answers, options)


def shared_knowledge(answers: np.ndarray, options: np.ndarray) -> np.ndarray:
    """How much more often than by chance each two members agree (M, M), scaled so that 1 is always; 0 on the diagonal."""
    members, chance = answers.shape[1], by_chance(options)
    given = answers >= 0
    product = np.zeros((members, members))
    for column in range(members - 1):
        both = given[:, column, None] & given[:, column + 1 :]
        same = both & (answers[:, column, None] == answers[:, column + 1 :])
        beyond = np.where(both, (same - chance[:, None]) / (1 - chance[:, None]), 0.0)
        product[column, column + 1 :] = beyond.sum(axis=0) / np.maximum(both.sum(axis=0), 1)
    return product + product.T


def by_chance(options: np.ndarray) -> np.ndarray:
    """The probability (n,) that a guess is right."""
    return np.asarray(1.0 / np.maximum(np.where(options > 0, options, OPEN), 2))


def with_guesses(known: np.ndarray, answers: np.ndarray, options: np.ndarray) -> np.ndarray:
    """Accuracies (M,) of members that know this share of the answers they give, and guess the others."""
    given = answers >= 0
    chance = np.where(given, by_chance(options)[:, None], 0.0).sum(axis=0) / np.maximum(given.sum(axis=0), 1)
    return np.clip(chance + known * (1 - chance), FEWEST, MOST)


def triplet_accuracy(answers: np.ndarray, options: np.ndarray) -> np.ndarray:
    """Accuracies (M,) from the triplets of members that depend on each other least, and from pseudo-labels.

    Of three members with independent errors, what one knows is the root of its two products of :func:`shared_knowledge` by the
    third one. Which triplets are independent shows in how far their products are from those of the whole pool's best table
    of rank one: of a member's triplets the nearer half counts, by its median. By these accuracies every
    answer has a probability of being right, its pseudo-label, and a member's accuracy is the mean of its answers'.

    Args:
        answers: (n, M) codes, -1 missing.
        options: (n,) options of each query, 0 where it has none.
    """
    start, members = agreeing_accuracy(answers, options), answers.shape[1]
    if members < 3:
        return start
    product = shared_knowledge(answers, options)
    chance = float(by_chance(options).mean())
    known = np.clip((start - chance) / (1 - chance), 0.0, 1.0)
    excess = np.abs(product - np.outer(known, known))
    found = np.empty(members)
    for member in range(members):
        one, other = np.array(list(itertools.combinations(np.delete(np.arange(members), member), 2))).T
        strange = excess[member, one] + excess[member, other] + excess[one, other]
        near = np.argsort(strange.round(9), kind="stable")[: -(-len(one) // 2)]
        one, other = one[near], other[near]
        square = product[member, one] * product[member, other] / np.maximum(product[one, other], LEAST_PRODUCT)
        found[member] = np.median(np.sqrt(np.clip(square, 0.0, 1.0)))
    cells = Cells(answers, options)
    return cells.means(cells.posterior(with_guesses(found, answers, options)))


def weighted_vote(answers: np.ndarray, options: np.ndarray, asked: np.ndarray, accuracy: np.ndarray) -> np.ndarray:
    """The most probable answer of the asked members, if each is right with its accuracy, independently.

    A vote weighs log((K - 1) p / (1 - p)): the optimal weight for K possible answers (Nitzan and Paroush 1982; arXiv 2510.01499).
    Ties go to the member that is asked first.

    Args:
        answers: (n, M) codes of the whole pool, -1 missing.
        options: (n,) options of each query, 0 where it has none.
        asked: (n, k) members, best first.
        accuracy: (M,).

    Returns:
        (n,) int32 codes, -1 where none of the asked gave an answer.
    """
    given = np.take_along_axis(answers, asked, axis=1)
    possible = np.maximum(np.where(options > 0, options, OPEN), 2)
    weights = log_odds(accuracy)[asked] + np.log(possible - 1.0)[:, None]
    same = (given[:, :, None] == given[:, None, :]) & (given[:, None, :] >= 0)
    support = np.where(same, weights[:, None, :], 0.0).sum(axis=2).round(9)
    best = np.where(given >= 0, support, -np.inf).argmax(axis=1)
    return given[np.arange(len(given)), best].astype(np.int32)
