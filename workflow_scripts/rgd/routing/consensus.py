"""Confidence-weighted consensus: how much of the pool stands behind each answer (arXiv 2601.09692, section 3.1).

Answers are int32 codes of shape (n, M), one column per member, -1 where a member gave none. A z-score is NaN where a
vote has no usable confidence: none recorded, one that never varies, or one that is no measurement.

Servers write -9999 in place of a log-probability of minus infinity (vLLM). One such token makes the mean of a short
answer tens of nats lower than any other, and would blow up the member's spread. :func:`unmeasured` tells such values.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

VoteWeight = Literal["logistic", "z_sum", "posterior"]
Spread = Literal["mean", "median"]

VOTE_WEIGHTS: tuple[str, ...] = ("logistic", "z_sum", "posterior")
SPREADS: tuple[str, ...] = ("mean", "median")
# Makes the median absolute deviation of a normal sample estimate its standard deviation.
MAD_TO_SIGMA = 1.4826
LOWEST_WEIGHT, HIGHEST_WEIGHT = 0.01, 0.99
# The mean log-probability of a sampled text is far above this (-5 nats per token: the chance of one token in 150), so a
# lower value that also lies this many deviations below the member's other answers measures nothing.
LOWEST_MEAN = -5.0
FARTHEST = 20.0
LEAST_DEVIATION = 0.2
# Fewer answers of a member are no ground to judge another one by.
FEWEST_USUAL = 12
# The posterior is over this many possible letters, given or not (as released).
POSTERIOR_LETTERS = 20


@dataclass(frozen=True)
class Consensus:
    """What a pool's answers to n training queries say about each answer.

    Attributes:
        mu: (M,) centre of each member's confidence.
        sigma: (M,) its spread; 0 where a member has no usable confidence.
        z: (n, M) float64, NaN where there is no usable confidence.
        scores: (n, M) float64 consensus score of each member's answer.
        in_majority: (n, M) bool, whether the answer is a majority answer.
    """

    mu: np.ndarray
    sigma: np.ndarray
    z: np.ndarray
    scores: np.ndarray
    in_majority: np.ndarray


def consensus(
    answers: np.ndarray,
    confidence: np.ndarray,
    vote_weight: VoteWeight = "logistic",
    min_votes: int = 2,
    spread: Spread = "mean",
) -> Consensus:
    """Everything about the consensus of one training set: answers (n, M) int32 and confidence (n, M)."""
    usable = usable_confidence(answers, confidence)
    mu, sigma = normalise(usable, spread)
    z = z_scores(usable, mu, sigma)
    return Consensus(mu, sigma, z, weighted_scores(answers, z, vote_weight), majority(answers, min_votes))


def usable_confidence(answers: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """Confidence (n, M) as float64 with NaN where the answer is missing or the number is not finite."""
    confidence = np.asarray(confidence, dtype=np.float64)
    return np.where((answers >= 0) & np.isfinite(confidence), confidence, np.nan)


def normalise(confidence: np.ndarray, spread: Spread = "mean") -> tuple[np.ndarray, np.ndarray]:
    """Centre and spread of each member's confidence over the training queries it answered.

    Args:
        confidence: (n, M), NaN where there is none.
        spread: ``mean`` for mean and standard deviation, ``median`` for the median and 1.4826 times the median
            absolute deviation, in whose place the standard deviation stands if it is 0 (as released).

    Returns:
        mu (M,) and sigma (M,), float64. A member without any confidence, or with one that never varies, has sigma 0.
        Values that are no measurement count in neither.
    """
    if spread not in SPREADS:
        raise ValueError(f"spread must be one of {SPREADS}, not {spread!r}")
    confidence = np.asarray(confidence, dtype=np.float64)
    members = confidence.shape[1]
    mu, sigma = np.zeros(members), np.zeros(members)
    for member in range(members):
        values = confidence[:, member]
        values = _measured(values[np.isfinite(values)])
        if values.size == 0:
            continue
        mu[member] = values.mean() if spread == "mean" else np.median(values)
        # What varies no more than float32 rounds is a constant; its z would be rounding noise blown up.
        noise = max(1e-12, 1e-6 * abs(mu[member]))
        widths = [values.std()]
        if spread == "median":
            widths.insert(0, MAD_TO_SIGMA * np.median(np.abs(values - mu[member])))
        sigma[member] = next((width for width in widths if width > noise), 0.0)
    return mu, sigma


def z_scores(confidence: np.ndarray, mu: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """(confidence - mu) / sigma as float64 (n, M).

    NaN where the confidence is missing or no measurement, or the member's sigma is 0.
    """
    confidence = np.asarray(confidence, dtype=np.float64)
    divisor = np.where(sigma > 0, sigma, np.nan)
    return np.where(unmeasured(confidence, mu, sigma), np.nan, (confidence - mu) / divisor)


def unmeasured(confidence: np.ndarray, mu: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Which confidences (n, M) are no measurement, by each member's mu and sigma (M,); False where there is none."""
    confidence = np.asarray(confidence, dtype=np.float64)
    far = FARTHEST * np.maximum(sigma, LEAST_DEVIATION)
    return np.asarray((confidence < LOWEST_MEAN) & (mu - confidence > far))


def _measured(values: np.ndarray) -> np.ndarray:
    """The values (n,) of one member without those that are no measurement, judged by the others.

    A member whose confidence is usually as low has another scale: all its values count.
    """
    usual = values[values >= LOWEST_MEAN]
    if usual.size == values.size or usual.size < FEWEST_USUAL or 2 * usual.size <= values.size:
        return values
    return values[~unmeasured(values, usual.mean(), usual.std())]


def vote_weights(z: np.ndarray, how: VoteWeight = "logistic") -> np.ndarray:
    """The weight of each vote, from its z-score (n, M).

    ``z_sum`` weighs a vote by z itself, ``logistic`` and ``posterior`` by the logistic function of z clamped to
    [0.01, 0.99]. A vote without a z-score weighs as one of average confidence (z = 0). Under ``z_sum`` that weight is
    zero, so where no vote of a query has a z-score each weighs 1 instead: without confidences every vote counts alike.
    """
    if how not in VOTE_WEIGHTS:
        raise ValueError(f"the vote weight must be one of {VOTE_WEIGHTS}, not {how!r}")
    missing = np.isnan(z)
    filled = np.where(missing, 0.0, z)
    if how == "z_sum":
        return np.where(missing.all(axis=1, keepdims=True), 1.0, filled)
    # Clipping before exp changes nothing after the clamp and keeps exp from overflowing.
    return np.clip(1.0 / (1.0 + np.exp(-np.clip(filled, -30.0, 30.0))), LOWEST_WEIGHT, HIGHEST_WEIGHT)


def consensus_scores(answers: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """C[i, j]: the summed weight of the votes for the answer that member j gave to query i.

    Args:
        answers: (n, M) int32 codes, -1 missing.
        weights: (n, M) weight of each vote.

    Returns:
        (n, M) float64. A missing answer agrees with nothing and scores no more than any given one: the lower of 0 and
        the query's lowest score (weights can be negative under ``z_sum``).
    """
    scores = _sums_over_agreeing(answers, weights)
    given = answers >= 0
    lowest = np.minimum(np.where(given, scores, 0.0).min(axis=1, keepdims=True), 0.0)
    return np.where(given, scores, lowest)


def weighted_scores(answers: np.ndarray, z: np.ndarray, vote_weight: VoteWeight = "logistic") -> np.ndarray:
    """Consensus scores (n, M) straight from z-scores (n, M), for any of the vote weights.

    ``posterior`` turns the logistic sums into a softmax over 20 letters, those that nobody gave included.
    """
    # Only votes that were cast may decide whether a query has any confidence.
    scores = consensus_scores(answers, vote_weights(np.where(answers >= 0, z, np.nan), vote_weight))
    return _posterior(answers, scores) if vote_weight == "posterior" else scores


def majority(answers: np.ndarray, min_votes: int = 2) -> np.ndarray:
    """Which answers (n, M) are majority answers: most votes, at least ``min_votes``; tied answers all are."""
    votes = vote_counts(answers)
    most = votes.max(axis=1, keepdims=True)
    return (answers >= 0) & (votes == most) & (votes >= min_votes)


def vote_counts(answers: np.ndarray) -> np.ndarray:
    """How many members gave the same answer, (n, M) int64; 0 for a missing one."""
    return np.asarray(_sums_over_agreeing(answers, np.ones(answers.shape)), dtype=np.int64)


def _sums_over_agreeing(answers: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Sum of ``weights`` over the members that gave the same answer, (n, M) float64; 0 for a missing answer."""
    sums = np.zeros(answers.shape, dtype=np.float64)
    for member in range(answers.shape[1]):
        column = answers[:, member : member + 1]
        sums += np.where((answers == column) & (column >= 0), weights[:, member : member + 1], 0.0)
    return sums


def _posterior(answers: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """Softmax of the answers' summed weights over all letters; 0 for a missing answer."""
    given = answers >= 0
    exponentials = np.where(given, np.exp(sums), 0.0)
    votes = vote_counts(answers)
    share = np.divide(1.0, votes, out=np.zeros(votes.shape), where=votes > 0)
    distinct = share.sum(axis=1, keepdims=True)
    # An answer that several members gave appears several times in the row: count each of them once.
    total = (exponentials * share).sum(axis=1, keepdims=True)
    return exponentials / (total + np.maximum(POSTERIOR_LETTERS - distinct, 0.0))
