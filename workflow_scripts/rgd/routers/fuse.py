"""Triplets and pseudo-labels: one ranking of the pool, votes weighed by log-odds (after FUSE, arXiv 2604.18547)."""

import numpy as np

from rgd.routers.dawid_skene import DawidSkene
from rgd.routing.one_coin import triplet_accuracy


class Fuse(DawidSkene):
    """As Dawid and Skene, but accuracies come from triplets that depend on each other least, and from pseudo-labels.

    FUSE (Lee et al. 2026) ensembles scores of verifiers: it changes them until triplets are nearly independent given the truth,
    estimates accuracies by their moments (Jaffe et al. 2015), and fits an ensemble to the pseudo-labels that follow.
    Answers are no scores that could be changed, so here triplets are selected.

    Learned:
        accuracy_ (M,).
    """

    @staticmethod
    def estimate(answers: np.ndarray, options: np.ndarray) -> np.ndarray:
        """Accuracies (M,) from answers (n, M) and numbers of options (n,)."""
        return triplet_accuracy(answers, options)


ROUTER = Fuse
