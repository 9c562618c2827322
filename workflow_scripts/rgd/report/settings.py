"""What of the configuration the page shows and reads."""

from typing import Any

from rgd.config import generated, scenarios, slices, sweep
from rgd.config.products import listed
from rgd.config.references import BENCHMARK, REAL
from rgd.config.schema import Config
from rgd.tool.settings import member_title

MAPPED = "cascal"
TABLES = ("accuracy", "comparisons", "costs", "choices", "tasks")


def settings(config: Config) -> dict[str, Any]:
    """What the page of an experiment is made of, beside the results."""
    order = listed(config)
    cells = sweep.router_cells(config)
    drawn = generated.drawn(config)
    pools = {name: list(config.pool[name].members) for name in order.pools}
    described = {
        dataset: f"descriptions/{dataset}/{scenarios.parse(config, query_set).variant}.parquet"
        for dataset, query_set in reversed(drawn)
    }
    datasets = list(order.datasets)
    tested = list(dict.fromkeys(cell.dataset for cell in sweep.tested_cells(config)))
    return {
        "name": config.name,
        "title": config.experiment.title,
        "seed": config.experiment.seeds[0],
        "seeds": list(config.experiment.seeds),
        "baseline": config.experiment.baseline,
        "neighbours": config.neighbours,
        "level": config.experiment.interval.level,
        "cells": [list(cell) for cell in cells],
        "tested": tested,
        "plain": [REAL, *(name for name in order.scenarios if name in config.generator)],
        "query_sets": {cell.scenario: sweep.query_set(cell.scenario) for cell in cells},
        "drawn": [list(each) for each in drawn],
        "pools": pools,
        "members": {member: member_title(config, member) for names in pools.values() for member in names},
        "routers": {name: slices.routing(config, name) for name in order.routers},
        "answers": {
            dataset: {pool: list(_answers(config, dataset, pool)) for pool in order.pools} for dataset in datasets
        },
        "descriptions": described,
        "maps": {dataset: found for dataset in datasets if (found := _maps(config, dataset, cells))},
        "titles": slices.titles(config),
        "tables": [
            *(TABLES if tested else []),
            *(["generation"] if drawn else []),
            *(["diagnostics"] if sweep.generated_cells(config) else []),
        ],
    }


def _maps(config: Config, dataset: str, cells: list[sweep.Cell]) -> list[list[str]]:
    """Of every scenario without a suffix its query set, its title, and the file of the centroids (empty: none)."""
    order = listed(config)
    plain = [REAL, *(name for name in order.scenarios if name in config.generator)]
    fitted = [cell for cell in cells if cell.dataset == dataset and cell.router == MAPPED]
    shown = []
    for scenario in plain:
        if not any(cell.dataset == dataset and cell.scenario == scenario for cell in cells):
            continue
        mine = [cell for cell in fitted if cell.scenario == scenario]
        file = f"routers/{dataset}/{scenario}/{mine[0].pool}/{MAPPED}.parquet" if mine else ""
        title = "Real data" if scenario == REAL else f"By {slices.scenario_title(config, scenario)}"
        shown.append([sweep.query_set(scenario), title, file])
    return shown


def _answers(config: Config, dataset: str, pool: str) -> tuple[str, str]:
    """The folder of a pool's answers to a benchmark, in which equal answers are equal texts, and the file of its labels."""
    if config.dataset[dataset].answer_kind == "latex":
        return f"matched_responses/{dataset}/{pool}", f"matched_labels/{dataset}/{pool}.parquet"
    return f"responses/{dataset}/{BENCHMARK}", f"labels/{dataset}/{BENCHMARK}.parquet"
