"""This experiment's figures beside the paper's: one row per published value."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from rgd.analysis.order import AVERAGE, REAL, SCENARIO_INDEPENDENT, records
from rgd.analysis.paper import BENCHMARKS, KEYS
from rgd.analysis.people import NOT_MADE
from rgd.analysis.ranking_transfer import possible_taus

ACCURACY, TAU, AGREEMENT, REFEREE_ACCURACY = "accuracy", "kendall_tau", "label_agreement", "referee_accuracy"
COLUMNS = ["source", "what", *KEYS, "published", "ours", "difference", "smallest_shown", "within", "reason", "note"]
# The normal quantile of a two-sided test at 5 %.
Z = 1.959963984540054
# How many reasons for values without a counterpart the overview names for each source.
MOST_REASONS = 3
NOTE = (
    "Ours, and in brackets what the paper prints; in per cent, tau as it is. A star marks a difference larger than what the test "
    "queries can show: 1.96 standard errors of the difference of two accuracies on so many queries each (the paper's split is not "
    "known), for tau one pair of members that changes places."
)


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
        published: from :func:`rgd.analysis.paper.values.read_published`.
        ours: from :func:`accuracy_values`, :func:`tau_values`, :func:`agreement_values`.
        names: kind of key (dataset, scenario, pool, router, variant) -> this experiment's key -> the paper's; a key that
            is not listed is the same in both.
        reason: gives the reason why a published row, with the paper's keys of one dataset, has no value here.

    Returns:
        The published rows with ``ours`` (NaN if there is none), ``difference`` (ours minus published),
        ``smallest_shown`` (the smallest difference beyond chance: 1.96 standard errors of the difference of two
        independent shares on as many queries as ours; for tau one exchanged pair), ``within`` (whether the difference is
        no larger; empty if there is no value) and ``reason`` (why there is no value).
    """
    values = pd.concat(list(ours), ignore_index=True) if ours else pd.DataFrame(columns=[*KEYS, "what", "family"])
    for kind in KEYS:
        values[kind] = values[kind].replace(dict(names.get(kind, {})))
    # A router that learns from no queries has one cell, under real, which serves for every scenario.
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
        names: the argument of :func:`published_table`.
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


def published_for_people(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """How many figures of each source agree with ours within chance, and why the others have no counterpart."""
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
