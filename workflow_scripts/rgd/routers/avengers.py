"""AVENGERS: cluster all training queries and rank the pool by accuracy in each (arXiv 2505.19797, section 3)."""

from types import MappingProxyType
from typing import Self

import numpy as np

from rgd.routers.base import Router, TestQueries, TrainingSet, group_means, rank_members
from rgd.routing.clustering import cluster_means, kmeans_labels
from rgd.seeds import derive_seed


class Avengers(Router):
    """Query-answer router: accuracy per k-means cluster; a test query takes the ranking of its nearest cluster.

    Equal accuracies in a cluster go to the member with the higher accuracy over all training queries.

    Args:
        n_clusters: k of k-means; as many clusters as there are (distinct) training queries where there are fewer.
        n_init: k-means starts.

    Learned:
        centroids_ (C, d) float32 cluster means, accuracy_ (C, M), overall_ (M,), sizes_ (C,) int32.
    """

    needs_labels = True
    family = "query-answer"
    variants = MappingProxyType({"top1": 1, "top3": 3})
    aggregate = "majority"

    def __init__(self, *, n_clusters: int = 64, n_init: int = 1) -> None:
        if n_clusters < 1 or n_init < 1:
            raise ValueError(f"n_clusters = {n_clusters} and n_init = {n_init} must be at least 1")
        self.n_clusters = n_clusters
        self.n_init = n_init

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

    def rank(self, queries: TestQueries) -> np.ndarray:
        """Rank by the cluster whose mean is nearest (Euclidean, as in k-means)."""
        # ||x - c||^2 without ||x||^2, which is the same for every cluster.
        distance = (self.centroids_**2).sum(axis=1) - 2.0 * (queries.embeddings @ self.centroids_.T)
        nearest = np.argmin(distance.round(6), axis=1)
        return rank_members(self.accuracy_, self.members_, tie=self.overall_)[nearest]


ROUTER = Avengers
