"""Paired comparisons of routers against scipy, and verdicts that agree with intervals."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, ttest_1samp

from rgd.analysis.comparisons import against, comparison_table, comparisons_for_people, significant, smallest_shown
from rgd.analysis.people import ends_in_points, in_points
from rgd.errors import UserError
from rgd.scoring.statistics import paired_differences

INTERVAL = {"level": 0.95}
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
    cells = outcomes()
    found = comparison_table(
        cells, {key: FAMILIES[key[3]] for key in cells}, {"d": dict.fromkeys(TASKS, "x")}, INTERVAL
    )
    p_values = {}
    for row in found.itertuples():
        a = cells[("d", row.scenario, "p", row.first)]["correct_top1"].to_numpy()
        key = ("d", "real" if row.second == "bad" else row.scenario, "p", row.second)
        b = cells[key]["correct_top1"].to_numpy()
        assert (row.first_only, row.second_only) == ((a > b).sum(), (a < b).sum())
        assert row.difference == pytest.approx((a - b).mean())
        expected = ttest_1samp((a - b).astype(float), 0.0)
        assert row.p_value == pytest.approx(expected.pvalue)
        ends = expected.confidence_interval(row.ci_level)
        assert (row.ci_low, row.ci_high) == pytest.approx((ends.low, ends.high))
        p_values[row.hypothesis] = row.p_value
    adjusted = false_discovery_control(list(p_values.values()))
    assert found["q_value"].tolist() == pytest.approx([adjusted[number] for number in found["hypothesis"]])
    assert set(found.loc[found["second"] == "bad", "verdict"]) == {"better"}
    assert set(found.loc[found["second"] == "same", "verdict"]) == {""}


def test_seeds_are_taken_together_question_by_question():
    cells = outcomes(3)
    row = table(3).iloc[0]
    a, b = (cells[("d", "real", "p", router)] for router in (row["first"], row["second"]))
    difference = (a["correct_top1"] - b["correct_top1"]).to_numpy().astype(float)
    assert row["difference"] == pytest.approx(difference.mean())
    assert row["first_only"] == pytest.approx((difference > 0).sum() / 3)
    correct = a[["correct_top1"]].assign(other=b["correct_top1"]).to_numpy().astype(float)
    strata = a["query_id"].map(TASKS).to_numpy().astype(str)
    pair = np.array([0]), np.array([1])
    expected = paired_differences(correct, a["query_id"].to_numpy().astype(str), a["seed"].to_numpy(), strata, *pair)
    assert row["p_value"] == expected.p_values()[0]
    assert len(table(1)) == len(table(3))


def test_probabilities_are_tested_too():
    cells = outcomes()
    cells[("d", "real", "p", "bad")]["correct_top1"] = np.float32(0.25)
    found = comparison_table(cells, {key: FAMILIES[key[3]] for key in cells}, {"d": TASKS}, INTERVAL)
    assert found[["p_value", "q_value"]].notna().all().all()
    assert set(found.loc[found["second"] == "bad", "verdict"]) == {"better"}


def random_cells(random, routers, scenarios, pools, splits, n=40):
    """Cells of routers between which there are differences of every size, some routers being twins of others."""
    parts = [random.permutation(2 * n)[:n] for _ in range(splits)]
    frame = pd.DataFrame(
        {"seed": np.repeat(np.arange(splits), n), "query_id": [f"q{row}" for part in parts for row in part]}
    )
    hardness = random.random(2 * n)[np.concatenate(parts)]
    cells, families = {}, {}
    for pool in pools:
        for router in range(routers):
            for scenario in scenarios[: 1 if router % 3 == 0 else None]:
                chance = random.choice([0.0, 0.05, 0.3, 1.0])
                correct = np.where(random.random(len(frame)) < chance, random.random(len(frame)), hardness) < 0.6
                values = correct.astype(np.float32) if router % 4 else (0.25 + 0.5 * correct).astype(np.float32)
                if random.random() < 0.2 and cells:
                    values = list(cells.values())[random.integers(len(cells))]["correct_top1"].to_numpy()
                key = ("d", scenario, pool, f"r{router}")
                cells[key] = frame.assign(correct_top1=values)
                families[key] = "learning-free" if router % 3 == 0 else "query-only"
    return cells, families


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 4), st.sampled_from([0.95, 0.9, 0.8]))
def test_verdicts_intervals_and_adjusted_p_values_agree(seed, routers, splits, level):
    random = np.random.default_rng(seed)
    cells, families = random_cells(random, routers, ["real", "weak"], ["p", "o"], splits)
    found = comparison_table(cells, families, {"d": TASKS}, {"level": level})
    low, high, rate = found["ci_low"], found["ci_high"], 1 - level
    sign = np.select([low > 0, high < 0], ["better", "worse"], "")
    assert found["verdict"].tolist() == sign.tolist()
    assert (found["verdict"] != "").tolist() == (found["q_value"] < rate).tolist()
    assert (low <= found["difference"]).all()
    assert (found["difference"] <= high).all()
    if len(found):
        assert found["ci_level"].nunique() == 1
        assert found["ci_level"].iloc[0] >= level - 1e-12
    # Rows of one hypothesis have one p-value and one adjusted one.
    assert (found.groupby("hypothesis")[["p_value", "q_value"]].nunique() == 1).all().all()
    one_each = found.drop_duplicates("hypothesis")
    if len(one_each):
        assert one_each["q_value"].tolist() == pytest.approx(false_discovery_control(one_each["p_value"]).tolist())
    # As printed: a star stands where both ends have the same sign, and an end other than 0 is not shown as 0.
    accuracy = pd.DataFrame([dict(zip(("dataset", "scenario", "pool", "router"), key, strict=True)) for key in cells])
    shown = comparisons_for_people(found, accuracy.assign(variant="top1", calls_per_query=1.0), "r0")
    for cell in (cell for frame in shown.values() for cell in frame.drop(columns=["router", "calls"]).to_numpy().flat):
        if "[" in cell:
            one, other = (float(end) for end in cell[cell.index("[") + 1 : cell.index("]")].split(","))
            assert (one * other > 0) == cell.endswith("*")


def test_an_end_near_zero_is_shown_with_its_sign():
    assert ends_in_points(0.0004, 0.05) == "[0.04, 5.0]"
    assert ends_in_points(-0.05, -0.0000012) == "[-5.0, -0.0001]"
    assert ends_in_points(-0.0, 0.0) == "[0.0, 0.0]"
    assert in_points(-0.0001, sign=True) == "+0.0"


def test_what_is_one_hypothesis_is_adjusted_for_once():
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"seed": 0, "query_id": [f"q{row}" for row in range(N)]})
    first, second = (random.random((2, N)) < [[0.6], [0.5]]).astype(np.float32)
    fixed = {"a": first, "b": second, "twin of a": first.copy()}
    cells = {("d", "real", "p", name): frame.assign(correct_top1=values) for name, values in fixed.items()}
    # The same two in another pool, the other way round.
    cells |= {("d", "real", "o", name): frame.assign(correct_top1=fixed[name]) for name in ("b", "a")}
    families = dict.fromkeys(cells, "learning-free")
    learned = {
        ("d", scenario, "p", "l"): frame.assign(correct_top1=np.float32(1) - second) for scenario in ("real", "x", "y")
    }
    cells, families = cells | learned, families | dict.fromkeys(learned, "query-only")
    found = comparison_table(cells, families, {"d": TASKS}, INTERVAL)
    assert len(found) == 3 * 6 + 1
    numbers = {
        frozenset((row.first, row.second)): set(
            found[[{row.first, row.second} == {*pair} for pair in zip(found["first"], found["second"], strict=True)]][
                "hypothesis"
            ]
        )
        for row in found.itertuples()
    }
    assert all(len(of_pair) == 1 for of_pair in numbers.values())
    assert numbers[frozenset("ab")] == numbers[frozenset(("b", "twin of a"))]
    assert numbers[frozenset("al")] == numbers[frozenset(("l", "twin of a"))]
    # a with b, with its twin, with l; b with l.
    assert found["hypothesis"].nunique() == 4
    alone = comparison_table(
        {key: cells[key] for key in cells if key[1:3] == ("real", "p")}, families, {"d": TASKS}, INTERVAL
    )
    assert alone["q_value"].tolist() == found.head(len(alone))["q_value"].tolist()
    assert alone["ci_level"].iloc[0] == found["ci_level"].iloc[0]


def test_no_difference_of_two_pairs_is_two_hypotheses():
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"seed": 0, "query_id": [f"q{row}" for row in range(N)]})
    first, second = (random.random((2, N)) < 0.5).astype(np.float32)
    values = {"a": first, "twin of a": first, "b": second, "twin of b": second}
    cells = {("d", "real", "p", name): frame.assign(correct_top1=correct) for name, correct in values.items()}
    found = comparison_table(cells, dict.fromkeys(cells, "query-only"), {"d": TASKS}, INTERVAL)
    assert found["hypothesis"].nunique() == 3
    assert (found.loc[found["difference"] == 0, "p_value"] == 1).all()


def test_the_order_of_the_queries_and_of_the_cells_changes_no_byte():
    cells = outcomes(3)
    order = np.random.default_rng(1).permutation(len(cells["d", "real", "p", "good"]))
    turned = {key: frame.iloc[order].reset_index(drop=True) for key, frame in cells.items()}
    families = {key: FAMILIES[key[3]] for key in cells}
    one, other = (comparison_table(each, families, {"d": TASKS}, INTERVAL) for each in (cells, turned))
    pd.testing.assert_frame_equal(one, other, check_exact=True)


def test_one_router_alone_is_compared_with_nothing():
    cells = {key: frame for key, frame in outcomes().items() if key[3] == "good"}
    found = comparison_table(cells, dict.fromkeys(cells, "query-only"), {"d": TASKS}, INTERVAL)
    assert found.empty
    assert "verdict" in found
    assert "0" in smallest_shown(found)


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


def test_what_is_said_of_a_table_counts_pairs_and_hypotheses():
    said = smallest_shown(table())
    assert " 6 " in said
    assert str(int((table()["verdict"] != "").sum())) in said
