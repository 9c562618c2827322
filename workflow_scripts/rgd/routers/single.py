"""Every member alone: a variant per member."""

from typing import Self

import numpy as np

from rgd.routers.base import Router, TestQueries, TrainingSet, constant_ranking


class Single(Router):
    """Learning-free: each variant, named by a member's key, asks that member for everything."""

    fits_on_embeddings = False
    ranks_by_embeddings = False
    family = "learning-free"

    def fit(self, train: TrainingSet) -> Self:
        """Take note of the pool; nothing is learned from the queries."""
        self.remember_pool(train)
        return self

    def rank(self, queries: TestQueries) -> np.ndarray:
        """The pool's own order, for every query."""
        return constant_ranking(np.arange(len(self.members_)), queries)

    def asked(self, ranking: np.ndarray) -> dict[str, np.ndarray]:
        """One variant per member, which asks it alone."""
        return {str(key): ranking[:, member : member + 1] for member, key in enumerate(self.members_)}


ROUTER = Single
