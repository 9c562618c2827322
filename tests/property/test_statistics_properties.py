"""Statistics against plain computations."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rgd.scoring.metrics import kendall_tau
from rgd.scoring.statistics import (
    accuracy_interval,
    benjamini_hochberg,
    bootstrap_sums,
)


@given(st.lists(st.one_of(st.floats(0, 1), st.just(float("nan"))), max_size=12))
def test_benjamini_hochberg_is_its_definition(p_values):
    adjusted = benjamini_hochberg(np.array(p_values))
    tests = sorted(p for p in p_values if not math.isnan(p))
    for p, q in zip(p_values, adjusted, strict=True):
        if math.isnan(p):
            assert math.isnan(q)
        else:
            above = [(rank, other) for rank, other in enumerate(tests, 1) if other >= p]
            assert q == pytest.approx(min(1.0, min(other * len(tests) / rank for rank, other in above)))


@given(arrays(np.float64, st.integers(2, 8), elements=st.sampled_from([0.0, 1.0, 2.0, 3.0])), st.randoms())
def test_kendall_tau_is_that_of_scipy(first, random):
    from scipy.stats import kendalltau

    second = np.array([random.choice([0.0, 1.0, 2.0]) for _ in first])
    expected = kendalltau(first, second).statistic
    assert kendall_tau(first, second) == pytest.approx(expected, nan_ok=True)


@settings(max_examples=40)
@given(st.integers(1, 30), st.integers(0, 1000), st.booleans())
def test_the_interval_holds_the_mean_and_stays_in_range(n, seed, fractional):
    random = np.random.default_rng(seed)
    correct = random.random(n) if fractional else random.integers(0, 2, n).astype(float)
    strata = random.integers(0, 3, n)
    interval = accuracy_interval(correct, strata, seed, draws=300)
    assert 0 <= interval.low <= interval.high <= 1
    # A percentile interval of 300 draws brackets the mean of all but the most skewed samples.
    spread = correct.std()
    assert interval.low - spread <= interval.estimate <= interval.high + spread
    assert interval == accuracy_interval(correct, strata, seed, draws=300)


@settings(max_examples=20)
@given(st.integers(0, 1000))
def test_bootstrap_sums_have_the_stratified_mean_and_variance(seed):
    random = np.random.default_rng(seed)
    strata = np.repeat([0, 1], [30, 10])
    values = np.where(strata == 0, random.integers(0, 2, 40), random.random(40))
    sums = bootstrap_sums(values, strata, seed, 20_000)
    variance = sum((strata == s).sum() * values[strata == s].var() for s in (0, 1))
    assert sums.mean() == pytest.approx(values.sum(), abs=5 * math.sqrt(variance / 20_000) + 1e-9)
    assert sums.var() == pytest.approx(variance, rel=0.08)
