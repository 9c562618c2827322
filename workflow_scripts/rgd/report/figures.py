"""The page's figures, from the experiment's tables and artifacts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rgd.analysis.comparisons import against
from rgd.analysis.figures import comparable, over_datasets, principal_plane
from rgd.analysis.order import FAMILIES, records, row_label
from rgd.analysis.shift import subsample
from rgd.analysis.trade_offs import cost_points, frontier
from rgd.artifacts.columns import texts, vectors_of
from rgd.artifacts.files import read_table
from rgd.report.drawing import Dot, Reference, Row, intervals, legend_mark, points, scatter
from rgd.report.html import Markup, tag
from rgd.report.tables import scenario_title, table
from rgd.routers import restore
from rgd.routers.cascal import Cascal

SHAPE_OF = {family: shape for shape, family in enumerate(FAMILIES)}
# Dots of a map at most, of all maps together, and letters of what is told of each.
MOST_DOTS, MOST_DOTS_IN_ALL, LONGEST_WORDS = 400, 4000, 140


def accuracy(frames: Mapping[str, pd.DataFrame], settings: Mapping[str, Any]) -> Markup | None:
    """Accuracy by scenario and router with intervals (after Figure 3 of the paper), a figure for each pool."""
    if "accuracy" not in frames:
        return None
    mean = over_datasets(comparable(frames["accuracy"], settings["plain"][1:]))
    learned = mean[mean["family"].isin(FAMILIES[:2])]
    if learned.empty:
        return None
    datasets = frames["accuracy"]["dataset"].nunique()
    parts = []
    for pool, part in mean.groupby("pool", sort=False):
        rows, places = _rows(learned[learned["pool"] == pool])
        panels = {
            _scenario(settings, scenario): {
                places[row["router"], row["variant"]]: Dot(
                    row["accuracy"],
                    row["accuracy"] - row["below"],
                    row["accuracy"] + row["above"],
                    title=f"{row_label(row['router'], row['variant'])}, {_scenario(settings, scenario)}: {row['accuracy']:.1f} % "
                    f"({row['accuracy'] - row['below']:.1f} to {row['accuracy'] + row['above']:.1f})",
                )
                for row in records(learned[(learned["pool"] == pool) & (learned["scenario"] == scenario)])
            }
            for scenario in dict.fromkeys(learned["scenario"])
        }
        name = settings["titles"]["pool"].get(pool, pool)
        drawn = intervals(rows, panels, _references(part), f"Accuracy of each router by scenario, {name}", " %")
        words = f"{name}: test accuracy in %{', mean of the datasets that have every scenario' if datasets > 1 else ''}, with intervals of {100 * settings['level']:g} %."
        parts.append(_figure(drawn, words))
    return tag("div", parts)


def differences(frames: Mapping[str, pd.DataFrame], settings: Mapping[str, Any]) -> Markup | None:
    """Every router's difference to the baseline on the same queries; those that are real are filled."""
    if "comparisons" not in frames:
        return None
    shown = against(frames["comparisons"], settings["baseline"], frames["accuracy"])
    family = {(row["router"], row["variant"]): row["family"] for row in records(frames["accuracy"])}
    keys = [*zip(shown["first"], shown["first_variant"], strict=True)]
    shown = shown.assign(family=[family[key] for key in keys]).rename(
        columns={"first": "router", "first_variant": "variant"}
    )
    shown = shown[shown["family"].isin(FAMILIES[:3])]
    parts = []
    for (dataset, pool), part in shown.groupby(["dataset", "pool"], sort=False):
        rows, places = _rows(part)
        panels: dict[str, dict[int, Dot]] = {}
        for row in records(part):
            name = _scenario(settings, row["scenario"])
            real = bool(row["verdict"])
            label = row_label(row["router"], row["variant"])
            calls = "" if row["same_calls"] else "; the baseline makes another number of calls"
            panels.setdefault(name, {})[places[row["router"], row["variant"]]] = Dot(
                100 * row["difference"],
                100 * row["ci_low"],
                100 * row["ci_high"],
                hollow=not real,
                title=f"{label}, {name}: {100 * row['difference']:+.1f} points ({100 * row['ci_low']:.1f} to {100 * row['ci_high']:.1f}), "
                f"{'a real difference' if real else 'not told from chance'}{calls}",
            )
        name = ", ".join(_names(settings, str(dataset), str(pool)))
        drawn = intervals(
            rows,
            panels,
            [Reference(0.0, f"{settings['baseline']}")],
            f"Differences to {settings['baseline']}, {name}",
            "",
        )
        words = (
            f"{name}: difference to {settings['baseline']} in points, on the same test queries. Filled: real at a false discovery rate "
            "of 5 % over all pairs; hollow: not told from chance."
        )
        parts.append(_figure(drawn, words))
    return tag("div", _first(parts, 2))


def cost(frames: Mapping[str, pd.DataFrame], settings: Mapping[str, Any]) -> Markup | None:
    """Accuracy against the tokens read and written, or against calls where tokens are not known: a panel a scenario."""
    if "costs" not in frames:
        return None
    found = cost_points(frames["costs"], settings["plain"][1:])
    parts = []
    for pool, part in found.groupby("pool", sort=False):
        learned = part[part["family"].isin(FAMILIES[:2])]
        free = part[~part["family"].isin(FAMILIES[:2])]
        rows, places = _rows(part)
        unit = "tokens" if bool(part["tokens"].notna().all()) else "calls"
        panels, cells = [], {}
        scenarios = list(dict.fromkeys(learned["scenario"]))
        for scenario in scenarios:
            shown = records(pd.concat([learned[learned["scenario"] == scenario], free], ignore_index=True))
            items = []
            for row in shown:
                place = places[row["router"], row["variant"]]
                calls = f"{row['calls']:g} call{'' if row['calls'] == 1 else 's'}"
                tokens = f", {row['tokens']:.0f} tokens" if unit == "tokens" else ""
                words = f"{rows[place].label}: {row['accuracy']:.1f} %, {calls}{tokens}"
                items.append((str(place + 1), words, float(row[unit]), float(row["accuracy"]), rows[place].shape))
                cells[place, scenario] = f"{row['accuracy']:.1f} % at {row[unit]:.0f}"
            values = np.array([item[2:4] for item in items]).T
            best = frontier(values[0], values[1]).tolist()
            name = _scenario(settings, scenario)
            drawn = points(
                items, best, f"Accuracy against {unit} per query, {name}", (f"{unit} per query", "accuracy, %")
            )
            panels.append(tag("figure", tag("figcaption", name), drawn, class_="panel"))
        listed = [
            [
                f"{place + 1}",
                tag("span", legend_mark(row.shape), row.label, class_="marked"),
                *(cells.get((place, each), "–") for each in scenarios),
            ]
            for place, row in enumerate(rows)
        ]
        name = settings["titles"]["pool"].get(pool, pool)
        header = ["", "Router", *(_scenario(settings, each) for each in scenarios)]
        caption = f"{name}: accuracy at {unit} per query"
        numbers = table(header, listed, caption, ["", "", *["number"] * len(scenarios)])
        parts.append(
            tag(
                "div",
                tag("h3", name),
                tag("div", panels, class_="panels"),
                tag("details", tag("summary", "The numbers"), numbers, open=True),
            )
        )
    note = tag(
        "p", "The line joins what no other router beats in both. Numbers are those of the table below.", class_="note"
    )
    return tag("div", _family_legend(), note, _first(parts, 2)) if parts else None


def maps(root: Path, settings: Mapping[str, Any]) -> Markup | None:
    """Queries of every scenario with the centroids of CASCAL in the real queries' plane (after Figure 4 of the paper)."""
    if not settings["maps"]:
        return None
    parts = []
    dots = min(MOST_DOTS, MOST_DOTS_IN_ALL // sum(map(len, settings["maps"].values())))
    for dataset, shown in settings["maps"].items():
        panels = [_panel_of_map(root, settings, dataset, dots, *each) for each in shown]
        centre, plane, explained = principal_plane(panels[0]["vectors"])
        planes = [(panel["vectors"] - centre) @ plane.T for panel in panels]
        centroids = [(panel["centroids"] - centre) @ plane.T for panel in panels]
        everything = np.concatenate([*planes, *centroids])
        low, high = everything.min(axis=0), everything.max(axis=0)
        limits = (float(low[0]), float(high[0]), float(low[1]), float(high[1]))
        tasks = list(dict.fromkeys(str(task) for panel in panels for task in sorted(set(panel["tasks"].tolist()))))
        number = {task: place for place, task in enumerate(tasks)}
        drawn = []
        for panel, xy, middle in zip(panels, planes, centroids, strict=True):
            kinds = [number[task] for task in panel["tasks"].tolist()]
            figure = scatter(
                xy,
                kinds,
                panel["words"],
                middle,
                [number.get(task, -1) for task in panel["centroid_tasks"]],
                limits,
                f"Map of the queries: {panel['title']}",
            )
            drawn.append(tag("figure", tag("figcaption", panel["title"]), figure, class_="panel"))
        legend = [tag("span", legend_mark(place), task) for task, place in number.items()]
        title = settings["titles"]["dataset"].get(dataset, dataset)
        words = (
            f"{title}: queries by task in the plane of the first scenario's first two principal components ({100 * explained[0]:.0f} and "
            f"{100 * explained[1]:.0f} % of its variance). Rings are CASCAL's centroids."
        )
        parts.append(
            tag(
                "div",
                tag("p", words, class_="note"),
                tag("div", legend, class_="legend"),
                tag("div", drawn, class_="panels"),
            )
        )
    return tag("div", _first(parts, 1))


def map_files(settings: Mapping[str, Any]) -> list[str]:
    """Every file that :func:`maps` reads, by its place under the results' folder."""
    names = []
    for dataset, shown in settings["maps"].items():
        for query_set, _, fitted in shown:
            names += [f"questions/{dataset}/{query_set}.parquet", f"embeddings/{dataset}/{query_set}.parquet"]
            names += [fitted] if fitted else []
    return list(dict.fromkeys(names))


def _panel_of_map(
    root: Path, settings: Mapping[str, Any], dataset: str, dots: int, query_set: str, title: str, fitted: str
) -> dict[str, Any]:
    questions = read_table(root / f"questions/{dataset}/{query_set}.parquet", ["query_id", "task", "question"])
    questions = questions.take(subsample(questions.num_rows, dots, 0, dataset, query_set))
    vectors = vectors_of(root / f"embeddings/{dataset}/{query_set}.parquet", texts(questions["query_id"]))
    centroids, centroid_tasks = np.zeros((0, vectors.shape[1]), dtype=np.float32), []
    if fitted:
        table = read_table(root / fitted)
        router: Any = restore(table.filter(table["seed"].to_numpy() == settings["seed"]), Cascal)[settings["seed"]]
        centroids = router.centroids_
        centroid_tasks = [str(router.task_names_[task]) for task in router.centroid_tasks_.tolist()]
    tasks = texts(questions["task"]).astype(np.str_)
    words = [
        f"{task}: {question[:LONGEST_WORDS]}"
        for task, question in zip(tasks.tolist(), questions["question"].to_pylist(), strict=True)
    ]
    return {
        "title": title,
        "vectors": vectors,
        "tasks": tasks,
        "words": words,
        "centroids": centroids,
        "centroid_tasks": centroid_tasks,
    }


def _rows(part: pd.DataFrame) -> tuple[list[Row], dict[tuple[str, str], int]]:
    keys = dict.fromkeys(part[["family", "router", "variant"]].itertuples(index=False, name=None))
    in_order = sorted(keys, key=lambda key: FAMILIES.index(key[0]))
    rows = [Row(row_label(router, variant), family, SHAPE_OF[family]) for family, router, variant in in_order]
    return rows, {(router, variant): place for place, (_, router, variant) in enumerate(in_order)}


def _references(part: pd.DataFrame) -> list[Reference]:
    found = []
    for label, router, variant in (
        ("random", "random", "random1"),
        ("best single", "single", ""),
        ("oracle", "oracle", ""),
    ):
        rows = part[(part["router"] == router) & ((part["variant"] == variant) | (not variant))]
        if not rows.empty:
            found.append(Reference(float(rows["accuracy"].max()), label))
    return found


def _scenario(settings: Mapping[str, Any], key: str) -> str:
    return scenario_title(settings, key)


def _names(settings: Mapping[str, Any], dataset: str, pool: str) -> tuple[str, str]:
    return settings["titles"]["dataset"].get(dataset, dataset), settings["titles"]["pool"].get(pool, pool)


def _figure(drawn: Markup, words: str) -> Markup:
    return tag(
        "figure",
        tag("figcaption", words),
        tag("div", drawn, class_="scroll", tabindex="0", role="region", aria_label=words),
    )


def _family_legend() -> Markup:
    return tag("div", [tag("span", legend_mark(SHAPE_OF[family]), family) for family in FAMILIES], class_="legend")


def _first(parts: list[Markup], most: int) -> list[Markup]:
    rest = parts[most:]
    return [*parts[:most], *([tag("details", tag("summary", f"{len(rest)} more"), rest)] if rest else [])]
