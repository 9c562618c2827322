"""The order in which tables and figures show things."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from rgd.routing.reduced import REAL as REAL

Titles = Mapping[str, Mapping[str, str]]
"""Names to show instead of keys, by kind of key: dataset, pool, scenario."""
AVERAGE = "average"
"""Stands for the mean over all datasets where a dataset's key is expected."""
FAMILIES = ("query-only", "few-labels", "query-answer", "learning-free", "reference")
LEARNED = FAMILIES[:3]
SCENARIO_INDEPENDENT = ("learning-free", "reference")


def ranks(values: Iterable[str], order: Sequence[str]) -> dict[str, int]:
    """The rank of each value: first those of ``order``, in that order, then the others by name."""
    present = set(values)
    known = [value for value in order if value in present]
    return {value: place for place, value in enumerate([*known, *sorted(present - set(known))])}


def ordered(values: Iterable[str], order: Sequence[str]) -> list[str]:
    """The distinct values, sorted by :func:`ranks`."""
    return list(ranks(values, order))


def row_label(router: str, variant: str) -> str:
    """Router and variant as one name; a variant that only repeats the router's name is left out."""
    return router if variant.casefold() in ("", router.casefold()) else f"{router} {variant}"


def group_title(titles: Titles | None, **keys: str) -> str:
    """The names of ``keys`` (dataset=..., pool=..., scenario=...) joined; a key without a title is its own name."""
    return ", ".join((titles or {}).get(kind, {}).get(key, key) for kind, key in keys.items())


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of ``frame`` as mappings from column to value."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]
