"""kNN: per query, the member that was right most often on the nearest training queries.

The correctness predictor g_m of benchmark routing (arXiv 2309.15789, section 4), used query by query.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Self

import numpy as np
from annotated_types import MinLen

from rgd.routers.base import Count, Router, TestQueries, TrainingSet, rank_members
from rgd.routing.neighbours import nearest
from rgd.seeds import generator


@dataclass(kw_only=True)
class Knn(Router):
    """Query-answer router: g_m(x) is the share of x's k nearest training queries that m answered correctly, or
    their mean score.

    Equal shares go to the member with the higher accuracy over all training queries. k is the one of the grid with
    the best accuracy of the first-ranked member on training queries, each left out in turn; the smallest of equals.

    Args:
        k_grid: values of k to choose from; a value is reduced to the number of other training queries.
        choose_on: maximum number of training queries, drawn by seed, on which k is chosen, so that the cost of fitting
            grows linearly with the training queries.

    Learned:
        k_, correct_ (n, M) int8 (float64 of scores), overall_ (M,).
    """

    needs_labels = True
    ranks_by_embeddings = False
    family = "query-answer"
    variants = MappingProxyType({"top1": 1, "top3": 3})
    aggregate = "majority"

    k_grid: Annotated[Sequence[Count], MinLen(1)] = (1, 3, 5, 10, 20, 40, 64)
    choose_on: Count = 4096

    def __post_init__(self) -> None:
        self.k_grid = tuple(sorted(set(self.k_grid)))

    @property
    def score_title(self) -> str:
        """What the scores are, in words."""
        return f"share of the {min(self.k_, len(self.correct_))} nearest training queries answered right"

    def fit(self, train: TrainingSet) -> Self:
        """Keep who was right on what, and choose k."""
        self.remember_pool(train)
        self.correct_ = train.correct().astype(np.int8 if train.correctness is None else np.float64)
        self.overall_ = self.correct_.mean(axis=0)
        self.k_ = self.k_grid[0]
        if len(self.correct_) == 1 or len(self.k_grid) == 1:
            return self
        rows = np.arange(len(self.correct_))
        if len(rows) > self.choose_on:
            rows = np.sort(generator(train.seed, "knn").permutation(rows)[: self.choose_on])
        around, _ = nearest(train.embeddings[rows], train.embeddings, self.k_grid[-1], own=rows)
        scores = [self.correct_[rows, self._ranking(self._shares(around[:, :k]))[:, 0]].mean() for k in self.k_grid]
        self.k_ = self.k_grid[int(np.argmax(scores))]
        return self

    def scores(self, queries: TestQueries) -> np.ndarray:
        """g_m of each query, (n, M)."""
        return self._shares(queries.nearest(self.k_, len(self.correct_)))

    def rank(self, queries: TestQueries) -> np.ndarray:
        """Rank by g_m of each query, equal ones by the accuracy over all training queries."""
        return self._ranking(self.scores(queries))

    def _shares(self, around: np.ndarray) -> np.ndarray:
        return self.correct_[around].mean(axis=1, dtype=np.float64)

    def _ranking(self, shares: np.ndarray) -> np.ndarray:
        return rank_members(shares, self.members_, tie=self.overall_)


ROUTER = Knn
