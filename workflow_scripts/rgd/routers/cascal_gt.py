"""CASCAL-GT: CASCAL with training labels in the place of agreement (arXiv 2601.09692, section 3.2)."""

import numpy as np

from rgd.routers.base import TrainingSet
from rgd.routers.cascal import Cascal, majority_share


class CascalGT(Cascal):
    """A member's strengths are the queries it answers correctly, and clusters rank the pool by accuracy.

    The answer of the top 3 is by consensus, as in CASCAL. Options as in :class:`rgd.routers.cascal.Cascal`.
    """

    needs_labels = True
    compares_answers = False
    family = "query-answer"
    score_name = "accuracy in the cluster"

    def evidence(self, train: TrainingSet) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Correct answers (n, M) as both strength and score, and the share (n,) of the pool behind the majority.

        Of scores, the best of a query are the strengths, and their mean is the share.
        """
        correct = train.correct()
        if train.correctness is not None:
            best = (correct == correct.max(axis=1, keepdims=True)) & (correct > 0)
            return best, correct.mean(axis=1), correct
        return correct, majority_share(train.answers), correct.astype(np.float64)


ROUTER = CascalGT
