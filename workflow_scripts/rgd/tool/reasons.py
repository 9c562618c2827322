"""Why a router ranks as it does: the scores behind its ranking, and the cluster and task that they are of.

A router that ranks without scores has no reasons: they are shown as absent, never made up.
"""

from dataclasses import dataclass

import numpy as np

from rgd.routers import contract
from rgd.routers.base import Router, TestQueries


@dataclass(frozen=True)
class Reasons:
    """What stands behind the rankings of n queries.

    Attributes:
        score: what the scores are, in words; empty where there are none.
        scores: (n, M), higher is better; None where the router has none.
        clusters: (n,) the cluster of each query, -1 where none is near; None where the router has no clusters.
        sizes: (C,) training queries of each cluster.
        tasks: (n,) names, None where the clusters belong to no task.
        similarity: (n,) cosine similarity of each query to the cluster's centroid.
    """

    score: str = ""
    scores: np.ndarray | None = None
    clusters: np.ndarray | None = None
    sizes: np.ndarray | None = None
    tasks: np.ndarray | None = None
    similarity: np.ndarray | None = None


def reasons(router: Router, queries: TestQueries) -> Reasons:
    """What ``router`` ranks ``queries`` by.

    Raises:
        UserError: the router does not keep to its contract.
    """
    queries = contract.given(router, queries)
    scores = contract.scores(router, queries)
    if scores is None:
        return Reasons()
    found = contract.clusters(router, queries)
    if found is None:
        return Reasons(router.score_title, scores)
    return Reasons(router.score_title, scores, found.numbers, found.sizes, found.tasks, found.similarity)
