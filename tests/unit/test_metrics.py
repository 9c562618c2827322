"""Metrics by hand."""

import math

import numpy as np
import pytest

from rgd import metrics


def test_a_missing_answer_is_never_right():
    answers, labels = np.array([0, 1, -1, -1]), np.array([0, 0, 0, -1])
    assert metrics.is_correct(answers, labels).tolist() == [True, False, False, False]
    assert metrics.missing_answers(answers) == 2


def test_accuracy_of_probabilities_and_of_nothing():
    assert metrics.accuracy(np.array([0.5, 1.0])) == 0.75
    assert math.isnan(metrics.accuracy(np.array([])))


def test_regret_and_the_gap_closed():
    assert metrics.regret(np.array([True, False, False, True]), np.array([1.0, 1.0, 0.0, 1.0])) == 0.25
    assert metrics.gap_closed(0.75, 0.7, 0.9) == pytest.approx(0.25)
    assert metrics.gap_closed(0.6, 0.7, 0.9) == pytest.approx(-0.5)
    assert math.isnan(metrics.gap_closed(0.7, 0.7, 0.7))


def test_chosen_share_sums_to_the_calls():
    asked = np.array([[0, 2], [2, 1]])
    share = metrics.chosen_share(asked, 4)
    assert share.tolist() == [0.5, 0.5, 1.0, 0.0]
    assert share.sum() == metrics.calls_per_query(asked) == 2


def test_kendall_tau():
    assert metrics.kendall_tau(np.array([1, 2, 3]), np.array([10, 20, 30])) == pytest.approx(1)
    assert metrics.kendall_tau(np.array([1, 2, 3]), np.array([3, 2, 1])) == pytest.approx(-1)
    assert metrics.kendall_tau(np.array([1, 2, 3, 4]), np.array([1, 2, 4, 3])) == pytest.approx(2 / 3)
    assert math.isnan(metrics.kendall_tau(np.array([1, 1, 1]), np.array([1, 2, 3])))
