"""This project's figures beside the paper's (arXiv 2601.09692): one long table, and views in the layout of its tables."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from rgd.analysis.order import REAL, SCENARIO_INDEPENDENT, records, row_label
from rgd.analysis.paper import AVERAGE, BENCHMARKS, KEYS
from rgd.analysis.ranking_transfer import possible_taus

ACCURACY, TAU, AGREEMENT, REFEREE_ACCURACY = "accuracy", "kendall_tau", "label_agreement", "referee_accuracy"
COLUMNS = ["source", "what", *KEYS, "published", "ours", "difference", "smallest_shown", "within", "reason", "note"]
# The normal quantile of a two-sided test at 5 %.
Z = 1.959963984540054
NOT_MADE = "not made"
# Of the reasons why a source's values have none beside them, the overview names so many.
MOST_REASONS = 3
NOTE = (
    "Ours, and in brackets what the paper prints; in per cent, tau as it is. A star marks a difference larger than what the test "
    "queries can show: 1.96 standard errors of the difference of two accuracies on so many queries each (the paper's split is not "
    "known), for tau one pair of members that changes places."
)


@dataclass(frozen=True)
class Layout:
    """How the paper sets a table: which keys name a section, a row within it, and a column."""

    title: str
    sections: tuple[str, ...]
    rows: tuple[str, ...]
    column: str


_ROUTERS = ("router", "variant")
LAYOUTS: Mapping[str, Layout] = {
    "1": Layout("Labels of generators against the referee", (), ("what", "scenario"), "dataset"),
    "2": Layout("Kendall's tau of rankings on generated and real queries", ("pool",), ("scenario",), "dataset"),
    "3": Layout("CASCAL on filtered queries", ("pool",), ("scenario", *_ROUTERS), "dataset"),
    "5": Layout("MATH", ("dataset",), _ROUTERS, "pool"),
    "6": Layout("A generator of the domain", ("dataset",), ("scenario", *_ROUTERS), "pool"),
    "7": Layout("Routers fitted on real queries", ("pool",), _ROUTERS, "dataset"),
    "8": Layout("Routers fitted on queries of Gemini-2.5-Flash", ("pool",), _ROUTERS, "dataset"),
    "9": Layout("Routers fitted on queries of Qwen3-32B", ("pool",), _ROUTERS, "dataset"),
    "10": Layout("Routers fitted on queries of Exaone-3.5-7.8B", ("pool",), _ROUTERS, "dataset"),
    "11": Layout("Single models", ("pool",), _ROUTERS, "dataset"),
    "12": Layout("Labels of generators against the referee", (), ("what", "scenario"), "dataset"),
    "13": Layout("Descriptions of other lengths", ("pool",), ("scenario", *_ROUTERS), "dataset"),
}
"""The paper's tables with figures, by number."""


def accuracy_values(accuracy: pd.DataFrame) -> pd.DataFrame:
    """Accuracies in per cent with their variance, from :func:`rgd.analysis.tables.accuracy_table`."""
    share = accuracy["accuracy"].to_numpy()
    return accuracy[KEYS].assign(
        what=ACCURACY,
        family=accuracy["family"],
        ours=100 * share,
        n_queries=accuracy["n_queries"].astype(float),
        step=np.nan,
    )


def tau_values(table: pd.DataFrame) -> pd.DataFrame:
    """Kendall's taus from :func:`rgd.analysis.ranking_transfer.ranking_transfer`."""
    table = table[table["dataset"] != AVERAGE]
    steps = [float(-np.diff(possible_taus(int(members)))[0]) for members in table["n_members"]]
    return table[["scenario", "pool", "dataset"]].assign(
        router="", variant="", what=TAU, family="", ours=table["tau"].astype(float), n_queries=np.nan, step=steps
    )


def agreement_values(table: pd.DataFrame) -> pd.DataFrame:
    """Agreement with the referee in per cent, from :func:`rgd.analysis.label_quality.label_quality`'s table."""
    table = table[table["dataset"] != AVERAGE]
    what = np.where(table["scenario"] == REAL, REFEREE_ACCURACY, AGREEMENT)
    return table[["scenario", "dataset"]].assign(
        pool="",
        router="",
        variant="",
        what=what,
        family="",
        ours=100 * table["agreement"].astype(float),
        n_queries=table["majority"].astype(float),
        step=np.nan,
    )


def published_table(
    published: pd.DataFrame,
    ours: Sequence[pd.DataFrame],
    names: Mapping[str, Mapping[str, str]],
    reason: Callable[[Mapping[str, str]], str],
) -> pd.DataFrame:
    """Every published value beside this experiment's.

    Args:
        published: as of :func:`rgd.analysis.paper.read_published`.
        ours: as of :func:`accuracy_values`, :func:`tau_values`, :func:`agreement_values`.
        names: kind of key (dataset, scenario, pool, router, variant) -> this experiment's key -> the paper's; a key that
            is not named is its own.
        reason: why a published row, given by this function with the paper's keys of one dataset, has no value here.

    Returns:
        The published rows with ``ours`` (NaN where there is none), ``difference`` (ours minus published),
        ``smallest_shown`` (the smallest difference that could not be chance: 1.96 standard errors of the difference of
        two independent shares on as many queries as ours; for tau one exchanged pair), ``within`` (whether the difference is
        no larger; empty where there is no value) and ``reason`` (why there is none).
    """
    values = pd.concat(list(ours), ignore_index=True) if ours else pd.DataFrame(columns=[*KEYS, "what", "family"])
    for kind in KEYS:
        values[kind] = values[kind].replace(dict(names.get(kind, {})))
    # Under the key alone: what learns from no queries is made once, under real, and stands for every scenario.
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for row in records(values):
        scenario = "" if row["family"] in SCENARIO_INDEPENDENT else row["scenario"]
        found[row["what"], scenario, *(row[key] for key in KEYS[1:])] = row
    rows = []
    for row in records(published):
        datasets = BENCHMARKS if row["dataset"] == AVERAGE else (row["dataset"],)
        parts = [_value(found, {**row, "dataset": dataset}) for dataset in datasets]
        missing = [{**row, "dataset": dataset} for dataset, part in zip(datasets, parts, strict=True) if part is None]
        row |= {"ours": np.nan, "difference": np.nan, "smallest_shown": np.nan, "within": None, "reason": ""}
        if missing:
            row["reason"] = reason({key: str(value) for key, value in missing[0].items()})
        else:
            known = [part for part in parts if part is not None]
            row["ours"] = float(np.mean([part["ours"] for part in known]))
            row["difference"] = row["ours"] - row["published"]
            row["smallest_shown"] = _smallest_shown(known, row["published"])
            row["within"] = bool(abs(row["difference"]) <= row["smallest_shown"] + 1e-9)
        rows.append(row)
    return pd.DataFrame(rows, columns=COLUMNS).astype({"within": "boolean"})


def _value(found: Mapping[tuple[str, ...], dict[str, Any]], row: Mapping[str, Any]) -> dict[str, Any] | None:
    keys = [row[key] for key in KEYS[1:]]
    value = found.get((row["what"], row["scenario"], *keys), found.get((row["what"], "", *keys)))
    return None if value is None or np.isnan(value["ours"]) else value


def _smallest_shown(values: Sequence[Mapping[str, Any]], published: float) -> float:
    if not np.isnan(values[0]["step"]):
        return float(np.mean([value["step"] for value in values]))
    share = published / 100
    variances = [
        (value["ours"] / 100 * (1 - value["ours"] / 100) + share * (1 - share)) / value["n_queries"] for value in values
    ]
    return float(100 * Z * np.sqrt(sum(variances)) / len(values))


def missing_reason(
    row: Mapping[str, str],
    own: Mapping[str, Sequence[str]],
    names: Mapping[str, Mapping[str, str]],
    exclude: Sequence[Mapping[str, Any]],
    referee: bool,
) -> str:
    """Why the experiment has no value for a published row.

    Args:
        row: the published row's keys, of one dataset.
        own: kind of key -> the experiment's own keys of datasets, scenarios, pools, routers and members.
        names: as of :func:`published_table`.
        exclude: the experiment's exclusions: dataset, scenario, pool, router (None for all) and reason.
        referee: whether the experiment has one.
    """
    if row["what"] in (AGREEMENT, REFEREE_ACCURACY) and not referee:
        return "this experiment has no referee"
    mine: dict[str, list[str]] = {}
    kinds = ["dataset", "pool", "scenario", "router", *(["variant"] if row["router"] == "single" else [])]
    for kind in kinds:
        if row[kind] == "" or (kind == "scenario" and row["what"] == REFEREE_ACCURACY):
            continue
        mine[kind] = [key for key in own[kind] if names.get(kind, {}).get(key, key) == row[kind]]
        if not mine[kind]:
            what = {"router": "router", "variant": "model"}.get(kind, kind)
            return f"{what} {row[kind]} is not in this experiment"
    for rule in exclude:
        if all(
            rule[kind] is None or rule[kind] in mine.get(kind, ()) for kind in ("dataset", "scenario", "pool", "router")
        ):
            return f"excluded: {rule['reason']}"
    return NOT_MADE


def view(
    table: pd.DataFrame, number: str, titles: Mapping[str, Mapping[str, str]] | None = None
) -> tuple[dict[str, pd.DataFrame], str]:
    """The rows of one of the paper's tables, in its layout, and the note under it.

    A cell reads ``78.3 (78.9)``: ours and published, a star where they differ by more than the test queries can show;
    ``[a] (78.9)`` where there is no value of ours for the reason [a], which the note tells.

    Args:
        table: as made by :func:`published_table`.
        number: of the paper's table.
        titles: names to show instead of the paper's keys, by kind (dataset, pool, scenario, variant).
    """
    layout, titles = LAYOUTS[number], titles or {}
    part = table[table["source"] == f"Table {number}"]
    reasons = {
        reason: f"[{_letters(place)}]" for place, reason in enumerate(dict.fromkeys(filter(None, part["reason"])))
    }
    sections: dict[str, dict[str, dict[str, str]]] = {}
    for row in records(part):
        decimals = 2 if row["what"] == TAU else 1
        mark = "†" if row["note"] else ""
        ours = (
            reasons[row["reason"]] if row["reason"] else f"{row['ours']:.{decimals}f}" + ("" if row["within"] else "*")
        )
        text = f"{ours} ({row['published']:.{decimals}f}{mark})"
        name = ", ".join(
            [f"Table {number}: {layout.title}", *(_title(titles, key, row[key]) for key in layout.sections)]
        )
        lines = sections.setdefault(name, {})
        lines.setdefault(_row_title(row, layout, titles), {})[_title(titles, layout.column, row[layout.column])] = text
    shown = {
        name: pd.DataFrame([{" ": line, **cells} for line, cells in lines.items()]).fillna("")
        for name, lines in sections.items()
    }
    faults = [f"{_keys(row)}: {row['note']}" for row in records(part[part["note"] != ""])]
    said = [f"{mark} {reason}." for reason, mark in reasons.items()]
    return shown, " ".join([NOTE, *said, *([f"† {'; '.join(faults)}."] if faults else [])])


def _row_title(row: Mapping[str, Any], layout: Layout, titles: Mapping[str, Mapping[str, str]]) -> str:
    if row["what"] == REFEREE_ACCURACY:
        return "referee's accuracy on test questions"
    parts = []
    if "scenario" in layout.rows:
        parts.append(_title(titles, "scenario", row["scenario"]))
    if "router" in layout.rows:
        single = row["router"] == "single"
        parts.append(_title(titles, "variant", row["variant"]) if single else row_label(row["router"], row["variant"]))
    return ", ".join(parts)


def _keys(row: Mapping[str, Any]) -> str:
    return ", ".join(str(row[key]) for key in ("pool", "scenario", "router", "variant", "dataset") if row[key])


def _title(titles: Mapping[str, Mapping[str, str]], kind: str, key: str) -> str:
    return titles.get(kind, {}).get(key, key)


def _letters(place: int) -> str:
    """a, b, ..., z, aa, ab, ..."""
    return (_letters(place // 26 - 1) if place >= 26 else "") + chr(ord("a") + place % 26)


def published_for_people(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """How many figures of each source are within reach of ours, and why the others have none."""
    rows = []
    for source, part in table.groupby("source", sort=False):
        made = part[part["reason"] == ""]
        reasons = part["reason"][part["reason"] != ""].value_counts()
        said = [f"{reason} ({number})" for reason, number in reasons.head(MOST_REASONS).items()]
        others = int(reasons.iloc[MOST_REASONS:].sum())
        rows.append(
            {
                "source": source,
                "published": len(part),
                "ours": len(made),
                "within": int(made["within"].sum()),
                "mean difference": f"{made['difference'].mean():+.2f}" if len(made) else "",
                "largest difference": f"{made['difference'].abs().max():.2f}" if len(made) else "",
                "without ours": "; ".join([*said, *([f"other reasons ({others})"] if others else [])]),
            }
        )
    order = sorted(range(len(rows)), key=lambda place: _source_order(str(rows[place]["source"])))
    return {"Published figures": pd.DataFrame([rows[place] for place in order])}


def _source_order(source: str) -> tuple[int, str]:
    number = source.removeprefix("Table ")
    return (int(number), "") if number.isdigit() else (1000, source)
