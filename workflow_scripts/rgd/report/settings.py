"""The parts of the configuration that the page shows and reads."""

import inspect
import re
from typing import Any

from rgd.answers.kinds import WITHOUT_OPTIONS
from rgd.config import generated, scenarios, slices, sweep
from rgd.config.analyses import made_figures
from rgd.config.products import listed
from rgd.config.schema import Config
from rgd.routers import load
from rgd.routing.reduced import BENCHMARK, REAL, whole_router
from rgd.tool.settings import member_title

TABLES = ("accuracy", "comparisons", "costs", "choices", "tasks")


def settings(config: Config) -> dict[str, Any]:
    """The settings from which an experiment's page is made, besides the results."""
    order = listed(config)
    cells = sweep.router_cells(config)
    drawn = generated.drawn(config)
    pools = {name: list(config.pool[name].members) for name in order.pools}
    described = {
        dataset: f"descriptions/{dataset}/{scenarios.parse(config, query_set).variant}.parquet"
        for dataset, query_set in reversed(drawn)
    }
    titles = slices.titles(config)
    tested = list(dict.fromkeys(cell.dataset for cell in sweep.tested_cells(config)))
    routed = dict.fromkeys(cell.dataset for cell in cells if config.dataset[cell.dataset].has_questions)
    unlabelled = [name for name in routed if name not in tested]
    return {
        # Only where there are any, so that other pages stay as they are.
        **({"unlabelled": unlabelled} if unlabelled else {}),
        "name": config.name,
        "title": config.experiment.title,
        "seed": config.experiment.seeds[0],
        "seeds": list(config.experiment.seeds),
        "baseline": config.experiment.baseline,
        "neighbours": config.neighbours,
        "level": config.experiment.interval.level,
        "cells": [list(cell) for cell in cells],
        "tested": tested,
        "query_sets": {cell.scenario: sweep.query_set(cell.scenario) for cell in cells},
        "drawn": [list(each) for each in drawn],
        "pools": pools,
        "members": {member: member_title(config, member) for names in pools.values() for member in names},
        "routers": {name: slices.routing(config, name) for name in order.routers},
        "words": {name: in_a_sentence(config.router[whole_router(name)[0]].method) for name in order.routers},
        "answers": {
            dataset: {pool: list(_answers(config, dataset, pool)) for pool in order.pools} for dataset in order.datasets
        },
        "descriptions": described,
        "figures": _figures(config),
        "titles": titles | {"scenario": {REAL: "Real data", **titles["scenario"]}},
        "tables": [
            *(TABLES if tested else []),
            *(["generation"] if drawn else []),
            *(["diagnostics"] if sweep.generated_cells(config) else []),
        ],
    }


def in_a_sentence(method: str) -> str:
    """What a router of this method does: the first sentence of its class, without its family and sources."""
    first = " ".join((inspect.getdoc(load(method)) or "").partition("\n\n")[0].split())
    said = re.sub(r"\s*\([^()]*\)|`", "", first).split(". ")[0].rstrip(".")
    said = re.sub(r"^[\w-]+(?: router)?: ", "", said)
    return said[:1].upper() + said[1:]


def _figures(config: Config) -> list[list[str]]:
    """The figures that the experiment names and a map of each dataset's queries; a map comes with its dataset."""
    order, cells, named = listed(config), sweep.router_cells(config), made_figures(config)
    plain = [REAL, *(name for name in order.scenarios if name in config.generator)]
    mapped = [name for name in order.datasets if any(c.dataset == name and c.scenario in plain for c in cells)]
    # The figure `queries` is the map of the first benchmark.
    first = next((dataset for dataset, query_set in sweep.needed(config) if query_set == BENCHMARK), "")
    maps = [[f"queries_of_{name}", name] for name in mapped if name != first or "queries" not in named]
    return [*([name, first if name == "queries" else ""] for name in named), *maps]


def _answers(config: Config, dataset: str, pool: str) -> tuple[str, str]:
    """The folder of a pool's answers to a benchmark, where equal answers have equal texts, and the label file."""
    if config.dataset[dataset].kind in WITHOUT_OPTIONS:
        return f"matched_responses/{dataset}/{pool}", f"matched_labels/{dataset}/{pool}.parquet"
    return f"responses/{dataset}/{BENCHMARK}", f"labels/{dataset}/{BENCHMARK}.parquet"
