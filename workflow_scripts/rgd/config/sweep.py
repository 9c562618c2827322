"""The sweep: which query sets, members and cells an experiment has."""

from typing import NamedTuple

from rgd.config.references import BENCHMARK, REAL
from rgd.config.schema import Config
from rgd.routers import load


class Cell(NamedTuple):
    """A result: what ``cells/D/S/P/R.parquet`` holds."""

    dataset: str
    scenario: str
    pool: str
    router: str


def query_set(scenario: str) -> str:
    """The query set that a scenario trains on: the benchmark's own questions, or the generator's."""
    return BENCHMARK if scenario == REAL else scenario


def query_sets(config: Config) -> list[str]:
    """All query sets of the experiment; the benchmark is always one, since routers are tested on it."""
    return [BENCHMARK, *(scenario for scenario in config.experiment.scenarios if scenario != REAL)]


def reference_cells(config: Config) -> list[Cell]:
    """The cells of Oracle and Random: once per dataset and pool, under the scenario ``real``."""
    experiment = config.experiment
    cells = [
        Cell(dataset, REAL, pool, reference)
        for dataset in experiment.datasets
        for pool in experiment.pools
        for reference in experiment.references
    ]
    return [cell for cell in cells if exclusion(config, cell) is None]


def router_cells(config: Config) -> list[Cell]:
    """The cells of the routers; a learning-free router does not depend on the scenario and is made once, under ``real``."""
    experiment = config.experiment
    cells = []
    for dataset in experiment.datasets:
        for pool in experiment.pools:
            for router in experiment.routers:
                once = load(config.router[router].method).family == "learning-free"
                scenarios = [REAL] if once else experiment.scenarios
                cells += [Cell(dataset, scenario, pool, router) for scenario in scenarios]
    return [cell for cell in cells if exclusion(config, cell) is None]


def exclusion(config: Config, cell: Cell) -> str | None:
    """The reason why the experiment leaves out ``cell``, or None where it does not."""
    for rule in config.experiment.exclude:
        if all(getattr(rule, key) in (None, getattr(cell, key)) for key in Cell._fields):
            return rule.reason
    return None
