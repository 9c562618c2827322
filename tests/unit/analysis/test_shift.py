"""Maximum mean discrepancy against its three sums."""

import numpy as np
import pandas as pd
import pytest

from rgd.analysis.shift import discrepancy, shift_for_people, subsample
from tests.slow_twins.distributions import exact_p, median_distance, mmd2


@pytest.mark.parametrize(("m", "n", "move"), [(6, 9, 0.0), (8, 5, 1.0), (2, 2, 3.0)])
def test_the_estimate_is_that_of_the_sums(m: int, n: int, move: float) -> None:
    rng = np.random.default_rng(m)
    first, second = rng.normal(size=(m, 3)), rng.normal(size=(n, 3)) + move
    found = discrepancy(first, second, permutations=10, seed=0)
    bandwidth = median_distance([*first.tolist(), *second.tolist()])
    assert found.bandwidth == pytest.approx(bandwidth)
    assert found.mmd2 == pytest.approx(mmd2(first.tolist(), second.tolist(), bandwidth), abs=1e-12)


def test_the_p_value_nears_that_of_all_permutations() -> None:
    rng = np.random.default_rng(3)
    first, second = rng.normal(size=(4, 2)), rng.normal(size=(3, 2)) + 0.8
    found = discrepancy(first, second, permutations=4000, seed=1)
    assert found.p_value == pytest.approx(exact_p(first.tolist(), second.tolist(), found.bandwidth), abs=0.03)


def test_a_shift_is_found_and_the_same_distribution_is_not() -> None:
    rng = np.random.default_rng(0)
    sample = rng.normal(size=(300, 4))
    assert discrepancy(sample[:150], sample[150:] + 1, permutations=99, seed=0).p_value == 0.01
    assert discrepancy(sample[:150], sample[150:], permutations=99, seed=0).p_value > 0.05


def test_the_seed_decides_the_p_value_and_blocks_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(20, 3)), rng.normal(size=(30, 3)) + 0.2
    whole = discrepancy(first, second, permutations=200, seed=5)
    monkeypatch.setattr("rgd.analysis.shift.BLOCK_ENTRIES", 7 * 50)
    assert discrepancy(first, second, permutations=200, seed=5) == whole
    assert discrepancy(first, second, permutations=200, seed=6).mmd2 == whole.mmd2


def test_equal_rows_have_no_distance() -> None:
    found = discrepancy(np.ones((3, 2)), np.ones((4, 2)), permutations=9, seed=0)
    assert (found.mmd2, found.bandwidth, found.p_value) == (0.0, 1.0, 1.0)
    with pytest.raises(ValueError, match="1 and 4"):
        discrepancy(np.ones((1, 2)), np.ones((4, 2)), permutations=9, seed=0)


def test_a_subsample_is_ascending_without_repeats_and_the_same_again() -> None:
    rows = subsample(100, 10, 0, "quiz", "real")
    assert len(set(rows.tolist())) == 10
    assert (np.diff(rows) > 0).all()
    np.testing.assert_array_equal(rows, subsample(100, 10, 0, "quiz", "real"))
    assert rows.tolist() != subsample(100, 10, 0, "quiz", "strong").tolist()
    np.testing.assert_array_equal(subsample(5, 10, 0), np.arange(5))


def test_the_table_of_people() -> None:
    row = {"dataset": "quiz", "n_queries": 5, "n_real": 6, "mmd2": 0.0123, "p_value": 0.01, "bandwidth": 1.25}
    shown = shift_for_people(pd.DataFrame([row | {"scenario": "real"}, row | {"scenario": "s"}]))["quiz"]
    assert shown["MMD² × 1000"].tolist() == ["12.30", "12.30"]
    assert shown["queries of"].tolist() == ["real: train and test part", "s"]
