"""How much a router depends on single members: results without each of them, on the same test queries."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from rgd.analysis.order import Titles, records, row_label
from rgd.analysis.people import lines_by_columns, tables_by
from rgd.routing.reduced import whole_pool
from rgd.scoring.statistics import bootstrap_means

COLUMNS = [
    *("dataset", "scenario", "pool", "router", "variant", "without"),
    *("accuracy", "whole_accuracy", "difference", "ci_low", "ci_high"),
]
NOTE = (
    "Accuracy without a member minus accuracy with the whole pool, in points, with its interval over the same test queries (paired "
    "bootstrap, mean over splits). Consensus, fit and votes are those of the smaller pool."
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
        tasks: dataset -> query_id -> task, the strata of the bootstrap.
        interval: level, draws and seed of the bootstrap.

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
        strata = frame["query_id"].map(dict(tasks[dataset])).to_numpy().astype(str)
        # The router `single` loses a member's own variant together with the member.
        for column in [name for name in frame.columns if name.startswith("correct_") and name in whole.columns]:
            values = frame[column].to_numpy(dtype=float), whole[column].to_numpy(dtype=float)
            rows.append(
                {
                    "dataset": dataset,
                    "scenario": scenario,
                    "pool": pool,
                    "router": router,
                    "variant": column.removeprefix("correct_"),
                    "without": member,
                    **_paired(*values, strata, frame["seed"].to_numpy(), interval),
                }
            )
    return pd.DataFrame(rows, columns=COLUMNS)


def _paired(
    first: np.ndarray, second: np.ndarray, strata: np.ndarray, seeds: np.ndarray, interval: Mapping[str, Any]
) -> dict[str, float]:
    ends = [(1 - interval["level"]) / 2, (1 + interval["level"]) / 2]
    found = []
    for seed in dict.fromkeys(seeds.tolist()):
        mine = seeds == seed
        difference = first[mine] - second[mine]
        samples = bootstrap_means(difference[:, None], strata[mine], interval["seed"], interval["draws"])[:, 0]
        found.append((first[mine].mean(), second[mine].mean(), difference.mean(), *np.quantile(samples, ends)))
    names = ("accuracy", "whole_accuracy", "difference", "ci_low", "ci_high")
    return dict(zip(names, np.mean(found, axis=0).tolist(), strict=True))


def drop_one_for_people(table: pd.DataFrame, titles: Titles | None = None) -> dict[str, pd.DataFrame]:
    """One table for each dataset, pool and scenario: routers by the member that is left out."""

    def lines(part: pd.DataFrame) -> pd.DataFrame:
        return lines_by_columns("router", map(_line, records(part)), absent="")

    return tables_by(("dataset", "pool", "scenario"), table, titles, lines)


def _line(row: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    ends = f"[{100 * row['ci_low']:+.1f}, {100 * row['ci_high']:+.1f}]"
    cells = {
        "whole pool %": f"{100 * row['whole_accuracy']:.1f}",
        f"without {row['without']}": f"{100 * row['difference']:+.1f} {ends}",
    }
    return row_label(row["router"], row["variant"]), cells
