"""Quality against cost of a small experiment, each sample of questions taken one by one."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from rgd.analysis.cost_quality import (
    PURPOSE,
    WITH_ENDS,
    Answered,
    Points,
    cost_quality_table,
    costs_in_unit,
    rows_tested,
)
from rgd.analysis.costs import costs_for_people
from rgd.errors import UserError
from rgd.scoring.cells import Benchmark
from rgd.scoring.cost_quality import arena_score
from rgd.seeds import generator
from tests.unit.scoring.test_cost_quality import slow_quality

SETTINGS = {"level": 0.9, "draws": 60, "seed": 3, "beta": 0.1, "cheapest": 0.0044, "dearest": 200.0}
N, SEEDS = 24, 2
QUESTIONS = [f"q{place}" for place in range(N)]
TASKS = {question: "xy"[place % 2] for place, question in enumerate(QUESTIONS)}


def benchmark(unknown: bool = False) -> Benchmark:
    random = np.random.default_rng(0)
    tokens = random.integers(5, 50, (N, 3)).astype(float)
    tokens[4, 1] = np.nan if unknown else 9.0
    return Benchmark(
        query_ids=np.array(QUESTIONS, dtype=object),
        tasks=np.array([TASKS[question] for question in QUESTIONS]),
        labels=np.zeros(N, dtype=np.int32),
        answers=(random.random((N, 3)) > [0.7, 0.5, 0.4]).astype(np.int32),
        vocabulary=("A", "B"),
        prompt_tokens=tokens,
        completion_tokens=tokens * 2,
        members=("dear", "middle", "cheap"),
    )


PRICES = {"dear": [0.0, 3e-3, 9e-3], "middle": [0.01, 0.0, 1e-3], "cheap": [0.002, 0.0, 0.0]}


def routed() -> tuple[pa.Table, pa.Table]:
    """A router's outcomes and routes: two splits, two variants."""
    random = np.random.default_rng(1)
    tested = [*random.permutation(N)[:16], *random.permutation(N)[:16]]
    answers = benchmark().correct
    members = np.array(benchmark().members)
    first = random.integers(0, 3, 32)
    outcomes = {
        "seed": np.repeat([0, 1], 16).astype(np.int32),
        "query_id": [QUESTIONS[row] for row in tested],
        "correct_top1": answers[tested, first].astype(np.float32),
        "correct_top2": answers[tested][:, :2].mean(axis=1).astype(np.float32),
    }
    routes = {
        "query_id": outcomes["query_id"],
        "asked_top1": [[members[place]] for place in first],
        "asked_top2": [["dear", "middle"]] * 32,
    }
    return pa.table(outcomes), pa.table(routes)


def table(settings: dict[str, float] = SETTINGS) -> pd.DataFrame:
    outcomes, routes = routed()
    pool = Answered(benchmark(), "dollars", costs_in_unit(benchmark(), "dollars", PRICES, "p", {})[1])
    tested = rows_tested(outcomes, TASKS)
    cells = {("d", "real", "p", "knn"): pool.routed(outcomes, routes)}
    return cost_quality_table(tested, cells, {"p": pool.members(tested.questions)}, {"p": "dollars"}, settings)


def slow_figures(weights: dict[str, float], dearest: float) -> dict[str, list[float]]:
    """The figures of the two variants where each question counts ``weights`` times."""
    outcomes, routes = (part.to_pydict() for part in routed())
    price = {}
    for place, member in enumerate(benchmark().members):
        call, prompt, completion = PRICES[member]
        for row, question in enumerate(QUESTIONS):
            tokens = benchmark().prompt_tokens[row, place]
            price[member, question] = call + prompt * tokens + completion * 2 * tokens
    total = sum(weights[question] for question in outcomes["query_id"])

    def mean(values: list[float]) -> float:
        return sum(weights[q] * value for q, value in zip(outcomes["query_id"], values, strict=True)) / total

    singles = []
    for place, member in enumerate(benchmark().members):
        right = [float(benchmark().correct[QUESTIONS.index(question), place]) for question in outcomes["query_id"]]
        singles.append((mean([price[member, question] for question in outcomes["query_id"]]), mean(right)))
    points = []
    for variant in ("top1", "top2"):
        asked = zip(outcomes["query_id"], routes[f"asked_{variant}"], strict=True)
        points.append(
            (mean([sum(price[m, q] for m in given) for q, given in asked]), mean(outcomes[f"correct_{variant}"]))
        )
    single = singles[table_best()]
    budgets = np.linspace(0, dearest, 4001)

    def area(spanned: list[tuple[float, float]]) -> float:
        values = [slow_quality(spanned, budget) for budget in budgets[::40]]
        return float(np.trapezoid(values, budgets[::40]) / dearest)

    reached = [budget for budget in budgets if slow_quality(points, budget) >= single[1]] if points else []
    return {
        "cost": [cost for cost, _ in points],
        "arena_score": [float(arena_score(np.array(q), np.array(1000 * c))) for c, q in points],
        "aiq": [area(points)] * 2,
        "aiq_gain": [area(points) - area(singles)] * 2,
        "cost_at_equal_accuracy": [(reached[0] / single[0]) if reached else float("inf")] * 2,
        "gain_at_equal_cost": [slow_quality(points, single[0]) - single[1]] * 2,
    }


def table_best() -> int:
    outcomes, _ = routed()
    rows = [QUESTIONS.index(question) for question in outcomes["query_id"].to_pylist()]
    return int(np.argmax(benchmark().correct[rows].mean(axis=0)))


def test_every_figure_is_its_definition():
    found = table()
    assert found["variant"].tolist() == ["top1", "top2"]
    assert set(found["best_single"]) == {benchmark().members[table_best()]}
    outcomes, _ = routed()
    everyone = dict.fromkeys(QUESTIONS, 1.0)
    dearest = max(slow_figures(everyone, 1.0)["cost"] + [found["best_single_cost"].iloc[0]])
    members = benchmark()
    rows = [QUESTIONS.index(question) for question in outcomes["query_id"].to_pylist()]
    dearest = max(dearest, *costs_in_unit(members, "dollars", PRICES, "p", {})[1][rows].mean(axis=0))
    for figure, values in slow_figures(everyone, dearest).items():
        assert found[figure].tolist() == pytest.approx(values, rel=5e-3, abs=2e-3), figure


def test_the_ends_are_those_of_samples_of_questions_that_all_routers_share():
    settings = {**SETTINGS, "draws": 12}
    found = table(settings)
    outcomes, _ = routed()
    tested = sorted(set(outcomes["query_id"].to_pylist()))
    random = generator(settings["seed"], "bootstrap", PURPOSE)
    samples: list[dict[str, float]] = [dict.fromkeys(QUESTIONS, 0.0) for _ in range(12)]
    for task in ("x", "y"):
        inside = [question for question in tested if TASKS[question] == task]
        for sample, drawn in zip(samples, random.integers(len(inside), size=(12, len(inside))), strict=True):
            for place in drawn:
                sample[inside[place]] += 1.0
    costs = [slow_figures(sample, 1.0)["cost"] for sample in samples]
    # Of twelve the first and the twelfth are the ends at a level of 0.9.
    assert found["cost_low"].tolist() == pytest.approx(np.min(costs, axis=0))
    assert found["cost_high"].tolist() == pytest.approx(np.max(costs, axis=0))
    gains = [slow_figures(sample, 1.0)["gain_at_equal_cost"][0] for sample in samples]
    assert found["gain_at_equal_cost_low"].tolist() == pytest.approx([min(gains)] * 2)
    assert found["gain_at_equal_cost_high"].tolist() == pytest.approx([max(gains)] * 2)


def test_the_best_single_member_gains_nothing_over_itself():
    pool = Answered(benchmark(), "calls", costs_in_unit(benchmark(), "calls", {}, "p", {})[1])
    outcomes, _ = routed()
    tested = rows_tested(outcomes, TASKS)
    members = pool.members(tested.questions)
    cells = {("d", "real", "p", "single"): members}
    found = cost_quality_table(tested, cells, {"p": members}, {"p": "calls"}, SETTINGS)
    assert (found[["aiq_gain_low", "aiq_gain_high"]] == 0).all(axis=None)
    assert found["cost_at_equal_accuracy"].tolist() == [1.0] * 3
    assert (found["gain_at_equal_cost"] == 0).all()
    assert found["arena_score"].isna().all()


def test_a_router_that_never_reaches_the_best_member_costs_without_end():
    outcomes, _ = routed()
    tested = rows_tested(outcomes, TASKS)
    good, bad = np.ones((32, 1)), np.full((32, 1), 0.25)
    cells = {
        ("d", "real", "p", "weak"): Points(("top1",), bad, good),
        ("d", "real", "p", "x"): Points(("a",), bad, bad * np.nan),
    }
    found = cost_quality_table(tested, cells, {"p": Points(("m",), good, good)}, {"p": "calls"}, SETTINGS)
    assert found["cost_at_equal_accuracy"].tolist()[0] == float("inf")
    assert found["gain_at_equal_cost"].tolist()[0] == pytest.approx(-0.75)
    assert found.iloc[1][list(WITH_ENDS)].isna().all()
    accuracy = found.assign(family="query-only", accuracy=0.25, calls_per_query=1.0, regret=0.0, gap_closed=0.0)
    accuracy = accuracy.assign(prompt_tokens_per_query=np.nan, completion_tokens_per_query=np.nan)
    plain, shown = costs_for_people(accuracy).values()
    assert "not reached" in shown.iloc[0].to_string()
    # Nothing is known of tokens and of the arena score.
    assert not any("tokens" in column for column in plain)
    assert "arena score" not in shown
    assert "AIQ" in shown


def test_the_unit_is_the_first_whose_costs_are_known():
    free = {"dear": None, "middle": None, "cheap": None}
    assert costs_in_unit(benchmark(), None, PRICES, "p", {})[0] == "dollars"
    assert costs_in_unit(benchmark(), None, free, "p", {})[0] == "tokens"
    assert costs_in_unit(benchmark(unknown=True), None, free, "p", {})[0] == "calls"
    # Where prompts cost nothing their tokens need not be known.
    assert costs_in_unit(benchmark(unknown=True), None, PRICES | {"middle": [0.1, 0.0, 0.0]}, "p", {})[0] == "dollars"


@pytest.mark.parametrize(("unit", "prices"), [("dollars", PRICES | {"middle": None}), ("tokens", PRICES)])
def test_a_unit_whose_costs_are_unknown_is_one_message(unit, prices):
    with pytest.raises(UserError, match=r"middle.*pool p"):
        costs_in_unit(benchmark(unknown=True), unit, prices, "p", {})


def test_recorded_costs_count_where_there_is_no_price() -> None:
    spent = np.random.default_rng(5).random((N, 3))
    recorded = {"dear": spent[:, 0], "middle": spent[:, 1], "cheap": None}
    unit, found = costs_in_unit(benchmark(), None, PRICES | {"dear": None}, "p", recorded)
    assert unit == "dollars"
    priced = costs_in_unit(benchmark(), "dollars", PRICES, "p", {})[1]
    assert (found[:, 0] == spent[:, 0]).all()
    # A configured price wins.
    assert (found[:, 1:] == priced[:, 1:]).all()


@pytest.mark.parametrize("recorded", [{}, {"middle": None}, {"middle": np.where(np.arange(N) == 3, np.nan, 0.1)}])
def test_a_member_without_a_price_and_all_costs_is_named(recorded: dict[str, np.ndarray | None]) -> None:
    prices = PRICES | {"middle": None}
    with pytest.raises(UserError, match=r"middle.*costs\.prices\.middle"):
        costs_in_unit(benchmark(), "dollars", prices, "p", recorded)
    assert costs_in_unit(benchmark(), None, prices, "p", recorded)[0] == "tokens"


def test_other_test_queries_are_refused():
    outcomes, _ = routed()
    tested = rows_tested(outcomes, TASKS)
    with pytest.raises(ValueError, match="d/real/p/knn"):
        tested.check(outcomes.slice(1), ("d", "real", "p", "knn"))


def test_a_reference_is_asked_as_often_as_its_shares_say():
    outcomes = pa.table(
        {"seed": pa.array([0, 0], pa.int32()), "query_id": ["q3", "q1"], "correct_random1": [0.5, 0.25]}
    )
    shares = {"variant": ["random1"] * 3, "seed": [0] * 3, "member": ["cheap", "dear", "middle"], "share": [1 / 3] * 3}
    pool = Answered(benchmark(), "tokens", costs_in_unit(benchmark(), "tokens", {}, "p", {})[1])
    found = pool.reference(outcomes, pa.table(shares))
    assert found.cost[:, 0] == pytest.approx(pool.costs[[3, 1]].mean(axis=1))
    named = outcomes.rename_columns(["seed", "query_id", "correct_oracle"])
    of_oracle = pool.reference(named, pa.table({**shares, "variant": ["oracle"] * 3}))
    assert np.isnan(of_oracle.cost).all()
