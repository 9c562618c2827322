"""Routers ranked by benchmark and scenario, with the ranks that the test questions can tell apart."""

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from rgd.analysis.comparisons import GROUP_KEYS, competitors
from rgd.analysis.cost_quality import Tested
from rgd.analysis.order import Titles, row_label
from rgd.analysis.people import tables_by, with_something_known
from rgd.errors import UserError
from rgd.scoring.cost_quality import resampled_means
from rgd.scoring.ranks import rank_sets
from rgd.scoring.statistics import paired_differences

PURPOSE = "leaderboard"
DECIMALS = 12
COSTS = ["calls_per_query", "cost_unit", "cost", "arena_score", "aiq"]
COLUMNS = [
    *GROUP_KEYS,
    *("rank", "rank_best", "rank_worst", "family", "router", "variant", "accuracy", "ci_low", "ci_high", "ci_level"),
    *COSTS,
]
UNITS = {"dollars": ("dollars per 1,000", 1000.0, 3), "tokens": ("tokens", 1.0, 0), "calls": ("calls", 1.0, 2)}
NOTE = (
    "Accuracy, or mean score, on the test questions of all splits. The ranks in brackets are those that the questions leave open: "
    "sets for all routers of a board that hold the true ranks together at the level of the intervals (Mogstad, Romano, Shaikh and "
    "Wilhelm 2024, of paired bootstrap samples of questions). Equal routers share a rank."
)


def leaderboard(
    outcomes: Mapping[tuple[str, str, str, str], pd.DataFrame],
    families: Mapping[tuple[str, str, str, str], str],
    tasks: Mapping[str, Mapping[str, str]],
    costs: pd.DataFrame,
    interval: Mapping[str, Any],
) -> pd.DataFrame:
    """Every (router, variant) of every dataset, scenario and pool, by its rank.

    Routers that learn nothing take part in every scenario. References are not ranked.

    Args:
        outcomes: (dataset, scenario, pool, router) -> schemas.outcomes.
        families: the family of each of these cells.
        tasks: dataset -> query_id -> task, the strata.
        costs: the table ``costs``.
        interval: ``level``, ``draws`` and ``seed`` of the bootstrap.

    Returns:
        COLUMNS: rank with the ends of its confidence set (:func:`rgd.scoring.ranks.rank_sets`; all routers of a dataset,
        scenario and pool at once); accuracy with its percentile interval over the same bootstrap samples, at ``ci_level``;
        the columns of ``costs``. Within a board by rank, then as ``outcomes`` are ordered.

    Raises:
        UserError: there is no router to rank.
        ValueError: two cells of one board have different test queries.
    """
    ranked = {key: frame for key, frame in outcomes.items() if families[key] != "reference"}
    if not ranked:
        raise UserError(
            "there is no router to rank: name datasets, scenarios, pools and routers in the experiment's file."
        )
    known = costs.drop_duplicates(["dataset", "scenario", "pool", "router", "variant"])
    of_costs = known.set_index(["dataset", "scenario", "pool", "router", "variant"])[COSTS]
    boards = []
    for group, cells in competitors(ranked, families).items():
        rows = _board({cell[3]: ranked[cell] for cell in cells}, tasks[group[0]], interval)
        cell_of = {cell[3]: cell for cell in cells}
        rows["family"] = [families[cell_of[router]] for router in rows["router"]]
        places = [(*cell_of[router], variant) for router, variant in zip(rows["router"], rows["variant"], strict=True)]
        rows[COSTS] = of_costs.reindex(pd.MultiIndex.from_tuples(places)).to_numpy()
        boards.append(rows.assign(**dict(zip(GROUP_KEYS, group, strict=True))).sort_values("rank", kind="stable"))
    table = pd.concat(boards, ignore_index=True)
    numbers = [name for name in COSTS if name != "cost_unit"]
    table[numbers] = table[numbers].astype(np.float64)
    return table[COLUMNS]


def _board(routers: Mapping[str, pd.DataFrame], tasks: Mapping[str, str], interval: Mapping[str, Any]) -> pd.DataFrame:
    names = [
        (router, column.removeprefix("correct_"))
        for router, frame in routers.items()
        for column in frame.columns
        if column.startswith("correct_")
    ]
    reference = next(iter(routers.values()))
    tested = Tested(
        reference["query_id"].to_numpy().astype(str),
        reference["seed"].to_numpy(),
        reference["query_id"].map(dict(tasks)).to_numpy().astype(str),
    )
    scores = np.column_stack([routers[r][f"correct_{v}"].to_numpy(dtype=np.float64) for r, v in names])
    sums, share, strata = tested.by_question(scores)
    mean = sums.sum(axis=0) / share.sum()
    samples = resampled_means(sums, share, strata, interval["seed"], interval["draws"], PURPOSE)
    first, second = np.array(list(combinations(range(len(names)), 2)), dtype=np.int64).reshape(-1, 2).T
    compared = paired_differences(scores, tested.questions, tested.seeds, tested.tasks, first, second)
    found = rank_sets(mean, samples, compared, interval["level"])
    low, high = np.quantile(samples, [(1 - interval["level"]) / 2, (1 + interval["level"]) / 2], axis=0)
    return pd.DataFrame(
        {
            "rank": found.rank,
            "rank_best": found.best,
            "rank_worst": found.worst,
            "router": [router for router, _ in names],
            "variant": [variant for _, variant in names],
            "accuracy": mean.round(DECIMALS),
            "ci_low": low.round(DECIMALS),
            "ci_high": high.round(DECIMALS),
            "ci_level": interval["level"],
        }
    )


def leaderboard_for_people(table: pd.DataFrame, titles: Titles | None = None) -> dict[str, pd.DataFrame]:
    """One board for each dataset, pool and scenario: rank, router, accuracy, calls, and what it costs.

    Args:
        table: from :func:`leaderboard`.
        titles: names to show instead of keys, by kind (dataset, pool, scenario).
    """

    def lines(part: pd.DataFrame) -> pd.DataFrame:
        ends = zip(part["rank"], part["rank_best"], part["rank_worst"], strict=True)
        scores = zip(part["accuracy"], part["ci_low"], part["ci_high"], strict=True)
        shown = {
            "rank": [f"{rank} ({best})" if best == worst else f"{rank} ({best}-{worst})" for rank, best, worst in ends],
            "router": [row_label(r, v) for r, v in zip(part["router"], part["variant"], strict=True)],
            "family": part["family"].tolist(),
            "accuracy %": [f"{100 * value:.1f} ({100 * low:.1f}, {100 * high:.1f})" for value, low, high in scores],
            "calls": _numbers(part["calls_per_query"], 1.0, 2),
        }
        unit = next((unit for unit in part["cost_unit"] if isinstance(unit, str)), "calls")
        if unit != "calls":
            name, scale, decimals = UNITS[unit]
            shown[name] = _numbers(part["cost"], scale, decimals)
        shown["arena score"] = _numbers(part["arena_score"], 100.0, 1)
        shown["AIQ of the router"] = _numbers(part["aiq"], 100.0, 1)
        return with_something_known(pd.DataFrame(shown))

    return tables_by(("dataset", "pool", "scenario"), table, titles, lines)


def _numbers(values: pd.Series, scale: float, decimals: int) -> list[str]:
    return ["" if np.isnan(value) else f"{scale * value:.{decimals}f}" for value in values]
