"""k-means and the cosine silhouette on unit vectors."""

import warnings

import numpy as np


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows of ``vectors`` (n, d) at length 1, float64; a zero row stays zero."""
    vectors = np.asarray(vectors, dtype=np.float64)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(length > 0, length, 1.0)


def coordinates(points: np.ndarray) -> np.ndarray:
    """Points with the same inner products as ``points`` (n, d), in at most n dimensions; float32.

    With fewer points than dimensions, distances cost less in the eigenvectors of the Gram matrix, which one
    decomposition gives for every clustering of these points or of some of them.
    """
    points = np.ascontiguousarray(points, dtype=np.float32)
    n, dimension = points.shape
    if n >= dimension:
        return points
    values, vectors = np.linalg.eigh((points @ points.T).astype(np.float64))
    return np.ascontiguousarray(vectors * np.sqrt(np.maximum(values, 0.0)), dtype=np.float32)


def kmeans_labels(
    points: np.ndarray, k: int, seed: int, weights: np.ndarray | None = None, n_init: int = 1
) -> np.ndarray:
    """Cluster of each point by k-means (k-means++ starts, the best of ``n_init``), (n,) int32.

    Clusters are numbered without gaps in the order of their first point; there are fewer than ``k`` where there are
    fewer distinct points.
    """
    k = min(k, len(points))
    if k == 1:
        return np.zeros(len(points), dtype=np.int32)
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    model = KMeans(n_clusters=k, n_init=n_init, random_state=seed)
    with warnings.catch_warnings():
        # Fewer distinct points than clusters: the clusters left empty are dropped below.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return compact(model.fit_predict(points, sample_weight=weights))


def compact(labels: np.ndarray) -> np.ndarray:
    """The same partition (n,) numbered 0, 1, ... in the order of first appearance, int32."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse].astype(np.int32)


def cluster_means(points: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """The (weighted) mean of each cluster's points, float64 (c, d), for labels 0 .. c-1 without gaps."""
    weights = np.ones(len(points)) if weights is None else weights
    means = np.empty((int(labels.max()) + 1, points.shape[1]))
    for cluster in range(len(means)):
        inside = labels == cluster
        means[cluster] = weights[inside] @ points[inside] / weights[inside].sum()
    return means


def cosine_silhouette(points: np.ndarray, labels: np.ndarray) -> float:
    """Mean silhouette under cosine distance, exact, from cluster sums in O(n k d).

    On unit vectors the summed distance from x to a cluster C is |C| - x . S_C, where S_C is the sum of its points.
    A point alone in its cluster counts 0, as does one at distance 0 from its own and another cluster.

    Args:
        points: (n, d) unit vectors.
        labels: (n,) cluster numbers 0 .. c-1 without gaps.

    Raises:
        ValueError: fewer than two clusters.
    """
    clusters = int(labels.max()) + 1
    if clusters < 2:
        raise ValueError("a silhouette needs at least two clusters")
    points = np.asarray(points, dtype=np.float64)
    sizes = np.bincount(labels, minlength=clusters)
    membership = np.zeros((clusters, len(points)))
    membership[labels, np.arange(len(points))] = 1.0
    distance_sums = sizes - points @ (membership @ points).T
    rows = np.arange(len(points))
    own_size = sizes[labels]
    within = np.maximum(distance_sums[rows, labels], 0.0) / np.maximum(own_size - 1, 1)
    to_others = np.maximum(distance_sums, 0.0) / sizes
    to_others[rows, labels] = np.inf
    nearest_other = to_others.min(axis=1)
    larger = np.maximum(within, nearest_other)
    # Distances between equal unit vectors are rounding noise, not a reason to prefer a cluster.
    defined = (own_size > 1) & (larger > 1e-6)
    return float(np.where(defined, (nearest_other - within) / np.where(defined, larger, 1.0), 0.0).mean())
