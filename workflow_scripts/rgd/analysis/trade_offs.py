"""Figures of accuracy against its cost: calls and tokens of the models asked, and training queries."""

import os
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rgd.analysis.figures import (
    COLOURS,
    LINE_STYLES,
    MARKERS,
    WIDEST,
    comparable,
    datasets_of_pools,
    legend,
    save,
    style,
)
from rgd.analysis.order import FAMILIES, SCENARIO_INDEPENDENT, records, row_label
from rgd.errors import UserError
from rgd.scoring.cost_quality import Curve

TOKENS = ("prompt_tokens_per_query", "completion_tokens_per_query")
KEYS = ["scenario", "pool", "family", "router", "variant"]
# References that cannot be run, such as the oracle, have no cost to compare.
NOT_ASKED = ("oracle",)
CHORD_POINTS = 200
# So many letters of a title fit above a panel.
PANEL_LETTERS = 52


def cost_points(accuracy: pd.DataFrame, scenarios: Sequence[str] | None = None) -> pd.DataFrame:
    """Accuracy, calls and tokens per query as means over the datasets that have a cell.

    Args:
        accuracy: from :func:`rgd.analysis.tables.accuracy_table`.
        scenarios: the scenarios that may be shown; by default all.

    Returns:
        Columns scenario, pool, family, router, variant, accuracy (per cent), calls, tokens (prompts and answers together;
        NaN if unknown); only rows that every dataset of the pool has.
    """
    frame = comparable(accuracy, scenarios)
    frame = frame[~frame["router"].isin(NOT_ASKED)].copy()
    frame["tokens"] = frame[list(TOKENS)].sum(axis=1, skipna=False)
    points = frame.groupby(KEYS, sort=False, as_index=False).agg(
        datasets=("dataset", "nunique"),
        accuracy=("accuracy", "mean"),
        calls=("calls_per_query", "mean"),
        tokens=("tokens", lambda values: values.mean(skipna=False)),
    )
    points["accuracy"] *= 100
    # Sums of shares that amount to the same number of calls differ in the last digits.
    points["calls"] = points["calls"].round(6)
    is_whole = points["datasets"] == points["pool"].map(datasets_of_pools(frame))
    return points[is_whole].drop(columns="datasets").reset_index(drop=True)


def frontier(cost: np.ndarray, accuracy: np.ndarray) -> np.ndarray:
    """The indices of the points that no other beats in both cost and accuracy, in ascending order of cost.

    Of points with the same cost and accuracy the first counts. Points without a cost (NaN) are left out.
    """
    order = [place for place in np.lexsort((-accuracy, cost)).tolist() if not np.isnan(cost[place])]
    found: list[int] = []
    for place in order:
        if not found or accuracy[place] > accuracy[found[-1]]:
            found.append(place)
    return np.array(found, dtype=int)


def accuracy_against_cost(
    accuracy: pd.DataFrame,
    svg: str | os.PathLike[str],
    titles: Mapping[str, str] | None = None,
    scenarios: Sequence[str] | None = None,
) -> list[Path]:
    """Accuracy against calls and against tokens per query, a column per pool; a line joins the points nothing beats in both.

    Colour denotes the router, the marker the scenario (a circle if it does not matter). The row of tokens is left out if no
    tokens are known.

    Args:
        accuracy: from :func:`rgd.analysis.tables.accuracy_table`.
        svg: where to write; the PNG is written beside it.
        titles: names to show instead of the keys of scenarios, pools and routers.
        scenarios: the scenarios that may be shown; by default all.

    Raises:
        UserError: there is nothing to draw, or a file cannot be written.
    """
    from matplotlib.lines import Line2D

    titles = titles or {}
    points = cost_points(accuracy, scenarios)
    if points.empty:
        raise UserError(
            "there is nothing to draw: no cell exists for all datasets. Remove this figure, or the datasets that lack cells."
        )
    pools = list(dict.fromkeys(points["pool"]))
    routers = list(dict.fromkeys(points["router"]))
    learned = points[~points["family"].isin(SCENARIO_INDEPENDENT)]
    marks = {
        scenario: MARKERS[1 + place % (len(MARKERS) - 1)]
        for place, scenario in enumerate(dict.fromkeys(learned["scenario"]))
    }
    axes_of = [("calls", "calls per query"), ("tokens", "tokens per query, prompts and answers")]
    axes_of = [(name, label) for name, label in axes_of if points[name].notna().any()]
    with style() as pyplot:
        figure, axes = pyplot.subplots(
            len(axes_of),
            len(pools),
            figsize=(min(5.5 * len(pools), WIDEST), 3.6 * len(axes_of) + 0.8),
            sharey="col",
            squeeze=False,
            layout="constrained",
        )
        for row, (name, label) in enumerate(axes_of):
            for axis, pool in zip(axes[row], pools, strict=True):
                part = points[points["pool"] == pool].reset_index(drop=True)
                best = frontier(part[name].to_numpy(dtype=float), part["accuracy"].to_numpy())
                axis.plot(part[name].iloc[best], part["accuracy"].iloc[best], color="#999999", linewidth=1, zorder=1)
                for point in records(part):
                    once = point["family"] in SCENARIO_INDEPENDENT
                    axis.scatter(
                        point[name],
                        point["accuracy"],
                        s=34,
                        color=COLOURS[routers.index(point["router"]) % len(COLOURS)],
                        marker=MARKERS[0] if once else marks[point["scenario"]],
                        edgecolor="black" if routers.index(point["router"]) >= len(COLOURS) else "white",
                        linewidths=0.6,
                        zorder=2,
                    )
                axis.set_xlabel(label)
                axis.set_title(titles.get(pool, pool) if row == 0 else "")
            axes[row, 0].set_ylabel("test accuracy (%)")

        def key(**looks: Any) -> Line2D:
            return Line2D([], [], linestyle="", **looks)

        handles: dict[str, Any] = {
            titles.get(router, router): key(
                marker="o",
                color=COLOURS[place % len(COLOURS)],
                markeredgecolor="black" if place >= len(COLOURS) else "white",
            )
            for place, router in enumerate(routers)
        }
        handles |= {titles.get(name, name): key(marker=mark, color="#777777") for name, mark in marks.items()}
        handles["nothing is cheaper and better"] = Line2D([], [], color="#999999", linewidth=1)
        legend(figure, handles)
        return save(figure, svg)


def pareto_figure(
    costs: pd.DataFrame, svg: str | os.PathLike[str], titles: Mapping[str, Mapping[str, str]] | None = None
) -> list[Path]:
    """Accuracy against mean cost: a row per dataset, a column per pool; bars are intervals over the test questions.

    A solid line joins the points that nothing beats in both. The dashed one is the non-decreasing convex hull of the
    single members, which sharing queries at random between them reaches (RouterBench, arXiv 2403.12031, section 3). Colour
    denotes the router, the marker the scenario (a circle if it does not matter).

    Args:
        costs: the table ``costs``, with the columns of :func:`rgd.analysis.cost_quality.cost_quality_table`.
        svg: where to write; the PNG is written beside it.
        titles: names to show instead of keys, by kind (dataset, pool, scenario).

    Raises:
        UserError: there is nothing to draw, or a file cannot be written.
    """
    from matplotlib.lines import Line2D

    points = costs[costs["cost"].notna()]
    if points.empty:
        raise UserError("there is nothing to draw: no router has a known cost. Remove the figure pareto.")
    panels = list(dict.fromkeys(zip(points["dataset"], points["pool"], strict=True)))
    columns = min(len(panels), points["pool"].nunique())
    rows = -(-len(panels) // columns)
    routers = list(dict.fromkeys(points["router"]))
    learned = points[~points["family"].isin(SCENARIO_INDEPENDENT)]
    scenarios = dict.fromkeys(learned["scenario"])
    marks = {name: MARKERS[1 + place % (len(MARKERS) - 1)] for place, name in enumerate(scenarios)}
    colours = {router: COLOURS[place % len(COLOURS)] for place, router in enumerate(routers)}
    edges = {router: "black" if place >= len(COLOURS) else "white" for place, router in enumerate(routers)}

    def title(kind: str, key: str) -> str:
        return (titles or {}).get(kind, {}).get(key, key)

    with style() as pyplot:
        figure, axes = pyplot.subplots(
            rows, columns, figsize=(min(5.5 * columns, WIDEST), 3.6 * rows + 0.8), squeeze=False, layout="constrained"
        )
        for axis in axes.flat[len(panels) :]:
            axis.set_visible(False)
        for axis, (dataset, pool) in zip(axes.flat, panels, strict=False):
            part = points[(points["dataset"] == dataset) & (points["pool"] == pool)].reset_index(drop=True)
            unit = part["cost_unit"].iloc[0]
            scale = 1000.0 if unit == "dollars" else 1.0
            cost, quality = scale * part["cost"].to_numpy(dtype=float), 100 * part["accuracy"].to_numpy(dtype=float)
            best = frontier(cost, quality)
            axis.plot(cost[best], quality[best], color="#777777", linewidth=1, zorder=1)
            singles = part[part["router"] == "single"]
            if not singles.empty:
                hull = Curve.through(
                    scale * singles["cost"].to_numpy(dtype=float), 100 * singles["accuracy"].to_numpy()
                )
                # On a logarithmic axis a chord is bent.
                budgets = np.linspace(hull.cost[min(1, len(hull.cost) - 1)], hull.cost[-1], CHORD_POINTS)
                reached = [hull.quality_at(budget) for budget in budgets]
                axis.plot(budgets, reached, color="#777777", linewidth=1, linestyle="--", zorder=1)
            for place, point in enumerate(records(part)):
                x, y = cost[place], quality[place]
                once = point["family"] in SCENARIO_INDEPENDENT
                axis.errorbar(
                    x,
                    y,
                    xerr=[[max(x - scale * point["cost_low"], 0)], [max(scale * point["cost_high"] - x, 0)]],
                    yerr=[[max(y - 100 * point["ci_low"], 0)], [max(100 * point["ci_high"] - y, 0)]],
                    color=colours[point["router"]],
                    marker=MARKERS[0] if once else marks[point["scenario"]],
                    markersize=5.5,
                    markeredgecolor=edges[point["router"]],
                    markeredgewidth=0.6,
                    elinewidth=0.6,
                    zorder=2,
                )
            if unit != "calls" and (cost > 0).all():
                axis.set_xscale("log")
            axis.set_xlabel("dollars per 1,000 queries" if unit == "dollars" else f"{unit} per query")
            axis.set_ylabel("test accuracy (%)")
            axis.set_title(_on_lines(title("dataset", dataset), title("pool", pool)))

        handles: dict[str, Any] = {
            router: Line2D([], [], linestyle="", marker="o", color=colours[router], markeredgecolor=edges[router])
            for router in routers
        }
        for name, mark in marks.items():
            handles[title("scenario", name)] = Line2D([], [], linestyle="", marker=mark, color="#777777")
        handles["nothing is cheaper and better"] = Line2D([], [], color="#777777", linewidth=1)
        if (points["router"] == "single").any():
            handles["queries shared between single models"] = Line2D(
                [], [], color="#777777", linewidth=1, linestyle="--"
            )
        legend(figure, handles)
        return save(figure, svg)


def _on_lines(*titles: str) -> str:
    """The title of a panel, in lines that are no wider than a panel."""
    return textwrap.fill(", ".join(titles), PANEL_LETTERS)


def labelled_share_curves(
    table: pd.DataFrame, svg: str | os.PathLike[str], titles: Mapping[str, Mapping[str, str]] | None = None
) -> list[Path]:
    """Accuracy against the share of the routed task's examples that are labelled, after Figure 2 of arXiv 2309.15789.

    A column per dataset and pool: above, what the chosen members reach by rule, tasks counting alike; below, how often the
    correctness predictors are right. The band is the standard deviation over splits.

    Args:
        table: from :func:`rgd.analysis.benchmark_routing.summary`.
        svg: where to write; the PNG is written beside it.
        titles: names to show instead of keys, by kind (dataset, pool).

    Raises:
        UserError: a file cannot be written.
    """
    from matplotlib.lines import Line2D

    groups = list(dict.fromkeys(zip(table["dataset"], table["pool"], strict=True)))
    rules = list(dict.fromkeys(table["rule"]))

    def title(kind: str, key: str) -> str:
        return (titles or {}).get(kind, {}).get(key, key)

    with style() as pyplot:
        figure, axes = pyplot.subplots(
            2, len(groups), figsize=(min(5.5 * len(groups), WIDEST), 6.4), squeeze=False, layout="constrained"
        )
        for column, (dataset, pool) in enumerate(groups):
            part = table[(table["dataset"] == dataset) & (table["pool"] == pool)]
            alphas = sorted(set(part["alpha"]))
            for row, (figure_of, shown) in enumerate((("task_accuracy", rules), ("predictor_accuracy", ["s3"]))):
                axis = axes[row, column]
                for rule in shown:
                    mine = part[part["rule"] == rule].sort_values("alpha")
                    look = {"color": COLOURS[rules.index(rule) % len(COLOURS)]}
                    mean = 100 * mine[figure_of].to_numpy(dtype=float)
                    spread = 100 * mine[f"{figure_of}_std"].fillna(0.0).to_numpy(dtype=float)
                    places = np.array([alphas.index(alpha) for alpha in mine["alpha"]])
                    axis.plot(places, mean, marker=MARKERS[rules.index(rule) % len(MARKERS)], markersize=4, **look)
                    axis.fill_between(places, mean - spread, mean + spread, alpha=0.15, linewidth=0, **look)
                axis.set_xticks(range(len(alphas)), [f"{100 * alpha:g}" for alpha in alphas])
                axis.set_xlabel("labelled examples of the routed task (%)")
            axes[0, column].set_title(_on_lines(title("dataset", dataset), title("pool", pool)))
        axes[0, 0].set_ylabel("test accuracy, mean of tasks (%)")
        axes[1, 0].set_ylabel("accuracy of the predictors (%)")
        handles: dict[str, Any] = {
            title("rule", rule): Line2D(
                [], [], color=COLOURS[place % len(COLOURS)], marker=MARKERS[place % len(MARKERS)]
            )
            for place, rule in enumerate(rules)
        }
        legend(figure, handles)
        return save(figure, svg)


def learning_curves(
    table: pd.DataFrame,
    svg: str | os.PathLike[str],
    titles: Mapping[str, str] | None = None,
    by: tuple[str, str] = ("n_training", "training queries"),
) -> list[Path]:
    """Accuracy against the number of training queries or of labels: a row per pool, a column per dataset and scenario.

    Colour and marker denote the router, the line its variant; the band is the interval over the test queries.

    Args:
        table: from :func:`rgd.analysis.learning_curve.learning_curve` or :func:`rgd.analysis.label_budget.label_budget`.
        svg: where to write; the PNG is written beside it.
        titles: names to show instead of the keys of datasets, scenarios, pools and routers.
        by: the column of the numbers, and what they count.

    Raises:
        UserError: there is nothing to draw, or a file cannot be written.
    """
    titles, (number_of, counted) = titles or {}, by
    table = table[table[number_of].notna()]
    if table.empty:
        raise UserError(
            f"there is nothing to draw: no cell has a number of {counted}. Name numbers and routers in the experiment."
        )
    pools = list(dict.fromkeys(table["pool"]))
    groups = list(dict.fromkeys(zip(table["dataset"], table["scenario"], strict=True)))
    columns = min(len(groups), 4)
    rows_of_groups = -(-len(groups) // columns)
    routers = [key for family in FAMILIES for key in dict.fromkeys(table["router"][table["family"] == family])]
    with style() as pyplot:
        figure, axes = pyplot.subplots(
            len(pools) * rows_of_groups,
            columns,
            figsize=(max(4.5, 4.0 * columns), 3.0 * len(pools) * rows_of_groups + 1.0),
            squeeze=False,
            layout="constrained",
        )
        handles: dict[str, Any] = {}
        panels = [(pool, *group) for pool in pools for group in groups]
        places = [
            (number // len(groups) * rows_of_groups + number % len(groups) // columns, number % len(groups) % columns)
            for number in range(len(panels))
        ]
        for axis in axes.flat:
            axis.set_visible(False)
        for (pool, dataset, scenario), place in zip(panels, places, strict=True):
            axis = axes[place]
            axis.set_visible(True)
            mine = table[(table["pool"] == pool) & (table["dataset"] == dataset) & (table["scenario"] == scenario)]
            for (router, variant), line in mine.groupby(["router", "variant"], sort=False):
                number = routers.index(str(router))
                variants = list(dict.fromkeys(table["variant"][table["router"] == router]))
                (handle,) = axis.plot(
                    line[number_of],
                    100 * line["accuracy"],
                    color=COLOURS[number % len(COLOURS)],
                    marker=MARKERS[number % len(MARKERS)],
                    markersize=4,
                    linestyle=LINE_STYLES[variants.index(str(variant)) % len(LINE_STYLES)],
                    linewidth=1.2,
                )
                axis.fill_between(
                    line[number_of],
                    100 * line["ci_low"],
                    100 * line["ci_high"],
                    color=handle.get_color(),
                    alpha=0.08,
                )
                handles[row_label(titles.get(str(router), str(router)), str(variant))] = handle
            sizes = sorted(set(mine[number_of]))
            if sizes[0] > 0:
                axis.set_xscale("log")
            else:
                axis.set_xscale("symlog", linthresh=min(size for size in (*sizes, 1.0) if size > 0))
            axis.set_xticks(sizes, [f"{size:.0f}" for size in sizes], minor=False)
            axis.set_xticks([], minor=True)
            axis.set_title(", ".join(titles.get(key, key) for key in (dataset, scenario, pool)), fontsize=9)
            axis.set_xlabel(counted)
            axis.set_ylabel("test accuracy (%)")
        legend(figure, handles)
        return save(figure, svg)
