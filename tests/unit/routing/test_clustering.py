"""k-means: its parts against slow twins and definitions, its whole against scikit-learn."""

import numpy as np
import pytest

from rgd.routing import clustering
from rgd.routing.clustering import (
    Products,
    cluster_means,
    compact,
    cosine_silhouette,
    inertia,
    kmeans,
    kmeans_labels,
    lloyd,
    silhouettes,
    spread_starts,
    weighted_sums,
)
from tests.slow_twins import geometry
from tests.unit.routing_worlds import unit_rows


def blobs(seed, n=120, dimension=16, centres=5, spread=0.6):
    random = np.random.default_rng(seed)
    middles = random.normal(size=(centres, dimension))
    return unit_rows(middles[random.integers(0, centres, n)] + spread * random.normal(size=(n, dimension)))


def products_of(points, by_gram):
    products = Products(points)
    products.gram = products.points @ products.points.T if by_gram else None
    return products


def squared_gaps(points, labels, weights):
    return sum(
        weights[index] * geometry.squared_distance(points[index], mean)
        for cluster in set(labels.tolist())
        for mean in [geometry.mean(points[labels == cluster].tolist(), weights[labels == cluster].tolist())]
        for index in np.flatnonzero(labels == cluster)
    )


@pytest.mark.parametrize("by_gram", [True, False])
@pytest.mark.parametrize("seed", range(10))
def test_lloyd_is_its_slow_twin(seed, by_gram):
    random = np.random.default_rng(seed)
    points = blobs(seed, n=40, dimension=5)
    weights = random.choice([0.0, 0.5, 1.0, 2.0], (3, 40)).astype(np.float32)
    starts = np.stack([random.integers(0, k, 40) for k in (2, 3, 5)]).astype(np.int32)
    found = lloyd(products_of(points, by_gram), weights, starts)
    for run in range(3):
        expected = geometry.lloyd(points.tolist(), weights[run].tolist(), starts[run].tolist())
        part = weights[run] > 0
        assert found[run, part].tolist() == np.array(expected)[part].tolist()


def test_a_cluster_without_points_takes_the_farthest():
    points = np.array([[0.0], [1.0], [10.0], [11.0]])
    start = np.array([0, 1, 1, 0])
    # Both means are 5.5, so that the second cluster loses its points; 0 and 11 are the farthest.
    found = lloyd(products_of(points, True), np.ones((1, 4), dtype=np.float32), start[None])[0].tolist()
    assert found == geometry.lloyd(points.tolist(), [1.0] * 4, start.tolist()) == [1, 1, 0, 0]


@pytest.mark.parametrize("sample", [2048, 60])
@pytest.mark.parametrize("k", [2, 5, 9])
def test_the_inertia_is_that_of_scikit_learn_within_noise(k, sample, monkeypatch):
    from sklearn.cluster import KMeans

    monkeypatch.setattr(clustering, "SAMPLE", sample)
    monkeypatch.setattr(clustering, "SAMPLE_PER_CLUSTER", 6)
    ratios = []
    for seed in range(30):
        points = blobs(seed, centres=7, spread=1.0)
        theirs = KMeans(k, n_init=1, random_state=seed).fit(points).inertia_
        ours = squared_gaps(points, kmeans_labels(points, k, seed), np.ones(len(points)))
        ratios.append(ours / theirs)
    assert np.mean(ratios) == pytest.approx(1.0, abs=3 * np.std(ratios) / np.sqrt(len(ratios)) + 0.005)


def test_starts_are_good_before_any_iteration():
    spread = []
    for seed in range(20):
        points = blobs(seed, centres=4, spread=0.02)
        generator = [np.random.default_rng(seed)]
        labels = spread_starts(Products(points), np.ones((1, 120), dtype=np.float32), np.array([4]), generator)
        spread.append(len({tuple(row) for row in cluster_means(points, labels[0]).round(1)}))
    # Drawn with probability proportional to the squared distance, four centres find four far clusters.
    assert np.mean(spread) > 3.8


def test_a_run_is_the_same_alone_and_in_company():
    points = blobs(3)
    random = np.random.default_rng(3)
    weights = (random.random((6, 120)) < 0.7).astype(float)
    clusters, seeds = [2, 3, 4, 5, 2, 3], [11, 12, 13, 14, 15, 16]
    products = products_of(points, True)
    together = kmeans(products, weights, clusters, seeds, n_init=2)
    for run in range(6):
        alone = kmeans(products, weights[run : run + 1], [clusters[run]], [seeds[run]], n_init=2)
        np.testing.assert_array_equal(alone[0], together[run])
    np.testing.assert_array_equal(kmeans(products, weights, clusters, seeds, n_init=2), together)


def test_runs_start_from_a_sample_unless_too_few_of_their_points_are_in_it(monkeypatch):
    monkeypatch.setattr(clustering, "SAMPLE", 90)
    points = blobs(3)
    weights = np.ones((3, 120))
    weights[1, 20:] = 0.0
    sizes = []
    spread = clustering.spread_starts

    def watched(products, *rest):
        sizes.append((len(products.points), len(rest[0])))
        return spread(products, *rest)

    monkeypatch.setattr(clustering, "spread_starts", watched)
    labels = kmeans(Products(points), weights, [4, 3, 2], [1, 2, 3])
    assert sizes == [(90, 2), (120, 1)]
    assert labels.max(axis=1).tolist() == [3, 2, 1]
    for run in range(3):
        alone = kmeans(Products(points), weights[run : run + 1], [[4, 3, 2][run]], [run + 1])
        np.testing.assert_array_equal(alone[0], labels[run])
        start = np.where(labels[run : run + 1] < 0, 0, labels[run : run + 1])
        part = weights[run] > 0
        np.testing.assert_array_equal(lloyd(Products(points), weights[run : run + 1], start)[:, part], start[:, part])


def test_points_or_their_gram_matrix_give_the_same_labels():
    points = blobs(4)
    weights, clusters, seeds = np.ones((4, 120)), [2, 3, 4, 5], [1, 2, 3, 4]
    by_points = kmeans(products_of(points, False), weights, clusters, seeds)
    np.testing.assert_array_equal(kmeans(products_of(points, True), weights, clusters, seeds), by_points)
    turned = np.linalg.qr(np.random.default_rng(0).normal(size=(16, 16)))[0]
    np.testing.assert_array_equal(kmeans(products_of(points @ turned, True), weights, clusters, seeds), by_points)


def test_the_gram_matrix_is_for_few_points(monkeypatch):
    monkeypatch.setattr(clustering, "SAMPLE", 60)
    assert Products(blobs(0, n=60, dimension=30)).gram is not None
    assert Products(blobs(0, n=61, dimension=100)).gram is None
    assert Products(blobs(0, n=60, dimension=29)).gram is None


def test_points_outside_a_run_are_not_looked_at():
    points = blobs(5)
    weights = np.zeros((1, 120))
    weights[0, :80] = 1.0
    labels = kmeans(products_of(points, True), weights, [4], [9])
    assert (labels[0, 80:] == -1).all()
    moved = points.copy()
    moved[80:] = points[0]
    np.testing.assert_array_equal(kmeans(products_of(moved, True), weights, [4], [9]), labels)


def test_a_weight_of_two_is_two_points():
    points = blobs(6, n=60)
    weights = np.ones((1, 60), dtype=np.float32)
    weights[0, ::3] = 2.0
    twice = np.repeat(np.arange(60), weights[0].astype(int))
    start = np.random.default_rng(6).integers(0, 4, (1, 60))
    weighted = lloyd(products_of(points, True), weights, start)
    repeated = lloyd(products_of(points[twice], True), np.ones((1, len(twice)), dtype=np.float32), start[:, twice])
    np.testing.assert_array_equal(weighted[:, twice], repeated)


@pytest.mark.parametrize(("weight", "expected"), [(0.01, [0, 1]), (1000.0, [0, 0])])
def test_weights_decide_what_lies_together(weight, expected):
    near, far = [1.0, 0.0, 0.0], [0.87, 0.5, 0.0]
    noise = 0.01 * np.random.default_rng(0).normal(size=(101, 3))
    points = unit_rows(np.array([near] * 50 + [far] * 50 + [[0.0, 0.0, 1.0]]) + noise)
    weights = np.append(np.ones(100), weight)
    for seed in range(10):
        labels = kmeans_labels(points, 2, seed, weights)
        # A light point joins one of the two groups; a heavy one is alone, and the groups lie together.
        assert labels[[0, 50]].tolist() == expected
        assert labels[100] == 1 or weight < 1


def test_fewer_distinct_points_than_clusters():
    points = np.repeat(unit_rows(np.random.default_rng(0).normal(size=(3, 300))), 4, axis=0)
    for seed in range(5):
        assert kmeans_labels(points, 7, seed).tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert kmeans_labels(points[:4], 3, 0).tolist() == [0] * 4
    assert kmeans_labels(points[:1], 3, 0).tolist() == [0]
    assert kmeans_labels(points[::4], 3, 0).tolist() == [0, 1, 2]


def test_distinct_points_that_the_sample_misses_are_clusters_too(monkeypatch):
    monkeypatch.setattr(clustering, "SAMPLE", 200)
    left_out = np.setdiff1d(np.arange(300), np.random.default_rng(300).permutation(300)[:200])[:2]
    points = np.tile(np.eye(4, dtype=np.float32)[0], (300, 1))
    points[left_out] = np.eye(4)[1:3]
    labels = kmeans_labels(points, 3, 0)
    assert labels.max() == 2
    assert len(set(labels[left_out])) == 2


def test_more_starts_are_never_worse():
    points = blobs(7, centres=9, spread=1.0)
    products, weights = products_of(points, True), np.ones((10, 120), dtype=np.float32)
    one, many = (kmeans(products, weights, [6] * 10, range(10), n_init) for n_init in (1, 4))
    assert (inertia(products, weights, many) <= inertia(products, weights, one) + 1e-3).all()
    assert inertia(products, weights, many).sum() < inertia(products, weights, one).sum()


def test_inertia_is_its_definition():
    points, random = blobs(8, n=30), np.random.default_rng(8)
    weights, labels = random.random((2, 30)), random.integers(0, 3, (2, 30))
    found = inertia(products_of(points, True), weights.astype(np.float32), labels)
    expected = [squared_gaps(points, labels[run], weights[run]) for run in range(2)]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_sums_and_means_do_not_depend_on_blocks(monkeypatch):
    points, labels = blobs(9, n=50), compact(np.random.default_rng(9).integers(0, 4, 50))
    monkeypatch.setattr(clustering, "BLOCK_ROWS", 7)
    weights = np.random.default_rng(9).random((3, 50))
    np.testing.assert_allclose(weighted_sums(points, weights), weights @ points.astype(float))
    expected = [points[labels == cluster].mean(axis=0, dtype=float) for cluster in range(4)]
    np.testing.assert_allclose(cluster_means(points, labels), expected)


@pytest.mark.parametrize("by_gram", [True, False])
def test_silhouettes_of_many_runs_are_those_of_each(by_gram):
    points = blobs(10)
    weights = np.ones((3, 120))
    weights[1, 60:] = 0.0
    products = products_of(points, by_gram)
    labels = kmeans(products, weights, [3, 4, 1], [0, 1, 2])
    found = silhouettes(products, labels)
    assert found[0] == pytest.approx(cosine_silhouette(points, labels[0]), abs=1e-5)
    assert found[1] == pytest.approx(cosine_silhouette(points[:60], labels[1, :60]), abs=1e-5)
    assert found[2] == -np.inf
