"""CASCAL: skill niches found from agreement alone (arXiv 2601.09692, section 3.2).

The defaults are the paper's procedure. Each step in which the authors' released code does something else is an option,
so that the two can be mixed; config/router/cascal_released.yaml sets them all.
"""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from annotated_types import Ge, Le

from rgd.routers.base import (
    Clusters,
    Count,
    Family,
    NotNegative,
    Positive,
    Router,
    Share,
    TestQueries,
    TrainingSet,
    group_means,
    rank_members,
)
from rgd.routing.clustering import Products, cluster_means, kmeans, silhouettes, unit, weighted_sums
from rgd.routing.consensus import Spread, VoteWeight, consensus, majority
from rgd.routing.rounding import DECIMALS
from rgd.seeds import derive_seed


@dataclass(kw_only=True)
class Cascal(Router):
    """Query-only router: clusters of queries per task, each with a ranking of the pool by mean consensus score.

    Args:
        vote_weight: weight of a vote in the consensus score, in training and when members answer.
        confidence_spread: how z is computed: from mean and standard deviation (``mean``) or from median and scaled MAD
            (``median``).
        min_votes: minimum votes for a majority answer.
        min_share: a query counts as a member's strength only if at least this share of the pool gave its majority
            answers, all tied ones together.
        weight_by_share: whether k-means weighs queries by that share.
        k_min: fewest clusters tried per member and task.
        k_max: most clusters tried per member and task.
        silhouette_threshold: if the best cosine silhouette is below this, a single centroid is kept.
        n_init: number of k-means starts.
        merge_distance: centroids within this cosine distance merge.
        merge_order: merge the ``closest`` pair until none is near, or make one pass in order of ``creation``: of two
            near centroids the one with more seeds takes the other, and a centroid that is taken takes no more.
        score_decimals: mean scores are rounded to this many decimals before ranking; None keeps all.
        global_decimals: mean scores over all training queries are rounded to this many decimals; None keeps all.
        prune_top: number of leading members compared in pruning, at most one fewer than the pool has.
        prune_jaccard: clusters whose sets of leading members are at least this similar merge.
        pruned_queries: queries of a pruned cluster join their ``nearest`` remaining centroid, or the ``survivor`` that
            made the cluster redundant.
        task_rule: a new query takes the task of its ``nearest_query`` in training, or the task with the
            ``nearest_mean`` of centroids.
        selection: rank by the ``nearest`` centroid, or by a ``mixture`` of the nearest ``mix_count``.
        mix_count: number of centroids in a mixture.
        mix_temperature: temperature of their weights, softmax(-distance / temperature).
        score_temperature: temperature that sharpens a mixed cluster's scores, softmax(score / temperature).
        far_distance: beyond this distance from the nearest centroid, the mixture shifts to each member's share of the
            summed scores over all training queries, which are not sharpened.
        far_width: distance over which it shifts, linearly.

    Learned:
        task_names_ (T,), training_tasks_ (n,) int32 task of each training row, centroids_ (C, d) float32 unit rows,
        centroid_tasks_ (C,) int32, scores_ (C, M) mean score of each member, sizes_ (C,) queries, global_scores_ (M,).
    """

    compares_answers: ClassVar[bool] = True
    family: ClassVar[Family] = "query-only"
    variants = MappingProxyType({"top1": 1, "top3": 3})
    aggregate = "consensus"

    score_name = "mean consensus score in the cluster"

    vote_weight: VoteWeight = "logistic"
    confidence_spread: Spread = "mean"
    min_votes: Count = 2
    min_share: Share = 0.0
    weight_by_share: bool = False
    k_min: Annotated[int, Ge(2)] = 2
    k_max: Annotated[int, Ge(2)] = 5
    silhouette_threshold: Annotated[float, Ge(-1), Le(1)] = 0.05
    n_init: Count = 1
    merge_distance: NotNegative = 0.15
    merge_order: Literal["closest", "creation"] = "closest"
    score_decimals: Annotated[int, Ge(0)] | None = None
    global_decimals: Annotated[int, Ge(0)] | None = None
    prune_top: Count = 3
    prune_jaccard: NotNegative = 0.95
    pruned_queries: Literal["nearest", "survivor"] = "nearest"
    task_rule: Literal["nearest_query", "nearest_mean"] = "nearest_query"
    selection: Literal["nearest", "mixture"] = "nearest"
    mix_count: Count = 3
    mix_temperature: Positive = 0.1
    score_temperature: Positive = 0.1
    far_distance: NotNegative = 0.5
    far_width: Positive = 0.2

    def __post_init__(self) -> None:
        if self.k_min > self.k_max:
            raise ValueError(f"k_min = {self.k_min} is above k_max = {self.k_max}: make it at most k_max.")

    @property
    def score_title(self) -> str:
        """What the scores are, in words."""
        return self.score_name if self.selection == "nearest" else f"{self.score_name}, mixed over the nearest clusters"

    def fit(self, train: TrainingSet) -> Self:
        """Find each task's skill clusters and rank the pool in them; ``train.labels`` are not looked at."""
        self.remember_pool(train)
        strong, share, scores = self.evidence(train)
        self.task_names_, self.training_tasks_ = np.unique(train.tasks, return_inverse=True)
        self.training_tasks_ = self.training_tasks_.astype(np.int32)
        centroids, centroid_tasks, sizes, means = [], [], [], []
        for task, name in enumerate(self.task_names_):
            rows = np.flatnonzero(self.training_tasks_ == task)
            points = np.ascontiguousarray(train.embeddings[rows], dtype=np.float32)
            seeds = self._seed_centroids(points, strong[rows], share[rows], (train.seed, str(name)), train.members)
            found, assigned = self._clusters(points, scores[rows], seeds)
            centroids.append(found)
            centroid_tasks.append(np.full(len(found), task, dtype=np.int32))
            sizes.append(np.bincount(assigned, minlength=len(found)))
            means.append(mean_scores(scores[rows], assigned, len(found), self.score_decimals))
        self.centroids_ = np.concatenate(centroids).astype(np.float32)
        self.centroid_tasks_ = np.concatenate(centroid_tasks)
        self.sizes_ = np.concatenate(sizes).astype(np.int32)
        self.scores_ = np.concatenate(means)
        everything = np.zeros(len(scores), dtype=np.int32)
        self.global_scores_ = mean_scores(scores, everything, 1, self.global_decimals)[0]
        return self

    def evidence(self, train: TrainingSet) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What stands for skill: strong (n, M) bool, share (n,) of the pool behind the majority, scores (n, M)."""
        found = consensus(train.answers, train.confidence, self.vote_weight, self.min_votes, self.confidence_spread)
        share = majority_share(train.answers)
        strong = found.in_majority & (share >= self.min_share)[:, None]
        return strong, share, found.scores

    def scores(self, queries: TestQueries) -> np.ndarray:
        """The mean scores (n, M) in the clusters of each query's task that are nearest to it.

        Under ``nearest_query`` the task is always one that was trained on, whatever the query is about.
        """
        similarity = self._similarity(queries, self._tasks(queries))
        if self.selection == "nearest":
            return self.scores_[np.argmax(similarity, axis=1)]
        return self._mixed_scores(similarity)

    def centroids(self) -> tuple[np.ndarray, np.ndarray] | None:
        """The centroids and their rankings; None for a mixture. A query looks at those of its task alone."""
        return (self.centroids_, rank_members(self.scores_, self.members_)) if self.selection == "nearest" else None

    def clusters(self, queries: TestQueries) -> Clusters:
        """The cluster of each query's task that is nearest to it."""
        tasks = self._tasks(queries)
        similarity = self._similarity(queries, tasks)
        return Clusters(
            np.argmax(similarity, axis=1), similarity.max(axis=1), self.sizes_, tasks=self.task_names_[tasks]
        )

    def _tasks(self, queries: TestQueries) -> np.ndarray:
        if self.task_rule == "nearest_query":
            return self.training_tasks_[queries.nearest(1, len(self.training_tasks_))[:, 0]]
        means = unit(cluster_means(self.centroids_, self.centroid_tasks_))
        return np.argmax((queries.embeddings @ means.T).round(DECIMALS), axis=1)

    def _similarity(self, queries: TestQueries, task: np.ndarray) -> np.ndarray:
        """Cosine similarity of each query to every centroid of its ``task`` (n,); -inf to the others: (n, C)."""
        similarity = np.asarray(queries.embeddings, dtype=np.float32) @ self.centroids_.T
        return np.where(self.centroid_tasks_ == task[:, None], similarity, -np.inf).round(6)

    def _mixed_scores(self, similarity: np.ndarray) -> np.ndarray:
        """Sharpened scores of the nearest centroids, blended with distance towards shares of the global ones, (n, M)."""
        count = min(self.mix_count, similarity.shape[1])
        nearest = np.argsort(-similarity, axis=1, kind="stable")[:, :count]
        distance = 1.0 - np.take_along_axis(similarity, nearest, axis=1).astype(np.float64)
        weights = softmax(-distance / self.mix_temperature)
        # A cluster in which nobody has a score says nothing.
        scored = self.scores_.any(axis=1, keepdims=True)
        sharpened = np.where(scored, softmax(self.scores_ / self.score_temperature), 0.0)
        mixed = shares(np.einsum("qc,qcm->qm", weights, sharpened[nearest]))
        far = np.clip((distance[:, :1] - self.far_distance) / self.far_width, 0.0, 1.0)
        return (1.0 - far) * mixed + far * shares(self.global_scores_)

    def _seed_centroids(
        self,
        points: np.ndarray,
        strong: np.ndarray,
        share: np.ndarray,
        purpose: tuple[int, str],
        members: tuple[str, ...],
    ) -> np.ndarray:
        """Unit centroids (c, d) of the members' strengths in one task, merged."""
        weights = np.where(strong, share[:, None] if self.weight_by_share else 1.0, 0.0).T
        labels = self._best_labels(points, weights, purpose, members)
        member = np.repeat(np.arange(len(members)), labels.max(axis=1) + 1)
        if len(member) == 0:
            # Nobody agrees with anybody: the task is one cluster.
            return unit(points.mean(axis=0, keepdims=True))
        cluster = np.concatenate([np.arange(count) for count in labels.max(axis=1) + 1])
        inside = labels[member] == cluster[:, None]
        centroids = unit(weighted_sums(points, np.where(inside, weights[member], 0.0)))
        merge = merge_closest if self.merge_order == "closest" else merge_in_creation_order
        return merge(centroids, inside.sum(axis=1), self.merge_distance)

    def _best_labels(
        self, points: np.ndarray, weights: np.ndarray, purpose: tuple[int, str], members: tuple[str, ...]
    ) -> np.ndarray:
        """Labels (M, n) of each member's strengths: of the k with the best silhouette, or one cluster; -1 elsewhere.

        Args:
            points: (n, d) of one task.
            weights: (M, n), 0 where a query is no strength of the member.
            purpose: seed and task, from which, with the member and k, the seed of each k-means run is derived.
            members: (M,) keys.
        """
        labels = np.where(weights > 0, 0, -1).astype(np.int32)
        most = np.minimum(self.k_max, (weights > 0).sum(axis=1) - 1)
        runs = [(member, k) for member, limit in enumerate(most) for k in range(self.k_min, limit + 1)]
        if not runs:
            return labels
        seed, task = purpose
        seeds = [derive_seed(seed, "cascal", task, members[member], k) for member, k in runs]
        member, clusters = np.array(runs).T
        products = Products(points)
        found = kmeans(products, weights[member], clusters, seeds, self.n_init)
        silhouette = silhouettes(products, found).round(6)
        for index in np.unique(member):
            # The first of equals: the smallest k.
            best = np.flatnonzero(member == index)[silhouette[member == index].argmax()]
            if silhouette[best] >= self.silhouette_threshold:
                labels[index] = found[best]
        return labels

    def _clusters(self, points: np.ndarray, scores: np.ndarray, seeds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Assign queries to centroids, drop empty and redundant ones; centroids (c, d) and each query's (n,)."""
        assigned = nearest_rows(points, seeds)
        occupied = np.unique(assigned)
        seeds, assigned = seeds[occupied], np.searchsorted(occupied, assigned)
        means = mean_scores(scores, assigned, len(seeds), self.score_decimals)
        ranking = rank_members(means, self.members_)
        top = min(self.prune_top, max(1, scores.shape[1] - 1))
        survivor = prune(ranking[:, :top], np.bincount(assigned), self.prune_jaccard)
        kept = np.unique(survivor)
        if self.pruned_queries == "survivor":
            assigned = np.searchsorted(kept, survivor[assigned])
        else:
            assigned = nearest_rows(points, seeds[kept])
        return unit(cluster_means(points, assigned)), assigned


def mean_scores(scores: np.ndarray, assigned: np.ndarray, clusters: int, decimals: int | None) -> np.ndarray:
    """Mean of the queries' scores (n, M) in each cluster, (clusters, M), rounded to ``decimals`` unless that is None."""
    means = group_means(scores, assigned, clusters)
    # Twice, so that a mean halfway between two decimals is rounded alike whatever the order of its sum.
    return means if decimals is None else means.round(DECIMALS).round(decimals)


def majority_share(answers: np.ndarray) -> np.ndarray:
    """Share of the pool that gave one of the most frequent answers, all tied ones together, (n,)."""
    return majority(answers, min_votes=1).mean(axis=1)


def nearest_rows(points: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Index of the centroid nearest to each point by cosine (the first of equals), (n,)."""
    return np.argmax((points @ centroids.T.astype(np.float32)).round(6), axis=1)


def merge_closest(centroids: np.ndarray, counts: np.ndarray, distance: float) -> np.ndarray:
    """Replace the closest pair of unit centroids by its weighted unit mean while it is within ``distance``.

    The merged centroid takes the place of the first of the pair; of equally close pairs the first goes first.
    """
    centroids, counts = centroids.copy(), counts.astype(np.float64)
    left = np.ones(len(centroids), dtype=bool)
    gaps = (1.0 - centroids @ centroids.T).round(DECIMALS)
    gaps[np.tril_indices(len(centroids))] = np.inf
    for _ in range(len(centroids) - 1):
        first, second = np.unravel_index(np.argmin(gaps), gaps.shape)
        if gaps[first, second] > distance:
            break
        pair = [first, second]
        centroids[first] = unit(counts[pair] @ centroids[pair][None])[0]
        counts[first] = counts[pair].sum()
        left[second] = False
        from_merged = np.where(left, (1.0 - centroids @ centroids[first]).round(DECIMALS), np.inf)
        gaps[second] = gaps[:, second] = np.inf
        gaps[:first, first], gaps[first, first + 1 :] = from_merged[:first], from_merged[first + 1 :]
    return centroids[left]


def merge_in_creation_order(centroids: np.ndarray, counts: np.ndarray, distance: float) -> np.ndarray:
    """Merge unit centroids that are nearer than ``distance`` in one pass over them in their order (as released).

    Each centroid that no other has taken meets the later ones near it that are free too. It takes those with as many
    seeds or fewer; the first with more takes it, with all that it has taken, and ends its turn. Distances are those of
    the centroids as given. A group becomes its weighted unit mean, in the place of its first centroid.
    """
    near = (1.0 - centroids @ centroids.T).round(DECIMALS) < distance
    taker = np.arange(len(centroids))
    for first in range(len(centroids)):
        if taker[first] != first:
            continue
        for second in (first + 1 + np.flatnonzero(near[first, first + 1 :])).tolist():
            if taker[second] != second:
                continue
            if counts[second] > counts[first]:
                taker[first] = second
                break
            taker[second] = first
    while (taker[taker] != taker).any():
        taker = taker[taker]
    _, places = np.unique(taker, return_index=True)
    groups = [taker == taker[place] for place in np.sort(places)]
    return unit(np.array([counts[group] @ centroids[group] for group in groups]))


def prune(leading: np.ndarray, sizes: np.ndarray, jaccard: float) -> np.ndarray:
    """For each cluster, the cluster that stands for it: itself, or a larger one with nearly the same leading members.

    Args:
        leading: (c, t) member indices.
        sizes: (c,) queries in each; of two alike the larger stays, of equally large ones the first.
        jaccard: the similarity of two sets of leading members from which they are alike.
    """
    survivor = np.arange(len(leading))
    kept: list[int] = []
    for cluster in np.lexsort((survivor, -sizes)).tolist():
        own = set(leading[cluster].tolist())
        for other in kept:
            theirs = set(leading[other].tolist())
            if len(own & theirs) / len(own | theirs) >= jaccard:
                survivor[cluster] = other
                break
        else:
            kept.append(cluster)
    return survivor


def shares(scores: np.ndarray) -> np.ndarray:
    """Each score's share of the sum over the last axis; scores as they are where that is not above 0."""
    total = scores.sum(axis=-1, keepdims=True)
    return scores / np.where(total > 0, total, 1.0)


def softmax(values: np.ndarray) -> np.ndarray:
    """Softmax over the last axis."""
    exponentials = np.exp(values - values.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


ROUTER = Cascal
