"""The page's tables: those of the analysis with arrows, shades and titles added."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from rgd.analysis import diagnostics as checks
from rgd.analysis.comparisons import against, comparisons_for_people, significant
from rgd.analysis.costs import choices_for_people, costs_for_people
from rgd.analysis.order import REAL, group_title, records, row_label
from rgd.analysis.tables import pivot_for_people, task_table_for_people
from rgd.analysis.writing import cell_texts, right_aligned

Frames = Mapping[str, pd.DataFrame]
"""The experiment's tables by name; tables that were not made are absent."""
Settings = Mapping[str, Any]
REFERENCES = ("single", "oracle", "random", "majority")
UP, DOWN = " ▲", " ▼"
# What a family of routers is, where it is named.
FAMILY_WORDS = {
    "query-only": "learned from queries and the pool's answers, without a label",
    "few-labels": "query-only, and a few labels that the router asked for",
    "query-answer": "learned from queries and labels: the real ones, or in a generated scenario what the generator says",
    "learning-free": "nothing is learned from queries; topk picks by the labels of real training data",
    "reference": "no routers: what the best choice of members would reach, and a choice at random",
}


@dataclass(frozen=True)
class Table:
    """A table as the page's template writes it.

    Attributes:
        caption: what it shows.
        header: names of the columns.
        right: whether each column is right-aligned.
        groups: heading above some rows ("" for none), and the texts of their cells.
        shaded: the first of the columns with shares in per cent, which are shaded by size; None if there are none.
    """

    caption: str
    header: list[str]
    right: list[bool]
    groups: list[tuple[str, list[list[str]]]]
    shaded: int | None = None


@dataclass(frozen=True)
class Tile:
    """A headline figure: an accuracy with its interval, in per cent, and the router it belongs to."""

    name: str
    value: str
    ends: str
    router: str


def _table(caption: str, frame: pd.DataFrame, shaded: int | None = None) -> Table:
    """``frame`` without its column ``family``, whose values become headings over its rows."""
    families = frame["family"].tolist() if "family" in frame else [""] * len(frame)
    shown = frame.drop(columns="family", errors="ignore")
    groups: dict[str, list[list[str]]] = {}
    for family, row in zip(families, cell_texts(shown).to_numpy().tolist(), strict=True):
        groups.setdefault(family, []).append(row)
    header = [str(name).replace("_", " ") for name in shown.columns]
    return Table(caption, header, right_aligned(shown), list(groups.items()), shaded)


def summary(frames: Frames, settings: Settings) -> tuple[list[Tile], str]:
    """The bounds, the best member and the best routers with and without labels, for the first dataset and pool; its title."""
    if "accuracy" not in frames:
        return [], ""
    accuracy = frames["accuracy"]
    dataset, pool = accuracy[["dataset", "pool"]].iloc[0]
    first = accuracy[(accuracy["dataset"] == dataset) & (accuracy["pool"] == pool)]
    generated = first[first["scenario"] != REAL]
    # Where nothing is generated, the routers learned from the benchmark's own questions.
    learned, of = (generated, "generated") if len(generated) else (first, "real")
    wanted = {
        "Random member": first[(first["router"] == "random") & (first["variant"] == "random1")],
        "Best single member": first[first["router"] == "single"],
        f"Best without labels, {of} data": learned[learned["family"] == "query-only"],
        f"Best with {of} labels": learned[learned["family"] == "query-answer"],
        "Oracle": first[first["router"] == "oracle"],
    }
    tiles = []
    for name, rows in wanted.items():
        for best in records(rows.nlargest(1, "accuracy")):
            ends = f"{100 * best['ci_low']:.1f} to {100 * best['ci_high']:.1f}"
            label = "" if best["family"] == "reference" else f"{row_label(best['router'], best['variant'])}, "
            calls = f"{best['calls_per_query']:.2f}"
            router = f"{label}{calls} {'call' if calls == '1.00' else 'calls'}"
            tiles.append(Tile(name, f"{100 * best['accuracy']:.1f}", ends, router))
    is_one = len(first) == len(accuracy)
    return tiles, "" if is_one else group_title(settings["titles"], dataset=dataset, pool=pool)


def accuracy(frames: Frames, settings: Settings) -> list[Table]:
    """Routers by scenarios; an arrow marks a router that differs significantly from the baseline."""
    if "accuracy" not in frames:
        return []
    compared = against(frames["comparisons"], settings["baseline"], frames["accuracy"])
    marked = significant(compared, UP, DOWN)
    people = pivot_for_people(frames["accuracy"], titles=settings["titles"], marked=marked)
    return [_table(caption, _with_labels(frame)) for caption, frame in people.items()]


def differences(frames: Frames, settings: Settings) -> list[Table]:
    """Every router's difference to the baseline on the same queries, with its interval."""
    if "comparisons" not in frames:
        return []
    people = comparisons_for_people(frames["comparisons"], frames["accuracy"], settings["baseline"], settings["titles"])
    return [_table(caption, frame) for caption, frame in people.items()]


def costs(frames: Frames, settings: Settings) -> list[Table]:
    """The cost of each router's accuracy in calls and tokens."""
    if "costs" not in frames:
        return []
    return [_table(caption, frame) for caption, frame in costs_for_people(frames["costs"], settings["titles"]).items()]


def members(frames: Frames, settings: Settings) -> list[Table]:
    """Each member task by task, then how often routers ask each."""
    if "tasks" not in frames:
        return []
    names = settings["members"]
    tables = []
    for dataset, part in frames["tasks"].groupby("dataset", sort=False):
        people = task_table_for_people(part.drop(columns="dataset").dropna(axis="columns", how="all"))
        caption = f"{group_title(settings['titles'], dataset=str(dataset))}: accuracy of each member in %, by task, of all questions"
        tables.append(_table(caption, people.rename(columns=names), shaded=2))
    choices = frames["choices"]
    asked = choices_for_people(choices[~choices["router"].isin(REFERENCES)], settings["titles"])
    for title, frame in asked.items():
        caption = f"{title}: queries in % for which a router asks each member"
        tables.append(_table(caption, frame.rename(columns=names), shaded=1))
    return tables


def generation(frames: Frames, settings: Settings) -> list[Table]:
    """The outcomes of the generators' draws; outcomes that never occurred are left out."""
    if "generation" not in frames:
        return []
    tables = []
    for (dataset, generator), part in frames["generation"].groupby(["dataset", "generator"], sort=False):
        counts = part.drop(columns=["dataset", "generator", "task"]).fillna(0).astype(int)
        counts = counts.loc[:, counts.any() | counts.columns.isin(["draws", "kept"])]
        title = group_title(settings["titles"], dataset=str(dataset), scenario=str(generator))
        tables.append(
            _table(f"{title}: draws, and why they were dropped", counts.assign(task=part["task"])[["task", *counts]])
        )
    return tables


def routers(settings: Settings) -> list[Table]:
    """What each router does, in a sentence."""
    rows = [[name, words] for name, words in settings["words"].items()]
    return [Table("What these routers do", ["router", "what it does"], [False, False], [("", rows)])] if rows else []


def trust(frames: Frames, settings: Settings) -> list[Table]:
    """Where no label tells how good a router is: what it says itself, and what there is to look at."""
    if settings["tested"] or "diagnostics" not in frames:
        return []
    people = checks.for_people(checks.to_be_told(frames["diagnostics"]), settings["titles"])
    return [_table(caption, frame) for caption, frame in people.items()]


def diagnostics(frames: Frames, settings: Settings) -> list[Table]:
    """Each check of the generated data, its figure, and what to do about it."""
    if "diagnostics" not in frames:
        return []
    people = checks.for_people(frames["diagnostics"], settings["titles"])
    return [_table(caption, frame) for caption, frame in people.items()]


def _with_labels(frame: pd.DataFrame) -> pd.DataFrame:
    """Router and variant in one column."""
    labels = [row_label(router, variant) for router, variant in zip(frame["router"], frame["variant"], strict=True)]
    return frame.assign(router=labels).drop(columns="variant")
