"""Why a router ranks as it does: the scores behind its ranking, and the cluster and task they belong to.

A router that ranks without scores has no reasons: they are shown as absent and never made up.
"""

from dataclasses import dataclass

import numpy as np

from rgd.routers import contract
from rgd.routers.base import Router, TestQueries


@dataclass(frozen=True)
class Reasons:
    """The reasons for the rankings of n queries.

    Attributes:
        score: what the scores are, in words; empty if there are none.
        scores: (n, M), higher is better; None if the router has none.
        clusters: (n,) the cluster of each query, -1 if none is near; None if the router has no clusters.
        sizes: (C,) training queries of each cluster.
        tasks: (n,) names; None if the clusters belong to no task.
        similarity: (n,) cosine similarity of each query to the cluster's centroid.
        standing: how surely the first member over all queries is the best one; empty if the router cannot tell.
    """

    score: str = ""
    scores: np.ndarray | None = None
    clusters: np.ndarray | None = None
    sizes: np.ndarray | None = None
    tasks: np.ndarray | None = None
    similarity: np.ndarray | None = None
    standing: str = ""


def reasons(router: Router, queries: TestQueries) -> Reasons:
    """The reasons for which ``router`` ranks ``queries`` as it does.

    Raises:
        UserError: the router violates its contract.
    """
    queries = contract.given(router, queries)
    scores = contract.scores(router, queries)
    if scores is None:
        return Reasons()
    found = contract.clusters(router, queries)
    sure = contract.standing(router)
    if found is None:
        return Reasons(router.score_title, scores, standing=sure)
    return Reasons(router.score_title, scores, found.numbers, found.sizes, found.tasks, found.similarity, sure)
