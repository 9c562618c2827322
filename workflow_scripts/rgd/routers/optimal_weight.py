"""Optimal weights from the agreement of pairs: one ranking of the pool, votes weighed by log-odds (arXiv 2510.01499)."""

import numpy as np

from rgd.routers.dawid_skene import DawidSkene
from rgd.routing.one_coin import agreeing_accuracy


class OptimalWeight(DawidSkene):
    """As Dawid and Skene, but accuracies come from how often pairs agree, in closed form but for a few steps.

    The paper's weight needs accuracies; without labels they are estimated by the rank-one structure of agreement (Parisi et al.
    2014; Jaffe et al. 2016 say when dependence spoils it).

    Learned:
        accuracy_ (M,).
    """

    @staticmethod
    def estimate(answers: np.ndarray, options: np.ndarray) -> np.ndarray:
        """Accuracies (M,) from answers (n, M) and numbers of options (n,)."""
        return agreeing_accuracy(answers, options)


ROUTER = OptimalWeight
