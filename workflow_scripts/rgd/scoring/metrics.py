"""Metrics of a routing: correctness, the share of the oracle gap closed, agreement of rankings."""

import numpy as np


def is_correct(answers: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(n,) bool: whether the answer equals the label; a missing answer (-1) is wrong. Both are (n,) int32 codes."""
    return (answers == labels) & (answers >= 0)


def gap_closed(routed: float, best_single: float, oracle: float) -> float:
    """Share of the gap between the best single member's accuracy and the oracle's that is closed; NaN if there is no gap.

    Negative where the routing is worse than the best single member.
    """
    gap = oracle - best_single
    return (routed - best_single) / gap if gap > 0 else float("nan")


def kendall_tau(first: np.ndarray, second: np.ndarray) -> float:
    """Kendall's tau-b, which allows for ties, between two score vectors (M,); NaN if one of them is constant."""
    a = np.sign(np.subtract.outer(first, first))
    b = np.sign(np.subtract.outer(second, second))
    scale = np.sqrt((a**2).sum() * (b**2).sum())
    return float((a * b).sum() / scale) if scale > 0 else float("nan")
