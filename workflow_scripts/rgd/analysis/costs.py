"""The costs of a routing: calls, tokens, regret, and which members it asks."""

import numpy as np
import pandas as pd

from rgd.analysis.order import Titles, records, row_label
from rgd.analysis.people import lines_by_columns, tables_by

COST_COLUMNS = [
    *("dataset", "scenario", "pool", "family", "router", "variant", "accuracy", "calls_per_query"),
    *("prompt_tokens_per_query", "completion_tokens_per_query", "regret", "gap_closed"),
]
UNKNOWN = "not known"


def costs_for_people(accuracy: pd.DataFrame, titles: Titles | None = None) -> dict[str, pd.DataFrame]:
    """One table for each dataset, pool and scenario: accuracy beside its cost, in ascending order of calls.

    Args:
        accuracy: from :func:`rgd.analysis.tables.accuracy_table`.
        titles: names to show instead of keys, by kind (dataset, pool, scenario).
    """

    def lines(part: pd.DataFrame) -> pd.DataFrame:
        ordered = part.sort_values(["calls_per_query", "accuracy"], ascending=[True, False], kind="stable")
        return pd.DataFrame(
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

    return tables_by(("dataset", "pool", "scenario"), accuracy, titles, lines)


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
