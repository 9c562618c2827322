"""Panels and stopping against their slow twins."""

import itertools
from dataclasses import replace

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


def test_the_best_member_that_answered_is_overruled_by_a_much_more_probable_answer_alone():
    choices, ranking = np.full(2, 4), np.array([[2, 0, 1], [2, 0, 1]])
    answers = np.array([[0, 0, 1], [0, 1, -1]])
    pool = Pool(np.array([0.6, 0.5, 0.9]), 1.0, 2.0, np.full(3, -1), np.zeros(3))
    logits = np.tile(pool.ability, (2, 1))
    truth = infer(first_givers(answers), choices, logits, pool).truth
    odds = truth[0, 0] / truth[0, 2]
    assert odds > 1.0
    for trust, claimed in ((1.0, 0), (0.99 * odds, 0), (1.01 * odds, 1), (100.0, 1)):
        found, probability = panels.lead(answers, choices, logits, pool, ranking, trust)
        assert found[0] == claimed
        assert probability[0] == pytest.approx(truth[0, 0 if claimed == 0 else 2])
    # The best one has not answered: the next one is preferred.
    assert panels.lead(answers, choices, logits, pool, ranking, 100.0)[0][1] == 0


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
    found = panels.group_values(value, [task, cluster], 0.5 * seed, 0.01 * seed)
    expected = slow.group_values(value.tolist(), [task.tolist(), cluster.tolist()], 0.5 * seed, 0.01 * seed)
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
    worth = np.sort(random.random((15, 4)), axis=1)
    for budget in (0.5, 1.5, 2.5, 4.0, 7.0, 20.0):
        found = panels.stopping(budget, confidence, prices, worth)
        price, value = slow.best_mixture(budget, confidence.tolist(), prices.tolist(), worth.tolist())
        assert found.price == pytest.approx(price)
        assert found.worth == pytest.approx(value)
        for level in (found.low, found.high):
            assert panels.stops(confidence, level).tolist() == slow.calls(confidence.tolist(), level)
        for level, share in ((found.low, 0.0), (found.high, 1.0)):
            assert (replace(found, share=share).thresholds(np.arange(50)) == level).all()


def test_a_larger_budget_never_asks_less():
    random = np.random.default_rng(9)
    confidence, prices = random.random((50, 5)), np.ones((50, 5))
    worth, before = np.sort(random.random((50, 5)), axis=1), 0.0
    for budget in (1.0, 1.3, 2.0, 3.5, 5.0):
        found = panels.stopping(budget, confidence, prices, worth)
        assert before < found.price <= budget + 1e-9
        before = found.price
    assert before == 5


def test_a_budget_is_spent_where_all_queries_look_alike():
    # After one answer all are as sure, so that a single threshold asks one member everywhere or all.
    confidence, prices = np.tile([0.6, 0.7, 0.9], (4000, 1)), np.ones((4000, 3))
    worth = np.tile([0.6, 0.65, 0.8], (4000, 1))
    found = panels.stopping(2.0, confidence, prices, worth)
    assert found.price == pytest.approx(2.0)
    # Half of the queries ask all: that is worth more than two members everywhere.
    assert found.worth == pytest.approx(0.7)
    heard = panels.stops(confidence, found.thresholds(np.arange(4000)))
    assert heard.mean() == pytest.approx(2.0, abs=0.05)
    assert found.spread == pytest.approx(1.0)
