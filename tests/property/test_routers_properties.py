"""Routers against their slow twins, and what must not change a routing."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rgd.routers import make, restore, route, save
from rgd.routers.cascal import merge_in_creation_order
from rgd.routing.clustering import compact
from rgd.seeds import derive_seed
from tests.property.pools import (
    injected_labels,
    queries_of,
    reordered,
    twin_correct,
    twin_training,
    twin_votes,
    without_labels,
    worlds,
)
from tests.slow_twins import cascal as slow_cascal
from tests.slow_twins import consensus as slow_consensus
from tests.slow_twins import routers as slow

RELEASED = {
    "vote_weight": "posterior",
    "confidence_spread": "median",
    "min_votes": 1,
    "min_share": 0.5,
    "weight_by_share": True,
    "merge_order": "creation",
    "score_decimals": 3,
    "global_decimals": 4,
    "pruned_queries": "survivor",
    "task_rule": "nearest_mean",
    "selection": "mixture",
}
METHODS = ("avengers", "cascal", "cascal_gt", "knn", "latent_truth", "majority", "single", "smoothie", "topk")
relaxed = settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])


def names(world, ranking):
    return [[world.train.members[member] for member in row] for row in ranking]


def partition(points, k, seed, weights=None, n_init=1):
    return compact(injected_labels(seed, len(points), k))


def partitions(products, weights, clusters, seeds, n_init=1):
    labels = np.full(weights.shape, -1, dtype=np.int32)
    for run, part in enumerate(weights > 0):
        labels[run, part] = compact(injected_labels(seeds[run], part.sum(), clusters[run]))
    return labels


def fitted_with_injected_labels(world, method, parameters, train=None):
    with mock.patch("rgd.routers.cascal.kmeans", partitions):
        return make(method, parameters).fit(train or world.train)


def twin_of_cascal(world, **options):
    def labels_of(task, member, k, n):
        return injected_labels(derive_seed(world.train.seed, "cascal", task, member, k), n, k).tolist()

    training = twin_training(world.train)
    return training, *slow_cascal.fit(training, world.train.members, labels_of, **options)


@relaxed
@given(worlds(), st.sampled_from(["logistic", "z_sum"]))
def test_cascal_is_its_slow_twin(world, weight):
    router = fitted_with_injected_labels(world, "cascal", {"vote_weight": weight}, without_labels(world.train))
    routes = route(router, world.queries, world.answers, world.confidence)
    training, model, _ = twin_of_cascal(world, how=weight)
    assert len(router.centroids_) == sum(len(clusters) for clusters in model.values())
    expected = [slow_cascal.rank(model, training, vector.tolist()) for vector in world.queries.embeddings]
    assert names(world, routes.ranking) == expected
    spreads = {m: slow_consensus.spread([q["votes"] for q in training], m) for m in world.train.members}
    queries = twin_votes(world.answers, world.confidence, world.train.members)
    for index, query in enumerate(queries):
        z = slow_consensus.z_of(query, spreads)
        for variant, k in (("top1", 1), ("top3", 3)):
            answer = slow_consensus.vote(query, z, expected[index][:k], "consensus", weight)
            code = routes.answers[variant][index]
            assert ("ABCDE"[code] if code >= 0 else None) == answer


@relaxed
@given(worlds())
def test_cascal_gt_is_its_slow_twin(world):
    router = fitted_with_injected_labels(world, "cascal_gt", {})
    training, model, _ = twin_of_cascal(world, use_labels=True)
    expected = [slow_cascal.rank(model, training, vector.tolist()) for vector in world.queries.embeddings]
    assert names(world, router.rank(world.queries)) == expected


@relaxed
@given(worlds())
def test_released_cascal_is_its_slow_twin(world):
    router = fitted_with_injected_labels(world, "cascal", RELEASED)
    _, model, overall = twin_of_cascal(world, how="posterior", released=True)
    expected = [slow_cascal.rank_released(model, overall, vector.tolist()) for vector in world.queries.embeddings]
    assert names(world, router.rank(world.queries)) == expected
    for found, vector in zip(router.scores(world.queries), world.queries.embeddings, strict=True):
        scores = slow_cascal.scores_released(model, overall, vector.tolist())
        assert found == pytest.approx([scores[member] for member in world.train.members], abs=1e-4)


@relaxed
@given(st.lists(st.tuples(st.integers(0, 71), st.integers(1, 4)), min_size=1, max_size=9))
def test_merging_as_released_is_its_slow_twin(placed):
    angles = np.deg2rad([5.0 * place for place, _ in placed])
    centroids, seeds = np.stack([np.cos(angles), np.sin(angles)], axis=1), [count for _, count in placed]
    expected = slow_cascal.merge_as_created(list(zip(centroids.tolist(), seeds, strict=True)))
    np.testing.assert_allclose(merge_in_creation_order(centroids, np.array(seeds), 0.15), expected, atol=1e-9)


@relaxed
@given(worlds(), st.sampled_from(["local", "task", "global"]), st.integers(1, 30))
def test_smoothie_is_its_slow_twin(world, how, neighbours):
    train = world.train
    ranking = make("smoothie", {"mean": how, "neighbours": neighbours}).fit(without_labels(train)).rank(world.queries)
    vectors = [
        {
            member: row[index].tolist() if np.linalg.norm(row[index]) > 0 else None
            for index, member in enumerate(train.members)
        }
        for row in train.answer_embeddings
    ]
    for index, around in enumerate(world.queries.neighbours):
        if how == "local":
            queries = around[:neighbours].tolist()
        elif how == "task":
            queries = np.flatnonzero(train.tasks == train.tasks[around[0]]).tolist()
        else:
            queries = list(range(len(vectors)))
        assert names(world, ranking[index : index + 1])[0] == slow.smoothie(vectors, queries, train.members)


@relaxed
@given(worlds(), st.integers(1, 5))
def test_avengers_is_its_slow_twin(world, clusters):
    with mock.patch("rgd.routers.avengers.kmeans_labels", partition):
        router = make("avengers", {"n_clusters": clusters}).fit(world.train)
    train = world.train
    labels = injected_labels(derive_seed(train.seed, "avengers", clusters), len(train.tasks), clusters)
    correct = twin_correct(train)
    expected = [
        slow.avengers(train.embeddings.tolist(), compact(labels).tolist(), correct, train.members, vector.tolist())
        for vector in world.queries.embeddings
    ]
    assert names(world, router.rank(world.queries)) == expected


@relaxed
@given(worlds(max_train=14))
def test_knn_is_its_slow_twin(world):
    train, grid = world.train, (1, 3, 8)
    router = make("knn", {"k_grid": grid}).fit(train)
    embeddings, correct = train.embeddings.tolist(), twin_correct(train)
    assert router.k_ == slow.knn_choose_k(embeddings, correct, train.members, grid)
    expected = [
        slow.knn(embeddings, correct, train.members, router.k_, vector.tolist()) for vector in world.queries.embeddings
    ]
    assert names(world, router.rank(world.queries)) == expected


@relaxed
@given(worlds(), st.sampled_from(METHODS))
def test_a_router_is_the_same_after_saving(world, method):
    router = make(method).fit(world.train)
    again = restore(save({7: router}), lambda: make(method))[7]
    one = route(router, world.queries, world.answers, world.confidence)
    other = route(again, world.queries, world.answers, world.confidence)
    np.testing.assert_array_equal(one.ranking, other.ranking)
    for variant, answers in one.answers.items():
        np.testing.assert_array_equal(answers, other.answers[variant])
        np.testing.assert_array_equal(one.asked[variant], other.asked[variant])


@relaxed
@given(worlds(), st.sampled_from(METHODS))
def test_every_routing_is_well_formed(world, method):
    routes = route(make(method).fit(world.train), world.queries, world.answers, world.confidence)
    pool = len(world.train.members)
    assert (np.sort(routes.ranking, axis=1) == np.arange(pool)).all()
    for variant, asked in routes.asked.items():
        given_by_asked = np.where(asked >= 0, np.take_along_axis(world.answers, np.maximum(asked, 0), axis=1), -1)
        answer = routes.answers[variant]
        assert ((answer[:, None] == given_by_asked).any(axis=1)).all()
        assert ((answer >= 0) == (given_by_asked >= 0).any(axis=1)).all()


@relaxed
@given(
    worlds(), st.sampled_from([m for m in METHODS if m in ("cascal", "latent_truth", "smoothie", "majority", "single")])
)
def test_query_only_routers_do_not_look_at_labels(world, method):
    with_labels = save({0: make(method).fit(world.train)})
    assert save({0: make(method).fit(without_labels(world.train))}).equals(with_labels)


@relaxed
@given(worlds(), st.sampled_from(METHODS), st.permutations(range(4)))
def test_renaming_the_answers_changes_no_ranking(world, method, renaming):
    table = np.array([*renaming, -1], dtype=np.int32)
    train = world.train
    renamed = type(train)(**{**vars(train), "answers": table[train.answers], "labels": table[train.labels]})
    np.testing.assert_array_equal(
        make(method).fit(train).rank(world.queries), make(method).fit(renamed).rank(world.queries)
    )


@relaxed
@given(worlds(), st.sampled_from(["knn", "majority", "smoothie", "topk"]), st.randoms())
def test_the_order_of_members_changes_no_ranking_by_name(world, method, random):
    order = np.array(random.sample(range(len(world.train.members)), len(world.train.members)))
    train = reordered(world.train, np.arange(len(world.train.tasks)), order)
    one, other = make(method).fit(world.train), make(method).fit(train)
    if method == "majority":
        np.testing.assert_allclose(one.mu_[order], other.mu_, atol=1e-9)
        return
    expected = names(world, one.rank(world.queries))
    assert [[train.members[m] for m in row] for row in other.rank(world.queries)] == expected


@relaxed
@given(worlds(), st.randoms())
def test_the_order_of_queries_changes_no_global_ranking(world, random):
    n = len(world.train.tasks)
    rows = np.array(random.sample(range(n), n))
    train = reordered(world.train, rows, np.arange(len(world.train.members)))
    queries = queries_of(world.queries.embeddings, train)
    for method, parameters in (("topk", {}), ("smoothie", {"mean": "global"})):
        np.testing.assert_array_equal(
            make(method, parameters).fit(world.train).rank(world.queries),
            make(method, parameters).fit(train).rank(queries),
        )


@relaxed
@given(worlds(), st.sampled_from([0.25, 4.0]))
def test_rescaling_the_answer_embeddings_changes_nothing(world, scale):
    train = world.train
    scaled = type(train)(**{**vars(train), "answer_embeddings": train.answer_embeddings * scale})
    np.testing.assert_array_equal(
        make("smoothie").fit(train).rank(world.queries), make("smoothie").fit(scaled).rank(world.queries)
    )
