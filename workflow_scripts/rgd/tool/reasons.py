"""Why a router ranks as it does: the scores behind its ranking, and the cluster and task they belong to.

A router that ranks without scores has no reasons: they are shown as absent and never made up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rgd.routers import contract
from rgd.routers.base import Doubt, Router, TestQueries


@dataclass(frozen=True)
class Reasons:
    """The reasons for the rankings of n queries.

    Attributes:
        score: what the scores are, in words; empty if there are none.
        scores: (n, M), higher is better; None if the router has none.
        intervals: (n, M, 2) in which what the scores estimate lies with a probability of 0.95; None if that is unknown.
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
    intervals: np.ndarray | None = None


@dataclass(frozen=True)
class Character:
    """What a router says of itself, whatever is routed.

    Attributes:
        standing: how surely the first member over all queries is the best one; empty if the router cannot tell.
        certainty: by name of the figure (M,), as :meth:`rgd.routers.base.Router.certainty`.
        doubts: reasons to distrust it.
        explanations: by variant, why it asks these members.
    """

    standing: str
    certainty: Mapping[str, Sequence[float]]
    doubts: tuple[Doubt, ...]
    explanations: Mapping[str, str]


def character(router: Router) -> Character:
    """What ``router`` says of itself.

    Raises:
        UserError: the router violates its contract.
    """
    return Character(
        contract.standing(router),
        {name: values.tolist() for name, values in contract.certainty(router).items()},
        contract.doubts(router),
        contract.explanations(router),
    )


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
    whole = Reasons(
        router.score_title,
        scores,
        standing=contract.standing(router),
        intervals=contract.intervals(router, queries),
    )
    if found is None:
        return whole
    return replace(whole, clusters=found.numbers, sizes=found.sizes, tasks=found.tasks, similarity=found.similarity)
