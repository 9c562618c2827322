"""The sweep: which cells and query sets an experiment has, and whose answers they need."""

from typing import NamedTuple

from rgd.answers.kinds import SCORE
from rgd.config.products import listed, products, unique
from rgd.config.routers import family
from rgd.config.schema import Config
from rgd.routers import load
from rgd.routing.reduced import BENCHMARK, REAL, of_labels, of_size, whole_scenario, without

LEARNING_FREE = "learning-free"


class Cell(NamedTuple):
    """A result: what ``cells/D/S/P/R.parquet`` holds."""

    dataset: str
    scenario: str
    pool: str
    router: str


def query_set(scenario: str) -> str:
    """The query set that a scenario trains on: the benchmark's own questions, or the generator's."""
    whole, _ = whole_scenario(scenario)
    return BENCHMARK if whole == REAL else whole


def reference_cells(config: Config) -> list[Cell]:
    """The cells of Oracle and Random: once per dataset and pool, under the scenario ``real``."""
    cells = unique(
        Cell(dataset, REAL, pool, reference)
        for product in products(config)
        for dataset in product.datasets
        for pool in product.pools
        for reference in config.experiment.references
        if config.dataset[dataset].is_tested
    )
    return [cell for cell in cells if exclusion(config, cell) is None]


def router_cells(config: Config) -> list[Cell]:
    """The cells of the routers; a learning-free router does not depend on the scenario and is made once, under ``real``."""
    return [cell for cell in _wanted(config) if exclusion(config, cell) is None]


def excluded_cells(config: Config) -> dict[Cell, str]:
    """The routers' cells that the experiment leaves out, and why."""
    reasons = {cell: exclusion(config, cell) for cell in _wanted(config)}
    return {cell: reason for cell, reason in reasons.items() if reason is not None}


def exclusion(config: Config, cell: Cell) -> str | None:
    """The reason why the experiment leaves out ``cell``, or None if it does not.

    It is the experiment's rule, or that the router cannot use scores, or needs labels that the questions do not have.
    """
    for rule in config.experiment.exclude:
        if all(getattr(rule, key) in (None, getattr(cell, key)) for key in Cell._fields):
            return rule.reason
    dataset, spec = config.dataset[cell.dataset], config.router.get(cell.router)
    if spec is None:
        return None
    if dataset.kind == SCORE and load(spec.method).compares_answers:
        return f"{cell.dataset} has scores in the place of answers, and {cell.router} learns from which answers agree"
    if not dataset.is_tested and query_set(cell.scenario) == BENCHMARK and load(spec.method).needs_labels:
        return f"{cell.dataset} has no labels, and {cell.router} learns from labels"
    return None


def transfer_cells(config: Config) -> list[tuple[str, str, str]]:
    """Dataset, scenario and pool of every consensus on generated queries, and of the real one it is compared with."""
    made = unique(
        (cell.dataset, cell.scenario, cell.pool)
        for cell in router_cells(config)
        if cell.scenario != REAL and config.dataset[cell.dataset].has_questions
    )
    return list(
        unique(key for dataset, scenario, pool in made for key in ((dataset, REAL, pool), (dataset, scenario, pool)))
    )


def tested_cells(config: Config) -> list[Cell]:
    """The routers' cells of datasets that have labelled questions to test with."""
    return [cell for cell in router_cells(config) if config.dataset[cell.dataset].is_tested]


def generated_cells(config: Config) -> list[tuple[str, str, str]]:
    """Every dataset, scenario and pool for which some router learns from generated queries."""
    return list(
        unique((cell.dataset, cell.scenario, cell.pool) for cell in router_cells(config) if cell.scenario != REAL)
    )


def learning_curve_cells(config: Config) -> list[Cell]:
    """The cells of the learning curve: those of the whole scenarios, and of nested subsets of their queries."""
    spec = config.experiment.learning_curve
    if spec is None:
        return []
    whole = [
        cell
        for cell in _chosen(config, spec.routers, spec.scenarios)
        if family(config.router[cell.router]) != LEARNING_FREE and config.dataset[cell.dataset].is_tested
    ]
    fewer = [cell._replace(scenario=of_size(cell.scenario, size)) for cell in whole for size in sorted(set(spec.sizes))]
    return [*whole, *fewer]


def with_labels(config: Config, asks: bool) -> list[str]:
    """The experiment's routers that ask for a few labels, or else those that learn from the labels of all their queries."""
    kinds = {name: load(config.router[name].method) for name in listed(config).routers}
    return [name for name, kind in kinds.items() if (kind.asks_for_labels if asks else kind.needs_labels)]


def label_budget_cells(config: Config) -> list[Cell]:
    """The cells of the label budget, on real queries.

    They are the routers that ask for labels without any and with each number of them, and the labelled routers with as many
    labelled queries and with all.
    """
    spec = config.experiment.label_budget
    if spec is None:
        return []
    real = [cell for cell in _chosen(config, None, [REAL]) if config.dataset[cell.dataset].is_tested]
    asking, labelled = (
        with_labels(config, asks) if names is None else names
        for asks, names in ((True, spec.routers), (False, spec.beside))
    )
    budgets = sorted(set(spec.labels))
    few = [
        cell if labels == config.router[cell.router].labels else cell._replace(router=of_labels(cell.router, labels))
        for cell in real
        if cell.router in asking
        for labels in (0, *budgets)
    ]
    beside = [cell for cell in real if cell.router in labelled]
    return [*few, *beside, *(cell._replace(scenario=of_size(REAL, labels)) for cell in beside for labels in budgets)]


def drop_one_cells(config: Config) -> list[Cell]:
    """The cells of pools without a member: those of the whole pools, and without each member in turn."""
    spec = config.experiment.drop_one
    if spec is None:
        return []
    whole = [cell for cell in _chosen(config, spec.routers, spec.scenarios) if config.dataset[cell.dataset].is_tested]
    fewer = [
        cell._replace(pool=without(cell.pool, member)) for cell in whole for member in config.pool[cell.pool].members
    ]
    return [*whole, *fewer]


def judged(config: Config) -> list[tuple[str, str]]:
    """Dataset and query set of all labels that the referee judges; a dataset's benchmark first."""
    spec = config.experiment.referee
    if spec is None:
        return []
    sets = [
        (dataset, name)
        for dataset, name in needed(config)
        if (config.dataset[dataset].is_tested if name == BENCHMARK else _is_judged(config, name))
    ]
    generated = {dataset for dataset, name in sets if name != BENCHMARK}
    return [(dataset, name) for dataset, name in sets if dataset in generated]


def _is_judged(config: Config, scenario: str) -> bool:
    assert config.experiment.referee is not None
    chosen = config.experiment.referee.scenarios
    return scenario in config.generator if chosen is None else scenario in chosen


def _chosen(config: Config, routers: list[str] | None, scenarios: list[str] | None) -> list[Cell]:
    """The routers' cells of these routers and scenarios; None for all."""
    return [
        cell
        for cell in router_cells(config)
        if (routers is None or cell.router in routers) and (scenarios is None or cell.scenario in scenarios)
    ]


def needed(config: Config) -> dict[tuple[str, str], tuple[str, ...]]:
    """The pools that answer each query set, by dataset and query set: those with a cell that trains or is tested on it.

    A dataset's benchmark comes first. Every cell is tested on it, except where tasks are only described.
    """
    order = listed(config)
    sets = unique((BENCHMARK, *map(query_set, order.scenarios)))
    pools: dict[tuple[str, str], set[str]] = {(dataset, name): set() for dataset in order.datasets for name in sets}
    for cell in [*router_cells(config), *reference_cells(config)]:
        if config.dataset[cell.dataset].has_questions:
            pools[cell.dataset, BENCHMARK].add(cell.pool)
        pools[cell.dataset, query_set(cell.scenario)].add(cell.pool)
    return {asked: tuple(pool for pool in order.pools if pool in found) for asked, found in pools.items() if found}


def _wanted(config: Config) -> tuple[Cell, ...]:
    """The routers' cells, including the excluded ones."""
    once = {router: family(config.router[router]) == LEARNING_FREE for router in listed(config).routers}
    return unique(
        Cell(dataset, scenario, pool, router)
        for product in products(config)
        for dataset in product.datasets
        for pool in product.pools
        for router in product.routers
        for scenario in ((REAL,) if once[router] else product.scenarios)
        if scenario != REAL or config.dataset[dataset].has_questions
    )
