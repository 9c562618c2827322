"""Inputs of rules that depend on the configuration: each function is the input function of the rule of the same name.

This is where the label firewall is enforced: :meth:`Inputs.fit` gives a label file only to a router whose class declares
``needs_labels``, and a router that asks for a few labels gets these alone; :meth:`Inputs.route` never gives one.
"""

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rgd.artifacts.digests import file_digest
from rgd.config import generated, scenarios, slices, sweep
from rgd.config.members import recorded_file
from rgd.config.products import unique
from rgd.datasets.given_labels import given_labels_file
from rgd.datasets.mirror import content_digest, states_revision
from rgd.errors import UserError
from rgd.report import page
from rgd.routing.reduced import BENCHMARK, REAL, whole_pool, whole_scenario
from rgd.tool import settings as tool_settings
from rgd.workflow import paths
from rgd.workflow.study import QuerySet, Study, Trained

MAPPED_ROUTER = "cascal"
"""The router whose centroids the maps of the queries show."""


@contextlib.contextmanager
def _fault_in_data() -> Iterator[None]:
    """End the run with the message alone if the user's files cannot be read."""
    try:
        yield
    except UserError as error:
        sys.exit(f"Data error: {error}")


class Inputs:
    """The input functions of a study's rules; ``wildcards`` are a job's wildcards."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.config = study.config

    # Weights.

    def weights(self, model: str) -> list[str]:
        """The record that a model's weights are here; nothing for a model that a server runs."""
        return [] if self.config.model[model].weights is None else [paths.model_weights(model)]

    def weights_of(self, model_of: Callable[[Any], str]) -> Callable[[Any], list[str]]:
        """An input function: the weights of the model that ``model_of`` finds."""
        return lambda wildcards: self.weights(model_of(wildcards))

    def embedder_weights(self, wildcards: Any) -> list[str]:
        """The record that the weights of a dataset's embedder are here; nothing for an embedder that a server runs."""
        name = self.study.dataset(wildcards).embedder
        return [] if self.config.embedder[name].weights is None else [paths.embedder_weights(name)]

    # Questions.

    def benchmark_questions(self, wildcards: Any) -> list[str]:
        """The record that a benchmark's files are here; nothing for one that is made or read from the user's own file."""
        source = self.study.dataset(wildcards).source
        return [] if source is None or source.repo is None else [paths.source(wildcards.dataset)]

    def own_content(self, wildcards: Any) -> str:
        """The hash of the user's own file, or of the files in a mirror that states no revision of them.

        Their content matters and their path does not. "" for a dataset whose revision says what its files hold.
        """
        source, root = self.study.dataset(wildcards).source, self.config.paths.data_root
        if source is None or (source.repo is not None and root is None):
            return ""
        settings = slices.benchmark(self.config, wildcards.dataset)
        roots = slices.data_roots(self.config, wildcards.dataset)
        with _fault_in_data():
            if not roots:
                raise UserError(
                    f"{source.file}, which the dataset {wildcards.dataset} reads, lies in a folder of data, and none is given. Add "
                    "data_root=DIR to --config."
                )
            folder = Path(roots[0])
            if source.repo is not None:
                if states_revision(settings["source"], settings["tasks"], folder):
                    return ""
                folder = folder / "hub" / source.repo
            return content_digest(settings, folder)

    def recorded_content(self, file: str) -> str:
        """The hash of a file under the user's data_root."""
        with _fault_in_data():
            return file_digest(Path(self.config.paths.data_root or "") / file)

    def recorded_files(self, wildcards: Any, members: Iterable[str]) -> list[str]:
        """Where the answers of recorded members lie, under the user's data_root."""
        return [recorded_file(self.config, wildcards.dataset, member) for member in members]

    def recorded_contents(self, wildcards: Any, members: Iterable[str]) -> list[str]:
        """The hashes of the answers of recorded members."""
        return [self.recorded_content(file) for file in self.recorded_files(wildcards, members)]

    def ask_descriptions(self, wildcards: Any) -> dict[str, str]:
        """The descriptor's sources: the benchmark's reserved questions, or the descriptor's own default description."""
        if wildcards.variant != scenarios.DEFAULT:
            return {"shown": paths.descriptions(wildcards.dataset, scenarios.DEFAULT)}
        return {"shown": paths.questions(wildcards.dataset, BENCHMARK), "parts": paths.parts(wildcards.dataset)}

    def ask_queries(self, wildcards: Any) -> str:
        """The descriptions given to the generator of ``drawn``."""
        return paths.descriptions(wildcards.dataset, self.study.variant(wildcards.drawn))

    def filtered_questions(self, wildcards: Any) -> list[str]:
        """The answers of the pool that filters a generated set."""
        return [
            paths.responses(wildcards.dataset, wildcards.drawn, member) for member in self.study.pool(wildcards.pool)
        ]

    def ask_referee(self, wildcards: Any) -> str:
        return self.judged_questions(wildcards.dataset, wildcards.query_set)

    def judged_questions(self, dataset: str, query_set: str) -> str:
        """The questions whose labels the referee judges; of the benchmark, those in the first split's test part."""
        if query_set == BENCHMARK:
            return paths.tested_questions(dataset)
        return paths.questions(dataset, query_set)

    # All files that a model is asked about: while it is loaded, it answers every file that exists.

    def asked_of_member(self, wildcards: Any) -> list[str]:
        """The experiment's questions that a member answers with the same kind of answer."""
        kind = self.study.dataset(wildcards).kind
        return [
            paths.questions(dataset, query_set)
            for (dataset, query_set), pools in self.study.asked.items()
            if self.config.dataset[dataset].kind == kind and wildcards.member in self.study.members_of(pools)
        ]

    def asked_of_featurizer(self, wildcards: Any) -> list[str]:
        """The questions whose features some cell of the experiment needs."""
        needed = (
            (cell.dataset, query_set)
            for cell in self.study.cells
            if self.study.router(cell).features == wildcards.featurizer
            for query_set in (BENCHMARK, generated.whole(self.config, sweep.query_set(cell.scenario)))
        )
        return [paths.questions(dataset, query_set) for dataset, query_set in unique(needed)]

    def asked_of_referee(self, wildcards: Any) -> list[str]:
        """The questions of every label that the referee judges."""
        del wildcards
        return [self.judged_questions(dataset, query_set) for dataset, query_set in self.study.judged]

    # Answers.

    def embed_answers(self, wildcards: Any) -> list[str]:
        return [
            paths.responses(wildcards.dataset, wildcards.query_set, member)
            for member in self.study.pool(wildcards.pool)
        ]

    def equal_answers(self, wildcards: Any) -> list[str]:
        return [paths.responses(wildcards.dataset, BENCHMARK, member) for member in self.study.pool(wildcards.pool)]

    def matched_labels(self, wildcards: Any) -> list[str]:
        """The graded answers of a pool."""
        return [paths.graded_responses(wildcards.dataset, member) for member in self.study.pool(wildcards.pool)]

    def answers(self, dataset: str, query_set: str, pool: str) -> list[str]:
        """The answers of a pool to a query set; equal answers have equal texts."""
        if self.study.is_free_form(dataset):
            return [paths.matched_responses(dataset, pool, member) for member in self.study.pool(pool)]
        return [paths.responses(dataset, query_set, member) for member in self.study.pool(pool)]

    def labels(self, dataset: str, query_set: str, pool: str) -> str:
        """The labels, as the texts that the pool's equal answers have."""
        if query_set == BENCHMARK and not self.config.dataset[dataset].is_tested:
            sys.exit(
                f"Configuration error: {dataset} has no labels, which this result needs. Give source.columns.label."
            )
        if self.study.is_free_form(dataset):
            return paths.matched_labels(dataset, pool)
        return paths.labels(dataset, query_set)

    def test_answers(self, wildcards: Any) -> list[str]:
        return self.answers(wildcards.dataset, BENCHMARK, wildcards.pool)

    def test_labels(self, wildcards: Any) -> str:
        return self.labels(wildcards.dataset, BENCHMARK, wildcards.pool)

    def training_answers(self, wildcards: Any) -> list[str]:
        """The answers of a pool to the query set that a scenario trains on."""
        return self.answers(wildcards.dataset, sweep.query_set(wildcards.scenario), wildcards.pool)

    def training_questions(self, wildcards: Any) -> str:
        return paths.questions(wildcards.dataset, sweep.query_set(wildcards.scenario))

    def training_embeddings(self, wildcards: Any) -> str:
        return paths.embeddings(wildcards.dataset, sweep.query_set(wildcards.scenario))

    # Routers.

    def training_tasks(self, wildcards: Any) -> dict[str, str]:
        """The questions, which give each query's task; needed only if some of a scenario's queries do not train."""
        if whole_scenario(wildcards.scenario)[1] is None:
            return {}
        return {"questions": self.training_questions(wildcards)}

    def fit(self, wildcards: Any) -> dict[str, str | list[str]]:
        """What fitting needs besides training sets and embeddings; labels only if the router's class declares it."""
        found = self.queries_to_label(wildcards)
        if self.study.router_class(wildcards).needs_labels:
            query_set = sweep.query_set(wildcards.scenario)
            found["labels"] = self.labels(wildcards.dataset, query_set, wildcards.pool)
        if self.study.router(wildcards).labels:
            found["revealed"] = paths.revealed_labels(self.cell(wildcards))
        return found

    def revealed_labels(self, wildcards: Any) -> dict[str, str]:
        """The dataset's labels, of real queries that have any. A generator's own answers stand for nobody's labels."""
        query_set = sweep.query_set(wildcards.scenario)
        if query_set != BENCHMARK or not self.study.dataset(wildcards).is_tested:
            return {}
        return {"labels": self.labels(wildcards.dataset, query_set, wildcards.pool)}

    def given_labels(self, wildcards: Any) -> Path:
        """The labels that a person gave of the query set that a scenario trains on; the file need not exist."""
        return given_labels_file(self.config.paths.labels, wildcards.dataset, sweep.query_set(wildcards.scenario))

    def given_content(self, wildcards: Any) -> str:
        """The hash of that file; "" if there is none."""
        file = self.given_labels(wildcards)
        with _fault_in_data():
            return file_digest(file) if file.exists() else ""

    def queries_to_label(self, wildcards: Any) -> dict[str, str | list[str]]:
        """What a router learns from besides training sets, embeddings and labels."""
        kind, spec = self.study.router_class(wildcards), self.study.router(wildcards)
        dataset, query_set = wildcards.dataset, sweep.query_set(wildcards.scenario)
        found: dict[str, str | list[str]] = {}
        if kind.needs_answer_embeddings:
            # The whole pool's embeddings include the answers of a pool without one member.
            whole, _ = whole_pool(wildcards.pool)
            found["answer_embeddings"] = paths.text_embeddings(spec.answer_text, dataset, query_set, whole)
        if spec.features is not None:
            found["features"] = paths.feature_embeddings(dataset, query_set, spec.features)
        if spec.price in ("tokens", "dollars"):
            found["responses"] = self.training_answers(wildcards)
        return found

    def route(self, wildcards: Any) -> dict[str, str]:
        """What routing needs besides the router, the test queries and their nearest training queries; never a label."""
        kind, spec = self.study.router_class(wildcards), self.study.router(wildcards)
        found = {}
        if kind.needs_training_embeddings:
            found["training"] = paths.training(wildcards.dataset, wildcards.scenario, wildcards.pool)
            found["training_embeddings"] = self.training_embeddings(wildcards)
        if spec.features is not None:
            found["features"] = paths.feature_embeddings(wildcards.dataset, BENCHMARK, spec.features)
        return found

    def bundle(self, wildcards: Any) -> dict[str, str]:
        """What a bundle has besides its router and training queries: descriptions of generated ones, and queries to label."""
        cell = self.cell(wildcards)
        variant = tool_settings.description_variant(self.config, cell)
        found = {} if variant is None else {"descriptions": paths.descriptions(cell.dataset, variant)}
        return found | ({"to_label": paths.queries_to_label(cell)} if self.study.router(cell).labels else {})

    def cell(self, wildcards: Any) -> sweep.Cell:
        return sweep.Cell(wildcards.dataset, wildcards.scenario, wildcards.pool, wildcards.router)

    # Tables and figures.

    def tested(self, files: Sequence[str]) -> Callable[[Any], list[str]]:
        """An input function: ``files``, on which a table of accuracies is based; without any the run ends with a message."""

        def found(wildcards: Any) -> list[str]:
            del wildcards
            if not files:
                sys.exit(f"Configuration error: {self.study.name} has no labels, which this result needs.")
            return list(files)

        return found

    def questions(self, query_sets: Iterable[QuerySet]) -> list[str]:
        return [paths.questions(dataset, query_set) for dataset, query_set in query_sets]

    def responses(self, query_sets: Mapping[QuerySet, tuple[str, ...]]) -> list[str]:
        """The answers of every member of the pools that answer each query set."""
        return [
            paths.responses(dataset, query_set, member)
            for (dataset, query_set), pools in query_sets.items()
            for member in self.study.members_of(pools)
        ]

    def graded_answers(self) -> list[str]:
        """The answers of every member to every labelled benchmark; right answers have their label's text."""
        return [
            paths.graded_responses(dataset, member)
            if self.study.is_free_form(dataset)
            else paths.responses(dataset, BENCHMARK, member)
            for dataset in self.study.tested_datasets
            for member in self.study.members_of(self.study.query_sets[dataset, BENCHMARK])
        ]

    def consensus(self, trained: Iterable[Trained]) -> list[str]:
        return [paths.consensus(*keys) for keys in trained]

    def generation_counts(self, query_sets: Iterable[QuerySet]) -> list[str]:
        return [paths.generation(dataset, query_set) for dataset, query_set in query_sets]

    def cost_table(self, wildcards: Any) -> dict[str, list[str]]:
        """Outcomes and routes of every cell, how often references ask whom, and each pool's graded answers."""
        del wildcards
        routed = self.study.tested_cells
        references = [cell for cell in self.study.scored_cells if cell not in set(routed)]
        return {
            "outcomes": [paths.outcomes(cell) for cell in self.study.scored_cells],
            "routes": [paths.routes(cell) for cell in routed],
            "choices": [paths.choices(cell) for cell in references],
            "questions": self.questions(self.study.benchmarks),
            "labels": [self.labels(dataset, BENCHMARK, pool) for dataset, pool in self.study.tested_pools],
            "responses": [
                path for dataset, pool in self.study.tested_pools for path in self.answers(dataset, BENCHMARK, pool)
            ],
        }

    def recorded_costs(self, wildcards: Any) -> list[list[str]]:
        """Dataset, member, file and its hash, for the recorded members whose costs in dollars no price gives."""
        del wildcards
        settings = slices.costs(self.config)
        if settings["unit"] not in (None, "dollars"):
            return []
        files = {
            (dataset, member): recorded_file(self.config, dataset, member)
            for dataset, pool in self.study.tested_pools
            if self.config.pool[pool].recorded is not None
            for member in self.study.pool(pool)
            if settings["prices"][member] is None
        }
        return [[*keys, file, self.recorded_content(file)] for keys, file in files.items()]

    def label_quality_table(self) -> list[str]:
        """The referee's judgement of each label."""
        return [
            paths.referee(dataset, query_set, member)
            for dataset, query_set in self.study.judged
            for member in self.study.referees
        ]

    def leak_table(self) -> dict[str, list[str]]:
        """What was compared with the test questions, and what was found."""
        drawn, described = self.study.drawn, self.study.described_for
        return {
            "leaks": [
                *(paths.leaks("queries", dataset, query_set) for dataset, query_set in drawn),
                *(paths.leaks("descriptions", dataset, variant) for dataset, variant in described),
            ],
            "texts": [
                *self.questions(drawn),
                *(paths.descriptions(dataset, variant) for dataset, variant in described),
            ],
        }

    def generator_diagnostics_table(self) -> dict[str, list[str]]:
        """What the generators wrote, and their own models' answers to it."""
        writers = self.study.writers()
        return {
            "labels": [paths.labels(dataset, scenario) for dataset, scenario, _, _ in writers],
            "responses": [paths.responses(dataset, scenario, member) for dataset, scenario, _, member in writers],
        }

    def diagnostics_table(self) -> dict[str, list[str]]:
        """Everything learned from generated queries, and the data it is learned from."""
        made = self.study.generated_cells
        return {
            "consensus": self.consensus(made),
            "questions": [paths.questions(dataset, scenario) for dataset, scenario, _ in made],
            "embeddings": [paths.embeddings(dataset, scenario) for dataset, scenario, _ in made],
            "routers": [paths.router(cell) for cell in self.study.diagnosed],
            "counts": [paths.generation(dataset, self.study.drawn_of(scenario)) for dataset, scenario, _ in made],
        }

    def published_table(self, wildcards: Any) -> dict[str, str]:
        """The tables with published figures, besides the accuracies, that the experiment can make."""
        tables = [
            *(["ranking_transfer"] if self.study.transfer_cells else []),
            *(["label_quality"] if self.study.judged else []),
        ]
        return {table: paths.table(wildcards.experiment, table) for table in tables}

    def shifted(self) -> list[tuple[str, str]]:
        """Dataset and scenario: first every dataset's real queries as the baseline for no shift, then the others."""
        return [
            (dataset, REAL if query_set == BENCHMARK else query_set) for dataset, query_set in self.study.query_sets
        ]

    # The maps of queries.

    def map_dataset(self, wildcards: Any) -> str:
        """The dataset of a map of queries: the one in the map's name, or the first one."""
        first, *_ = self.study.datasets + self.study.only_described
        return wildcards.map.removeprefix("queries").removeprefix("_of_") or first

    def map_scenarios(self, wildcards: Any) -> list[str]:
        """The scenarios whose queries a map shows: all scenarios of the dataset without a suffix."""
        dataset = self.map_dataset(wildcards)
        plain = [REAL, *self.study.plain_scenarios]
        return [scenario for scenario in plain if (dataset, sweep.query_set(scenario)) in self.study.query_sets]

    def map_queries(self, wildcards: Any) -> list[QuerySet]:
        dataset = self.map_dataset(wildcards)
        return [(dataset, sweep.query_set(scenario)) for scenario in self.map_scenarios(wildcards)]

    def map_routers(self, wildcards: Any) -> list[sweep.Cell]:
        """The fitted routers whose centroids a map shows: those of the first pool that has any."""
        dataset, shown = self.map_dataset(wildcards), self.map_scenarios(wildcards)
        cells = [
            cell
            for cell in self.study.cells
            if (cell.dataset, cell.router) == (dataset, MAPPED_ROUTER) and cell.scenario in shown
        ]
        return [cell for cell in cells if cell.pool == cells[0].pool]

    def query_figure(self, wildcards: Any) -> dict[str, list[str]]:
        """Questions, embeddings and fitted routers of a map of queries."""
        mapped = self.map_queries(wildcards)
        return {
            "questions": self.questions(mapped),
            "embeddings": [paths.embeddings(dataset, query_set) for dataset, query_set in mapped],
            "routers": [paths.router(cell) for cell in self.map_routers(wildcards)],
        }

    def report_page(self) -> list[str]:
        """Everything that the experiment's page is made of."""
        tables = [f"tables/{self.study.name}/{table}.parquet" for table in self.study.reported["tables"]]
        files = [*tables, *page.files(self.study.reported)]
        return [f"{paths.RESULTS}/{name}" for name in unique(files)]
