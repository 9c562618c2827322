"""Intervals and tests against known values."""

import math

import numpy as np
import pytest

from rgd.scoring.statistics import accuracy_interval, benjamini_hochberg

ONE = np.zeros(400)


def test_the_interval_of_a_coin_is_the_normal_one():
    interval = accuracy_interval(np.tile([0.0, 1.0], 200), ONE, seed=0, draws=20_000)
    half = 1.96 * math.sqrt(0.25 / 400)
    assert interval.estimate == 0.5
    assert interval.low == pytest.approx(0.5 - half, abs=0.003)
    assert interval.high == pytest.approx(0.5 + half, abs=0.003)


def test_strata_take_out_what_lies_between_them():
    correct = np.repeat([0.0, 1.0], 200)
    assert accuracy_interval(correct, correct, seed=0).low == 0.5
    assert accuracy_interval(correct, correct, seed=0).high == 0.5
    assert accuracy_interval(correct, ONE, seed=0).low < 0.47


def test_a_level_of_half_is_narrower():
    correct = np.tile([0.0, 1.0], 200)
    wide, narrow = accuracy_interval(correct, ONE, 0), accuracy_interval(correct, ONE, 0, level=0.5)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_seeds_differ_and_repeat():
    correct = np.random.default_rng(0).random(400)
    assert accuracy_interval(correct, ONE, 1) == accuracy_interval(correct, ONE, 1)
    assert accuracy_interval(correct, ONE, 1) != accuracy_interval(correct, ONE, 2)


@pytest.mark.parametrize(
    ("correct", "strata", "options"),
    [
        ([], [], {}),
        ([1.0], [0, 1], {}),
        ([1.5], [0], {}),
        ([math.nan], [0], {}),
        ([1.0], [0], {"level": 1.0}),
        ([1.0], [0], {"draws": 0}),
    ],
)
def test_bad_input_is_refused(correct, strata, options):
    with pytest.raises(ValueError, match=r"query|queries|\[0, 1\]|draws"):
        accuracy_interval(np.array(correct), np.array(strata), 0, **options)


def test_benjamini_hochberg_known_values():
    np.testing.assert_allclose(benjamini_hochberg(np.array([0.01, 0.04, 0.03, 0.5])), [0.04, 0.16 / 3, 0.16 / 3, 0.5])
    assert benjamini_hochberg(np.array([])).tolist() == []
