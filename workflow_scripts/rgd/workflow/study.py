"""What an experiment consists of, derived once from its configuration and shared by all rules."""

import re
import sys
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from rgd.answers.kinds import WITHOUT_OPTIONS
from rgd.config import generated, scenarios, slices, sweep
from rgd.config.command_line import compose
from rgd.config.members import Member, members, recorded_blocks, recorded_members
from rgd.config.products import listed, unique
from rgd.config.routers import family, router_of
from rgd.config.schema import Config, Dataset, Descriptor, Embedder, Featurizer, Generator, Model, Router
from rgd.errors import UserError
from rgd.report import settings as report_settings
from rgd.routers import load as load_router
from rgd.routers.base import FEW_LABELS, Family
from rgd.routing.reduced import BENCHMARK, LABELS, MARK, REAL, WITHOUT, whole_pool, whole_scenario

QuerySet = tuple[str, str]
"""A dataset and one of its query sets."""
Trained = tuple[str, str, str]
"""A dataset, a scenario and a pool, which identify a training set."""


def opened(folder: Path, given: Mapping[str, Any]) -> "Study":
    """The study of a run; a mistake in the configuration ends the run with the message alone.

    Args:
        folder: config/.
        given: the values of ``snakemake --config``.
    """
    try:
        return Study(compose(folder, given), folder, given)
    except UserError as error:
        sys.exit(f"Configuration error: {error}")


def one_of(names: Iterable[str]) -> str:
    """A wildcard constraint: exactly these names."""
    return "|".join(re.escape(name) for name in names) or "(?!)"


class Study:
    """The experiment of a run.

    Args:
        config: the checked configuration.
        folder: config/, which holds the prompts.
        given: the values of ``snakemake --config``.
    """

    def __init__(self, config: Config, folder: Path, given: Mapping[str, Any] | None = None) -> None:
        self.config = config
        self.folder = folder
        self.given = given or {}
        self.name = config.name

    # What a key stands for.

    def dataset(self, wildcards: Any) -> Dataset:
        return self.config.dataset[wildcards.dataset]

    def embedder(self, wildcards: Any) -> Embedder:
        """The embedder of a dataset."""
        return self.config.embedder[self.dataset(wildcards).embedder]

    def router(self, wildcards: Any) -> Router:
        return router_of(self.config, wildcards.router)

    def router_class(self, wildcards: Any) -> Any:
        return load_router(self.router(wildcards).method)

    def family(self, wildcards: Any) -> Family:
        """The family of a router."""
        return family(self.router(wildcards))

    def member(self, wildcards: Any) -> Member:
        return self.members[wildcards.member]

    def generator(self, wildcards: Any) -> Generator:
        """The generator that writes the query set ``drawn``."""
        return self.config.generator[self.generator_name(wildcards)]

    def generator_name(self, wildcards: Any) -> str:
        return scenarios.parse(self.config, wildcards.drawn).generator

    def descriptor(self, wildcards: Any) -> Descriptor:
        """The descriptor of a dataset of ``described``."""
        return self.config.descriptor[str(self.dataset(wildcards).descriptor)]

    def featurizer(self, wildcards: Any) -> Featurizer:
        return self.config.featurizer[wildcards.featurizer]

    def pool(self, key: str) -> list[str]:
        """The members of a pool; for a pool without one member, the others."""
        whole, missing = whole_pool(key)
        return [member for member in self.config.pool[whole].members if member != missing]

    def is_free_form(self, dataset: str) -> bool:
        """Whether questions have no options, so that answers that are written differently can be equal."""
        return self.config.dataset[dataset].kind in WITHOUT_OPTIONS

    def model_of_member(self, wildcards: Any) -> str:
        return self.member(wildcards).model_name

    def model_of_generator(self, wildcards: Any) -> str:
        return self.generator(wildcards).model

    def model_of_descriptor(self, wildcards: Any) -> str:
        return self.descriptor(wildcards).model

    def model_of_featurizer(self, wildcards: Any) -> str:
        return self.featurizer(wildcards).model

    # What the experiment has.

    @cached_property
    def members(self) -> dict[str, Member]:
        """Every member defined in a model's file."""
        return members(self.config)

    @cached_property
    def recorded_members(self) -> list[str]:
        return list(recorded_members(self.config))

    @cached_property
    def recorded_blocks(self) -> list[list[str]]:
        """The recorded members that are read together."""
        return recorded_blocks(self.config)

    @cached_property
    def recorded_alone(self) -> list[str]:
        """The recorded members that are read each by a job of its own."""
        together = {member for block in self.recorded_blocks for member in block}
        return [member for member in self.recorded_members if member not in together]

    @cached_property
    def all_members(self) -> list[str]:
        """Every member of the experiment's pools, in the pools' order."""
        return self.members_of(listed(self.config).pools)

    @cached_property
    def identities(self) -> list[str]:
        """What identifies the weights of every model and embedder."""
        specs: list[Model | Embedder] = [*self.config.model.values(), *self.config.embedder.values()]
        return list(unique(slices.model_identity(spec) for spec in specs))

    @cached_property
    def cells(self) -> list[sweep.Cell]:
        """The cells of the routers."""
        return sweep.router_cells(self.config)

    @cached_property
    def tested_cells(self) -> list[sweep.Cell]:
        return sweep.tested_cells(self.config)

    @cached_property
    def scored_cells(self) -> list[sweep.Cell]:
        """The cells of routers that can be tested, then the references' cells."""
        return [*self.tested_cells, *sweep.reference_cells(self.config)]

    @cached_property
    def tested_pools(self) -> list[tuple[str, str]]:
        """The dataset and pool of every cell that is scored."""
        return list(unique((cell.dataset, cell.pool) for cell in self.scored_cells))

    @cached_property
    def generated_cells(self) -> list[Trained]:
        return sweep.generated_cells(self.config)

    @cached_property
    def transfer_cells(self) -> list[Trained]:
        return sweep.transfer_cells(self.config)

    @cached_property
    def learning_curve_cells(self) -> list[sweep.Cell]:
        return sweep.learning_curve_cells(self.config)

    @cached_property
    def label_budget_cells(self) -> list[sweep.Cell]:
        return sweep.label_budget_cells(self.config)

    @cached_property
    def drop_one_cells(self) -> list[sweep.Cell]:
        return sweep.drop_one_cells(self.config)

    @cached_property
    def bundled_cells(self) -> list[sweep.Cell]:
        return [cell for cell in self.cells if cell.router in self.config.experiment.bundles]

    @cached_property
    def query_sets(self) -> dict[QuerySet, tuple[str, ...]]:
        """Every query set with the pools that answer it."""
        return sweep.needed(self.config)

    @cached_property
    def datasets(self) -> list[str]:
        """The datasets that have a benchmark to answer."""
        return list(unique(dataset for dataset, query_set in self.query_sets if query_set == BENCHMARK))

    @cached_property
    def benchmarks(self) -> list[QuerySet]:
        return [(dataset, BENCHMARK) for dataset in self.datasets]

    @cached_property
    def tested_datasets(self) -> list[str]:
        """The datasets whose benchmark has labels, or scores in their place."""
        return [dataset for dataset in self.datasets if self.config.dataset[dataset].is_tested]

    @cached_property
    def tested_benchmarks(self) -> list[QuerySet]:
        return [(dataset, BENCHMARK) for dataset in self.tested_datasets]

    @cached_property
    def drawn(self) -> list[QuerySet]:
        """Every query set that generators write; a filtered set counts as its parent."""
        return generated.drawn(self.config)

    @cached_property
    def asked(self) -> dict[QuerySet, tuple[str, ...]]:
        """The pools asked about each query set; a filtered set counts as its parent."""
        return generated.asked(self.config)

    @cached_property
    def described_for(self) -> list[tuple[str, str]]:
        """Dataset and variant of every description given to a generator."""
        return list(unique((dataset, self.variant(query_set)) for dataset, query_set in self.drawn))

    @cached_property
    def judged(self) -> list[QuerySet]:
        """The query sets whose labels the referee judges."""
        return sweep.judged(self.config)

    @cached_property
    def referees(self) -> list[str]:
        referee = self.config.experiment.referee
        return [referee.member] if referee else []

    @property
    def referee_draws(self) -> int:
        """How often the referee is asked about each label."""
        referee = self.config.experiment.referee
        return referee.draws if referee else 0

    @cached_property
    def plain_scenarios(self) -> list[str]:
        """The generated scenarios without a suffix."""
        return [name for name in listed(self.config).scenarios if name in self.config.generator]

    @cached_property
    def diagnosed(self) -> list[sweep.Cell]:
        """Routers that learn from generated queries without their labels; the diagnostics report how these route."""
        made = set(self.generated_cells)
        return [
            cell
            for cell in self.cells
            if cell[:3] in made and family(self.config.router[cell.router]) in ("query-only", FEW_LABELS)
        ]

    @cached_property
    def described(self) -> list[str]:
        """The datasets whose tasks a descriptor describes."""
        return [name for name, spec in self.config.dataset.items() if spec.descriptor]

    @cached_property
    def only_described(self) -> list[str]:
        """The datasets whose tasks are only described."""
        return [name for name, spec in self.config.dataset.items() if not spec.has_questions]

    @cached_property
    def free_form(self) -> list[str]:
        return [name for name in self.config.dataset if self.is_free_form(name)]

    @cached_property
    def graded(self) -> list[str]:
        """The datasets of questions without options that have labels to grade answers by."""
        return [name for name in self.free_form if self.config.dataset[name].is_tested]

    @cached_property
    def reported(self) -> dict[str, Any]:
        """What the page shows."""
        return report_settings.settings(self.config)

    @cached_property
    def titles(self) -> dict[str, dict[str, str]]:
        return slices.titles(self.config)

    def members_of(self, pools: Iterable[str]) -> list[str]:
        """Every member of these pools, in the pools' order."""
        return list(unique(member for pool in pools for member in self.config.pool[pool].members))

    def variant(self, query_set: str) -> str:
        """The descriptions that a generated query set is written from."""
        return scenarios.parse(self.config, query_set).variant

    def drawn_of(self, scenario: str) -> str:
        """The set before filtering of a generated scenario."""
        return scenarios.parse(self.config, scenario).drawn

    def replicas(self, model: str) -> int:
        """How many jobs share what a model is asked: the site's number, else that of the model's file."""
        return self.config.site.cluster.replicas.get(model, self.config.model[model].replicas)

    @cached_property
    def most_replicas(self) -> int:
        return max((self.replicas(model) for model in self.config.model), default=1)

    def writers(self) -> list[tuple[str, str, str, str]]:
        """Dataset, generated scenario, pool, and each member of the pool that runs the generator's own model."""
        return [
            (dataset, scenario, pool, member)
            for dataset, scenario, pool in self.transfer_cells
            if scenario != REAL
            for member in self.pool(pool)
            if member in self.members
            and self.members[member].model_name
            == self.config.generator[scenarios.parse(self.config, scenario).generator].model
        ]

    def wildcard_constraints(self) -> dict[str, str]:
        """The regular expression of each wildcard's possible values."""
        config, drawn = self.config, scenarios.pattern(self.config)
        pools, every_member = one_of(config.pool), one_of([*self.members, *self.recorded_members])
        return {
            "dataset": one_of(config.dataset),
            "query_set": f"{BENCHMARK}|{drawn}",
            "drawn": drawn,
            "variant": one_of(scenarios.VARIANTS),
            "featurizer": one_of(config.featurizer),
            "replica": one_of(map(str, range(2, self.most_replicas + 1))),
            "scenario": f"(?:{REAL}|{drawn}(?:-filtered-(?:{pools}))?)(?:{MARK}[0-9]+)?",
            "pool": f"(?:{pools})(?:{WITHOUT}(?:{every_member}))?",
            "member": every_member,
            "router": f"(?:{one_of(config.router)})(?:{MARK}[0-9]+{LABELS})?",
            "reference": "oracle|random",
            "experiment": one_of([self.name]),
        }

    def learned_whole(self) -> list[Trained]:
        """Dataset, scenario and pool of the learning curves' whole scenarios."""
        cells = self.learning_curve_cells
        return list(unique(cell[:3] for cell in cells if whole_scenario(cell.scenario)[1] is None))
