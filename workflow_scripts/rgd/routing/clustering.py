"""k-means and the cosine silhouette on unit vectors, for many runs on the same points at once."""

from collections.abc import Sequence

import numpy as np

# Points whose squared distance is below this share of the largest squared length are one point: rounding of float32.
NOISE = 1e-6
MAX_ITERATIONS = 300
# A run ends when no more than this share of its points changes its cluster: fewer than a thousand points go to the very
# end, and of many the long tail of iterations for a few is spared.
SETTLED = 1e-3
# Rows converted to float64 at once: 32 MiB at 4,096 dimensions.
BLOCK_ROWS = 1024
# With more points than this, k-means starts from the clusters of this many of them, drawn alike for every run,
SAMPLE = 2048
# unless it wants so many clusters that fewer than this many points would be drawn for each.
SAMPLE_PER_CLUSTER = 20


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows of ``vectors`` (n, d) at length 1, float64; a zero row stays zero."""
    vectors = np.asarray(vectors, dtype=np.float64)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(length > 0, length, 1.0)


class Products:
    """Inner products among n points: from their Gram matrix where it is small, else straight from the points.

    The Gram matrix takes n^2 d operations once and then 2 n^2 for each mean in each iteration of k-means, the points
    4 n d for each mean in each iteration.

    Args:
        points: (n, d); kept as float32.
    """

    def __init__(self, points: np.ndarray) -> None:
        self.points = np.ascontiguousarray(points, dtype=np.float32)
        self.squares = np.einsum("nd,nd->n", self.points, self.points)
        n, dimension = self.points.shape
        self.gram = self.points @ self.points.T if n <= min(SAMPLE, 2 * dimension) else None

    def with_points(self, rows: np.ndarray) -> np.ndarray:
        """Products of the points ``rows`` (r,) with all points, (r, n) float32."""
        return self.points[rows] @ self.points.T if self.gram is None else self.gram[rows]

    def with_sums(self, weights: np.ndarray) -> np.ndarray:
        """Products of weighted sums of points, ``weights`` (c, n) float32, with all points, (c, n) float32."""
        return (weights @ self.points) @ self.points.T if self.gram is None else weights @ self.gram


def kmeans(
    products: Products, weights: np.ndarray, clusters: Sequence[int], seeds: Sequence[int], n_init: int = 1
) -> np.ndarray:
    """Many k-means runs (greedy k-means++ starts, Lloyd's iterations to the end) on the same points.

    A run's labels depend on its own weights, clusters and seed, not on the other runs.

    Args:
        products: of the n points.
        weights: (r, n) weight of each point in each run; 0 where it is no part of the run.
        clusters: (r,) wanted clusters; a run has fewer where it has fewer distinct points.
        seeds: (r,) seed of each run.
        n_init: starts of each run, of which the one with the smallest inertia is kept.

    Returns:
        (r, n) int32: cluster of each point, numbered without gaps in the order of their first point; -1 outside the
        run.
    """
    weights = np.asarray(weights, dtype=np.float32)
    owner = np.repeat(np.arange(len(weights)), n_init)
    generators = [np.random.default_rng([seed, start]) for seed in seeds for start in range(n_init)]
    labels = starts(products, weights[owner], np.asarray(clusters)[owner], generators)
    labels = lloyd(products, weights[owner], labels)
    if n_init > 1:
        spread = inertia(products, weights[owner], labels).reshape(-1, n_init)
        noise = NOISE * products.squares.max() * weights.sum(axis=1)
        best = np.argmax(spread <= spread.min(axis=1, keepdims=True) + noise[:, None], axis=1)
        labels = labels[np.arange(len(weights)) * n_init + best]
    for run, part in enumerate(weights > 0):
        labels[run, part] = compact(labels[run, part])
        labels[run, ~part] = -1
    return labels


def kmeans_labels(
    points: np.ndarray, k: int, seed: int, weights: np.ndarray | None = None, n_init: int = 1
) -> np.ndarray:
    """Cluster of each point by one run of :func:`kmeans`, (n,) int32."""
    k = min(k, len(points))
    weights = np.ones(len(points)) if weights is None else weights
    return kmeans(Products(points), weights[None], [k], [seed], n_init)[0]


def starts(
    products: Products, weights: np.ndarray, clusters: np.ndarray, generators: Sequence[np.random.Generator]
) -> np.ndarray:
    """Labels (r, n) int32 that Lloyd's iterations start from: by k-means++, or by the clusters of a sample.

    With many points a run starts from the means that k-means finds in a sample of them (Bradley and Fayyad 1998), which
    is no worse and spares the passes over all points that k-means++ and the first iterations take.
    """
    n = weights.shape[1]
    rows = np.sort(np.random.default_rng(n).permutation(n)[:SAMPLE])
    sampled = (weights[:, rows] > 0).sum(axis=1) >= SAMPLE_PER_CLUSTER * clusters
    if n <= SAMPLE or not sampled.any():
        return spread_starts(products, weights, clusters, generators)
    part = np.flatnonzero(sampled)
    sample, inside = Products(products.points[rows]), weights[np.ix_(part, rows)]
    found = spread_starts(sample, inside, clusters[part], [generators[run] for run in part])
    # A sample of too few distinct points says nothing of how many there are in all.
    distinct = found.max(axis=1) + 1 == clusters[part]
    part, inside = part[distinct], inside[distinct]
    labels = np.zeros(weights.shape, dtype=np.int32)
    labels[np.ix_(part, rows)] = lloyd(sample, inside, found[distinct])
    # The sample has come to its end: one iteration with its points alone takes all others to their nearest mean.
    alone = np.zeros((len(part), n), dtype=np.float32)
    alone[:, rows] = inside
    labels[part] = lloyd(products, alone, labels[part])
    rest = np.setdiff1d(np.arange(len(weights)), part)
    if len(rest):
        labels[rest] = spread_starts(products, weights[rest], clusters[rest], [generators[run] for run in rest])
    return labels


def trials(clusters: int) -> int:
    """How many points greedy k-means++ compares for each centre (Arthur and Vassilvitskii 2007, section 5)."""
    return 2 + int(np.log(clusters))


def spread_starts(
    products: Products, weights: np.ndarray, clusters: np.ndarray, generators: Sequence[np.random.Generator]
) -> np.ndarray:
    """Labels (r, n) int32 of all points by the nearest centre of each run's k-means++ start.

    A centre is a point drawn with probability proportional to its weight times its squared distance from the nearest
    centre before it; of several drawn, the one that leaves the smallest inertia. A run ends early when all its points
    lie on its centres.
    """
    draws = [generator.random((k, trials(k))) for generator, k in zip(generators, clusters.tolist(), strict=True)]
    labels = np.zeros(weights.shape, dtype=np.int32)
    distance = np.ones(weights.shape, dtype=np.float32)
    noise = NOISE * products.squares.max()
    open_runs = np.arange(len(weights))
    for centre in range(int(clusters.max())):
        open_runs = open_runs[clusters[open_runs] > centre]
        mass = np.cumsum(weights[open_runs] * distance[open_runs], axis=1, dtype=np.float64)
        left = mass[:, -1] > 0
        open_runs, mass = open_runs[left], mass[left]
        if len(open_runs) == 0:
            break
        compared = None if centre else 1
        drawn = [_draw(row, draws[run][centre, :compared]) for row, run in zip(mass, open_runs, strict=True)]
        run, candidates = np.repeat(open_runs, [len(points) for points in drawn]), np.concatenate(drawn)
        gaps = products.squares + products.squares[candidates, None] - 2.0 * products.with_points(candidates)
        gaps[gaps < noise] = 0.0
        remaining = np.minimum(gaps, distance[run]) if centre else gaps
        cost = np.einsum("cn,cn->c", remaining, weights[run])
        _, first, place = np.unique(run, return_index=True, return_inverse=True)
        # Of equally good candidates the first that was drawn.
        good = np.flatnonzero(cost <= np.minimum.reduceat(cost, first)[place] * (1.0 + NOISE))
        best = good[np.unique(run[good], return_index=True)[1]]
        labels[open_runs] = np.where(gaps[best] < distance[open_runs] - noise, centre, labels[open_runs])
        distance[open_runs] = remaining[best]
    return labels


def _draw(mass: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Points drawn by their cumulative ``mass`` (n,) with ``uniform`` numbers (t,); none of no mass."""
    points = np.searchsorted(mass, uniform * mass[-1], side="right")
    return np.minimum(points, np.searchsorted(mass, mass[-1]))


def lloyd(products: Products, weights: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Lloyd's iterations of each run from its start until its points keep their clusters (see ``SETTLED``).

    A cluster that has lost all its points takes the point farthest from its mean, if one lies apart from its mean.

    Args:
        products: of the n points.
        weights: (r, n) float32.
        labels: (r, n) cluster of each point at the start.

    Returns:
        (r, n) int32 labels; of equally near means a point goes to the first.
    """
    labels = labels.astype(np.int32)
    part = weights > 0
    noise = NOISE * products.squares.max()
    # Squared distances from the means without the point's own square, which is the same for every mean.
    distance = np.full((len(labels), int(labels.max(initial=0)) + 1, labels.shape[1]), np.inf, dtype=np.float32)
    changed = np.zeros(distance.shape[:2], dtype=bool)
    runs, points = np.nonzero(part)
    changed[runs, labels[runs, points]] = True
    for _ in range(MAX_ITERATIONS):
        # Only the means of clusters that changed are new; a run at its end has none, and costs nothing more.
        run, cluster = np.nonzero(changed)
        if len(run) == 0:
            break
        share = np.where(labels[run] == cluster[:, None], weights[run], np.float32(0.0))
        total = share.sum(axis=1)
        filled = total > 0
        share /= np.where(filled, total, 1.0)[:, None]
        similarity = products.with_sums(share)
        squares = np.where(filled, (share * similarity).sum(axis=1), np.inf)
        distance[run, cluster] = squares[:, None] - 2.0 * similarity
        moving = np.unique(run)
        nearest = _first_smallest(distance[moving], noise)
        moved = (nearest != labels[moving]) & part[moving]
        changed[:] = False
        going = moved.sum(axis=1) > SETTLED * part[moving].sum(axis=1)
        rows, points = np.nonzero(moved & going[:, None])
        changed[moving[rows], labels[moving[rows], points]] = True
        changed[moving[rows], nearest[rows, points]] = True
        labels[moving] = nearest
        for emptied in np.unique(run[~filled]):
            lost = cluster[~filled & (run == emptied)]
            gaps = distance[emptied, labels[emptied], np.arange(labels.shape[1])] + products.squares
            gaps = np.where(part[emptied], gaps, 0.0)
            farthest = int(np.argmax(gaps >= gaps.max() - noise))
            if gaps[farthest] > noise:
                # One point in an iteration: the others that are lost are looked at again in the next.
                changed[emptied, lost] = changed[emptied, labels[emptied, farthest]] = True
                labels[emptied, farthest] = lost[0]
    return labels


def _first_smallest(values: np.ndarray, noise: float) -> np.ndarray:
    """The first place on axis 1 of (r, k, n) whose value is the smallest but for ``noise``, int32 (r, n)."""
    bound = values.min(axis=1) + noise
    where = np.zeros(bound.shape, dtype=np.int32)
    for index in range(values.shape[1] - 1, -1, -1):
        np.copyto(where, index, where=values[:, index] <= bound)
    return where


def inertia(products: Products, weights: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Weighted sum of squared distances of the points from the means of their clusters, float64 (r,) for r runs."""
    spread = (weights * products.squares).sum(axis=1, dtype=np.float64)
    for run, own in enumerate(labels):
        share = np.where(own == np.arange(int(own.max()) + 1)[:, None], weights[run], np.float32(0.0))
        total = share.sum(axis=1, dtype=np.float64)
        inside = (share * products.with_sums(share)).sum(axis=1, dtype=np.float64)
        spread[run] -= (inside / np.where(total > 0, total, 1.0)).sum()
    return spread


def compact(labels: np.ndarray) -> np.ndarray:
    """The same partition (n,) numbered 0, 1, ... in the order of first appearance, int32."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse].astype(np.int32)


def weighted_sums(points: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Sums of ``points`` (n, d) with each row of ``weights`` (c, n), float64 (c, d), without a float64 copy of all."""
    sums = np.zeros((len(weights), points.shape[1]))
    for start in range(0, len(points), BLOCK_ROWS):
        block = slice(start, start + BLOCK_ROWS)
        sums += weights[:, block] @ points[block].astype(np.float64)
    return sums


def cluster_means(points: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The mean of each cluster's points, float64 (c, d), for labels 0 .. c-1 without gaps."""
    members = (labels == np.arange(int(labels.max()) + 1)[:, None]).astype(np.float64)
    return weighted_sums(points, members) / members.sum(axis=1)[:, None]


def silhouettes(products: Products, labels: np.ndarray) -> np.ndarray:
    """Mean silhouette under cosine distance of each run's clusters, (r,); -inf for fewer than two clusters.

    Args:
        products: of n unit vectors.
        labels: (r, n) as :func:`kmeans` gives them.
    """
    clusters = labels.max(axis=1) + 1
    run = np.repeat(np.arange(len(labels)), clusters)
    cluster = np.concatenate([np.arange(count) for count in clusters])
    sums = products.with_sums((labels[run] == cluster[:, None]).astype(np.float32))
    found = np.full(len(labels), -np.inf)
    for index in np.flatnonzero(clusters > 1):
        part = labels[index] >= 0
        found[index] = _mean_silhouette(sums[run == index][:, part].T, labels[index, part])
    return found


def cosine_silhouette(points: np.ndarray, labels: np.ndarray) -> float:
    """Mean silhouette under cosine distance of clusters of unit vectors.

    Args:
        points: (n, d) unit vectors.
        labels: (n,) cluster numbers 0 .. c-1 without gaps.

    Raises:
        ValueError: fewer than two clusters.
    """
    points = np.asarray(points, dtype=np.float64)
    members = (labels == np.arange(int(labels.max()) + 1)[:, None]).astype(np.float64)
    if len(members) < 2:
        raise ValueError("a silhouette needs at least two clusters")
    return _mean_silhouette(points @ (members @ points).T, labels)


def _mean_silhouette(similarity_sums: np.ndarray, labels: np.ndarray) -> float:
    """Mean silhouette, exact, from each point's summed similarity to each cluster (n, c), in O(n c).

    On unit vectors the summed distance from x to a cluster C is |C| - x . S_C, where S_C is the sum of its points.
    A point alone in its cluster counts 0, as does one at distance 0 from its own and another cluster.
    """
    sizes = np.bincount(labels, minlength=similarity_sums.shape[1])
    distance_sums = sizes - similarity_sums.astype(np.float64)
    rows = np.arange(len(labels))
    own_size = sizes[labels]
    within = np.maximum(distance_sums[rows, labels], 0.0) / np.maximum(own_size - 1, 1)
    to_others = np.maximum(distance_sums, 0.0) / sizes
    to_others[rows, labels] = np.inf
    nearest_other = to_others.min(axis=1)
    larger = np.maximum(within, nearest_other)
    # Distances between equal unit vectors are rounding noise, not a reason to prefer a cluster.
    defined = (own_size > 1) & (larger > 1e-6)
    return float(np.where(defined, (nearest_other - within) / np.where(defined, larger, 1.0), 0.0).mean())
