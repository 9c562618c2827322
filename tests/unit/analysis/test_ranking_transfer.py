"""Ranking transfer against a count of pairs."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from rgd.analysis.order import AVERAGE
from rgd.analysis.ranking_transfer import (
    mean_scores,
    possible_note,
    possible_taus,
    ranking_transfer,
    ranking_transfer_for_people,
)
from rgd.scoring.metrics import kendall_tau
from tests.slow_twins.rankings import all_taus, tau_b

MEMBERS = ["m0", "m1", "m2", "m3", "m4"]


def consensus(means: dict[int, list[float]]) -> pa.Table:
    """Two queries a member whose scores have the given mean, by seed."""
    rows = [
        {"seed": seed, "query_id": f"q{query}", "member": member, "consensus": mean + (0.25 if query else -0.25)}
        for seed, values in means.items()
        for member, mean in zip(MEMBERS, values, strict=True)
        for query in range(2)
    ]
    return pa.Table.from_pylist(rows)


@pytest.mark.parametrize("members", [2, 3, 4, 6])
def test_the_possible_values_are_those_of_all_orders(members: int) -> None:
    np.testing.assert_allclose(possible_taus(members), all_taus(members), atol=1e-9)


def test_six_members_have_no_tau_of_minus_089() -> None:
    values = possible_taus(6).round(2)
    assert -0.89 not in values
    assert {-0.87, -1.0} <= set(values.tolist())
    assert "16 values, 0.13 apart (1.00, 0.87, 0.73, ... -0.87, -1.00)" in possible_note([6, 6])


def test_tau_of_the_metrics_is_that_of_the_count() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        first, second = rng.integers(0, 4, (2, 6)).astype(float)
        expected = tau_b(first.tolist(), second.tolist())
        found = kendall_tau(first, second)
        assert np.isnan(found) if expected is None else found == pytest.approx(expected)


def test_seeds_are_compared_with_their_own_real_ranking() -> None:
    rng = np.random.default_rng(0)
    means = {name: {seed: rng.integers(0, 9, 5).tolist() for seed in (0, 1, 2)} for name in ("real", "strong", "weak")}
    scores = {("quiz", name, "p"): mean_scores(consensus(by_seed), MEMBERS) for name, by_seed in means.items()}
    table = ranking_transfer(scores, {"p": MEMBERS}).set_index("scenario")
    assert list(table.index) == ["strong", "weak"]
    for name in table.index:
        taus = [tau_b(means[name][seed], means["real"][seed]) for seed in (0, 1, 2)]
        assert table.loc[name, "tau"] == pytest.approx(sum(taus) / 3)
        assert table.loc[name, "tau_std"] == pytest.approx(np.std(taus, ddof=1))
        assert (table.loc[name, "tau_lowest"], table.loc[name, "tau_highest"]) == pytest.approx((min(taus), max(taus)))
        pairs = [(i, j) for i in range(5) for j in range(i)]
        tied = sum(means[who][s][i] == means[who][s][j] for who in (name, "real") for s in (0, 1, 2) for i, j in pairs)
        assert table.loc[name, "ties"] == tied


def test_the_average_is_of_scenarios_that_all_datasets_have() -> None:
    up, down = {0: np.arange(5.0)}, {0: -np.arange(5.0)}
    scores = {
        ("a", "real", "p"): up,
        ("a", "strong", "p"): up,
        ("a", "weak", "p"): up,
        ("b", "real", "p"): up,
        ("b", "strong", "p"): down,
    }
    table = ranking_transfer(scores, {"p": MEMBERS})
    average = table[table["dataset"] == AVERAGE]
    assert average[["scenario", "tau"]].to_numpy().tolist() == [["strong", 0.0]]
    weak = table.query("dataset == 'a' and scenario == 'weak'").iloc[0]
    assert (weak["ranking"], weak["shared_top"]) == ("m4 > m3 > m2 > m1 > m0", 2)
    assert pd.isna(weak["tau_std"])
    people = ranking_transfer_for_people(table, {"pool": {"p": "Pool P"}})["Pool P"].set_index("scenario")
    assert people.loc["weak"].tolist() == ["1.00", "not made", "not made"]
