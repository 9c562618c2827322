"""How much a router depends on single members: results without each of them, on the same test queries."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from rgd.analysis.order import Titles, records, row_label
from rgd.analysis.people import ends_in_points, in_points, lines_by_columns, tables_by
from rgd.routing.reduced import whole_pool
from rgd.scoring.statistics import paired_differences

COLUMNS = [
    *("dataset", "scenario", "pool", "router", "variant", "without"),
    *("accuracy", "whole_accuracy", "difference", "ci_low", "ci_high"),
]
NOTE = (
    "Accuracy without a member minus accuracy with the whole pool, in points, mean over splits, with its interval over the "
    "same test questions of all splits. Consensus, fit and votes are those of the smaller pool."
)


def drop_one(
    outcomes: Mapping[tuple[str, str, str, str], pd.DataFrame],
    tasks: Mapping[str, Mapping[str, str]],
    interval: Mapping[str, Any],
) -> pd.DataFrame:
    """How much accuracy each router loses without each member, for each variant.

    Args:
        outcomes: (dataset, scenario, pool, router) -> schemas.outcomes, of whole pools and of pools without one member
            (see :mod:`rgd.routing.reduced`).
        tasks: dataset -> query_id -> task, the strata.
        interval: ``level`` of the intervals of the differences (see :func:`rgd.scoring.statistics.paired_differences`).

    Raises:
        ValueError: two cells have different test queries, or a whole pool's cell is missing.
    """
    rows = []
    for (dataset, scenario, key, router), frame in outcomes.items():
        pool, member = whole_pool(key)
        if member is None:
            continue
        whole = outcomes.get((dataset, scenario, pool, router))
        if whole is None or not frame[["seed", "query_id"]].equals(whole[["seed", "query_id"]]):
            raise ValueError(f"{router} has different test queries on {pool} and on {key}")
        questions, seeds = frame["query_id"].to_numpy().astype(str), frame["seed"].to_numpy()
        strata = frame["query_id"].map(dict(tasks[dataset])).to_numpy().astype(str)
        # The router `single` loses a member's own variant together with the member.
        for column in [name for name in frame.columns if name.startswith("correct_") and name in whole.columns]:
            values = np.column_stack([frame[column], whole[column]]).astype(np.float64)
            found = paired_differences(values, questions, seeds, strata, np.array([0]), np.array([1]))
            low, high = found.ends(1 - interval["level"])
            accuracy, whole_accuracy = pd.DataFrame(values).groupby(seeds).mean().mean()
            rows.append(
                {
                    "dataset": dataset,
                    "scenario": scenario,
                    "pool": pool,
                    "router": router,
                    "variant": column.removeprefix("correct_"),
                    "without": member,
                    "accuracy": accuracy,
                    "whole_accuracy": whole_accuracy,
                    "difference": found.estimate[0],
                    "ci_low": low[0],
                    "ci_high": high[0],
                }
            )
    return pd.DataFrame(rows, columns=COLUMNS)


def drop_one_for_people(table: pd.DataFrame, titles: Titles | None = None) -> dict[str, pd.DataFrame]:
    """One table for each dataset, pool and scenario: routers by the member that is left out."""

    def lines(part: pd.DataFrame) -> pd.DataFrame:
        return lines_by_columns("router", map(_line, records(part)), absent="")

    return tables_by(("dataset", "pool", "scenario"), table, titles, lines)


def _line(row: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    ends = ends_in_points(row["ci_low"], row["ci_high"])
    cells = {
        "whole pool %": f"{100 * row['whole_accuracy']:.1f}",
        f"without {row['without']}": f"{in_points(row['difference'], sign=True)} {ends}",
    }
    return row_label(row["router"], row["variant"]), cells
