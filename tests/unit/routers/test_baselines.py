"""SMOOTHIE, AVENGERS, kNN and the learning-free routers: planted truth and degenerate training sets."""

from dataclasses import replace

import numpy as np
import pytest

from rgd.errors import UserError
from rgd.routers import knn, load, make, methods, route
from rgd.routers.smoothie import member_errors, pair_distances
from rgd.scoring.references import oracle, random_vote
from tests.unit.routing_worlds import asking, niches, small


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("method", "parameters"), [("avengers", {"n_clusters": 4}), ("avengers", {}), ("knn", {})])
def test_planted_experts_are_found(seed, method, parameters):
    train, queries, answers, confidence, labels, niche = niches(seed)
    routes = route(make(method, parameters).fit(train), queries, answers, confidence)
    assert (routes.ranking[:, 0] == niche).mean() > 0.6
    assert (routes.answers["top1"] == labels).mean() > 0.75


def test_knn_prefers_many_neighbours_under_noise_and_one_without():
    random = np.random.default_rng(0)
    places = random.normal(size=(200, 2))
    # One member is right in two opposite quadrants, the other in the other two.
    right = ((places[:, :1] > 0) ^ (places[:, 1:] > 0)) == [[True, False]]
    flipped = random.random((200, 1)) < 0.3
    clean = small(np.where(right, 0, 1), labels=[0] * 200, embeddings=places)
    noisy = small(np.where(right ^ flipped, 0, 1), labels=[0] * 200, embeddings=places)
    grid = {"k_grid": [1, 9, 200]}
    assert make("knn", grid).fit(clean).k_ == 1
    assert make("knn", grid).fit(noisy).k_ == 9


def test_knn_chooses_k_on_a_sample_of_many_queries(monkeypatch):
    train, *_ = niches(0)
    asked = []
    search = knn.nearest

    def watched(queries, training, k, own):
        asked.append(len(queries))
        np.testing.assert_array_equal(queries, training[own])
        return search(queries, training, k, own)

    monkeypatch.setattr(knn, "nearest", watched)
    routers = [make("knn", {"choose_on": limit}).fit(train) for limit in (50, 50, 240, 1000)]
    assert asked == [50, 50, 240, 240]
    assert routers[0].k_ == routers[1].k_ > 1
    assert routers[2].k_ == routers[3].k_ == make("knn").fit(train).k_
    with pytest.raises(UserError, match="choose_on"):
        make("knn", {"choose_on": 0})


@pytest.mark.parametrize("method", methods())
def test_routers_that_need_no_embeddings_route_without_them(method):
    kind = load(method)
    if kind.fits_on_embeddings and kind.ranks_by_embeddings:
        return
    train, queries, *_ = niches(1, per_niche=10, tests=4)
    vectors = np.random.default_rng(0).normal(size=(len(train.query_ids), 6, 4)).astype(np.float32)
    train = replace(train, answer_embeddings=vectors)
    expected = make(method).fit(train).rank(queries)
    if not kind.fits_on_embeddings:
        train = replace(train, embeddings=train.embeddings[:, :0])
    if not kind.ranks_by_embeddings:
        queries = replace(queries, embeddings=queries.embeddings[:, :0])
    np.testing.assert_array_equal(make(method).fit(train).rank(queries), expected)


def test_knn_without_a_choice_takes_the_only_k():
    train = small([[0, 1]], labels=[1])
    assert make("knn").fit(train).rank(asking([[1, 0, 0, 0]], train)).tolist() == [[1, 0]]
    assert make("knn", {"k_grid": [5]}).fit(small([[0, 1]] * 3, labels=[1] * 3)).k_ == 5


def test_ties_go_to_the_better_member_overall():
    far = np.eye(4)[[0, 1, 1, 1]]
    train = small([[0, 0], [1, 0], [1, 0], [1, 0]], labels=[0, 0, 0, 0], embeddings=far)
    query = asking([[1, 0, 0, 0]], train)
    assert make("knn", {"k_grid": [1]}).fit(train).rank(query).tolist() == [[1, 0]]
    assert make("avengers", {"n_clusters": 2}).fit(train).rank(query).tolist() == [[1, 0]]


@pytest.mark.parametrize("n", [1, 2, 5])
def test_avengers_with_fewer_queries_than_clusters(n):
    train = small([[0, 1, 2]] * n, labels=[1] * n)
    router = make("avengers").fit(train)
    assert len(router.centroids_) == n
    assert router.rank(asking(np.eye(4), train))[:, 0].tolist() == [1] * 4


def test_avengers_drops_clusters_without_queries():
    train = small([[0, 1]] * 6, labels=[1] * 6, embeddings=np.eye(4)[[0, 0, 0, 1, 1, 1]])
    router = make("avengers", {"n_clusters": 5}).fit(train)
    assert router.sizes_.tolist() == [3, 3]


def test_smoothie_errors_by_hand():
    # d_01 = 1, d_02 = 2, d_12 = 4: e_0 = (1 + 2 - 4) / 2, e_1 = (1 + 4 - 2) / 2, e_2 = (2 + 4 - 1) / 2.
    np.testing.assert_allclose(member_errors(np.array([[1.0, 2.0, 4.0]]), 3), [[-0.5, 1.5, 2.5]])
    np.testing.assert_allclose(member_errors(np.array([[3.0]]), 2), [[1.5, 1.5]])
    np.testing.assert_allclose(member_errors(np.zeros((1, 0)), 1), [[0.0]])


def test_smoothie_distance_of_a_missing_answer():
    vectors = np.array([[[2.0, 0.0], [0.0, 3.0], [0.0, 0.0], [np.nan, np.nan], [5.0, 0.0]]])
    distances = dict(zip(zip(*np.triu_indices(5, 1), strict=True), pair_distances(vectors)[0], strict=True))
    assert distances[0, 4] == 0
    assert all(value == 2 for pair, value in distances.items() if pair != (0, 4))


def test_smoothie_looks_where_it_is_told():
    near, far = np.tile([1.0, 0.0, 0.0, 0.0], (20, 1)), np.tile([0.0, 1.0, 0.0, 0.0], (40, 1))
    answers = [[0, 0, 1]] * 20 + [[1, 0, 0]] * 40
    train = small(answers, embeddings=np.concatenate([near, far]), tasks=["a"] * 20 + ["b"] * 40)
    query = asking([[1, 0, 0, 0], [0, 1, 0, 0]], train)
    for mean in ("local", "task"):
        ranking = make("smoothie", {"mean": mean}).fit(train).rank(query)
        assert ranking[:, -1].tolist() == [2, 0]
    assert make("smoothie", {"mean": "global"}).fit(train).rank(query)[:, -1].tolist() == [0, 0]
    assert make("smoothie", {"neighbours": 60}).fit(train).rank(query)[:, -1].tolist() == [0, 0]


def test_smoothie_without_answer_embeddings_is_refused():
    train = small([[0, 1]])
    bare = type(train)(**{**vars(train), "answer_embeddings": None})
    with pytest.raises(ValueError, match="answer embeddings"):
        make("smoothie").fit(bare)


def test_learning_free_routers():
    train = small([[0, 1, 1], [0, 1, 1], [1, 1, 0]], labels=[1, 1, 1])
    query = asking([[1, 0, 0, 0]], train)
    answers, confidence = np.array([[4, 5, 4]], dtype=np.int32), np.zeros((1, 3))
    top = route(make("topk").fit(train), query, answers, confidence)
    assert top.ranking.tolist() == [[1, 2, 0]]
    assert (top.answers["top1"].tolist(), top.answers["top3"].tolist()) == ([5], [4])
    single = route(make("single").fit(train), query, answers, confidence)
    assert {name: value.tolist() for name, value in single.answers.items()} == {"m0": [4], "m1": [5], "m2": [4]}
    assert {name: value.tolist() for name, value in single.asked.items()} == {"m0": [[0]], "m1": [[1]], "m2": [[2]]}
    everyone = route(make("majority").fit(train), query, answers, confidence)
    assert everyone.answers["all"].tolist() == [4]
    assert everyone.asked["all"].shape == (1, 3)


def test_references_by_hand():
    answers = np.array([[0, 0, 1, 2], [-1, -1, -1, 3]], dtype=np.int32)
    labels = np.array([0, 3], dtype=np.int32)
    assert oracle(answers == labels[:, None]).tolist() == [1, 1]
    assert random_vote(answers, labels, 1).tolist() == [0.5, 0.25]
    # {0,0,1} and {0,0,2} are won by the label, {0,1,2} twice by one in three.
    np.testing.assert_allclose(random_vote(answers, labels, 3), [(1 + 1 + 2 / 3) / 4, 3 / 4])
    np.testing.assert_allclose(random_vote(answers, labels, 9), [1, 1])
    with pytest.raises(ValueError, match="size"):
        random_vote(answers, labels, 0)
