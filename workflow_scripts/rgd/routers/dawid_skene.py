"""Dawid and Skene with one coin for each member: accuracies by EM, one ranking of the pool, votes weighed by log-odds."""

from types import MappingProxyType
from typing import Self

import numpy as np

from rgd.routers.base import Responses, Router, TestQueries, TrainingSet
from rgd.routing.one_coin import expected_accuracy, weighted_vote


class DawidSkene(Router):
    """The classical label-free estimate, as a row to compare with (Dawid and Skene 1979, with one accuracy for each annotator).

    Learned:
        accuracy_ (M,).
    """

    fits_on_embeddings = False
    ranks_by_embeddings = False
    counts_options = True
    compares_answers = True
    family = "query-only"
    variants = MappingProxyType({"top1": 1, "top3": 3})
    score_title = "estimated accuracy"

    def fit(self, train: TrainingSet) -> Self:
        """Estimate every member's accuracy from the pool's answers."""
        self.remember_pool(train)
        self.accuracy_ = self.estimate(train.answers, counted(train))
        return self

    @staticmethod
    def estimate(answers: np.ndarray, options: np.ndarray) -> np.ndarray:
        """Accuracies (M,) from answers (n, M) and numbers of options (n,)."""
        return expected_accuracy(answers, options)

    def scores(self, queries: TestQueries) -> np.ndarray:
        """The same accuracies for every query, (n, M)."""
        return np.repeat(self.accuracy_[None], len(queries.query_ids), axis=0)

    def respond(self, queries: TestQueries, ranking: np.ndarray, answers: np.ndarray, z: np.ndarray) -> Responses:
        """The asked members' most probable answer; confidence has no weight."""
        del z
        asked, options = self.asked(ranking), counted(queries)
        given = {name: weighted_vote(answers, options, members, self.accuracy_) for name, members in asked.items()}
        return Responses(given, asked)


def counted(part: TrainingSet | TestQueries) -> np.ndarray:
    """The options (n,) of each query; 0 where they are not known."""
    return np.zeros(len(part.query_ids), dtype=np.int64) if part.options is None else part.options


ROUTER = DawidSkene
