"""Consensus by hand."""

import math

import numpy as np
import pytest

from rgd.routing.consensus import (
    consensus,
    consensus_scores,
    majority,
    normalise,
    usable_confidence,
    vote_weights,
    z_scores,
)

NAN = float("nan")


def logistic(x):
    return 1 / (1 + math.exp(-x))


def test_scores_by_hand():
    answers = np.array([[0, 0, 1], [2, 2, 2]], dtype=np.int32)
    confidence = np.array([[1.0, 0.0, 3.0], [3.0, 2.0, 5.0]])
    found = consensus(answers, confidence)
    np.testing.assert_allclose(found.mu, [2, 1, 4])
    np.testing.assert_allclose(found.sigma, [1, 1, 1])
    np.testing.assert_allclose(found.z, [[-1, -1, -1], [1, 1, 1]])
    low, high = logistic(-1), logistic(1)
    np.testing.assert_allclose(found.scores, [[2 * low, 2 * low, low], [3 * high] * 3])
    np.testing.assert_array_equal(found.in_majority, [[True, True, False], [True, True, True]])
    np.testing.assert_allclose(consensus(answers, confidence, "z_sum").scores, [[-2, -2, -1], [3, 3, 3]])


def test_posterior_is_a_softmax_over_twenty_letters():
    answers = np.array([[0, 0, 1, -1]], dtype=np.int32)
    scores = consensus(answers, np.full((1, 4), NAN), "posterior").scores[0]
    total = math.exp(1.0) + math.exp(0.5) + 18
    np.testing.assert_allclose(scores, [math.exp(1.0) / total] * 2 + [math.exp(0.5) / total, 0.0])


def test_logistic_weights_are_clamped():
    np.testing.assert_allclose(vote_weights(np.array([[-50.0, 0.0, 50.0]])), [[0.01, 0.5, 0.99]])
    np.testing.assert_allclose(vote_weights(np.array([[-1e9, 1e9]])), [[0.01, 0.99]])


def test_a_vote_without_z_weighs_as_an_average_one():
    np.testing.assert_allclose(vote_weights(np.array([[NAN, 1.0]])), [[0.5, logistic(1)]])
    np.testing.assert_allclose(vote_weights(np.array([[NAN, 1.0], [NAN, NAN]]), "z_sum"), [[0, 1], [1, 1]])


def test_a_missing_answer_counts_neither_in_mu_nor_in_votes():
    answers = np.array([[0, -1], [0, 0], [0, 0]], dtype=np.int32)
    confidence = np.array([[0.0, 99.0], [1.0, 1.0], [2.0, 3.0]])
    found = consensus(answers, confidence)
    np.testing.assert_allclose(found.mu, [1, 2])
    assert np.isnan(found.z[0, 1])
    assert found.scores[0, 1] == 0
    assert not found.in_majority[0].any()


def test_a_missing_answer_scores_the_lowest_when_scores_are_negative():
    answers = np.array([[0, 1, -1]], dtype=np.int32)
    np.testing.assert_allclose(consensus_scores(answers, np.array([[-3.0, 2.0, 7.0]])), [[-3, 2, -3]])


def test_constant_or_absent_confidence_has_sigma_zero_and_no_z():
    confidence = np.array([[0.1, NAN, 1.0], [0.1, NAN, 2.0], [0.1, NAN, NAN]])
    mu, sigma = normalise(confidence)
    np.testing.assert_allclose(mu, [0.1, 0, 1.5])
    np.testing.assert_allclose(sigma, [0, 0, 0.5])
    z = z_scores(confidence, mu, sigma)
    np.testing.assert_array_equal(np.isnan(z), [[True, True, False], [True, True, False], [True, True, True]])


def test_robust_spread_ignores_an_outlier():
    mu, sigma = normalise(np.array([[0.0], [1.0], [2.0], [3.0], [1000.0]]), "median")
    np.testing.assert_allclose([mu[0], sigma[0]], [2.0, 1.4826])


def test_a_median_absolute_deviation_of_zero_gives_way_to_the_standard_deviation():
    confidence = np.array([[0.0, 2.5], [0.0, 2.5], [0.0, 2.5], [0.0, 2.5], [5.0, 2.5]])
    mu, sigma = normalise(confidence, "median")
    # Around the median 0 three of five deviations are 0; the standard deviation is that around the mean 1.
    np.testing.assert_allclose(mu, [0.0, 2.5])
    np.testing.assert_allclose(sigma, [2.0, 0.0])
    z = z_scores(confidence, mu, sigma)
    np.testing.assert_allclose(z[:, 0], [0, 0, 0, 0, 2.5])
    assert np.isnan(z[:, 1]).all()


def test_infinite_confidence_is_no_confidence():
    assert np.isnan(usable_confidence(np.array([[0, 0]]), np.array([[-math.inf, math.inf]]))).all()


@pytest.mark.parametrize(
    ("row", "min_votes", "expected"),
    [
        ([0, 0, 1, 1, 2], 2, [True, True, True, True, False]),
        ([0, 0, 0, 1, 1], 2, [True, True, True, False, False]),
        ([0, 1, 2, 3, -1], 2, [False] * 5),
        ([0, 1, 2, 3, -1], 1, [True, True, True, True, False]),
        ([-1, -1, -1, -1, 0], 1, [False, False, False, False, True]),
        ([-1] * 5, 1, [False] * 5),
    ],
)
def test_majority_answers(row, min_votes, expected):
    assert majority(np.array([row], dtype=np.int32), min_votes)[0].tolist() == expected


def test_unknown_ways_are_refused():
    answers = np.zeros((1, 2), dtype=np.int32)
    with pytest.raises(ValueError, match="vote weight"):
        consensus(answers, np.zeros((1, 2)), "softmax")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="spread"):
        normalise(np.zeros((1, 2)), "range")  # type: ignore[arg-type]


def clean(n: int = 1000, members: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Answers and mean log-probabilities as sampled texts have them."""
    random = np.random.default_rng(5)
    return random.integers(0, 4, (n, members)).astype(np.int32), -np.abs(random.normal(0.3, 0.17, (n, members)))


@pytest.mark.parametrize("spread", ["mean", "median"])
@pytest.mark.parametrize("tokens", [1, 30, 200, 1000, 1500])
@pytest.mark.parametrize("spoilt", [[7], [0, 1, 2, 500, 999]])
def test_a_clamped_token_has_no_effect_beyond_its_answer(spread: str, tokens: int, spoilt: list[int]) -> None:
    answers, confidence = clean()
    changed = confidence.copy()
    changed[spoilt, 1] += -9999 / tokens
    found, left = consensus(answers, changed, spread=spread), np.delete(np.arange(1000), spoilt)
    alone = consensus(answers[left], confidence[left], spread=spread)
    assert (found.mu[1], found.sigma[1]) == (alone.mu[1], alone.sigma[1])
    assert np.isnan(found.z[spoilt, 1]).all()
    np.testing.assert_array_equal(found.z[left, 1], alone.z[:, 1])
    whole = consensus(answers, confidence, spread=spread)
    np.testing.assert_array_equal(found.z[:, [0, 2]], whole.z[:, [0, 2]])


@pytest.mark.parametrize("wrong", [NAN, -math.inf, math.inf, -9999.0, -1e300])
def test_what_is_no_number_counts_as_missing(wrong: float) -> None:
    answers, confidence = clean()
    expected = consensus(answers, np.where(np.arange(1000)[:, None] == 3, NAN, confidence))
    confidence[3] = wrong
    found = consensus(answers, confidence)
    for name in ("mu", "sigma", "z", "scores"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


@pytest.mark.parametrize("constant", [0.0, -0.25, 1.0])
def test_a_clamped_token_gives_a_constant_member_no_spread(constant: float) -> None:
    answers, confidence = clean()
    confidence[:, 0] = constant
    confidence[9, 0] = -50.0
    found = consensus(answers, confidence)
    assert (found.mu[0], found.sigma[0]) == (constant, 0)
    assert np.isnan(found.z[:, 0]).all()


@pytest.mark.parametrize("scale", [1.0, 40.0, 2000.0])
def test_confidence_of_another_scale_is_kept_whole(scale: float) -> None:
    """Sums of log-probabilities, logits, percentages: what is usual for the member counts."""
    _, confidence = clean()
    for values in (confidence * scale, -confidence * scale, confidence * scale - 10):
        mu, sigma = normalise(values)
        np.testing.assert_array_equal(mu, [column.mean() for column in values.T])
        np.testing.assert_array_equal(sigma, [column.std() for column in values.T])
        assert not np.isnan(z_scores(values, mu, sigma)).any()


def test_the_answer_to_a_new_query_is_measured_by_the_training_queries() -> None:
    z = z_scores(np.array([[-0.3, -50.3], [-50.3, 0.2]]), np.array([-0.3, -0.3]), np.array([0.17, 0.17]))
    np.testing.assert_array_equal(np.isnan(z), [[False, True], [True, False]])
