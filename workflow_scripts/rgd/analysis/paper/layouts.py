"""This experiment's figures and the paper's, in the layout of the paper's tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from rgd.analysis.order import Titles, records, row_label
from rgd.analysis.paper.comparison import NOTE, REFEREE_ACCURACY, TAU


@dataclass(frozen=True)
class Layout:
    """The layout of a table in the paper: which keys name a section, a row within it, and a column."""

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


def view(table: pd.DataFrame, number: str, titles: Titles | None = None) -> tuple[dict[str, pd.DataFrame], str]:
    """The rows of one of the paper's tables, in its layout, and the note under it.

    A cell reads ``78.3 (78.9)``: ours and the published value. A star marks a difference larger than the test queries'
    chance variation. A cell ``[a] (78.9)`` has no value of ours, for the reason [a] in the note.

    Args:
        table: from :func:`published_table`.
        number: the number of the paper's table.
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


def _row_title(row: Mapping[str, Any], layout: Layout, titles: Titles) -> str:
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


def _title(titles: Titles, kind: str, key: str) -> str:
    return titles.get(kind, {}).get(key, key)


def _letters(place: int) -> str:
    """a, b, ..., z, aa, ab, ..."""
    return (_letters(place // 26 - 1) if place >= 26 else "") + chr(ord("a") + place % 26)
