"""Why a router ranks as it does: the scores behind its ranking, and the cluster and task that they are of.

A method that is not listed here ranks without reasons: its scores are shown as absent, never made up.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from rgd.routers.base import Router, TestQueries


@dataclass(frozen=True)
class Reasons:
    """What stands behind the rankings of n queries.

    Attributes:
        score: what the scores are, in words; empty where there are none.
        scores: (n, M), higher is better; None where the method has none.
        clusters: (n,) the cluster of each query, -1 where none is near; None where the method has no clusters.
        sizes: (C,) training queries of each cluster.
        tasks: (n,) names, None where the method does not look at tasks.
        similarity: (n,) cosine similarity of each query to the cluster's centroid.
    """

    score: str = ""
    scores: np.ndarray | None = None
    clusters: np.ndarray | None = None
    sizes: np.ndarray | None = None
    tasks: np.ndarray | None = None
    similarity: np.ndarray | None = None


def reasons(method: str, router: Router, queries: TestQueries) -> Reasons:
    """What ``router``, of this method, ranks ``queries`` by."""
    found = METHODS.get(method)
    return Reasons() if found is None else found(router, queries)


def _cascal(router: Any, queries: TestQueries, score: str) -> Reasons:
    similarity = np.asarray(queries.embeddings, dtype=np.float32) @ router.centroids_.T
    if router.task_rule == "nearest_query":
        tasks = router.training_tasks_[queries.nearest(1, len(router.training_tasks_))[:, 0]]
    else:
        tasks = router._tasks(queries)
    similarity = np.where(router.centroid_tasks_ == tasks[:, None], similarity, -np.inf).round(6)
    clusters = np.argmax(similarity, axis=1)
    if router.selection == "nearest":
        scores = router.scores_[clusters]
    else:
        scores, score = router._mixed_scores(similarity), f"{score}, mixed over the nearest clusters"
    nearest = similarity[np.arange(len(clusters)), clusters]
    return Reasons(score, scores, clusters, router.sizes_, router.task_names_[tasks], nearest)


def _latent_truth(router: Any, queries: TestQueries) -> Reasons:
    groups, similarity = router.nearest_clusters(queries)
    tasks = router.task_names_[router.training_tasks_[queries.nearest(1, len(router.training_tasks_))[:, 0]]]
    if router.groups == "all":
        return Reasons("estimated accuracy", router.estimates_[groups])
    clusters = np.where(groups < len(router.centroids_), groups, -1)
    return Reasons("estimated accuracy", router.estimates_[groups], clusters, router.sizes_, tasks, similarity)


def _avengers(router: Any, queries: TestQueries) -> Reasons:
    distance = (router.centroids_**2).sum(axis=1) - 2.0 * (queries.embeddings @ router.centroids_.T)
    clusters = np.argmin(distance.round(6), axis=1)
    chosen = router.centroids_[clusters]
    similarity = (queries.embeddings * chosen).sum(axis=1) / np.maximum(np.linalg.norm(chosen, axis=1), 1e-12)
    return Reasons("accuracy in the cluster", router.accuracy_[clusters], clusters, router.sizes_, None, similarity)


def _knn(router: Any, queries: TestQueries) -> Reasons:
    around = queries.nearest(router.k_, len(router.correct_))
    return Reasons(
        f"share of the {around.shape[1]} nearest training queries answered right",
        router.correct_[around].mean(axis=1, dtype=np.float64),
    )


def _smoothie(router: Any, queries: TestQueries) -> Reasons:
    return Reasons("closeness of its answers to the others' (error, negative)", -router.errors(queries))


def _topk(router: Any, queries: TestQueries) -> Reasons:
    scores = np.repeat(router.accuracy_[None], len(queries.embeddings), axis=0)
    return Reasons("accuracy on the training queries", scores)


def _llmrank(router: Any, queries: TestQueries) -> Reasons:
    return Reasons("logit of the predicted utility", router.utilities(queries).astype(np.float64))


METHODS: dict[str, Callable[[Any, TestQueries], Reasons]] = {
    "cascal": lambda router, queries: _cascal(router, queries, "mean consensus score in the cluster"),
    "cascal_gt": lambda router, queries: _cascal(router, queries, "accuracy in the cluster"),
    "latent_truth": _latent_truth,
    "avengers": _avengers,
    "knn": _knn,
    "smoothie": _smoothie,
    "topk": _topk,
    "llmrank": _llmrank,
}
