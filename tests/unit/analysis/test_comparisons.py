"""Paired comparisons of routers against scipy and against counts made by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest, false_discovery_control

from rgd.analysis.comparisons import against, comparison_table, comparisons_for_people, significant, smallest_shown
from rgd.errors import UserError
from rgd.scoring.statistics import detectable_difference

INTERVAL = {"level": 0.95, "draws": 400, "seed": 0}
N = 300
TASKS = {f"q{i}": "xyz"[i % 3] for i in range(2 * N)}
CHANCES = {"good": 0.8, "same": 0.8, "bad": 0.4}


def outcomes(seeds: int = 1) -> dict[tuple[str, str, str, str], pd.DataFrame]:
    rng = np.random.default_rng(7)
    ids = [f"q{i}" for i in rng.permutation(2 * N)[:N]]
    frames = {}
    for scenario in ("real", "weak"):
        for router, chance in CHANCES.items():
            if router == "bad" and scenario != "real":
                continue
            frame = pd.DataFrame({"seed": np.repeat(np.arange(seeds, dtype=np.int32), N), "query_id": ids * seeds})
            frame["correct_top1"] = (rng.random(N * seeds) < chance).astype(np.float32)
            frames[("d", scenario, "p", router)] = frame
    return frames


FAMILIES = {"good": "query-only", "same": "query-answer", "bad": "learning-free"}


def table(seeds: int = 1) -> pd.DataFrame:
    cells = outcomes(seeds)
    return comparison_table(cells, {key: FAMILIES[key[3]] for key in cells}, {"d": TASKS}, INTERVAL)


def test_every_pair_of_every_scenario_is_there_with_what_does_not_depend_on_it():
    found = table()
    pairs = {(row.scenario, row.first, row.second) for row in found.itertuples()}
    expected = {("good", "same"), ("good", "bad"), ("same", "bad")}
    assert pairs == {(scenario, *pair) for scenario in ("real", "weak") for pair in expected}


def test_a_pair_is_what_scipy_makes_of_it():
    cells, found = outcomes(), table()
    for row in found.itertuples():
        a = cells[("d", row.scenario, "p", row.first)]["correct_top1"].to_numpy()
        key = ("d", "real" if row.second == "bad" else row.scenario, "p", row.second)
        b = cells[key]["correct_top1"].to_numpy()
        wins, losses = int((a > b).sum()), int((a < b).sum())
        assert (row.first_only, row.second_only) == (wins, losses)
        assert row.difference == pytest.approx((wins - losses) / N)
        assert row.p_value == pytest.approx(binomtest(wins, wins + losses, 0.5).pvalue)
        assert row.ci_low < row.difference < row.ci_high
        width = 1.96 * (a - b).std() / np.sqrt(N)
        assert row.ci_high - row.ci_low == pytest.approx(2 * width, rel=0.2)
    assert found["q_value"].to_numpy() == pytest.approx(false_discovery_control(found["p_value"]))
    assert set(found.loc[found["second"] == "bad", "verdict"]) == {"better"}
    assert set(found.loc[found["second"] == "same", "verdict"]) == {""}


def test_seeds_are_averaged_and_their_tests_combined_with_care():
    one, three = table(1), table(3)
    assert len(one) == len(three)
    cells = outcomes(3)
    row = three.iloc[0]
    a, b = (cells[("d", "real", "p", router)] for router in (row["first"], row["second"]))
    by_seed = [(a["correct_top1"] - b["correct_top1"])[a["seed"] == seed] for seed in range(3)]
    assert row["difference"] == pytest.approx(np.mean([part.mean() for part in by_seed]))
    p_values = [binomtest(int((part > 0).sum()), int((part != 0).sum())).pvalue for part in by_seed]
    assert row["p_value"] == pytest.approx(min(1.0, 2 * np.median(p_values)))


def test_probabilities_are_compared_but_not_tested():
    cells = outcomes()
    cells[("d", "real", "p", "bad")]["correct_top1"] = np.float32(0.25)
    found = comparison_table(cells, {key: FAMILIES[key[3]] for key in cells}, {"d": TASKS}, INTERVAL)
    soft = found["second"] == "bad"
    assert found.loc[soft, "p_value"].isna().all()
    assert (found.loc[soft, "verdict"] == "").all()
    assert found.loc[~soft, "p_value"].notna().all()


def test_other_test_queries_are_refused():
    cells = outcomes()
    cells[("d", "real", "p", "bad")] = cells[("d", "real", "p", "bad")].iloc[::-1].reset_index(drop=True)
    with pytest.raises(ValueError, match=r"\bbad\b.*queries"):
        comparison_table(cells, {key: FAMILIES[key[3]] for key in cells}, {"d": TASKS}, INTERVAL)


def test_nothing_to_compare_is_said():
    with pytest.raises(UserError, match=r"\bcells\b"):
        comparison_table({}, {}, {}, INTERVAL)


def test_against_a_baseline_the_signs_turn_and_people_see_stars():
    found = table()
    accuracy = pd.DataFrame(
        [
            {
                "dataset": "d",
                "scenario": "real",
                "pool": "p",
                "router": router,
                "variant": "top1",
                "calls_per_query": calls,
            }
            for router, calls in (("good", 1.0), ("same", 3.0), ("bad", 1.0))
        ]
    )
    seen = against(found, "same", accuracy)
    assert set(seen["first"]) == {"good", "bad"}
    assert set(seen["second"]) == {"same"}
    assert not seen["same_calls"].any()
    assert significant(seen) == {}
    bad = seen[(seen["first"] == "bad") & (seen["scenario"] == "real")].iloc[0]
    direct = found[(found["second"] == "bad") & (found["first"] == "same") & (found["scenario"] == "real")].iloc[0]
    assert bad["difference"] == -direct["difference"]
    assert bad["verdict"] == "worse"
    assert (bad["ci_low"], bad["ci_high"]) == (-direct["ci_high"], -direct["ci_low"])
    assert (bad["first_only"], bad["second_only"]) == (direct["second_only"], direct["first_only"])
    people = comparisons_for_people(found, accuracy, "good", {"dataset": {"d": "The d"}, "scenario": {"weak": "Weak"}})
    rows = people["The d, p"].set_index("router")
    assert rows.loc["bad top1", "real"].endswith("*")
    assert rows.loc["bad top1", "Weak"].startswith("-")
    assert rows.loc["same top1", "real"].endswith("~")
    assert "*" not in rows.loc["same top1", "real"]
    assert ("d", "real", "p", "bad", "top1") in significant(against(found, "good", accuracy))


def test_the_smallest_difference_shown_is_found_as_often_as_promised():
    n, discordant = 2000, 0.2
    difference = detectable_difference(np.sqrt(discordant), n)
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(400):
        wins = rng.binomial(n, (discordant + difference) / 2)
        losses = rng.binomial(n - wins, (discordant - difference) / 2 / (1 - (discordant + difference) / 2))
        found += binomtest(wins, wins + losses, 0.5).pvalue < 0.05
    assert 0.74 < found / 400 < 0.86
    assert "pairs" in smallest_shown(table())
