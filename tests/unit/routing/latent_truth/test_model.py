"""The latent-truth model against its slow twin, and what it finds of a planted truth."""

import math
from dataclasses import replace

import numpy as np
import pytest

from rgd.routing.latent_truth.confidence import calibrate, curvature, group_offsets, log_odds
from rgd.routing.latent_truth.fit import (
    Posterior,
    expected_abilities,
    other_reading,
    pair_agreement,
    readings,
)
from rgd.routing.latent_truth.model import (
    OPEN,
    Pool,
    first_givers,
    infer,
    nodes,
    possible_answers,
)
from tests.planted import planted
from tests.slow_twins import latent_truth as slow


def fit_pool(*answers_and_choices, **options):
    """The most probable reading."""
    return readings(*answers_and_choices, **options)[0][1]


def some_pool(random, members, copies=True):
    parent = np.full(members, -1)
    if copies and members > 2:
        # A chain: 0 <- 2 <- 1, so that the order of members is not the order of sources.
        parent[2], parent[1] = 0, 2
    return Pool(
        ability=random.normal(0.3, 1.0, members),
        spread=float(random.uniform(0.0, 3.0)),
        kappa=float(np.exp(random.normal(0.5, 1.0))),
        parent=parent,
        copying=np.where(parent >= 0, random.uniform(0.05, 0.8, members), 0.0),
        floor=float(random.choice([0.0, 0.1])),
    )


def twin_of(answers, choices, logits, pool):
    """(n, M + 1) as the model has it and the log-likelihoods, from the twin's probabilities of letters."""
    points, weights = (values.tolist() for values in nodes())
    model = (pool.spread, pool.kappa, pool.floor, pool.parent.tolist(), pool.copying.tolist(), points, weights)
    found, evidence = np.zeros((len(answers), answers.shape[1] + 1)), []
    for row, letters in enumerate(answers.tolist()):
        said = [None if letter < 0 else letter for letter in letters]
        probability, total = slow.truth(said, int(choices[row]), logits[row].tolist(), *model)
        evidence.append(total)
        for member, letter in enumerate(letters):
            if letter >= 0 and letters.index(letter) == member:
                found[row, member] = probability[letter]
        found[row, -1] = 1.0 - found[row, :-1].sum()
    return found, np.array(evidence)


@pytest.mark.parametrize("seed", range(6))
def test_the_posterior_is_the_slow_twins(seed):
    random = np.random.default_rng(seed)
    members, n = [1, 2, 3, 4, 6, 5][seed], 25
    choices = random.integers(2, 6, n)
    answers = np.where(random.random((n, members)) < 0.15, -1, random.integers(0, choices[:, None], (n, members)))
    pool, logits = some_pool(random, members), random.normal(0.5, 1.5, (n, members))
    if members > 4:
        pool.parent[4], pool.copying[4] = 3, 1.0
    givers = first_givers(answers)
    for each, by_query in ((logits, logits), (pool.ability, np.tile(pool.ability, (n, 1)))):
        belief = infer(givers, choices, each, pool)
        expected, evidence = twin_of(answers, choices, by_query, pool)
        np.testing.assert_allclose(belief.truth, expected, atol=1e-10)
        np.testing.assert_allclose(belief.evidence, evidence, atol=1e-10)


def test_two_wrong_answers_agree_as_often_as_the_urn_says():
    # By hand: with K = 5 and kappa = 2, (1 + 2 / 4) / (1 + 2) = 1 / 2.
    pool = Pool(np.full(2, -40.0), 0.0, 2.0, np.full(2, -1), np.zeros(2))
    together = infer(np.array([[0, 0]]), np.array([5]), pool.ability, pool).evidence[0]
    apart = infer(np.array([[0, 1]]), np.array([5]), pool.ability, pool).evidence[0]
    # A pattern's letters are drawn: (a, a) is one pair of letters, of the 5 * 4 pairs of wrong letters that differ.
    assert math.exp(together) * 5 == pytest.approx(0.5)
    assert math.exp(apart) * 20 == pytest.approx(0.5)


def test_answers_are_numbered_by_who_gave_them_first():
    answers = np.array([[4, 2, 4, -1], [-1, -1, -1, -1], [-1, 0, 0, 7]])
    assert first_givers(answers).tolist() == [[0, 1, 0, -1], [-1, -1, -1, -1], [-1, 1, 1, 3]]


def test_options_are_counted_and_what_has_none_is_open():
    assert possible_answers(np.array([4, 0, 10, 1]), 4).tolist() == [4, OPEN, 10, 2]
    assert possible_answers(None, 2).tolist() == [OPEN, OPEN]


@pytest.mark.parametrize("spread", [1.0, 2.5])
def test_the_nodes_integrate_over_easiness_as_many_do(spread):
    points, weights = nodes()
    many = np.linspace(-8, 8, 4001)
    dense = np.exp(-0.5 * many**2) / np.exp(-0.5 * many**2).sum()
    assert weights.sum() == pytest.approx(1.0)
    for ability in (-2.0, 0.0, 1.0):
        for right, wrong in ((1, 0), (3, 1), (2, 4), (0, 6)):
            few, all_of_them = (
                (
                    weight
                    / (1 + np.exp(-(ability + spread * x))) ** right
                    / (1 + np.exp(ability + spread * x)) ** wrong
                ).sum()
                for x, weight in ((points, weights), (many, dense))
            )
            assert few == pytest.approx(all_of_them, rel=0.01)


@pytest.mark.parametrize("seed", range(4))
def test_the_gradient_is_that_of_the_height(seed):
    random = np.random.default_rng(seed)
    n, members = 60, 5
    choices = random.integers(2, 6, n)
    answers = np.where(random.random((n, members)) < 0.1, -1, random.integers(0, choices[:, None], (n, members)))
    answers[: n // 2, 1:3] = answers[: n // 2, :1]
    pool = some_pool(random, members)
    pool.parent[4], pool.copying[4] = 3, float(seed % 2)
    posterior = Posterior(pool, first_givers(answers), choices, random.uniform(0.5, 3.0, n), True)
    vector = posterior.vector() + 0.1
    gradient = posterior.lowered(vector)[1]
    for place in range(len(vector)):
        step = 1e-5 * (np.arange(len(vector)) == place)
        slope = (posterior.lowered(vector + step)[0] - posterior.lowered(vector - step)[0]) / 2e-5
        assert gradient[place] == pytest.approx(slope, abs=1e-8)


def test_the_fit_is_a_maximum_of_the_posterior():
    world = planted(0, n=800, copies=[(3, 1, 0.5)])
    givers, choices = first_givers(world.answers), world.options
    pool = fit_pool(world.answers, choices)
    assert pool.parent.tolist() == [-1, -1, -1, 1, -1, -1]

    def height(at):
        posterior = Posterior(at, givers, choices, np.ones(len(givers)), True)
        return -posterior.lowered(posterior.vector())[0]

    best = height(pool)
    for member in range(6):
        for step in (-0.1, 0.1):
            assert height(replace(pool, ability=pool.ability + step * (np.arange(6) == member))) < best
    for factor in (0.9, 1.1):
        assert height(replace(pool, spread=pool.spread * factor)) < best
        assert height(replace(pool, kappa=pool.kappa * factor)) < best
        assert height(replace(pool, copying=pool.copying * factor)) < best


@pytest.mark.parametrize("seed", range(3))
def test_independent_errors_are_recovered(seed):
    world = planted(seed, correlated=False)
    estimated = accuracies(world)
    assert np.abs(estimated - world.right.mean(axis=0)).max() < 0.02
    independent = accuracies(world, correlated=False)
    assert np.abs(independent - world.right.mean(axis=0)).max() < 0.02


@pytest.mark.parametrize("seed", range(3))
def test_under_correlated_errors_accuracies_are_right_where_independence_overestimates_them(seed):
    world = planted(seed)
    true = world.right.mean(axis=0)
    assert np.abs(accuracies(world) - true).mean() < 0.035
    assert (accuracies(world, correlated=False) - true).mean() > 0.06
    assert np.corrcoef(accuracies(world), true)[0, 1] > 0.97


@pytest.mark.parametrize("seed", range(3))
def test_a_copy_is_found_and_without_it_the_pair_is_overestimated(seed):
    world = planted(seed, copies=[(4, 2, 0.5)])
    pool = fit_pool(world.answers, world.options)
    assert pool.parent.tolist() == [-1, -1, -1, -1, 2, -1]
    assert pool.copying.max() == pytest.approx(0.5, abs=0.1)
    true = world.right.mean(axis=0)
    with_copies, without = accuracies(world), accuracies(world, copies=False)
    assert np.abs(with_copies - true).mean() < 0.04
    assert (without - true)[[2, 4]].mean() > (with_copies - true)[[2, 4]].mean() + 0.03


@pytest.mark.parametrize("copies", [[(1, 0, 0.6), (3, 2, 0.6)], [(1, 0, 0.5), (3, 2, 0.5), (5, 4, 0.5)]])
def test_a_pool_of_pairs_is_not_taken_over_by_one_of_them(copies):
    for seed in range(2):
        world = planted(seed, copies=copies)
        assert fit_pool(*parts(world)).parent.tolist() == [-1, 0, -1, 2, -1, 4 if len(copies) > 2 else -1]
        true = world.right.mean(axis=0)
        assert np.abs(accuracies(world) - true).max() < 0.1
        assert np.abs(accuracies(world, copies=False) - true).max() > 0.12


def test_a_pool_in_which_nobody_copies_gets_no_copies():
    for seed in range(3):
        assert (fit_pool(*parts(planted(seed))).parent == -1).all()


def test_two_that_know_are_not_taken_for_siblings():
    world = planted(1, ability=(2.5, 2.5, 0.0, 0.0, 0.0, 0.0))
    assert (fit_pool(*parts(world)).parent == -1).all()
    assert np.abs(accuracies(world) - world.right.mean(axis=0)).max() < 0.05


def test_a_pool_of_one_or_without_answers_is_fitted():
    assert fit_pool(np.zeros((3, 1), dtype=np.int32), np.full(3, 4)).ability.shape == (1,)
    nothing = fit_pool(np.full((3, 2), -1, dtype=np.int32), np.full(3, 4))
    assert np.isfinite(nothing.ability).all()
    assert pair_agreement(np.full((3, 2), -1), np.ones(3))[0].tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_the_derivatives_by_log_odds_are_those_of_the_likelihood():
    random = np.random.default_rng(3)
    choices = random.integers(2, 6, 30)
    answers = np.where(random.random((30, 4)) < 0.2, -1, random.integers(0, choices[:, None], (30, 4)))
    givers, pool, logits = first_givers(answers), some_pool(random, 4, copies=False), random.normal(size=(30, 4))
    score, curve = curvature(givers, choices, logits, pool)
    for member in range(4):
        step = 1e-5 * (np.arange(4) == member)
        up, down = (infer(givers, choices, logits + sign * step, pool).evidence for sign in (1, -1))
        np.testing.assert_allclose(score[:, member], (up - down) / 2e-5, atol=1e-6)
    assert (curve[answers >= 0] > 0).all()
    assert (curve[answers < 0] == 0).all()


def test_confidence_is_calibrated_without_labels():
    # Mean -0.8 when wrong and 0.8 when right, deviation 1: the log-odds have the slope 1.6 per unit of confidence.
    world = planted(0, n=6000, informative=0.8)
    z = (world.confidence - world.confidence.mean(axis=0)) / world.confidence.std(axis=0)
    z[:, 5] = np.random.default_rng(0).normal(size=len(z))
    givers = first_givers(world.answers)
    pool = fit_pool(world.answers, world.options)
    ability, slope = calibrate(givers, world.options, z, pool)
    expected = 1.6 * world.confidence.std(axis=0)
    assert slope[:5] == pytest.approx(expected[:5], rel=0.35)
    assert abs(slope[5]) < 0.2
    known, unknown = (
        infer(givers, world.options, log_odds(*found, z), pool)
        for found in ((ability, slope), (pool.ability, 0 * slope))
    )
    said = right_share(known, world), right_share(unknown, world)
    assert said[0] > said[1] + 0.02


def test_a_group_is_told_apart_only_where_its_queries_speak_clearly():
    world, plain = planted(5, special=1.5), planted(5)
    for found, most, least in ((world, 1.0, 0.4), (plain, 0.25, 0.0)):
        tasks = np.unique(found.tasks, return_inverse=True)[1]
        pool = fit_pool(found.answers, found.options)
        givers, logits = first_givers(found.answers), np.tile(pool.ability, (len(tasks), 1))
        (offsets,) = group_offsets(givers, found.options, logits, pool, [tasks], 2.0)
        assert least <= (offsets != 0).mean() <= most
        assert np.abs(offsets).max() < 2.0
        if found is world:
            right = np.stack([found.right[tasks == task].mean(axis=0) for task in range(4)])
            own = right - right.mean(axis=0) - right.mean(axis=1, keepdims=True) + right.mean()
            assert np.corrcoef(offsets.ravel(), own.ravel())[0, 1] > 0.8


def parts(world):
    return world.answers, world.options


def accuracies(world, **options):
    pool = fit_pool(world.answers, world.options, **options)
    return infer(first_givers(world.answers), world.options, pool.ability, pool).credences.mean(axis=0)


def right_share(belief, world):
    best = np.argmax(belief.truth[:, :-1], axis=1)
    return (world.answers[np.arange(len(best)), best] == world.truth).mean()


def two_camps(n=60):
    """Four members: two that agree with each other on nearly everything, and two others that do, on other answers."""
    random = np.random.default_rng(0)
    first, second = random.integers(0, 4, (2, n))
    camps = [first, first, second, second]
    noise = random.random((n, 4)) < 0.1
    return np.where(noise, random.integers(0, 4, (n, 4)), np.stack(camps, axis=1)).astype(np.int32)


def test_two_camps_can_be_read_in_two_ways_and_sizes_tip_the_scale():
    answers, choices = two_camps(), np.full(60, 4)
    for large in (0, 2):
        sizes = np.ones(4)
        sizes[[large, large + 1]] = 8.0
        found = readings(answers, choices, copies=False, expected=expected_abilities(sizes))
        assert found[0][1].ability.argmax() in (large, large + 1)
        other, gap = other_reading(found)
        assert other in {0, 1, 2, 3} - {large, large + 1}
        assert 0 < gap < 12
        assert [height for height, _ in found] == sorted((height for height, _ in found), reverse=True)
        # Members of a camp are near-duplicates, of which one counts: two members that differ, the large one ahead.
        (_, pool), *rest = readings(answers, choices, expected=expected_abilities(sizes))
        assert rest == []
        assert (pool.copying == 1.0).sum() == 2
        assert pool.ability.argmax() in (large, large + 1)


def test_a_pool_with_one_truth_is_read_in_one_way():
    world = planted(0, n=600, ability=(1.5, 1.2, 0.9, 0.6))
    found = readings(world.answers, world.options)
    _, gap = other_reading(found)
    assert found[0][1].ability.argmax() == world.right.mean(axis=0).argmax()
    assert gap > 5
    # Sizes that say the contrary are outvoted by 600 queries.
    contrary = fit_pool(world.answers, world.options, expected=expected_abilities(np.array([1.0, 2.0, 4.0, 8.0])))
    assert contrary.ability.argmax() == found[0][1].ability.argmax()


def test_a_doubling_is_worth_the_same_everywhere_and_an_unknown_size_the_middle():
    found = expected_abilities(np.array([1.0, 2.0, np.nan, 4.0, 0.5]))
    middle = np.log2([1.0, 2.0, 4.0, 0.5]).mean()
    assert found == pytest.approx(0.5 + 0.2 * np.array([0 - middle, 1 - middle, 0.0, 2 - middle, -1 - middle]))
    assert expected_abilities(np.full(3, np.nan)).tolist() == [0.5, 0.5, 0.5]
