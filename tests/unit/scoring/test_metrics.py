"""Metrics by hand."""

import math

import numpy as np
import pytest

from rgd.scoring import metrics


def test_a_missing_answer_is_never_right():
    answers, labels = np.array([0, 1, -1, -1]), np.array([0, 0, 0, -1])
    assert metrics.is_correct(answers, labels).tolist() == [True, False, False, False]


def test_the_gap_closed():
    assert metrics.gap_closed(0.75, 0.7, 0.9) == pytest.approx(0.25)
    assert metrics.gap_closed(0.6, 0.7, 0.9) == pytest.approx(-0.5)
    assert math.isnan(metrics.gap_closed(0.7, 0.7, 0.7))


def test_kendall_tau():
    assert metrics.kendall_tau(np.array([1, 2, 3]), np.array([10, 20, 30])) == pytest.approx(1)
    assert metrics.kendall_tau(np.array([1, 2, 3]), np.array([3, 2, 1])) == pytest.approx(-1)
    assert metrics.kendall_tau(np.array([1, 2, 3, 4]), np.array([1, 2, 4, 3])) == pytest.approx(2 / 3)
    assert math.isnan(metrics.kendall_tau(np.array([1, 1, 1]), np.array([1, 2, 3])))
