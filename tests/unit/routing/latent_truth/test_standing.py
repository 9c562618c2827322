"""Who is best, and how surely: planted families and experts, and the odd pools."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

from rgd.routers import make
from rgd.routers.base import TrainingSet
from rgd.routing.latent_truth.fit import agreement_patterns, readings, thinned
from rgd.routing.latent_truth.model import first_givers, infer, possible_answers
from rgd.routing.latent_truth.standing import (
    LEAST_DEVIATION,
    Standing,
    left_out,
    others_within_reach,
    parameter_moves,
    rereadings,
    standing,
)
from tests.planted import planted


def stand(answers, choices):
    """The standing of a pool by its answers, without confidence."""
    pool = readings(answers, choices)[0][1]
    found = agreement_patterns(answers, choices)
    right = infer(first_givers(answers), choices, pool.ability, pool).credences
    return standing(right, rereadings(*found, pool))


def families(seed, n=3000, options=10):
    """Four members of 55 % that share 0.7 of their joint errors, and two of 70 % that share 0.6."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, options, n)
    columns = []
    for size, accuracy, share in ((4, 0.55, 0.7), (2, 0.7, 0.6)):
        tempting = (truth + random.integers(1, options, n)) % options
        drawn = (truth[:, None] + random.integers(1, options, (n, size))) % options
        # Of joint errors both are the tempting one, or the same by chance.
        chance = (share - 1 / (options - 1)) / (1 - 1 / (options - 1))
        wrong = np.where(random.random((n, size)) < np.sqrt(chance), tempting[:, None], drawn)
        columns.append(np.where(random.random((n, size)) < accuracy, truth[:, None], wrong))
    return np.concatenate(columns, axis=1).astype(np.int32), truth


@pytest.mark.parametrize("options", [4, 10])
def test_an_expert_leads_a_family_or_the_probability_is_low(options):
    right = []
    for seed in range(10):
        answers, _ = families(seed, options=options)
        found = stand(answers, np.full(len(answers), options))
        first = int(found.mean.argmax())
        right.append(first >= 4 or found.best()[first] < 0.6)
    assert sum(right) >= 9


@pytest.mark.parametrize("seed", range(3))
def test_free_answers_without_options_and_one_query_per_pattern_are_ranked(seed):
    random = np.random.default_rng(seed)
    n, accuracy = 1500, np.array([0.75, 0.65, 0.6, 0.55, 0.5, 0.45, 0.4, 0.35, 0.3, 0.25])
    truth = random.integers(0, 10**6, n)
    drawn = random.integers(0, 10**6, (n, 10))
    # A third of the wrong answers are the query's usual mistake.
    mistake = np.where(random.random((n, 10)) < 0.35, (truth + 1)[:, None], drawn)
    easy = random.uniform(-1.5, 1.5, (n, 1))
    odds = np.log(accuracy / (1 - accuracy)) + easy
    answers = np.where(random.random((n, 10)) < 1 / (1 + np.exp(-odds)), truth[:, None], mistake).astype(np.int32)
    choices = possible_answers(None, n)
    patterns, _, _ = agreement_patterns(answers, choices)
    assert len(patterns) > 0.7 * n
    found = stand(answers, choices)
    right = (answers == truth[:, None]).mean(axis=0)
    assert found.mean.argmax() == 0
    assert np.abs(found.mean - right).max() < 0.06


def test_other_maxima_within_reach_make_the_standing_less_sure():
    camps = np.random.default_rng(0).integers(0, 4, (60, 2))
    answers = np.where(np.random.default_rng(1).random((60, 4)) < 0.1, 0, camps[:, [0, 0, 1, 1]]).astype(np.int32)
    choices = np.full(60, 4)
    found, patterns = readings(answers, choices, copies=False), agreement_patterns(answers, choices)
    assert len(found) > 1
    away = others_within_reach(found, *patterns)
    assert away.shape == (len(found) - 1, 4)
    right = infer(first_givers(answers), choices, found[0][1].ability, found[0][1]).credences
    alone, both = standing(right, np.zeros((0, 4))), standing(right, np.zeros((0, 4)), away)
    assert both.best().max() < alone.best().max()
    # The weight is that of the posterior: a maximum far below adds nothing.
    far = [found[0], (found[0][0] - 100.0, found[1][1])]
    assert np.abs(others_within_reach(far, *patterns)).max() < 1e-9


def test_a_pool_with_one_truth_is_sure_and_one_without_is_not():
    clear = planted(0, n=3000, ability=(2.5, 0.6, 0.4, 0.2, 0.0, -0.2))
    found = stand(clear.answers, clear.options)
    assert found.best()[0] > 0.9
    assert found.regret()[0] < 0.005
    alike = planted(0, n=3000, ability=(0.5,) * 6)
    assert stand(alike.answers, alike.options).best().max() < 0.6


def test_few_queries_are_less_sure_than_many():
    world = planted(2, n=4000, ability=(1.6, 1.0, 0.8, 0.6, 0.4))
    few, many = (stand(world.answers[:n], world.options[:n]) for n in (60, 4000))
    assert np.diag(few.covariance).mean() > 2 * np.diag(many.covariance).mean()


def fitted(world):
    found = agreement_patterns(world.answers, world.options)
    return found, readings(world.answers, world.options, copies=False)[0][1]


def test_parameters_move_accuracies_as_far_as_those_of_other_draws_of_the_queries_are():
    def accuracies(seed, rows):
        world = planted(0, n=4000, ability=(1.2, 0.6, 0.3, 0.0), correlated=False)
        chosen = np.random.default_rng(seed).integers(0, 4000, rows)
        part = replace(world, answers=world.answers[chosen], options=world.options[chosen])
        found, pool = fitted(part)
        right = infer(first_givers(part.answers), part.options, pool.ability, pool).credences
        stand, moves = standing(right, np.zeros((0, 4))), parameter_moves(*found, pool)
        # Beside what is never known better.
        own = stand.covariance - LEAST_DEVIATION**2 * np.eye(4) + moves.T @ moves
        centre = np.eye(4) - 0.25
        return centre @ stand.mean, np.diag(centre @ own @ centre)

    for rows in (100, 1000):
        means, variances = zip(*(accuracies(seed, rows) for seed in range(40)), strict=True)
        seen, stated = np.std(means, axis=0).mean(), np.sqrt(np.mean(variances))
        assert 0.7 * seen < stated < 1.6 * seen


def test_an_axis_on_which_the_queries_tell_nothing_moves_by_a_bounded_step():
    # One member, one query: the prior alone speaks.
    found = agreement_patterns(np.zeros((1, 1), dtype=np.int32), np.array([4]))
    pool = readings(np.zeros((1, 1), dtype=np.int32), np.array([4]))[0][1]
    assert np.isfinite(parameter_moves(*found, pool)).all()
    assert parameter_moves(*found, pool).shape[1] == 1


def test_probability_and_regret_are_those_of_the_draws():
    found = Standing(np.array([0.6, 0.5]), np.diag([0.01, 0.01]))
    # The difference is N(0.1, 0.02): positive with probability 0.760; its negative part is 0.0211 in the mean.
    assert found.best()[0] == pytest.approx(0.760, abs=0.02)
    assert found.regret()[0] == pytest.approx(0.0211, abs=0.003)
    assert found.best().sum() == pytest.approx(1.0)
    # What shifts all members together is no part of the covariance.
    assert Standing(found.mean, found.covariance, 0.03).deviation == pytest.approx([0.2, 0.2])
    assert (found.deviation > 0.1).all()


def test_larger_pools_leave_out_groups_of_members_that_agree():
    world = planted(1, n=400, ability=(0.5,) * 12, copies=[(1, 0, 0.9), (3, 2, 0.9)])
    givers, _, counts = agreement_patterns(world.answers, world.options)
    groups = left_out(givers, counts)
    assert sorted(np.concatenate(groups).tolist()) == list(range(12))
    assert all(any(pair <= set(group.tolist()) for group in groups) for pair in ({0, 1}, {2, 3}))
    assert len(groups) == 8
    assert max(map(len, groups)) <= 3


def test_thinned_patterns_keep_their_shares():
    counts = np.array([500, 250, 200, 50])
    assert thinned(counts, 100).tolist() == [50.0, 25.0, 20.0, 5.0]
    assert thinned(counts, 2000).tolist() == counts.tolist()


def test_silent_members_are_not_heard_and_their_answers_are_judged_by_the_others():
    world = planted(3, n=300)
    pool = readings(world.answers, world.options)[0][1]
    silent = np.arange(6) == 0
    other = np.where(silent, -1, world.answers)
    found = infer(first_givers(world.answers), world.options, pool.ability, pool, silent).credences
    truth = infer(first_givers(other), world.options, pool.ability, pool).truth
    for row in range(300):
        for member in range(6):
            mine = world.answers[row, member]
            same = np.flatnonzero(other[row] == mine)
            if mine < 0:
                expected = 0.0
            elif len(same):
                expected = truth[row, same[0]]
            else:
                expected = truth[row, -1] / (world.options[row] - len(set(other[row].tolist()) - {-1}))
            assert found[row, member] == pytest.approx(expected)
    # Whatever the silent member says, no other answer is judged otherwise.
    changed = np.where(silent, (world.answers + 1) % 4, world.answers)
    again = infer(first_givers(changed), world.options, pool.ability, pool, silent).credences
    np.testing.assert_allclose(again[:, 1:], found[:, 1:], atol=1e-12)


def odd_pools():
    random = np.random.default_rng(0)
    for n in (1, 2, 30):
        for members in (1, 2, 3, 7):
            yield np.zeros((n, members), dtype=np.int32), np.full(n, 4)
            yield np.full((n, members), -1, dtype=np.int32), None
            yield random.integers(-1, 3, (n, members)).astype(np.int32), np.full(n, 2)
            # Every answer another one, and no options.
            yield np.arange(n * members, dtype=np.int32).reshape(n, members), None
            yield random.integers(0, 9, (n, members)).astype(np.int32), np.where(np.arange(n) % 2, 3, 0)


@pytest.mark.parametrize(("answers", "options"), list(odd_pools()))
def test_odd_pools_are_fitted_without_a_warning(answers, options):
    n, members = answers.shape
    train = TrainingSet(
        query_ids=np.arange(n).astype(str),
        tasks=np.array(["only"] * n),
        embeddings=np.eye(32, dtype=np.float32)[:n],
        members=tuple("abcdefg"[:members]),
        answers=answers,
        confidence=np.full(answers.shape, np.nan, dtype=np.float32),
        options=options,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        router = make("latent_truth").fit(train)
    assert np.isfinite(router.accuracy_).all()
    assert router.best_probability_.sum() == pytest.approx(1.0)
    assert (router.expected_regret_ >= 0).all()
    assert possible_answers(options, n).min() >= 2


def test_twenty_siblings_are_fitted():
    random = np.random.default_rng(0)
    one = random.integers(0, 4, 200)
    answers = np.where(random.random((200, 20)) < 0.05, random.integers(0, 4, (200, 20)), one[:, None]).astype(np.int32)
    found = stand(answers, np.full(200, 4))
    assert np.isfinite(found.mean).all()
