"""How likely each answer is right, by its confidence and by the group its query is in, learned without labels.

A member's log-odds of being right on a query of middle easiness (rgd.routing.latent_truth.model) are its ability, plus a slope times its
z-score, plus what sets it apart in its query's groups (task, cluster). Ability and slope are learned by EM against the
latent truth, which is inferred anew after each step: a logistic regression (Platt 1999) whose labels are the posterior's.
"""

from collections.abc import Sequence

import numpy as np

from rgd.routing.latent_truth.model import Pool, chances, infer, logistic, nodes

# z-scores count up to this many standard deviations: beyond, there are few training queries to learn from.
WIDEST_Z = 2.5
# Prior deviations of a slope (log-odds per standard deviation of confidence), of an ability's change, of an offset.
SLOPE_DEVIATION = 1.0
ABILITY_DEVIATION = 1.0
OFFSET_DEVIATION = 0.5
# Groups of fewer queries are not told apart from the level above.
LEAST_GROUP = 10
MAX_ITERATIONS = 25
# EM ends when no log-odds moves by more than this in a step.
SETTLED = 5e-3


def bounded(z: np.ndarray) -> np.ndarray:
    """z-scores (n, M) within bounds; 0, the average, where there is none."""
    return np.clip(np.where(np.isfinite(z), z, 0.0), -WIDEST_Z, WIDEST_Z)


def log_odds(ability: np.ndarray, slope: np.ndarray, z: np.ndarray, offset: np.ndarray | float = 0.0) -> np.ndarray:
    """(n, M) log-odds of being right at middle easiness, from z-scores (n, M) and offsets (n, M)."""
    return np.asarray(ability + slope * bounded(z) + offset)


def calibrate(givers: np.ndarray, choices: np.ndarray, z: np.ndarray, pool: Pool) -> tuple[np.ndarray, np.ndarray]:
    """Learn each member's ability, with average confidence, and slope from n queries.

    Args:
        givers: (n, M) from :func:`rgd.routing.latent_truth.model.first_givers`.
        choices: (n,) number of possible answers.
        z: (n, M) z-scores, NaN where there is none.
        pool: the model fitted to these answers, where learning starts.

    Returns:
        ability (M,) and slope (M,) per standard deviation of confidence.
    """
    ability, slope, confidence = pool.ability.copy(), np.zeros(givers.shape[1]), bounded(z)
    now = log_odds(ability, slope, z)
    for _ in range(MAX_ITERATIONS):
        score, curve = curvature(givers, choices, now, pool)
        ability, slope = _regression(ability, slope, pool.ability, score, curve, confidence)
        before, now = now, log_odds(ability, slope, z)
        if np.abs(now - before).max() < SETTLED:
            break
    return ability, slope


def curvature(givers: np.ndarray, choices: np.ndarray, logits: np.ndarray, pool: Pool) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives of the answers' log-likelihood by each log-odds (n, M): the first, and minus EM's second."""
    x, _ = nodes()
    belief = infer(givers, choices, logits, pool)
    held = np.where((givers >= 0)[:, :, None], belief.joint.sum(axis=1)[:, None], 0.0)
    p = logistic(logits[:, :, None] + pool.spread * x)
    return (chances(belief, givers) - held * p).sum(axis=2), (held * p * (1.0 - p)).sum(axis=2)


def group_offsets(
    givers: np.ndarray,
    choices: np.ndarray,
    logits: np.ndarray,
    pool: Pool,
    groups: Sequence[np.ndarray],
    caution: float,
) -> list[np.ndarray]:
    """What sets a member apart in a group, as log-odds; 0 unless the group's queries speak clearly.

    One step from the members' log-odds over all queries, and no more: with the truth inferred anew after each step, a
    group would soon believe one member in everything. An offset is 0 unless its score, the derivative of the
    log-likelihood, differs from 0 by more than ``caution`` standard errors, and is shrunk by as much otherwise (the
    lasso; Tibshirani 1996). What all members have in common in a group, its difficulty, is no offset.

    Args:
        givers, choices, logits: (n, M), (n,), (n, M).
        pool: the model.
        groups: for each level, coarse to fine, (n,) group numbers without gaps; each level adds to those above.
        caution: standard errors.

    Returns:
        For each level, (groups, M).
    """
    found: list[np.ndarray] = []
    for group in groups:
        score, curve = curvature(givers, choices, logits, pool)
        common = score.sum(axis=1, keepdims=True) / np.maximum(curve.sum(axis=1, keepdims=True), 1e-9)
        own = np.where(givers >= 0, score - curve * common, 0.0)
        count = int(group.max()) + 1
        slope, steep = sums(own, group, count), sums(curve, group, count)
        size = np.maximum(np.bincount(group, minlength=count), 1)[:, None]
        square = sums((own - (slope / size)[group]) ** 2, group, count)
        error = np.sqrt(square * size / np.maximum(size - 1, 1))
        found.append(soft(slope, doubt(caution * error, size)) / (steep + 1.0 / OFFSET_DEVIATION**2))
        logits = logits + found[-1][group]
    return found


def _regression(
    ability: np.ndarray,
    slope: np.ndarray,
    start: np.ndarray,
    score: np.ndarray,
    curve: np.ndarray,
    confidence: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """One Newton step for ability (with a prior about ``start``) and slope of each member."""
    mixed = (curve * confidence).sum(axis=0)
    first = score.sum(axis=0) - (ability - start) / ABILITY_DEVIATION**2
    second = (score * confidence).sum(axis=0) - slope / SLOPE_DEVIATION**2
    upper = curve.sum(axis=0) + 1.0 / ABILITY_DEVIATION**2
    lower = (curve * confidence**2).sum(axis=0) + 1.0 / SLOPE_DEVIATION**2
    determinant = upper * lower - mixed**2
    return (
        ability + (lower * first - mixed * second) / determinant,
        slope + (upper * second - mixed * first) / determinant,
    )


def sums(values: np.ndarray, group: np.ndarray, count: int) -> np.ndarray:
    """Sums of the rows of ``values`` (n, M) in each group, (count, M)."""
    return np.stack([np.bincount(group, column, count) for column in values.T], axis=1)


def doubt(threshold: np.ndarray, size: np.ndarray) -> np.ndarray:
    """``threshold``, without bound in groups of fewer than LEAST_GROUP queries, whose spread says little."""
    return np.where(size >= LEAST_GROUP, threshold, np.inf)


def soft(values: np.ndarray, threshold: np.ndarray) -> np.ndarray:
    """Values moved towards 0 by ``threshold``, and to 0 where they are nearer."""
    return np.asarray(np.sign(values) * np.maximum(np.abs(values) - threshold, 0.0))
