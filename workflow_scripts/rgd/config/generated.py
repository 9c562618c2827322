"""What an experiment's generated scenarios need: which query sets are drawn, how many queries, which descriptions."""

from pathlib import Path

from rgd.config import scenarios, sweep
from rgd.config.files import file_of
from rgd.config.products import unique
from rgd.config.scenarios import SHORT, SHORTEST, Scenario
from rgd.config.schema import Config
from rgd.errors import UserError
from rgd.generation.scenario import wanted_per_task
from rgd.routing.reduced import BENCHMARK


def made(config: Config) -> list[tuple[str, Scenario]]:
    """Every dataset with each generated scenario that one of its cells trains on."""
    return [
        (dataset, scenarios.parse(config, query_set))
        for dataset, query_set in sweep.needed(config)
        if query_set != BENCHMARK
    ]


def drawn(config: Config) -> list[tuple[str, str]]:
    """(dataset, query set) of everything that generators write; for a filtered scenario, the set before filtering."""
    return list(unique((dataset, scenario.drawn) for dataset, scenario in made(config)))


def asked(config: Config) -> dict[tuple[str, str], tuple[str, ...]]:
    """The pools whose members answer each query set, by dataset and query set, as in :func:`rgd.config.sweep.needed`.

    A filtered set reuses the answers to the set before filtering, so it is listed under that set, which the filtering
    pool answers too.
    """
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for (dataset, query_set), pools in sweep.needed(config).items():
        filtering = None if query_set == BENCHMARK else scenarios.parse(config, query_set).pool
        asked_set = dataset, whole(config, query_set)
        found[asked_set] = unique((*found.get(asked_set, ()), *pools, *([filtering] if filtering else [])))
    return found


def whole(config: Config, query_set: str) -> str:
    """The key of the set before filtering; that of the benchmark or an unfiltered set is its own."""
    return query_set if query_set == BENCHMARK else scenarios.parse(config, query_set).drawn


def queries(config: Config, dataset: str, scenario: Scenario) -> int:
    """How many queries the generator is to write for ``scenario``, over all tasks of ``dataset``.

    Raises:
        UserError: the dataset does not define the scenario's size.
    """
    spec = config.dataset[dataset]
    if scenario.size is None and spec.generated_queries is None:
        raise UserError(
            f"the scenario {scenario.key} has generated queries, but config/dataset/{dataset}.yaml does not say how many. Add "
            "generated_queries there, or exclude the scenario for this dataset."
        )
    if scenario.size is None:
        return int(spec.generated_queries or 0)
    if scenario.size not in spec.generated_sizes:
        known = ", ".join(spec.generated_sizes) or "none"
        raise UserError(
            f"the scenario {scenario.key} has the size {scenario.size}, which config/dataset/{dataset}.yaml does not define "
            f"(generated_sizes: {known}). Add generated_sizes.{scenario.size} there, or exclude the scenario for this dataset."
        )
    return spec.generated_sizes[scenario.size]


def check(config: Config, folder: Path) -> None:
    """Check that every dataset has what the experiment's generated scenarios name.

    Raises:
        UserError: tasks, a size or a descriptor are missing, or max_draws_per_task is too small.
    """
    where = file_of(folder, "experiment", config.name)
    for dataset, scenario in made(config):
        spec = config.dataset[dataset]
        if not spec.tasks:
            raise UserError(
                f"{where}: the scenario {scenario.key} is written from the descriptions of the tasks, but "
                f"{file_of(folder, 'dataset', dataset)} has no tasks. Describe them there, or set scenarios: [real]."
            )
        try:
            number = queries(config, dataset, scenario)
        except UserError as error:
            raise UserError(f"{where}: {error}") from None
        if scenario.variant in (SHORT, SHORTEST) and spec.descriptor is None:
            raise UserError(
                f"{where}: the scenario {scenario.key} needs the {scenario.variant} descriptions of {dataset}, which a "
                f"descriptor writes, but {file_of(folder, 'dataset', dataset)} has descriptor = null. Name a file of "
                "config/descriptor there, or exclude the scenario for this dataset."
            )
        most = max(wanted_per_task(number, list(spec.tasks)).values())
        cap = config.generator[scenario.generator].max_draws_per_task
        if cap < most:
            raise UserError(
                f"{file_of(folder, 'generator', scenario.generator)}: max_draws_per_task = {cap}, but the scenario {scenario.key} "
                f"of {dataset} needs {most} queries per task. Raise it (try twice the queries per task)."
            )
