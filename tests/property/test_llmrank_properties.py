"""LLMRANK against its slow twin: what the network says, the loss and its gradient, the ranking."""

from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rgd.routers import make, restore, save
from rgd.routers.base import TestQueries
from rgd.routers.llmrank import logits, ranking_loss
from tests.property.pools import NAMES, worlds
from tests.slow_twins import llmrank as slow

relaxed = settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
slower = settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
PARTS = ("hidden_weights", "hidden_bias", "output_weights", "output_bias")
QUICK = {"use_features": False, "hidden_units": 3, "batch_size": 4, "max_epochs": 4, "learning_rate": 0.05}


def random_network(random: np.random.Generator, inputs: int, hidden: int, pool: int, exact: bool) -> dict:
    """Weights as the twin reads them; exact ones are quarters, whose sums and products no rounding touches."""
    shapes = dict(zip(PARTS, [(inputs, hidden), (hidden,), (hidden, pool), (pool,)], strict=True))
    if exact:
        return {name: (random.integers(-4, 5, shape) / 4).tolist() for name, shape in shapes.items()}
    return {name: random.normal(size=shape).tolist() for name, shape in shapes.items()}


def with_weights(network: dict, pool: int, overall: np.ndarray, use_features: bool):
    """A router that has learned ``network``."""
    router = make("llmrank", {"use_features": use_features})
    for name in PARTS:
        setattr(router, f"{name}_", np.array(network[name], dtype=np.float32))
    router.members_, router.overall_ = np.array(NAMES[:pool]), overall
    return router


def learned(router) -> dict:
    return {name: getattr(router, f"{name}_").astype(float).tolist() for name in PARTS}


@relaxed
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 4), st.integers(0, 3))
def test_the_ranking_of_given_weights_is_the_slow_twins(seed, pool, hidden, feature_width):
    random = np.random.default_rng(seed)
    network = random_network(random, 4 + feature_width, hidden, pool, exact=True)
    embeddings = (random.integers(-2, 3, (8, 4)) / 2).astype(np.float32)
    features = (random.integers(-2, 3, (8, feature_width)) / 2).astype(np.float32) if feature_width else None
    overall = random.integers(0, 3, pool) / 2
    router = with_weights(network, pool, overall, use_features=features is not None)
    queries = TestQueries(np.arange(8).astype(str), embeddings, np.zeros((8, 1), dtype=np.int32), features=features)
    rows = embeddings.tolist() if features is None else np.hstack([embeddings, features]).tolist()
    said = [slow.outputs(network, row) for row in rows]
    np.testing.assert_array_equal(router.scores(queries), np.array(said, dtype=np.float32))
    names = [[NAMES[member] for member in ranking] for ranking in router.rank(queries)]
    assert names == [slow.rank(row, NAMES[:pool], overall.tolist()) for row in said]


@relaxed
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 6),
    st.sampled_from([(1.0, 1.0), (0.0, 2.0), (0.5, 0.0)]),
    st.sampled_from([0.1, 0.25, 1.0]),
    st.sampled_from([0.0, 0.5, 1.0]),
)
def test_the_loss_is_the_slow_twins(seed, pool, weights, temperature, share_right):
    random = np.random.default_rng(seed)
    said, correct = 3 * random.normal(size=(5, pool)), random.random((5, pool)) < share_right
    found = ranking_loss(torch.from_numpy(said), torch.from_numpy(correct.astype(float)), *weights, temperature)
    assert float(found) == pytest.approx(slow.loss(said.tolist(), correct.tolist(), *weights, temperature), abs=1e-9)


def test_the_loss_of_two_members_by_hand():
    # Both logits 0: cross-entropy log 2; predicted shares 1/2 each, true ones e/(1+e) and 1/(1+e).
    share = np.e / (1 + np.e)
    divergence = share * np.log(2 * share) + (1 - share) * np.log(2 * (1 - share))
    said, correct = torch.zeros(1, 2), torch.tensor([[1.0, 0.0]])
    assert float(ranking_loss(said, correct, 1.0, 0.0, 1.0)) == pytest.approx(np.log(2))
    assert float(ranking_loss(said, correct, 0.0, 1.0, 1.0)) == pytest.approx(divergence)


@slower
@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_a_step_down_the_gradient_lowers_the_slow_twins_loss(seed, pool):
    random = np.random.default_rng(seed)
    network = random_network(random, 3, 2, pool, exact=False)
    inputs, correct = random.normal(size=(4, 3)), random.random((4, pool)) < 0.5
    parameters = [torch.tensor(network[name], dtype=torch.float64, requires_grad=True) for name in PARTS]
    truth = torch.from_numpy(correct.astype(float))
    ranking_loss(logits(parameters, torch.from_numpy(inputs)), truth, 1.0, 0.7, 0.3).backward()

    def twin_loss(moved: dict) -> float:
        said = [slow.outputs(moved, row) for row in inputs.tolist()]
        return slow.loss(said, correct.tolist(), 1.0, 0.7, 0.3)

    def moved_by(step: list[np.ndarray]) -> dict:
        return {name: (np.array(network[name]) + part).tolist() for name, part in zip(PARTS, step, strict=True)}

    gradient = [parameter.grad.numpy() for parameter in parameters]
    for place, parameter in enumerate(parameters):
        for index in np.ndindex(*parameter.shape):
            nudge = [np.zeros(tuple(other.shape)) for other in parameters]
            nudge[place][index] = 1e-6
            slope = (twin_loss(moved_by(nudge)) - twin_loss(moved_by([-part for part in nudge]))) / 2e-6
            assert gradient[place][index] == pytest.approx(slope, abs=1e-6)
    steepness = sum(float((part**2).sum()) for part in gradient)
    assert steepness > 0
    assert twin_loss(moved_by([-1e-4 * part for part in gradient])) < twin_loss(network)


@slower
@given(worlds(max_train=14))
def test_a_fitted_router_ranks_as_its_slow_twin(world):
    router = make("llmrank", QUICK).fit(world.train)
    said = [slow.outputs(learned(router), row) for row in world.queries.embeddings.tolist()]
    np.testing.assert_allclose(router.scores(world.queries), said, atol=1e-4)
    ranking = router.rank(world.queries)
    assert (np.sort(ranking, axis=1) == np.arange(len(world.train.members))).all()
    in_order = np.take_along_axis(np.array(said), ranking, axis=1)
    assert (np.diff(in_order, axis=1) < 1e-4).all()


@slower
@given(worlds(max_train=14))
def test_a_fitted_router_is_the_same_after_saving(world):
    router = make("llmrank", QUICK).fit(world.train)
    again = restore(save({7: router}), lambda: make("llmrank", QUICK))[7]
    np.testing.assert_array_equal(router.scores(world.queries), again.scores(world.queries))
    np.testing.assert_array_equal(router.rank(world.queries), again.rank(world.queries))


@slower
@given(worlds(max_train=14))
def test_a_missing_answer_is_as_good_as_a_wrong_one(world):
    train = world.train
    wrong = replace(train, answers=np.where(train.answers < 0, train.labels[:, None] + 1, train.answers))
    one, other = make("llmrank", QUICK).fit(train), make("llmrank", QUICK).fit(wrong)
    assert learned(one) == learned(other)


@slower
@given(worlds(max_train=14), st.sampled_from([0.0, 0.5]))
def test_the_weights_kept_have_the_least_loss_on_the_held_out_queries(world, held_out):
    n, parameters = len(world.train.tasks), QUICK | {"held_out": held_out, "patience": 4}
    watched, trained = [], []

    def spy(predicted, utilities, *rest):
        (trained if torch.is_grad_enabled() else watched).append((predicted.detach().clone(), utilities.clone()))
        return ranking_loss(predicted, utilities, *rest)

    with mock.patch("rgd.routers.llmrank.ranking_loss", spy):
        router = make("llmrank", parameters).fit(world.train)
    losses = [float(ranking_loss(*pair, 1.0, 1.0, 1.0)) for pair in watched]
    assert len(losses) == 1 + parameters["max_epochs"]
    assert router.epoch_ == int(np.argmin(losses))
    held = int(held_out * n)
    assert {len(predicted) for predicted, _ in watched} == {held or n}
    assert sum(len(predicted) for predicted, _ in trained) == parameters["max_epochs"] * (n - held)
