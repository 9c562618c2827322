"""What a routing is worth, as numbers: accuracy, cost, distance from the oracle, agreement of rankings."""

import numpy as np


def is_correct(answers: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(n,) bool: the answer is the label; a missing answer (-1) is never right. Both are (n,) int32 codes."""
    return (answers == labels) & (answers >= 0)


def accuracy(correct: np.ndarray) -> float:
    """Mean of (n,) correctness, which may be a probability; NaN of no query."""
    return float(np.mean(correct)) if len(correct) else float("nan")


def missing_answers(answers: np.ndarray) -> int:
    """How many of the (n,) answers are missing (-1)."""
    return int((answers < 0).sum())


def calls_per_query(asked: np.ndarray) -> float:
    """Members asked per query, for the (n, k) members that a variant asks."""
    return float(asked.shape[1])


def regret(correct: np.ndarray, oracle: np.ndarray) -> float:
    """Accuracy lost against the oracle on the same (n,) queries, in [0, 1]."""
    return accuracy(np.asarray(oracle, dtype=np.float64) - np.asarray(correct, dtype=np.float64))


def gap_closed(routed: float, best_single: float, oracle: float) -> float:
    """Share of the way from the best single member's accuracy to the oracle's; NaN where there is no way to go.

    Negative where the routing is worse than the best single member.
    """
    gap = oracle - best_single
    return (routed - best_single) / gap if gap > 0 else float("nan")


def chosen_share(asked: np.ndarray, members: int) -> np.ndarray:
    """Share of the queries in which each member is asked, (M,); sums to the calls per query.

    ``asked`` is (n, k) member indices without repeats in a row.
    """
    return np.bincount(asked.reshape(-1), minlength=members) / max(1, len(asked))


def kendall_tau(first: np.ndarray, second: np.ndarray) -> float:
    """Kendall's tau-b between two score vectors (M,), which allows for ties; NaN where one of them is constant."""
    a = np.sign(np.subtract.outer(first, first))
    b = np.sign(np.subtract.outer(second, second))
    scale = np.sqrt((a**2).sum() * (b**2).sum())
    return float((a * b).sum() / scale) if scale > 0 else float("nan")
