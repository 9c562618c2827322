"""A few labels: which queries are drawn, and what is learned from them, beside slow computations of the same."""

import itertools

import numpy as np
import pytest
from scipy.optimize import minimize

from rgd.routing.latent_truth.labelling import (
    ANY_ANSWER,
    ANY_MEMBER,
    ANY_QUERY,
    TRUST,
    Evidence,
    Mixture,
    chances_of,
    differing,
    doubted,
    drawing_rates,
    drawn,
    evidence,
    expected_noise,
    further_labels,
    inclusion,
    learn,
    preferred,
    prior,
    revealed,
    tilted,
    updated,
)
from rgd.routing.latent_truth.model import credences, first_givers
from rgd.routing.latent_truth.standing import Standing, sampling_error, standing


def believed(seed: int, n: int = 40, members: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Answers of n queries, some missing, and a belief about the truth of each."""
    random = np.random.default_rng(seed)
    answers = random.integers(-1, 3, size=(n, members))
    answers[:3] = [[1] * members, [-1] * members, [-1] * (members - 1) + [2]]
    givers = first_givers(answers)
    truth = np.zeros((n, members + 1))
    for row in range(n):
        slots = [*sorted(set(givers[row].tolist()) - {-1}), members]
        truth[row, slots] = random.dirichlet(np.ones(len(slots)))
    return givers, truth


def slots_of(givers: np.ndarray) -> list[int]:
    return [*sorted(set(givers.tolist()) - {-1}), len(givers)]


def errors(givers: np.ndarray, truth: np.ndarray, slot: int) -> np.ndarray:
    """(M,): what the label says less what the model believes, by its part, where the answer of ``slot`` is right."""
    return np.array(
        [0.0 if giver < 0 else float(giver == slot) - TRUST * truth[giver] for giver in givers.tolist()],
    )


def doubtful(givers: np.ndarray, truth: np.ndarray, slot: int) -> float:
    return float((1 - ANY_ANSWER) * truth[slot] + ANY_ANSWER / len(slots_of(givers)))


@pytest.mark.parametrize("seed", range(3))
def test_rates_are_the_root_of_the_expected_square_of_what_a_label_shows(seed: int) -> None:
    givers, truth = believed(seed)
    best = np.array([0.6, 0.3, 0.1, 0.0])
    weight = (1 - ANY_MEMBER) * best + ANY_MEMBER / 4
    telling = np.zeros(len(givers))
    for row, given in enumerate(givers):
        if len(set(given.tolist())) == 1:
            continue
        for slot in slots_of(given):
            error = errors(given, truth[row], slot)
            pairs = sum(
                weight[one] * weight[other] * (error[one] - error[other]) ** 2 / 2
                for one, other in itertools.product(range(4), repeat=2)
            )
            telling[row] += doubtful(given, truth[row], slot) * pairs
    apart = np.array([len(set(given.tolist())) > 1 for given in givers])
    expected = (1 - ANY_QUERY) * np.sqrt(telling) / np.sqrt(telling).sum() + ANY_QUERY * apart / apart.sum()
    found = drawing_rates(givers, truth, best)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert found[0] == found[1] == 0.0
    assert found[2] > 0
    np.testing.assert_array_equal(differing(givers), apart)


@pytest.mark.parametrize("alike", [[[0, 0, 0]], [[-1, -1, -1], [2, 2, 2]], [[1]], [[-1]]])
def test_queries_that_tell_nothing_are_never_drawn(alike: list[list[int]]) -> None:
    givers = first_givers(np.array(alike))
    truth = np.full((len(givers), givers.shape[1] + 1), 1.0 / (givers.shape[1] + 1))
    rates = drawing_rates(givers, truth, np.ones(givers.shape[1]) / givers.shape[1])
    assert not rates.any()
    assert len(drawn(rates, np.array([str(row) for row in range(len(givers))]), 0)) == 0


def test_queries_are_drawn_as_often_as_is_said() -> None:
    random = np.random.default_rng(0)
    rates = np.concatenate([[0.0], random.dirichlet(np.full(14, 2.0))])
    ids = np.array([f"q{row}" for row in range(15)])
    draws, count = 1500, 5
    times = np.zeros(15)
    for seed in range(draws):
        order = drawn(rates, ids, seed)
        assert sorted(order.tolist()) == list(range(1, 15))
        times[order[:count]] += 1
    chance = inclusion(rates, count)
    assert chance.sum() == pytest.approx(count)
    np.testing.assert_allclose(times / draws, chance, atol=0.05)
    np.testing.assert_array_equal(inclusion(rates, 14), rates > 0)
    np.testing.assert_array_equal(inclusion(rates, 99), rates > 0)


def test_a_query_is_drawn_by_its_id_alone() -> None:
    rates = np.random.default_rng(1).dirichlet(np.ones(30))
    ids = np.array([f"q{row}" for row in range(30)])
    order = np.random.default_rng(2).permutation(30)
    np.testing.assert_array_equal(ids[drawn(rates, ids, 3)], ids[order][drawn(rates[order], ids[order], 3)])
    fewer = drawn(np.where(np.arange(30) < 20, rates, 0.0), ids, 3)
    np.testing.assert_array_equal([row for row in drawn(rates, ids, 3) if row < 20], fewer)
    assert drawn(rates, ids, 4).tolist() != drawn(rates, ids, 3).tolist()


@pytest.mark.parametrize("seed", range(3))
def test_the_expected_noise_is_that_of_independent_draws(seed: int) -> None:
    givers, truth = believed(seed, n=25)
    chance = np.random.default_rng(seed).uniform(0.1, 1.0, 25)
    chance[:4] = [0.0, 0.0, 1.0, 1.0]
    expected = np.zeros((4, 4))
    for row, given in enumerate(givers):
        for slot in slots_of(given) if chance[row] > 0 else []:
            error = errors(given, truth[row], slot)
            error = error - error.mean()
            part = doubtful(given, truth[row], slot) * (1 - chance[row]) / chance[row]
            expected += part * np.outer(error, error) / 25**2
    np.testing.assert_allclose(expected_noise(givers, truth, doubted(givers, truth), chance), expected, atol=1e-14)


def a_truth(givers: np.ndarray, seed: int) -> np.ndarray:
    """(n, M): which answers are right, where a given answer or none is, each alike."""
    random = np.random.default_rng(seed)
    slots = np.array([random.choice(slots_of(given)) for given in givers])
    return (givers == slots[:, None]) & (givers >= 0)


def test_labels_estimate_the_differences_without_bias() -> None:
    givers, truth = believed(5, n=300)
    right = a_truth(givers, 6)
    rates = drawing_rates(givers, truth, np.full(4, 0.25))
    ids = np.array([f"q{row}" for row in range(300)])
    chance = inclusion(rates, 40)
    found = []
    for seed in range(300):
        rows = np.sort(drawn(rates, ids, seed)[:40])
        found.append(evidence(givers, truth, doubted(givers, truth), rows, right[rows], chance))
    estimates = np.array([each.accuracy - each.accuracy.mean() for each in found])
    true = right.mean(axis=0) - right.mean()
    deviation = estimates.std(axis=0)
    assert (np.abs(estimates.mean(axis=0) - true) < 4 * deviation / np.sqrt(300) + 0.002).all()
    said = np.sqrt(np.mean([np.diag(each.variance) for each in found], axis=0))
    assert (said > 0.8 * deviation).all()
    assert (said < 1.6 * deviation).all()
    # The model's own belief is farther off.
    assert np.abs(credences(givers, truth).mean(axis=0) - right.mean(axis=0)).max() > 0.01


def test_all_labels_give_the_differences_themselves() -> None:
    givers, truth = believed(7, n=60)
    right = a_truth(givers, 8)
    rates = drawing_rates(givers, truth, np.full(4, 0.25))
    for rows in (np.arange(60), np.flatnonzero(rates > 0)):
        chance = chances_of(rates, rows)
        found = evidence(givers, truth, doubted(givers, truth), rows, right[rows], chance)
        np.testing.assert_allclose(
            found.accuracy - found.accuracy.mean(), right.mean(axis=0) - right.mean(), atol=1e-12
        )
        np.testing.assert_allclose(found.variance, 0.0, atol=1e-12)


def test_chances_are_by_rate_where_the_drawn_queries_are_labelled_and_else_nearer_to_equal_ones() -> None:
    rates = np.concatenate([np.zeros(100), np.random.default_rng(0).dirichlet(np.full(200, 0.3))])
    ids = np.array([f"q{row}" for row in range(300)])
    kept = 0
    for seed in range(20):
        rows = np.sort(drawn(rates, ids, seed)[:40])
        kept += np.array_equal(chances_of(rates, rows), inclusion(rates, 40))
        others = np.random.default_rng(seed).permutation(300)[:40]
        chance = chances_of(rates, others)
        assert (chance > 0).all()
        assert chance.sum() == pytest.approx(40)
        assert np.ptp(chance) < 0.5 * np.ptp(inclusion(rates, 40))
    assert kept >= 19


def test_an_update_is_the_formula_of_two_members() -> None:
    before = Mixture(
        np.array([0.5, 0.5]),
        (Standing(np.array([0.6, 0.5]), 1e-4 * np.eye(2)), Standing(np.array([0.6, 0.5]), np.eye(2))),
    )
    # The variance of the difference is (1, -1) V (1, -1)'.
    found = Evidence(np.array([0.1, 0.4]), np.array([[1.0, -1.0], [-1.0, 1.0]]) * 0.0025)
    after = updated(before, found)
    heights = []
    for width, part in zip((2e-4, 2.0), after.parts, strict=True):
        difference = 0.1 + width / (width + 0.01) * (-0.3 - 0.1)
        assert part.mean[0] - part.mean[1] == pytest.approx(difference)
        assert part.mean.sum() == pytest.approx(1.1)
        contrast = np.array([1.0, -1.0])
        assert contrast @ part.covariance @ contrast == pytest.approx(width * 0.01 / (width + 0.01))
        heights.append(np.exp(-0.5 * 0.4**2 / (width + 0.01)) / np.sqrt(width + 0.01))
    np.testing.assert_allclose(after.shares, np.array(heights) / sum(heights))
    np.testing.assert_allclose(after.best().sum(), 1.0)


@pytest.mark.parametrize("seed", range(3))
def test_the_tilted_truth_is_the_nearest_with_these_differences(seed: int) -> None:
    givers, truth = believed(seed, n=30, members=3)
    free = np.arange(30) >= 5
    wanted = credences(givers, truth).mean(axis=0) + np.array([0.04, -0.03, 0.0])
    found, shift = tilted(givers, truth, wanted, free)
    right = credences(givers, found).mean(axis=0)
    np.testing.assert_allclose(right - right.mean(), wanted - wanted.mean(), atol=3e-4)
    assert shift.sum() == pytest.approx(0.0, abs=1e-9)
    np.testing.assert_array_equal(found[~free], truth[~free])
    np.testing.assert_allclose(found.sum(axis=1), 1.0)

    # The same by a general optimizer over all beliefs: softmax of free odds, least relative entropy, differences as found.
    slots = [(row, slot) for row in np.flatnonzero(free) for slot in slots_of(givers[row])]
    place = {pair: index for index, pair in enumerate(slots)}
    base = np.array([truth[pair] for pair in slots])
    owner = np.array([row for row, _ in slots])
    supports = np.zeros((len(slots), 3))
    for (row, slot), index in place.items():
        supports[index] = (givers[row] == slot) & (givers[row] >= 0)
    supports -= supports.mean(axis=1, keepdims=True)
    kept = np.array([found[pair] for pair in slots])
    target = supports.T @ kept

    def entropy(belief: np.ndarray) -> tuple[float, np.ndarray]:
        return float((belief * np.log(belief / base)).sum()), np.log(belief / base) + 1

    sums = (owner[None] == np.flatnonzero(free)[:, None]).astype(float)
    answer = minimize(
        entropy,
        base,
        jac=True,
        method="SLSQP",
        bounds=[(1e-9, 1.0)] * len(base),
        constraints=[
            {"type": "eq", "fun": lambda belief: sums @ belief - 1, "jac": lambda belief: sums},
            {
                "type": "eq",
                "fun": lambda belief: (supports.T @ belief - target)[:2],
                "jac": lambda belief: supports.T[:2],
            },
        ],
        options={"maxiter": 300, "ftol": 1e-12},
    )
    np.testing.assert_allclose(kept, answer.x, atol=2e-3)


def test_differences_out_of_reach_are_come_near_to() -> None:
    givers, truth = believed(1, n=30, members=3)
    found, shift = tilted(givers, truth, np.array([2.0, -2.0, 0.0]), np.ones(30, dtype=bool))
    assert np.isfinite(found).all()
    assert np.isfinite(shift).all()
    before, after = (credences(givers, belief).mean(axis=0) for belief in (truth, found))
    assert after[0] - after[1] > before[0] - before[1] + 0.2


def test_labelled_queries_are_known() -> None:
    givers = first_givers(np.array([[0, 0, 1], [2, -1, 2], [0, 1, 2]]))
    truth = np.full((3, 4), 0.25)
    found = revealed(givers, truth, np.array([0, 2]), np.array([[False, False, True], [False] * 3]))
    np.testing.assert_array_equal(found, [[0, 0, 1, 0], [0.25] * 4, [0, 0, 0, 1]])


def test_more_labels_are_needed_the_closer_the_members_are() -> None:
    sampling = 1e-8 * np.eye(2)
    noises = [(count, np.array([[1.0, -1.0], [-1.0, 1.0]]) / (8 * count)) for count in (10, 100, 1000, 10000, 100000)]
    found = []
    for gap in (0.6, 0.2, 0.0):
        before = prior(Standing(np.array([0.5 + gap, 0.5]), 0.03 * np.eye(2) + sampling), sampling)
        found.append(further_labels(before, before, sampling, iter(noises)))
    assert found[0] is not None
    assert found[1] is not None
    assert found[2] is not None
    assert found[0] < found[1] <= found[2]
    wide = 1e-2 * np.eye(2)
    before = prior(Standing(np.array([0.5, 0.5]), 0.03 * np.eye(2) + wide), wide)
    assert further_labels(before, before, wide, iter(noises)) is None


@pytest.mark.parametrize("seed", range(2))
def test_the_order_of_rows_and_members_plays_no_part(seed: int) -> None:
    givers, truth = believed(seed, n=80)
    answers = np.where(givers >= 0, givers, -1)
    right = a_truth(givers, seed)
    stand = standing(credences(givers, truth), np.array([[0.02, -0.01, 0.0, 0.01]]))
    rows = np.arange(0, 80, 3)
    found = learn(givers, truth, stand, rows, right[rows])
    members, order = np.array([2, 0, 3, 1]), np.random.default_rng(seed).permutation(80)
    moved = first_givers(answers[np.ix_(order, members)])
    belief = np.zeros(truth.shape)
    belief[:, 4] = truth[order, 4]
    for row, source in enumerate(order):
        for member, before in enumerate(members):
            if moved[row, member] == member:
                belief[row, member] = truth[source, givers[source, before]]
    stand = Standing(stand.mean[members], stand.covariance[np.ix_(members, members)])
    place = np.sort(np.argsort(order)[rows])
    again = learn(moved, belief, stand, place, right[np.ix_(order[place], members)])
    np.testing.assert_allclose(again.posterior.mean, found.posterior.mean[members], atol=1e-9)
    np.testing.assert_allclose(again.posterior.best(), found.posterior.best()[members], atol=2e-3)
    np.testing.assert_allclose(again.shift, found.shift[members], atol=1e-6)
    assert again.further == found.further


def test_what_is_learned_agrees_with_itself() -> None:
    givers, truth = believed(3, n=400)
    right = a_truth(givers, 3)
    stand = standing(credences(givers, truth), np.zeros((0, 4)))
    np.testing.assert_allclose(stand.covariance, sampling_error(credences(givers, truth)) + 0.025**2 * np.eye(4))
    rows = np.arange(0, 400, 4)
    found = learn(givers, truth, stand, rows, right[rows])
    accuracy = credences(givers, found.truth).mean(axis=0)
    mean = found.posterior.mean
    np.testing.assert_allclose(accuracy - accuracy.mean(), mean - mean.mean(), atol=1e-3)
    none = learn(givers, truth, stand, rows[:0], right[:0])
    np.testing.assert_array_equal(none.posterior.mean, stand.mean)
    np.testing.assert_array_equal(none.posterior.covariance, stand.covariance)
    np.testing.assert_array_equal(none.truth, truth)
    assert not none.shift.any()


@pytest.mark.parametrize("labels", [0, 100])
def test_what_few_queries_leave_open_makes_less_sure_and_changes_nothing_else(labels: int) -> None:
    givers, truth = believed(3, n=400)
    right, rows = a_truth(givers, 3), np.arange(0, 4 * labels, 4)
    stand = standing(credences(givers, truth), np.zeros((0, 4)))
    sure = learn(givers, truth, stand, rows, right[rows])
    unsure = learn(givers, truth, stand, rows, right[rows], 0.03**2 * np.eye(4))
    np.testing.assert_array_equal(unsure.posterior.mean, sure.posterior.mean)
    np.testing.assert_array_equal(unsure.truth, sure.truth)
    np.testing.assert_allclose(unsure.posterior.deviation**2, sure.posterior.deviation**2 + 0.03**2)
    assert unsure.posterior.regret().min() > sure.posterior.regret().min()
    # No label helps against it.
    assert unsure.further == -1


def test_a_panel_keeps_its_usual_rule_unless_labels_speak_against_it() -> None:
    noise = (np.eye(3) - 1 / 3) * 1e-4
    assert preferred(Evidence(np.zeros(3), noise), 1) == 1
    assert preferred(Evidence(np.array([0.0, 0.0, 0.03]), 100 * noise), 1) == 1
    assert preferred(Evidence(np.array([0.0, 0.0, 0.03]), noise), 1) == 2
    assert preferred(Evidence(np.array([0.03, 0.0, 0.03]), 0 * noise), 1) == 0
