"""What a routing is worth, as numbers: right or not, the share of the oracle gap closed, agreement of rankings."""

import numpy as np


def is_correct(answers: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(n,) bool: the answer is the label; a missing answer (-1) is never right. Both are (n,) int32 codes."""
    return (answers == labels) & (answers >= 0)


def gap_closed(routed: float, best_single: float, oracle: float) -> float:
    """Share of the way from the best single member's accuracy to the oracle's; NaN where there is no way to go.

    Negative where the routing is worse than the best single member.
    """
    gap = oracle - best_single
    return (routed - best_single) / gap if gap > 0 else float("nan")


def kendall_tau(first: np.ndarray, second: np.ndarray) -> float:
    """Kendall's tau-b between two score vectors (M,), which allows for ties; NaN where one of them is constant."""
    a = np.sign(np.subtract.outer(first, first))
    b = np.sign(np.subtract.outer(second, second))
    scale = np.sqrt((a**2).sum() * (b**2).sum())
    return float((a * b).sum() / scale) if scale > 0 else float("nan")
