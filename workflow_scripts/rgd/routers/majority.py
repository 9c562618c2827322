"""Majority: the whole pool votes."""

from typing import Self

import numpy as np

from rgd.routers.base import Router, TestQueries, TrainingSet, constant_ranking


class Majority(Router):
    """Learning-free: all members are asked and the most frequent answer is given; its one variant is ``all``."""

    fits_on_embeddings = False
    ranks_by_embeddings = False
    compares_answers = True
    family = "learning-free"
    aggregate = "majority"

    def fit(self, train: TrainingSet) -> Self:
        """Take note of the pool and of its members' confidence, which breaks ties."""
        self.remember_pool(train)
        return self

    def rank(self, queries: TestQueries) -> np.ndarray:
        """The pool's own order, for every query."""
        return constant_ranking(np.arange(len(self.members_)), queries)

    def asked(self, ranking: np.ndarray) -> dict[str, np.ndarray]:
        """The whole pool."""
        return {"all": ranking}


ROUTER = Majority
