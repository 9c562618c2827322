"""What a few labels are worth: accuracy of routers that ask for some, beside routers that learn from as many labelled queries."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from rgd.analysis.order import FAMILIES, Titles, ranks, records, row_label
from rgd.analysis.people import lines_by_columns, tables_by, with_spread
from rgd.routing.reduced import whole_router, whole_scenario

KEYS = ["dataset", "scenario", "pool", "family", "router", "variant"]
COLUMNS = [*KEYS, "n_labels", "n_seeds", "accuracy", "accuracy_std", "ci_low", "ci_high", "to_none"]
ALL = "all"
NOTE = (
    "Accuracy on the test part in per cent (mean ± standard deviation over splits) by the number of labels. A router that asks for "
    "labels chooses the queries and learns from all others without labels. A router that learns from labels is fitted on so many "
    "queries, all of them labelled, drawn from all tasks in proportion; under `all` on the whole set."
)


def label_budget(accuracy: pd.DataFrame, of_files: Mapping[str, int] | None = None) -> pd.DataFrame:
    """Accuracy by number of labels.

    Args:
        accuracy: from :func:`rgd.analysis.tables.accuracy_table`, for cells whose router or scenario has a number (see
            :mod:`rgd.routing.reduced`).
        of_files: the labels that routers get by their own files, of those that get any.

    Returns:
        One row per router, variant and number of labels, ascending; the number of a labelled router's whole set is NaN. A router
        that asks for labels is of the family few-labels also where it has none. ``to_none`` is the accuracy minus that without
        labels, NaN where there is none.
    """
    frame, of_files = accuracy.copy(), of_files or {}
    asked = [whole_router(key) for key in frame["router"]]
    sizes = [whole_scenario(key) for key in frame["scenario"]]
    numbers = [
        size if family == "query-answer" else of_files.get(router, 0) if labels is None else labels
        for (router, labels), (_, size), family in zip(asked, sizes, frame["family"], strict=True)
    ]
    frame["router"] = [router for router, _ in asked]
    frame["scenario"] = [scenario for scenario, _ in sizes]
    frame["n_labels"] = np.array([np.nan if number is None else number for number in numbers], dtype=float)
    frame.loc[frame["family"] == "query-only", "family"] = "few-labels"
    frame = frame.drop_duplicates([*KEYS, "n_labels"])
    none = frame[frame["n_labels"] == 0].set_index(KEYS)["accuracy"]
    frame["to_none"] = frame["accuracy"].to_numpy() - none.reindex(pd.MultiIndex.from_frame(frame[KEYS])).to_numpy()
    places = {key: ranks(frame[key], FAMILIES if key == "family" else list(dict.fromkeys(frame[key]))) for key in KEYS}
    order = pd.DataFrame({key: frame[key].map(place) for key, place in places.items()}).assign(labels=frame["n_labels"])
    return frame.loc[order.sort_values([*KEYS, "labels"]).index, COLUMNS].reset_index(drop=True)


def budgets_for_people(table: pd.DataFrame, titles: Titles | None = None) -> dict[str, pd.DataFrame]:
    """One table for each dataset, pool and scenario: routers by number of labels."""

    def lines(part: pd.DataFrame) -> pd.DataFrame:
        numbers = sorted(set(part["n_labels"].dropna()))
        columns = [f"{number:.0f}" for number in numbers] + ([ALL] if part["n_labels"].isna().any() else [])
        return lines_by_columns("router", map(_line, records(part)))[["router", *columns]]

    return tables_by(("dataset", "pool", "scenario"), table, titles, lines)


def _line(row: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    number = ALL if np.isnan(row["n_labels"]) else f"{row['n_labels']:.0f}"
    return row_label(row["router"], row["variant"]), {
        number: with_spread(100 * row["accuracy"], 100 * row["accuracy_std"])
    }
