"""Accuracy against cost, and learning curves: what is on the figures."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rgd.analysis.figures import comparable
from rgd.analysis.trade_offs import (
    accuracy_against_cost,
    cost_points,
    frontier,
    labelled_share_curves,
    learning_curves,
    pareto_figure,
)
from rgd.errors import UserError


def accuracy(datasets: tuple[str, ...] = ("quiz",)) -> pd.DataFrame:
    rows = [
        (dataset, scenario, pool, family, router, variant, value, calls)
        for dataset in datasets
        for pool in ("small", "large")
        for scenario, family, router, variant, value, calls in [
            ("real", "query-only", "cascal", "top1", 0.5, 1.0),
            ("real", "query-only", "cascal", "top3", 0.6, 3.0),
            ("strong", "query-only", "cascal", "top1", 0.45, 1.0),
            ("strong", "query-only", "cascal", "top3", 0.5, 3.0),
            ("real", "learning-free", "majority", "all", 0.55, 6.0),
            ("real", "reference", "oracle", "oracle", 0.9, 6.0),
        ]
    ]
    names = ["dataset", "scenario", "pool", "family", "router", "variant", "accuracy", "calls_per_query"]
    frame = pd.DataFrame(rows, columns=names)
    return frame.assign(prompt_tokens_per_query=100 * frame["calls_per_query"], completion_tokens_per_query=np.nan)


def curve() -> pd.DataFrame:
    rows = [
        {"dataset": dataset, "scenario": scenario, "pool": "p", "family": "query-only", "router": router}
        | {"variant": variant, "n_training": size, "accuracy": 0.4 + size / 1000, "ci_low": 0.3, "ci_high": 0.7}
        for dataset in ("quiz", "exam", "test")
        for scenario in ("real", "strong")
        for router in ("cascal", "knn")
        for variant in ("top1", "top3")
        for size in (50, 100, 300)
    ]
    return pd.DataFrame(rows)


def drawn(monkeypatch: pytest.MonkeyPatch) -> list:
    from matplotlib.figure import Figure

    figures: list[Figure] = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *args, **kw: (figures.append(self), save(self, *args, **kw)))
    return figures


def test_the_frontier_is_what_nothing_beats() -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        cost, value = rng.integers(1, 6, 12).astype(float), rng.integers(0, 6, 12).astype(float)
        cost[rng.random(12) < 0.1] = np.nan
        found = frontier(cost, value)
        places = [i for i in range(12) if not np.isnan(cost[i])]
        best = {
            (cost[i], value[i])
            for i in places
            if not any(
                cost[j] <= cost[i] and value[j] >= value[i] and (cost[j], value[j]) != (cost[i], value[i])
                for j in places
            )
        }
        assert {(cost[i], value[i]) for i in found} == best
        assert len(found) == len(best)
        assert (np.diff(cost[found]) > 0).all()


def test_points_are_means_over_the_datasets_without_the_oracle() -> None:
    frame = accuracy(("quiz", "exam"))
    frame.loc[frame["dataset"] == "exam", "accuracy"] += 0.1
    points = cost_points(frame).set_index(["pool", "router", "variant", "scenario"])
    assert points.loc[("small", "cascal", "top3", "real"), ["accuracy", "calls"]].tolist() == pytest.approx([65, 3])
    assert "oracle" not in points.index.get_level_values("router")
    assert points["tokens"].isna().all()


def test_a_dataset_with_real_queries_alone_does_not_take_the_other_scenarios_away() -> None:
    frame = accuracy(("quiz", "exam"))
    mathematics = accuracy(("math",))
    mathematics = mathematics[mathematics["scenario"] == "real"]
    weak = accuracy(("exam",)).replace({"scenario": {"strong": "of_one_dataset"}})
    kept = comparable(pd.concat([frame, mathematics, weak[weak["scenario"] == "of_one_dataset"]]))
    assert set(kept["dataset"]) == {"quiz", "exam"}
    assert set(kept["scenario"]) == {"real", "strong"}
    assert set(comparable(frame, ["weak"])["scenario"]) == {"real"}
    assert set(comparable(mathematics)["dataset"]) == {"math"}


def test_known_tokens_have_a_row_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = drawn(monkeypatch)
    accuracy_against_cost(accuracy(), tmp_path / "calls.svg")
    accuracy_against_cost(accuracy().assign(completion_tokens_per_query=10.0), tmp_path / "tokens.svg")
    assert [len(figure.axes) for figure in figures[::2]] == [2, 4]
    shown = [tuple(dots.get_offsets()[0].round(9)) for dots in figures[0].axes[0].collections]
    assert shown == [(1, 50), (3, 60), (1, 45), (3, 50), (6, 55)]
    texts = [text.get_text() for text in figures[0].legends[0].get_texts()]
    assert texts == ["cascal", "majority", "real", "strong", "nothing is cheaper and better"]


def test_curves_have_a_panel_for_every_dataset_and_scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = drawn(monkeypatch)
    learning_curves(curve(), tmp_path / "curve.svg", {"quiz": "Quiz"})
    seen = [axis for axis in figures[0].axes if axis.get_visible()]
    assert len(seen) == 6
    assert seen[0].get_title() == "Quiz, real, p"
    assert [label.get_text() for label in seen[0].get_xticklabels()] == ["50", "100", "300"]
    assert [line.get_ydata().tolist() for line in seen[0].lines] == [pytest.approx([45, 50, 70])] * 4


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    one = accuracy_against_cost(accuracy(), tmp_path / "one.svg")[0].read_bytes()
    assert one == accuracy_against_cost(accuracy(), tmp_path / "two.svg")[0].read_bytes()


def test_nothing_to_draw_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="training queries"):
        learning_curves(curve().iloc[:0], tmp_path / "curve.svg")
    with pytest.raises(UserError, match=r"\bcell\b"):
        accuracy_against_cost(accuracy().query("router == 'oracle'"), tmp_path / "cost.svg")


def priced(**changes: object) -> pd.DataFrame:
    frame = accuracy(("quiz", "exam"))
    ends = {"ci_low": frame["accuracy"] - 0.02, "ci_high": frame["accuracy"] + 0.02}
    cost = {"cost_unit": "dollars", "cost": frame["calls_per_query"] / 1000}
    frame = frame.assign(**ends, **cost, cost_low=cost["cost"] * 0.9, cost_high=cost["cost"] * 1.1)
    frame.loc[frame["router"] == "oracle", ["cost", "cost_low", "cost_high"]] = np.nan
    return frame.assign(**changes)


@pytest.mark.parametrize("unit", ["dollars", "tokens", "calls"])
def test_the_pareto_figure_is_written_twice_and_again_the_same(tmp_path: Path, unit: str) -> None:
    svg = tmp_path / "pareto.svg"
    assert [path.suffix for path in pareto_figure(priced(cost_unit=unit), svg, {"pool": {"small": "Small pool"}})] == [
        ".svg",
        ".png",
    ]
    first = svg.read_bytes()
    assert unit.encode() in first
    assert b"Small pool" in first
    pareto_figure(priced(cost_unit=unit), svg, {"pool": {"small": "Small pool"}})
    assert svg.read_bytes() == first


@pytest.mark.parametrize("seeds", [1, 2])
def test_the_curve_of_labelled_shares_has_a_line_for_each_rule(tmp_path: Path, seeds: int) -> None:
    rows = [
        {"dataset": dataset, "pool": "p", "rule": rule, "alpha": alpha, "task_accuracy": 0.5 + alpha}
        | {"predictor_accuracy": 0.6, "task_accuracy_std": spread, "predictor_accuracy_std": spread}
        for spread in [np.nan if seeds == 1 else 0.02]
        for dataset in ("quiz", "exam")
        for rule in ("s1", "s3")
        for alpha in (0.0, 0.05)
    ]
    svg = tmp_path / "benchmark_routing.svg"
    titles = {"rule": {"s1": "Rule one"}, "dataset": {"quiz": "The quiz"}}
    assert len(labelled_share_curves(pd.DataFrame(rows), svg, titles)) == 2
    text = svg.read_text()
    assert all(name in text for name in ("Rule one", "The quiz", "exam", "s3"))


def test_the_pareto_figure_has_a_panel_for_each_pair_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = drawn(monkeypatch)
    costs = pd.concat([priced(), priced().assign(dataset="exam", pool="large " * 20)])
    pareto_figure(costs, tmp_path / "pareto.svg")
    titles = [axis.get_title() for axis in figures[0].axes if axis.get_visible()]
    assert all(titles)
    assert len(titles) == len(costs[["dataset", "pool"]].drop_duplicates())
    assert max(len(line) for title in titles for line in title.split("\n")) < 60


def test_without_a_known_cost_there_is_no_pareto_figure(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="pareto"):
        pareto_figure(priced(cost=np.nan), tmp_path / "pareto.svg")
    assert not list(tmp_path.iterdir())
