"""Parameters in a form whose differences have names: lists by what their items are about, and pools as pools."""

from collections.abc import Mapping, Sequence
from typing import Any

from rgd.planning.changes import opened
from rgd.routing.reduced import BENCHMARK, REAL, whole_pool, whole_router, whole_scenario

POOL = "pool's members"
"""The key before a pool's name and its members; the name is "" for the members of several pools together."""
SWEEP = "sweep"
"""The key before the datasets, scenarios, pools and routers that occur in a list of cells."""

_DATASET, _SCENARIO, _CELL = ("datasets",), ("datasets", "scenarios"), ("datasets", "scenarios", "pools", "routers")
# What the items of rows are, by the key of the rows.
_COLUMNS = {
    "cells": _CELL,
    "fitted": _CELL,
    "trained": _CELL,
    "judged": _SCENARIO,
    "drawn": _SCENARIO,
    "sources": _DATASET,
    "writers": _CELL[:3],
    "query_sets": (*_SCENARIO, "members"),
}
# As above, where a rule's rows are others than those of the same name elsewhere.
_COLUMNS_OF_RULES: dict[tuple[str, str], tuple[str, ...]] = {
    ("query_figure", "fitted"): (),
    ("generator_diagnostics_table", "cells"): _CELL[:3],
    ("cost_table", "pools"): ("datasets", "pools", "members"),
    ("task_table", "members"): ("datasets", "members"),
    ("benchmark_routing_table", "pools"): ("datasets", "", "members by pool"),
    ("instance_routing_table", "pools"): ("datasets", "", "members by pool"),
}


def arranged(rule: str, wildcards: Mapping[str, str], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """``parameters`` with JSON opened and lists taken apart; a value of an unknown form stays as it is.

    Args:
        rule: the job's rule.
        wildcards: the job's wildcards.
        parameters: by name.
    """
    values = {name: opened(value) for name, value in parameters.items()}
    pool, members = whole_pool(wildcards.get("pool", ""))[0], values.get("members")
    found = {}
    for name, value in values.items():
        try:
            found[name] = _parameter(rule, pool, name, value, members)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            # Another version of the workflow recorded it.
            found[name] = value
    return found


def _parameter(rule: str, pool: str, name: str, value: Any, members: Any) -> Any:
    if name == "slice" and isinstance(value, Mapping):
        return {key: _part(rule, key, each, members) for key, each in value.items()}
    if name == "members" and isinstance(value, list):
        if rule == "audit_table":
            return dict(value)
        if rule == "bundle":
            asked = {each["key"]: {"title": each["title"], "asked": each["asked"]} for each in value}
            return {POOL: {pool: list(asked)}, **asked}
        if rule != "task_table":
            return {POOL: {pool: value}}
    if name == "recorded" and rule == "cost_table":
        by_file: dict[str, dict[str, dict[str, str]]] = {}
        for dataset, member, file, content in value:
            by_file.setdefault(dataset, {})[member] = {file: content}
        return by_file
    return _part(rule, name, value, members)


def _part(rule: str, key: str, value: Any, members: Any) -> Any:
    if (rule, key) == ("report_page", "figures"):
        # A figure of a dataset is named after it where there are several.
        names = dict.fromkeys(name.partition("_of_")[0] if dataset else name for name, dataset in value)
        datasets = dict.fromkeys(dataset for _, dataset in value if dataset)
        return {"names": list(names), SWEEP: {"datasets": list(datasets)}}
    columns = _COLUMNS_OF_RULES.get((rule, key), _COLUMNS.get(key))
    if isinstance(value, list) and columns:
        return _swept(value, columns)
    if isinstance(value, Mapping) and key == "pools":
        return {POOL: value}
    if isinstance(value, Mapping) and key == "own":
        lists = {kind: value[kind.removesuffix("s")] for kind in _CELL}
        return {SWEEP: lists, POOL: {"": value["variant"]}}
    if key == "tasks" and value and all(isinstance(each, list) for each in value):
        return dict(value)
    if isinstance(value, list) and key == "parameters_billion":
        return dict(zip(members, value, strict=True))
    if key == "prices" and set(value) == {"call", "prompt", "completion"}:
        return {member: {part: value[part][number] for part in value} for number, member in enumerate(members)}
    return value


def _swept(rows: Sequence[Sequence[Any]], columns: Sequence[str]) -> dict[str, Any]:
    """The datasets, scenarios, pools and routers in ``rows``, each once, and the pools' members."""
    lists: dict[str, dict[str, None]] = {}
    pools: dict[str, dict[str, None]] = {}
    for row in rows:
        named = dict(zip(columns, row, strict=False))
        pool, missing = whole_pool(named.get("pools", ""))
        own = {
            "datasets": named["datasets"],
            "scenarios": _scenario(named["scenarios"]) if "scenarios" in named else None,
            "pools": pool or None,
            "routers": whole_router(named["routers"])[0] if "routers" in named else None,
        }
        for key, name in own.items():
            if name is not None:
                lists.setdefault(key, {})[name] = None
        by_pool = {**named.get("members by pool", {}), **({pool: named["members"]} if "members" in named else {})}
        for name, found in (by_pool | ({pool: [missing]} if missing else {})).items():
            pools.setdefault(name, {}).update(dict.fromkeys(found))
    return {
        SWEEP: {key: list(names) for key, names in lists.items()},
        POOL: {key: list(each) for key, each in pools.items()},
    }


def _scenario(query_set: str) -> str:
    return REAL if query_set == BENCHMARK else whole_scenario(query_set)[0]
