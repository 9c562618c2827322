"""Top-1 and Top-3 vote: the members with the best accuracy on the real training split, whatever the query."""

from types import MappingProxyType
from typing import Self

import numpy as np

from rgd.routers.base import Router, TestQueries, TrainingSet


class TopK(Router):
    """Learning-free: one ranking of the pool by training accuracy (arXiv 2601.09692, section 4.1).

    Learned:
        accuracy_ (M,).
    """

    needs_labels = True
    fits_on_embeddings = False
    ranks_by_embeddings = False
    family = "learning-free"
    variants = MappingProxyType({"top1": 1, "top3": 3})
    aggregate = "majority"
    score_title = "accuracy on the training queries"

    def fit(self, train: TrainingSet) -> Self:
        """Measure every member on the training queries."""
        self.remember_pool(train)
        self.accuracy_ = train.correct().mean(axis=0)
        return self

    def scores(self, queries: TestQueries) -> np.ndarray:
        """The same accuracies for every query, (n, M)."""
        return np.repeat(self.accuracy_[None], len(queries.query_ids), axis=0)


ROUTER = TopK
