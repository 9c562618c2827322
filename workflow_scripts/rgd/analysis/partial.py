"""The accuracy table of an unfinished experiment: the finished cells, with the others marked as missing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa

from rgd.analysis.order import REAL, Titles, group_title, row_label
from rgd.analysis.tables import accuracy_table, pivot_for_people
from rgd.artifacts.files import read_table
from rgd.artifacts.provenance import known_digest, read_provenance
from rgd.errors import UserError

MISSING = "missing"


@dataclass(frozen=True)
class Partial:
    """A table of the cells that exist.

    Attributes:
        accuracy: from :func:`rgd.analysis.tables.accuracy_table`; empty if no cell exists.
        people: tables to read, with ``missing`` for cells that do not exist.
        missing: the (dataset, scenario, pool, router) that do not exist, in the sweep's order.
        cells: the number of cells in the sweep.
    """

    accuracy: pd.DataFrame
    people: dict[str, pd.DataFrame]
    missing: list[tuple[str, str, str, str]]
    cells: int


def partial_table(
    results: str | Path,
    cells: Mapping[tuple[str, str, str, str], str],
    order: Mapping[str, Sequence[str]],
    titles: Titles | None = None,
    exclusions: Mapping[tuple[str, str, str, str], str] | None = None,
) -> Partial:
    """Make a table of the existing cells; a cell that is being written or removed meanwhile counts as missing.

    Args:
        results: the results' folder.
        cells: (dataset, scenario, pool, router) of the sweep -> the router's family.
        order: datasets, scenarios, pools and routers in their order.
        titles: names to show instead of keys, by kind (dataset, pool, scenario).
        exclusions: cells that the experiment leaves out -> the reason.
    """
    frames, missing = [], []
    for cell in cells:
        frame = _read(Path(results) / "cells" / Path(*cell).with_name(f"{cell[-1]}.parquet"))
        if frame is None:
            missing.append(cell)
        else:
            frames.append(frame)
    names = {key: order[key] for key in ("datasets", "scenarios", "pools", "routers")}
    accuracy = accuracy_table(pd.concat(frames, ignore_index=True), **names) if frames else pd.DataFrame()
    people = pivot_for_people(accuracy, order["scenarios"], titles, exclusions) if frames else {}
    shown = {}
    for dataset, pool in dict.fromkeys((cell[0], cell[2]) for cell in cells):
        lacking = {cell: family for cell, family in cells.items() if (cell[0], cell[2]) == (dataset, pool)}
        lacking = {cell: family for cell, family in lacking.items() if cell in set(missing)}
        title = group_title(titles, dataset=dataset, pool=pool)
        table = people.get(title, pd.DataFrame(columns=["family", "router", "variant"]))
        shown[title] = _with_missing(table, lacking, order["scenarios"], titles)
    return Partial(accuracy, shown, missing, len(cells))


def _read(path: Path) -> pd.DataFrame | None:
    try:
        return read_table(path).to_pandas()
    except (UserError, pa.ArrowException, OSError):
        return None


def _with_missing(
    table: pd.DataFrame,
    lacking: Mapping[tuple[str, str, str, str], str],
    scenarios: Sequence[str],
    titles: Titles | None,
) -> pd.DataFrame:
    """``table`` with ``missing`` in absent cells, and a row for every router without any cell."""
    table = table.copy()
    columns = {scenario: group_title(titles, scenario=scenario) for scenario in scenarios}
    for column in columns.values():
        if column not in table:
            table[column] = ""
    for (_, scenario, _, router), family in lacking.items():
        if not (table["router"] == router).any():
            row = {"family": family, "router": router, "variant": "", **dict.fromkeys(columns.values(), "")}
            table = pd.concat([table, pd.DataFrame([row])], ignore_index=True)
        if scenario in columns:
            table.loc[table["router"] == router, columns[scenario]] = MISSING
        elif scenario == REAL:
            # The experiment trains only on generated queries, and this cell does not depend on them.
            table.loc[table["router"] == router, list(columns.values())] = MISSING
    return table


def state(partial: Partial) -> str:
    """A sentence about how many cells exist."""
    made = partial.cells - len(partial.missing)
    if not partial.missing:
        return f"All {partial.cells} cells are there."
    dataset, scenario, pool, router = partial.missing[0]
    first = f"{row_label(router, '')} on {scenario} of {dataset}, pool {pool}"
    return f"{made} of {partial.cells} cells are there; {len(partial.missing)} are missing, the first of them {first}."


def changed_since(results: str | Path, table: str | Path) -> list[str]:
    """The files under ``results`` that ``table`` was made from and that have another content now, or are gone.

    Args:
        results: the results' folder.
        table: a file with its provenance beside it; without one nothing is known to have changed.
    """
    inputs = (read_provenance(table) or {}).get("inputs", {})
    here = {name: content for name, content in inputs.items() if not name.startswith("elsewhere/")}
    return [name for name, content in here.items() if _content(Path(results) / name) != content]


def _content(path: Path) -> str | None:
    try:
        return known_digest(path)
    except OSError:
        return None
