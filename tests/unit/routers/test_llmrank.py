"""LLMRANK: planted skills, features, early stopping, repeatability, small and degenerate training sets."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from rgd.errors import UserError
from rgd.routers import make, route, save
from tests.unit.routing_worlds import asking, niches, small, unit_rows

QUERY_ONLY = {"use_features": False}


@pytest.mark.parametrize("seed", range(3))
def test_planted_experts_are_found(seed):
    train, queries, answers, confidence, labels, niche = niches(seed)
    routes = route(make("llmrank", QUERY_ONLY).fit(train), queries, answers, confidence)
    assert (routes.ranking[:, 0] == niche).mean() > 0.8
    assert (routes.answers["top1"] == labels).mean() > 0.8


def test_experts_that_only_the_features_tell_apart_are_found_with_them_alone():
    train, queries, _, _, _, niche = niches(0)
    random = np.random.default_rng(0)
    noise = [unit_rows(random.normal(size=part.embeddings.shape)) for part in (train, queries)]
    told = replace(train, embeddings=noise[0], features=train.embeddings)
    asked = replace(queries, embeddings=noise[1], features=queries.embeddings)
    with_them = make("llmrank").fit(told).rank(asked)[:, 0]
    without = make("llmrank", QUERY_ONLY).fit(replace(told, features=None)).rank(replace(asked, features=None))[:, 0]
    assert (with_them == niche).mean() > 0.7
    assert (without == niche).mean() < 0.5


@pytest.mark.parametrize("weights", [(1.0, 0.0), (0.0, 1.0)])
def test_either_term_of_the_loss_is_enough(weights):
    train, queries, _, _, _, niche = niches(1)
    parameters = QUERY_ONLY | {"pointwise_weight": weights[0], "listwise_weight": weights[1]}
    assert (make("llmrank", parameters).fit(train).rank(queries)[:, 0] == niche).mean() > 0.7


def test_where_nothing_can_be_learned_training_ends_early():
    random = np.random.default_rng(0)
    train = small(random.integers(0, 2, (300, 4)), labels=np.zeros(300), embeddings=random.normal(size=(300, 16)))
    router = make("llmrank", QUERY_ONLY | {"learning_rate": 0.01, "patience": 2}).fit(train)
    assert router.epoch_ <= 3


def test_without_a_better_epoch_the_ranking_is_that_of_the_accuracies():
    # Nothing varies between the queries, so that the network has nothing to tell them apart by.
    train = small([[0, 1, 1]] * 6 + [[0, 0, 1]] * 4, labels=[1] * 10, embeddings=np.ones((10, 4)))
    router = make("llmrank", QUERY_ONLY).fit(train)
    assert router.rank(asking(np.eye(4), train)).tolist() == [[2, 1, 0]] * 4


def test_a_seed_repeats_to_the_byte_and_another_differs():
    train, *_ = niches(0, per_niche=20)
    first, again = (save({0: make("llmrank", QUERY_ONLY).fit(train)}) for _ in range(2))
    assert first.equals(again)
    torch.manual_seed(99)
    np.random.seed(99)  # noqa: NPY002
    assert save({0: make("llmrank", QUERY_ONLY).fit(train)}).equals(first)
    assert not save({0: make("llmrank", QUERY_ONLY).fit(replace(train, seed=1))}).equals(first)


def test_training_uses_one_thread_and_gives_the_others_back():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        table = save({0: make("llmrank", QUERY_ONLY).fit(niches(0, per_niche=10)[0])})
        assert torch.get_num_threads() == 2
        torch.set_num_threads(1)
        assert save({0: make("llmrank", QUERY_ONLY).fit(niches(0, per_niche=10)[0])}).equals(table)
    finally:
        torch.set_num_threads(before)


def test_moving_and_stretching_all_embeddings_changes_no_utility():
    train, queries, *_ = niches(2, per_niche=20)
    utilities = make("llmrank", QUERY_ONLY).fit(train).scores(queries)
    moved, asked = (replace(part, embeddings=4 * part.embeddings + 0.5) for part in (train, queries))
    router = make("llmrank", QUERY_ONLY).fit(moved)
    np.testing.assert_allclose(router.scores(asked), utilities, atol=0.02)


def test_fitting_leaves_the_training_set_as_it_is():
    train, *_ = niches(0, per_niche=5)
    before = train.embeddings.copy()
    make("llmrank", QUERY_ONLY).fit(train)
    np.testing.assert_array_equal(train.embeddings, before)


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("held_out", [0.0, 0.5])
def test_a_few_training_queries_are_enough(n, held_out):
    train = small([[0, 1, 2]] * n, labels=[1] * n)
    router = make("llmrank", QUERY_ONLY | {"held_out": held_out}).fit(train)
    assert router.rank(asking(train.embeddings, train))[:, 0].tolist() == [1] * n


@pytest.mark.parametrize("label", [0, 1])
def test_all_right_or_all_wrong_ranks_the_whole_pool(label):
    train = small([[0, 0]] * 8, labels=[label] * 8)
    router = make("llmrank", QUERY_ONLY).fit(train)
    queries = asking(np.eye(4), train)
    assert np.isfinite(router.scores(queries)).all()
    assert (np.sort(router.rank(queries), axis=1) == [0, 1]).all()


def test_missing_answers_are_wrong():
    train = small([[-1, 0]] * 8, labels=[0] * 8)
    assert make("llmrank", QUERY_ONLY).fit(train).rank(asking(np.eye(4), train)).tolist() == [[1, 0]] * 4


def test_features_that_lack_or_are_too_many_are_named():
    train, queries, *_ = niches(0, per_niche=5)
    told = replace(train, features=train.embeddings)
    with pytest.raises(UserError, match=r"use_features is true, but it was given no features.*config/featurizer"):
        make("llmrank").fit(train)
    with pytest.raises(UserError, match="use_features is false, but it was given features"):
        make("llmrank", QUERY_ONLY).fit(told)
    with pytest.raises(UserError, match="given no features"):
        make("llmrank").fit(told).rank(queries)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"hidden_units": 0}, "hidden_units = 0"),
        ({"batch_size": 0}, "batch_size = 0"),
        ({"temperature": 0}, "temperature = 0"),
        ({"learning_rate": -1}, "learning_rate = -1"),
        ({"pointwise_weight": 0, "listwise_weight": 0}, "pointwise_weight and listwise_weight"),
        ({"held_out": 1.0}, "held_out = 1.0"),
    ],
)
def test_a_parameter_out_of_range_is_named(parameters, message):
    with pytest.raises(UserError, match=message):
        make("llmrank", parameters)
