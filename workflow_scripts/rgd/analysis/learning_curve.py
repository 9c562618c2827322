"""How much a router gains from more training queries: accuracy on nested subsets of a scenario's queries."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from rgd.analysis.order import Titles, records, row_label
from rgd.analysis.people import lines_by_columns, tables_by, with_spread
from rgd.routing.reduced import whole_scenario

KEYS = ["dataset", "scenario", "pool", "family", "router", "variant"]
COLUMNS = [*KEYS, "n_training", "n_seeds", "accuracy", "accuracy_std", "ci_low", "ci_high", "to_whole"]
NOTE = (
    "Accuracy on the test part in per cent (mean ± standard deviation over splits) of routers fitted on so many training queries; "
    "each set is part of the next larger one and holds the tasks in proportion. The last column is the whole set."
)


def learning_curve(accuracy: pd.DataFrame, training: Mapping[tuple[str, str, str], float]) -> pd.DataFrame:
    """Accuracy by number of training queries.

    Args:
        accuracy: from :func:`rgd.analysis.tables.accuracy_table`, for cells of whole scenarios and of scenarios with
            a size (see :mod:`rgd.routing.reduced`).
        training: (dataset, scenario, pool) -> training queries of the whole scenario.

    Returns:
        One row per router, variant and number of training queries: the sizes below the whole set in ascending order,
        then the whole set; ``to_whole`` is the accuracy minus that on the whole set.
    """
    frame = accuracy.copy()
    parts = [whole_scenario(key) for key in frame["scenario"]]
    frame["scenario"] = [scenario for scenario, _ in parts]
    keys = zip(frame["dataset"], frame["scenario"], frame["pool"], strict=True)
    frame["whole"] = [float(training[key]) for key in keys]
    sizes = np.array([np.nan if size is None else size for _, size in parts])
    frame["n_training"] = np.where(np.isnan(sizes), frame["whole"], sizes)
    # A size larger than the set is the whole set under another name.
    frame = frame[np.isnan(sizes) | (sizes < frame["whole"])]
    full = frame[frame["n_training"] == frame["whole"]].set_index(KEYS)["accuracy"]
    base = full.reindex(pd.MultiIndex.from_frame(frame[KEYS])).to_numpy()
    frame["to_whole"] = frame["accuracy"].to_numpy() - base
    order = frame.groupby(KEYS, sort=False).ngroup()
    return frame.assign(order=order).sort_values(["order", "n_training"])[COLUMNS].reset_index(drop=True)


def curves_for_people(table: pd.DataFrame, titles: Titles | None = None) -> dict[str, pd.DataFrame]:
    """One table for each dataset, pool and scenario: routers by number of training queries."""

    def lines(part: pd.DataFrame) -> pd.DataFrame:
        numbers = [f"{number:.0f}" for number in sorted(set(part["n_training"]))]
        return lines_by_columns("router", map(_line, records(part)))[["router", *numbers]]

    return tables_by(("dataset", "pool", "scenario"), table, titles, lines)


def _line(row: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    shown = with_spread(100 * row["accuracy"], 100 * row["accuracy_std"])
    return row_label(row["router"], row["variant"]), {f"{row['n_training']:.0f}": shown}
