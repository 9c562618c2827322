"""The answer of a few members: by consensus score or by majority, with one rule for every tie."""

from typing import Literal

import numpy as np

from rgd.routing.consensus import VoteWeight, vote_counts, weighted_scores
from rgd.routing.rounding import DECIMALS

Aggregate = Literal["consensus", "majority"]
AGGREGATES: tuple[str, ...] = ("consensus", "majority")


def vote(
    answers: np.ndarray,
    z: np.ndarray,
    asked: np.ndarray,
    aggregate: Aggregate,
    vote_weight: VoteWeight = "logistic",
) -> np.ndarray:
    """The answer that the asked members give together.

    ``consensus`` takes the answer with the highest consensus score among the asked, ``majority`` the one with most
    votes among them. A tie goes to the higher summed z (a vote without z counts 0), then to the better placed member.

    Args:
        answers: (n, M) int32 codes of the whole pool, -1 missing.
        z: (n, M) z-scores by the training queries' mu and sigma, NaN where there is none.
        asked: (n, k) member indices, best first.
        aggregate: how the answers are combined.
        vote_weight: the weight of a vote under ``consensus``.

    Returns:
        (n,) int32 codes; -1 only where none of the asked gave an answer.
    """
    if aggregate not in AGGREGATES:
        raise ValueError(f"aggregate must be one of {AGGREGATES}, not {aggregate!r}")
    given = np.take_along_axis(answers, asked, axis=1)
    asked_z = np.take_along_axis(z, asked, axis=1)
    if aggregate == "consensus":
        support = weighted_scores(given, asked_z, vote_weight)
    else:
        support = vote_counts(given).astype(np.float64)
    place = np.broadcast_to(np.arange(asked.shape[1]), asked.shape)
    # The last key is the first criterion; the winner stands last.
    order = np.lexsort((-place, summed_z(given, asked_z).round(DECIMALS), support.round(DECIMALS), given >= 0), axis=1)
    return np.take_along_axis(given, order[:, -1:], axis=1)[:, 0].astype(np.int32)


def summed_z(answers: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Sum of z over the members that gave the same answer, (n, k); NaN counts 0."""
    filled = np.where(np.isnan(z), 0.0, z)
    same = (answers[:, :, None] == answers[:, None, :]) & (answers[:, None, :] >= 0)
    return np.where(same, filled[:, None, :], 0.0).sum(axis=2)
