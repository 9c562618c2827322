"""Which routers differ: paired differences on the same test queries, tested with a correction for multiple tests."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from rgd.analysis.order import REAL, SCENARIO_INDEPENDENT, Titles, group_title, records, row_label
from rgd.analysis.people import lines_by_columns, tables_by
from rgd.errors import UserError
from rgd.scoring.statistics import benjamini_hochberg, bootstrap_means, combine_p_values, detectable_difference, mcnemar

GROUP_KEYS = ["dataset", "scenario", "pool"]
FALSE_DISCOVERY_RATE = 0.05
BETTER, WORSE = "better", "worse"


def comparison_table(
    outcomes: Mapping[tuple[str, str, str, str], pd.DataFrame],
    families: Mapping[tuple[str, str, str, str], str],
    tasks: Mapping[str, Mapping[str, str]],
    interval: Mapping[str, Any],
) -> pd.DataFrame:
    """Every pair of (router, variant) of every dataset, scenario and pool, compared on the same test queries.

    Routers that do not depend on the scenario (learning-free ones, references) take part in every scenario.

    Args:
        outcomes: (dataset, scenario, pool, router) -> schemas.outcomes.
        families: the family of each of these cells.
        tasks: dataset -> query_id -> task, the strata of the bootstrap.
        interval: level, draws and seed of the bootstrap.

    Returns:
        One row per pair: dataset, scenario, pool, first, first_variant, second, second_variant; difference (first minus
        second, mean over seeds), ci_low and ci_high (mean ends over seeds of the paired bootstrap), first_only and
        second_only (queries that only one gets right, mean over seeds), p_value (exact McNemar, seeds combined; NaN if
        a correctness is a probability), q_value (p adjusted over all rows, Benjamini and Hochberg), detectable (the
        smallest difference that these queries detect with 80 % power), verdict (better, worse, or empty if the difference
        is not significant at a false discovery rate of 5 %).

    Raises:
        UserError: there are no outcomes.
        ValueError: two cells of one group have different test queries.
    """
    if not outcomes:
        raise UserError(
            "there are no result cells to compare: the experiment's sweep is empty. Name datasets, scenarios, pools and routers in its file."
        )
    order = list(dict.fromkeys(router for *_, router in outcomes))
    groups: dict[tuple[str, str, str], dict[str, pd.DataFrame]] = {}
    for dataset, scenario, pool in dict.fromkeys(key[:3] for key in outcomes):
        # The router's cell of this scenario, or else its one cell for all scenarios.
        own = {router: (dataset, scenario, pool, router) for router in order}
        shared = {router: (dataset, REAL, pool, router) for router in order}
        shared = {router: key for router, key in shared.items() if families.get(key) in SCENARIO_INDEPENDENT}
        keys = {router: own[router] if own[router] in outcomes else shared.get(router) for router in order}
        groups[dataset, scenario, pool] = {router: outcomes[key] for router, key in keys.items() if key is not None}
    rows = [
        {**dict(zip(GROUP_KEYS, group, strict=True)), **row}
        for group, routers in groups.items()
        for row in _pairs(routers, tasks[group[0]], interval)
    ]
    table = pd.DataFrame(rows, columns=[*GROUP_KEYS, *_COLUMNS])
    table["q_value"] = benjamini_hochberg(table["p_value"].to_numpy())
    real = (table["q_value"] < FALSE_DISCOVERY_RATE).to_numpy()
    table["verdict"] = np.where(real, np.where(table["difference"] > 0, BETTER, WORSE), "")
    return table


_COLUMNS = [
    *("first", "first_variant", "second", "second_variant", "difference", "ci_low", "ci_high"),
    *("first_only", "second_only", "p_value", "detectable"),
]


def _pairs(
    routers: Mapping[str, pd.DataFrame], tasks: Mapping[str, str], interval: Mapping[str, Any]
) -> Iterable[dict[str, Any]]:
    names = [
        (router, column.removeprefix("correct_"))
        for router, frame in routers.items()
        for column in frame.columns
        if column.startswith("correct_")
    ]
    pairs = list(combinations(range(len(names)), 2))
    if not pairs:
        return
    first, second = np.array(pairs).T
    by_seed = [
        _pairs_of_seed(columns, strata, first, second, interval) for columns, strata in _by_seed(routers, names, tasks)
    ]
    for position in range(len(pairs)):
        found = pd.DataFrame([seed[position] for seed in by_seed])
        (router_a, variant_a), (router_b, variant_b) = names[first[position]], names[second[position]]
        yield {
            "first": router_a,
            "first_variant": variant_a,
            "second": router_b,
            "second_variant": variant_b,
            **{str(name): value for name, value in found.drop(columns="p_value").mean().items()},
            "p_value": combine_p_values(found["p_value"].to_numpy()),
        }


def _by_seed(
    routers: Mapping[str, pd.DataFrame], names: Sequence[tuple[str, str]], tasks: Mapping[str, str]
) -> Iterable[tuple[np.ndarray, np.ndarray]]:
    """The correctness (n, R) of all (router, variant) and the task (n,) of each query, by seed."""
    reference = next(iter(routers.values()))
    for router, frame in routers.items():
        if not frame[["seed", "query_id"]].equals(reference[["seed", "query_id"]]):
            raise ValueError(f"the outcomes of {router} and {next(iter(routers))} have different test queries")
    columns = np.column_stack([routers[router][f"correct_{variant}"].to_numpy() for router, variant in names])
    strata = reference["query_id"].map(tasks).to_numpy().astype(str)
    seeds = reference["seed"].to_numpy()
    for seed in dict.fromkeys(seeds.tolist()):
        yield columns[seeds == seed].astype(np.float64), strata[seeds == seed]


def _pairs_of_seed(
    correct: np.ndarray, strata: np.ndarray, first: np.ndarray, second: np.ndarray, interval: Mapping[str, Any]
) -> list[dict[str, float]]:
    n = len(correct)
    samples = bootstrap_means(correct, strata, interval["seed"], interval["draws"])
    ends = [(1 - interval["level"]) / 2, (1 + interval["level"]) / 2]
    binary = np.asarray(np.isin(correct, (0.0, 1.0)).all(axis=0))
    means = correct.mean(axis=0)
    rows = []
    for a, b in zip(first.tolist(), second.tolist(), strict=True):
        difference = correct[:, a] - correct[:, b]
        low, high = np.quantile(samples[:, a] - samples[:, b], ends)
        wins, losses = int((difference > 0).sum()), int((difference < 0).sum())
        rows.append(
            {
                "difference": means[a] - means[b],
                "ci_low": float(low),
                "ci_high": float(high),
                "first_only": wins,
                "second_only": losses,
                "p_value": mcnemar(wins, losses) if binary[a] and binary[b] else float("nan"),
                "detectable": detectable_difference(float(difference.std()), n, interval["level"]),
            }
        )
    return rows


def against(table: pd.DataFrame, baseline: str, accuracy: pd.DataFrame) -> pd.DataFrame:
    """Each (router, variant) against the baseline's variant with the same number of calls, if there is one.

    Args:
        table: from :func:`comparison_table`.
        baseline: a router.
        accuracy: from :func:`rgd.analysis.tables.accuracy_table`, for the calls per query.

    Returns:
        The rows of ``table`` that compare them, turned so that the baseline is ``second``, with the columns ``calls``
        and ``same_calls``; if no variant of the baseline makes as many calls, its first one is used.
    """
    calls = {
        (row["dataset"], row["pool"], row["router"], row["variant"]): round(row["calls_per_query"], 6)
        for row in records(accuracy)
    }
    turned = table.rename(
        columns={
            "first": "second",
            "second": "first",
            "first_variant": "second_variant",
            "second_variant": "first_variant",
            "first_only": "second_only",
            "second_only": "first_only",
        }
    )
    turned[["difference", "ci_low", "ci_high"]] = -turned[["difference", "ci_high", "ci_low"]].to_numpy()
    turned["verdict"] = turned["verdict"].map({BETTER: WORSE, WORSE: BETTER, "": ""})
    both = pd.concat([table, turned[table.columns]], ignore_index=True)
    both = both[(both["second"] == baseline) & (both["first"] != baseline)].reset_index(drop=True)

    def calls_of(router: str, variant: str) -> list[float]:
        return [calls[key] for key in zip(both["dataset"], both["pool"], both[router], both[variant], strict=True)]

    both["calls"] = calls_of("first", "first_variant")
    both["same_calls"] = both["calls"].to_numpy() == np.array(calls_of("second", "second_variant"))
    order = both.sort_values("same_calls", ascending=False, kind="stable")
    keys = [*GROUP_KEYS, "first", "first_variant"]
    return order.drop_duplicates(keys).sort_index().reset_index(drop=True)


def significant(compared: pd.DataFrame, better: str = "*", worse: str = "*") -> dict[tuple[str, ...], str]:
    """The mark of each (dataset, scenario, pool, router, variant) of :func:`against` with a significant difference."""
    real = compared[(compared["verdict"] != "") & compared["same_calls"]]
    keys = real[[*GROUP_KEYS, "first", "first_variant"]].itertuples(index=False, name=None)
    return {key: better if verdict == BETTER else worse for key, verdict in zip(keys, real["verdict"], strict=True)}


def comparisons_for_people(
    table: pd.DataFrame, accuracy: pd.DataFrame, baseline: str, titles: Titles | None = None
) -> dict[str, pd.DataFrame]:
    """One table for each dataset and pool: every router's difference to the baseline, in points, by scenario.

    A star marks a difference that is significant at a false discovery rate of 5 % over the whole table. A tilde marks a
    comparison with a variant of the baseline that makes a different number of calls.
    """

    def lines(part: pd.DataFrame) -> pd.DataFrame:
        return lines_by_columns("router", (_line(row, titles) for row in records(part)))

    return tables_by(("dataset", "pool"), against(table, baseline, accuracy), titles, lines)


def _line(row: Mapping[str, Any], titles: Titles | None) -> tuple[str, dict[str, str]]:
    sign = ("*" if row["verdict"] else "") + ("" if row["same_calls"] else "~")
    ends = f"[{100 * row['ci_low']:.1f}, {100 * row['ci_high']:.1f}]"
    difference = f"{100 * row['difference']:+.1f} {ends}{sign}"
    cells = {"calls": f"{row['calls']:g}", group_title(titles, scenario=row["scenario"]): difference}
    return row_label(row["first"], row["first_variant"]), cells


def smallest_shown(table: pd.DataFrame) -> str:
    """A sentence about the differences that the test queries can detect."""
    middle, most = 100 * table["detectable"].median(), 100 * table["detectable"].max()
    real = int((table["verdict"] != "").sum())
    return (
        f"Of {len(table)} pairs {real} differ at a false discovery rate of 5 % (exact McNemar tests, Benjamini and Hochberg). "
        f"A true difference of {middle:.1f} points is shown with 80 % power for the median pair, of {most:.1f} for the worst."
    )
