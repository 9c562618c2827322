"""How likely each answer is right, by its confidence and by the group its query is in, learned without labels.

A member's log-odds of being right on a query of middle easiness (rgd.routing.latent_truth.model) are its ability, plus a slope times its
z-score, plus what sets it apart in its query's groups (task, cluster). Ability and slope are learned by EM against the
latent truth, which is inferred anew after each step: a logistic regression (Platt 1999) whose labels are the posterior's.
"""

from collections.abc import Sequence

import numpy as np

from rgd.routing.latent_truth.model import Cases, Pool, believe, cases_of, nodes, probabilities

# z-scores count up to this many standard deviations: beyond, there are few training queries to learn from.
WIDEST_Z = 2.5
# Prior deviations of a slope (log-odds per standard deviation of confidence), of an ability's change, of an offset.
SLOPE_DEVIATION = 1.0
ABILITY_DEVIATION = 1.0
OFFSET_DEVIATION = 0.5
# Groups of fewer queries are not told apart from the level above.
LEAST_GROUP = 10
# The search ends when no entry of the gradient per query is larger.
MAX_ITERATIONS, SETTLED = 60, 1e-5


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
    # It takes long to import, and routing does without it.
    from scipy.optimize import minimize

    n, members = givers.shape
    confidence, cases = bounded(z), cases_of(givers, choices, pool)
    # A near-duplicate is hardly ever heard.
    known = (confidence != 0).any(axis=0) & cases.heard.any(axis=0)
    if not known.any():
        return pool.ability.copy(), np.zeros(members)

    def lowered(vector: np.ndarray) -> tuple[float, np.ndarray]:
        """Minus the log-posterior per query, and its gradient."""
        away, slope = vector.reshape(2, members)
        evidence, score, _ = derivatives(cases, log_odds(pool.ability + away, slope, z), pool)
        height = evidence.sum() - 0.5 * ((away / ABILITY_DEVIATION) ** 2 + (slope / SLOPE_DEVIATION) ** 2).sum()
        first = score.sum(axis=0) - away / ABILITY_DEVIATION**2
        second = (score * confidence).sum(axis=0) - slope / SLOPE_DEVIATION**2
        return float(-height / n), -np.concatenate([first, second]) / n

    options = {"maxiter": MAX_ITERATIONS, "ftol": 1e-12, "gtol": SETTLED}
    found = minimize(lowered, np.zeros(2 * members), jac=True, method="L-BFGS-B", options=options).x
    return pool.ability + found[:members], found[members:]


def curvature(givers: np.ndarray, choices: np.ndarray, logits: np.ndarray, pool: Pool) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives of the answers' log-likelihood by each log-odds (n, M): the first, and minus EM's second."""
    return derivatives(cases_of(givers, choices, pool), logits, pool)[1:]


def derivatives(cases: Cases, logits: np.ndarray, pool: Pool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The log-likelihood (n,) of the answers, and its derivatives as of :func:`curvature`."""
    x, _ = nodes()
    right, wrong = probabilities(logits.T[:, :, None] + pool.spread * x, pool.floor)
    belief = believe(cases, right, wrong, pool)
    first = np.flatnonzero(np.diff(cases.case_scene, prepend=-1))
    whole = np.add.reduceat(belief.joint, first, axis=0)
    score, curve = np.zeros((2, *cases.givers.shape))
    for member in range(len(right)):
        scene, query, case = cases.of_member(member)
        # The log-odds' own probability, and what of a right answer is known.
        own = 1.0 - wrong[member] / (1.0 - pool.floor)
        ratio = own / right[member]
        hits, held = (cases.by_query(query, part) for part in (belief.joint[case], whole[scene]))
        score[:, member] = np.einsum("nq,nq->n", hits, ratio) - np.einsum("nq,nq->n", held, own)
        curve[:, member] = np.einsum("nq,nq,nq,nq->n", held, wrong[member], own, ratio)
    return belief.evidence, score, curve


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


def sums(values: np.ndarray, group: np.ndarray, count: int) -> np.ndarray:
    """Sums of the rows of ``values`` (n, M) in each group, (count, M)."""
    return np.stack([np.bincount(group, column, count) for column in values.T], axis=1)


def doubt(threshold: np.ndarray, size: np.ndarray) -> np.ndarray:
    """``threshold``, without bound in groups of fewer than LEAST_GROUP queries, whose spread says little."""
    return np.where(size >= LEAST_GROUP, threshold, np.inf)


def soft(values: np.ndarray, threshold: np.ndarray) -> np.ndarray:
    """Values moved towards 0 by ``threshold``, and to 0 where they are nearer."""
    return np.asarray(np.sign(values) * np.maximum(np.abs(values) - threshold, 0.0))
