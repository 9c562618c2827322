"""kNN: per query, the member that was right most often on the nearest training queries.

The correctness predictor g_m of benchmark routing (arXiv 2309.15789, section 4), used query by query.
"""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Self

import numpy as np

from rgd.routers.base import Router, TestQueries, TrainingSet, rank_members
from rgd.routing.neighbours import nearest
from rgd.seeds import generator


class Knn(Router):
    """Query-answer router: g_m(x) is the share of x's k nearest training queries that m answered correctly.

    Equal shares go to the member with the higher accuracy over all training queries. k is the one of the grid with
    the best accuracy of the first-ranked member on training queries, each left out in turn; the smallest of equals.

    Args:
        k_grid: the values of k to choose from; one larger than the training queries leave is cut to their number.
        choose_on: at most this many training queries, drawn by seed, choose k; so the cost of fitting grows with the
            training queries and not with their square.

    Learned:
        k_, correct_ (n, M) int8, overall_ (M,).
    """

    needs_labels = True
    ranks_by_embeddings = False
    family = "query-answer"
    variants = MappingProxyType({"top1": 1, "top3": 3})
    aggregate = "majority"

    def __init__(self, *, k_grid: Sequence[int] = (1, 3, 5, 10, 20, 40, 64), choose_on: int = 4096) -> None:
        if not k_grid or min(k_grid) < 1:
            raise ValueError(f"k_grid = {list(k_grid)} needs whole numbers from 1")
        if choose_on < 1:
            raise ValueError(f"choose_on = {choose_on} must be at least 1")
        self.k_grid = tuple(sorted(set(k_grid)))
        self.choose_on = choose_on

    def fit(self, train: TrainingSet) -> Self:
        """Keep who was right on what, and choose k."""
        self.remember_pool(train)
        self.correct_ = train.correct().astype(np.int8)
        self.overall_ = self.correct_.mean(axis=0)
        self.k_ = self.k_grid[0]
        if len(self.correct_) == 1 or len(self.k_grid) == 1:
            return self
        rows = np.arange(len(self.correct_))
        if len(rows) > self.choose_on:
            rows = np.sort(generator(train.seed, "knn").permutation(rows)[: self.choose_on])
        around, _ = nearest(train.embeddings[rows], train.embeddings, self.k_grid[-1], own=rows)
        scores = [self.correct_[rows, self._ranking(around[:, :k])[:, 0]].mean() for k in self.k_grid]
        self.k_ = self.k_grid[int(np.argmax(scores))]
        return self

    def rank(self, queries: TestQueries) -> np.ndarray:
        """Rank by g_m of each query."""
        return self._ranking(queries.nearest(self.k_, len(self.correct_)))

    def _ranking(self, around: np.ndarray) -> np.ndarray:
        return rank_members(self.correct_[around].mean(axis=1, dtype=np.float64), self.members_, tie=self.overall_)


ROUTER = Knn
