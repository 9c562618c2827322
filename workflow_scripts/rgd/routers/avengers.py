"""AVENGERS: cluster all training queries and rank the pool by accuracy in each (arXiv 2505.19797, section 3)."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Self

import numpy as np

from rgd.routers.base import Clusters, Count, Router, TestQueries, TrainingSet, group_means, rank_members
from rgd.routing.clustering import cluster_means, kmeans_labels
from rgd.seeds import derive_seed


@dataclass(kw_only=True)
class Avengers(Router):
    """Query-answer router: accuracy per k-means cluster; a test query takes the ranking of its nearest cluster.

    Equal accuracies in a cluster go to the member with the higher accuracy over all training queries.

    Args:
        n_clusters: number of k-means clusters, at most the number of distinct training queries.
        n_init: number of k-means starts.

    Learned:
        centroids_ (C, d) float32 cluster means, accuracy_ (C, M), overall_ (M,), sizes_ (C,) int32.
    """

    needs_labels = True
    family = "query-answer"
    variants = MappingProxyType({"top1": 1, "top3": 3})
    aggregate = "majority"
    score_title = "accuracy in the cluster"

    n_clusters: Count = 64
    n_init: Count = 1

    def fit(self, train: TrainingSet) -> Self:
        """Cluster the training queries and measure every member in every cluster."""
        self.remember_pool(train)
        correct = train.correct().astype(np.float64)
        seed = derive_seed(train.seed, "avengers", self.n_clusters)
        labels = kmeans_labels(train.embeddings, self.n_clusters, seed, n_init=self.n_init)
        self.centroids_ = cluster_means(train.embeddings, labels).astype(np.float32)
        self.accuracy_ = group_means(correct, labels, len(self.centroids_))
        self.overall_ = correct.mean(axis=0)
        self.sizes_ = np.bincount(labels).astype(np.int32)
        return self

    def scores(self, queries: TestQueries) -> np.ndarray:
        """The accuracies (n, M) in the cluster of each query."""
        return self.accuracy_[self._nearest(queries)]

    def rank(self, queries: TestQueries) -> np.ndarray:
        """Rank by the accuracies in each query's cluster, equal ones by those over all training queries."""
        return rank_members(self.scores(queries), self.members_, tie=self.overall_)

    def centroids(self) -> tuple[np.ndarray, np.ndarray]:
        """The cluster means and their rankings; the nearest one is that by Euclidean distance."""
        return self.centroids_, rank_members(self.accuracy_, self.members_, tie=self.overall_)

    def clusters(self, queries: TestQueries) -> Clusters:
        """The cluster whose mean is nearest to each query."""
        nearest = self._nearest(queries)
        means = self.centroids_[nearest]
        similarity = (queries.embeddings * means).sum(axis=1) / np.maximum(np.linalg.norm(means, axis=1), 1e-12)
        return Clusters(nearest, similarity, self.sizes_)

    def _nearest(self, queries: TestQueries) -> np.ndarray:
        """The cluster (n,) whose mean is nearest to each query (Euclidean, as in k-means)."""
        # ||x - c||^2 without ||x||^2, which is the same for every cluster.
        distance = (self.centroids_**2).sum(axis=1) - 2.0 * (queries.embeddings @ self.centroids_.T)
        return np.argmin(distance.round(6), axis=1)


ROUTER = Avengers
