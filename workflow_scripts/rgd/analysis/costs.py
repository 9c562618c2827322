"""The costs of a routing: calls, tokens, regret, and which members it asks."""

import numpy as np
import pandas as pd

from rgd.analysis.order import Titles, records, row_label
from rgd.analysis.people import UNKNOWN, lines_by_columns, tables_by, with_something_known

COST_COLUMNS = [
    *("dataset", "scenario", "pool", "family", "router", "variant", "accuracy", "ci_low", "ci_high"),
    "calls_per_query",
    *("prompt_tokens_per_query", "completion_tokens_per_query", "regret", "gap_closed"),
]


def costs_for_people(accuracy: pd.DataFrame, titles: Titles | None = None) -> dict[str, pd.DataFrame]:
    """One table for each dataset, pool and scenario: accuracy beside its cost, in ascending order of calls.

    Args:
        accuracy: from :func:`rgd.analysis.tables.accuracy_table`; with the columns of
            :func:`rgd.analysis.cost_quality.cost_quality_table`, a second table of each follows.
        titles: names to show instead of keys, by kind (dataset, pool, scenario).
    """

    def lines(part: pd.DataFrame) -> pd.DataFrame:
        ordered = _by_calls(part)
        return with_something_known(
            pd.DataFrame(
                {
                    "router": [row_label(r, v) for r, v in zip(ordered["router"], ordered["variant"], strict=True)],
                    "calls": [f"{value:.2f}" for value in ordered["calls_per_query"]],
                    "prompt tokens": [_number(value, 0) for value in ordered["prompt_tokens_per_query"]],
                    "completion tokens": [_number(value, 0) for value in ordered["completion_tokens_per_query"]],
                    "accuracy %": [f"{100 * value:.1f}" for value in ordered["accuracy"]],
                    "regret": [f"{100 * value:.1f}" for value in ordered["regret"]],
                    "gap closed %": [_number(100 * value, 1) for value in ordered["gap_closed"]],
                }
            )
        )

    keys = ("dataset", "pool", "scenario")
    plain = tables_by(keys, accuracy, titles, lines)
    if "cost_unit" not in accuracy:
        return plain
    against = tables_by(keys, accuracy, titles, _against_cost)
    return {
        name: table
        for title in plain
        for name, table in ((title, plain[title]), (f"{title}: accuracy against cost", against[title]))
    }


def _against_cost(part: pd.DataFrame) -> pd.DataFrame:
    """Cost and what summarises accuracy against it, with intervals; of the router in the row of its first variant."""
    ordered = _by_calls(part)
    per = {"dollars": ("dollars per 1,000", 1000.0, 3), "tokens": ("tokens", 1.0, 0), "calls": ("calls", 1.0, 2)}
    name, scale, decimals = per[ordered["cost_unit"].iloc[0]]
    first = ~ordered["router"].duplicated()

    def column(figure: str, scale: float, decimals: int, once: bool = False) -> list[str]:
        ends = zip(ordered[figure], ordered[f"{figure}_low"], ordered[f"{figure}_high"], first, strict=True)
        return [
            "" if once and not shown else _with_interval(scale * value, scale * low, scale * high, decimals)
            for value, low, high, shown in ends
        ]

    single = f"{ordered['best_single'].iloc[0]}"
    return with_something_known(
        pd.DataFrame(
            {
                "router": [row_label(r, v) for r, v in zip(ordered["router"], ordered["variant"], strict=True)],
                name: column("cost", scale, decimals),
                "accuracy %": [f"{100 * value:.1f}" for value in ordered["accuracy"]],
                "arena score": column("arena_score", 100.0, 1),
                "AIQ": column("aiq", 100.0, 1, once=True),
                "AIQ gain": column("aiq_gain", 100.0, 1, once=True),
                f"cost at the accuracy of {single}, %": column("cost_at_equal_accuracy", 100.0, 0, once=True),
                f"gain at the cost of {single}": column("gain_at_equal_cost", 100.0, 1, once=True),
            }
        )
    )


def _by_calls(part: pd.DataFrame) -> pd.DataFrame:
    return part.sort_values(["calls_per_query", "accuracy"], ascending=[True, False], kind="stable")


def _with_interval(value: float, low: float, high: float, decimals: int) -> str:
    """``62.4 [60.9, 63.8]``; an infinite figure is one that is not reached."""
    if np.isnan(value):
        return UNKNOWN
    texts = [
        "not reached" if np.isinf(number) else f"{round(number, decimals) + 0.0:.{decimals}f}"
        for number in (value, low, high)
    ]
    return f"{texts[0]} [{texts[1]}, {texts[2]}]"


def _number(value: float, decimals: int) -> str:
    return UNKNOWN if np.isnan(value) else f"{value:.{decimals}f}"


def choice_table(choices: pd.DataFrame) -> pd.DataFrame:
    """How often each member is asked: the mean share over seeds.

    Args:
        choices: the rows of schemas.CHOICES of all cells, with dataset, scenario, pool and router.

    Returns:
        Columns dataset, scenario, pool, router, variant, member, share; the shares of a variant sum to its calls.
    """
    keys = ["dataset", "scenario", "pool", "router", "variant", "member"]
    return choices.groupby(keys, sort=False)["share"].mean().reset_index()


def choices_for_people(table: pd.DataFrame, titles: Titles | None = None) -> dict[str, pd.DataFrame]:
    """One table for each dataset, pool and scenario: routers by members, in per cent of the queries."""

    def lines(part: pd.DataFrame) -> pd.DataFrame:
        cells = (
            (row_label(row["router"], row["variant"]), {row["member"]: f"{100 * row['share']:.0f}"})
            for row in records(part)
        )
        return lines_by_columns("router", cells, absent="")[["router", *dict.fromkeys(part["member"])]]

    return tables_by(("dataset", "pool", "scenario"), table, titles, lines)
