"""Shared parts of tables for people: one table per group, lines by columns, figures with their spread."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from rgd.analysis.order import Titles, group_title

NOT_MADE, UNKNOWN = "not made", "not known"


def tables_by(
    keys: Sequence[str],
    frame: pd.DataFrame,
    titles: Titles | None,
    make: Callable[[pd.DataFrame], pd.DataFrame],
) -> dict[str, pd.DataFrame]:
    """One table per combination of values of some columns, by title, in order of appearance.

    Args:
        keys: columns of ``frame`` (dataset, pool, scenario), in the title's order.
        frame: the rows of all tables.
        titles: names to show instead of keys.
        make: the table of one group's rows.
    """
    return {
        group_title(titles, **{key: str(value) for key, value in zip(keys, values, strict=True)}): make(part)
        for values, part in frame.groupby(list(keys), sort=False)
    }


def with_something_known(table: pd.DataFrame) -> pd.DataFrame:
    """The columns of a table of texts in which some line says something."""
    return table.loc[:, [not set(table[column]) <= {"", UNKNOWN} for column in table]]


def lines_by_columns(
    first: str, cells: Iterable[tuple[str, Mapping[str, str]]], absent: str = NOT_MADE
) -> pd.DataFrame:
    """A table of texts, whose cells may be given one at a time.

    Args:
        first: the column with the lines' names.
        cells: a line's name and some of its cells by column.
        absent: the text of a cell that a line lacks.
    """
    lines: dict[str, dict[str, str]] = {}
    for name, found in cells:
        lines.setdefault(name, {}).update(found)
    return pd.DataFrame([{first: name, **line} for name, line in lines.items()]).fillna(absent)


def with_spread(mean: float, spread: float, decimals: int = 1) -> str:
    """``62.4 ± 1.1``; only the mean if there is no spread (NaN)."""
    return f"{mean:.{decimals}f}" + ("" if np.isnan(spread) else f" ± {spread:.{decimals}f}")


def calls_text(calls: Iterable[float]) -> str:
    """Calls per query with two decimals; from the fewest to the most, where they differ."""
    shown = [f"{value:.2f}" for value in sorted(set(calls))]
    return "" if not shown else shown[0] if shown[0] == shown[-1] else f"{shown[0]} to {shown[-1]}"


def in_points(value: float, sign: bool = False) -> str:
    """A share or a difference of shares in points with one decimal, ``-0.0`` as ``0.0``."""
    return f"{round(100 * value, 1) + 0.0:{'+' if sign else ''}.1f}"


def ends_in_points(low: float, high: float) -> str:
    """An interval's ends in points, ``[-2.3, 0.04]``: an end other than 0 has as many decimals as it takes to show it."""
    return f"[{_end(low)}, {_end(high)}]"


def _end(value: float) -> str:
    points, decimals = 100 * value, 1
    while points != 0 and round(points, decimals) == 0:
        decimals += 1
    return f"{points + 0.0:.{decimals}f}"
