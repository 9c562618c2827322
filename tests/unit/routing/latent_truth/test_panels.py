"""Panels and stopping against their slow twins."""

import itertools

import numpy as np
import pytest

from rgd.routing.latent_truth import panels
from rgd.routing.latent_truth.model import Pool, first_givers, infer
from tests.slow_twins import latent_truth as slow


def answers_and_logits(seed, n=40, members=4):
    random = np.random.default_rng(seed)
    choices = random.integers(2, 6, n)
    answers = np.where(random.random((n, members)) < 0.15, -1, random.integers(0, choices[:, None], (n, members)))
    pool = Pool(random.normal(size=members), 1.0, 2.0, np.array([-1, 0, -1, -1]), np.array([0.0, 0.4, 0.0, 0.0]))
    return answers, choices, random.normal(0.5, 1.0, (n, members)), pool


def test_the_lead_is_the_most_probable_given_answer():
    answers, choices, logits, pool = answers_and_logits(0)
    answers[0] = -1
    claimed, probability = panels.lead(answers, choices, logits, pool)
    truth = infer(first_givers(answers), choices, logits, pool).truth
    assert claimed[0] == -1
    assert probability[0] == 0.0
    for row in range(1, len(answers)):
        by_letter = {letter: truth[row, first] for first, letter in reversed(list(enumerate(answers[row].tolist())))}
        by_letter.pop(-1, None)
        assert by_letter[claimed[row]] == pytest.approx(max(by_letter.values()))
        assert probability[row] == pytest.approx(max(by_letter.values()))


def test_a_panels_value_is_what_the_whole_pool_thinks_of_its_answer():
    answers, choices, logits, pool = answers_and_logits(1)
    truth = infer(first_givers(answers), choices, logits, pool).truth
    everyone = tuple(range(4))
    found = panels.values([(2,), (0, 3), everyone], answers, choices, logits, pool, truth)
    for row in range(len(answers)):
        alone = answers[row, 2]
        first = answers[row].tolist().index(alone)
        assert found[0, row] == pytest.approx(truth[row, first] if alone >= 0 else 0.0)
        given = truth[row, :-1]
        assert found[2, row] == pytest.approx(given.max())
        assert found[1, row] <= found[2, row] + 1e-12


def test_a_copy_without_its_source_answers_for_itself():
    pool = Pool(np.arange(4.0), 1.0, 2.0, np.array([-1, 3, 1, -1]), np.array([0.0, 0.3, 0.5, 0.0]))
    found = panels.restrict(pool, (2, 1))
    assert found.ability.tolist() == [2.0, 1.0]
    assert found.parent.tolist() == [1, -1]
    assert found.copying.tolist() == [0.5, 0.0]


def test_few_panels_are_all_tried_and_of_many_those_that_extend_the_best():
    assert panels.candidates(3, 6, []) == list(itertools.combinations(range(6), 3))
    grown = panels.candidates(3, 12, [(0, 4), (4, 7)])
    assert (0, 4, 7) in grown
    assert len(grown) == len(set(grown)) == 10 + 10 - 1
    assert all({0, 4} <= set(panel) or {4, 7} <= set(panel) for panel in grown)


@pytest.mark.parametrize("seed", range(4))
def test_group_values_are_the_slow_twins(seed):
    random = np.random.default_rng(seed)
    value, cluster = random.random((3, 40)), random.integers(0, 6, 40)
    cluster = np.unique(cluster, return_inverse=True)[1]
    task = cluster // 2
    found = panels.group_values(value, [task, cluster], 0.5 * seed)
    expected = slow.group_values(value.tolist(), [task.tolist(), cluster.tolist()], 0.5 * seed)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, [theirs[group] for group in range(len(ours))], atol=1e-12)


def test_with_much_caution_a_group_keeps_the_order_of_all():
    random = np.random.default_rng(0)
    value, group = random.random((5, 60)), np.arange(60) % 3
    overall, grouped = panels.group_values(value, [group], 50.0)
    np.testing.assert_allclose(grouped, np.repeat(overall, 3, axis=0))


@pytest.mark.parametrize("seed", range(5))
def test_thresholds_and_stops_are_the_slow_twins(seed):
    random = np.random.default_rng(seed)
    # Few values, so that there are ties.
    confidence, prices = random.integers(1, 8, (15, 4)) / 8.0, random.integers(1, 4, (15, 4)).astype(float)
    for budget in (0.5, 1.5, 2.5, 4.0, 7.0, 20.0):
        threshold = panels.threshold_for(budget, confidence, prices)
        assert threshold == slow.threshold_for(budget, confidence.tolist(), prices.tolist())
        assert panels.stops(confidence, threshold).tolist() == slow.calls(confidence.tolist(), threshold)


def test_a_larger_budget_never_asks_less():
    random = np.random.default_rng(9)
    confidence, prices = random.random((50, 5)), np.ones((50, 5))
    before = np.zeros(50)
    for budget in (1.0, 1.3, 2.0, 3.5, 5.0):
        count = panels.stops(confidence, panels.threshold_for(budget, confidence, prices))
        assert (count >= before).all()
        assert panels.mean_price(prices, count) <= budget
        before = count
    assert (before == 5).all()
