"""Pools whose truth is planted: answers drawn from a world that is not the model's own, with the truth to compare with.

Easiness is uniform, not normal, and one wrong option of each query tempts all members, where the latent-truth model has
urns: what it recovers here it does not recover because it is right about everything.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rgd.routers.base import TestQueries, TrainingSet
from rgd.routing.neighbours import nearest


@dataclass(frozen=True)
class Planted:
    """Queries with the truth: (n,) truth and options, (n, M) answers and confidence, tasks, embeddings."""

    answers: np.ndarray
    confidence: np.ndarray
    options: np.ndarray
    truth: np.ndarray
    tasks: np.ndarray
    embeddings: np.ndarray

    @property
    def right(self) -> np.ndarray:
        return self.answers == self.truth[:, None]

    def training(self, rows: np.ndarray, seed: int = 0) -> TrainingSet:
        members = tuple(f"m{member}" for member in range(self.answers.shape[1]))
        return TrainingSet(
            query_ids=rows.astype(str),
            tasks=self.tasks[rows],
            embeddings=self.embeddings[rows],
            members=members,
            answers=self.answers[rows],
            confidence=self.confidence[rows],
            options=self.options[rows],
            seed=seed,
        )

    def queries(self, rows: np.ndarray, trained: np.ndarray) -> TestQueries:
        around, _ = nearest(self.embeddings[rows], self.embeddings[trained], 1)
        return TestQueries(
            rows.astype(str), self.embeddings[rows], around, self.tasks[rows], options=self.options[rows]
        )


def planted(
    seed: int,
    n: int = 3000,
    ability: Sequence[float] = (1.2, 0.9, 0.6, 0.4, 0.2, 0.0),
    correlated: bool = True,
    copies: Sequence[tuple[int, int, float]] = (),
    special: float = 0.0,
    n_tasks: int = 4,
    missing: float = 0.02,
    informative: float = 0.8,
) -> Planted:
    """A world of n queries with 4 or 10 options.

    Args:
        seed: of everything.
        n: queries.
        ability: (M,) log-odds of being right on a query of middle easiness.
        correlated: queries differ in easiness, and a third of the wrong answers are the query's tempting one.
        copies: (copy, source, probability).
        special: deviation of what a task adds to a member's ability.
        n_tasks: tasks, which lie apart in the embedding.
        missing: share of answers that are missing.
        informative: how much surer members are when right, in standard deviations, halved.
    """
    random = np.random.default_rng(seed)
    members = len(ability)
    task = random.integers(n_tasks, size=n)
    options = random.choice([4, 10], n)
    truth = random.integers(0, options)
    tempting = (truth + random.integers(1, options)) % options
    odds = np.asarray(ability) + random.normal(0.0, special, (n_tasks, members))[task]
    if correlated:
        odds = odds + random.uniform(-2.5, 2.5, (n, 1))
    right = random.random((n, members)) < 1.0 / (1.0 + np.exp(-odds))
    wrong = (truth[:, None] + random.integers(1, options[:, None], (n, members))) % options[:, None]
    if correlated:
        wrong = np.where(random.random((n, members)) < 0.35, tempting[:, None], wrong)
    answers = np.where(right, truth[:, None], wrong)
    for copy, source, chance in copies:
        taken = random.random(n) < chance
        answers[taken, copy] = answers[taken, source]
    surer = np.where(answers == truth[:, None], informative, -informative)
    confidence = (surer + random.normal(size=(n, members))).astype(np.float32)
    answers = np.where(random.random((n, members)) < missing, -1, answers).astype(np.int32)
    places = random.normal(size=(n_tasks, 16))[task] + 0.4 * random.normal(size=(n, 16))
    embeddings = (places / np.linalg.norm(places, axis=1, keepdims=True)).astype(np.float32)
    tasks = np.array([f"task {index}" for index in task])
    return Planted(answers, confidence, options, truth, tasks, embeddings)
