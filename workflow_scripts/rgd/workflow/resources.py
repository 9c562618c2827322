"""The resources of jobs: partition, memory and time, which jobs run one at a time, and which form one cluster job.

Nothing here changes a result or reruns a job. On a workstation only the order of jobs that run one at a time is enforced.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rgd.config import generated, scenarios, slices
from rgd.config.schema import Embedder, Model
from rgd.errors import UserError
from rgd.store.answers import AnswerSettings
from rgd.store.rates import Rates
from rgd.workflow import paths, replicas, run_times
from rgd.workflow.study import Study

Named = Callable[[Any], str]
"""Finds the name of a model or a group from a job's wildcards."""
Files = Callable[[Any], list[str]]
Settings = Callable[[Any], dict[str, Any]]
"""Finds the settings under which a job asks, as rgd.store.answers.AnswerSettings."""

# The order of long jobs when more are ready than there are cores. First comes what everything waits for (the benchmark's
# questions, descriptions, weights), then the generators' queries, so that a loaded member can answer all query sets. Among
# jobs of one kind the largest model comes first, so that no core idles at the end.
QUESTIONS_FIRST, FETCH_FIRST, DRAW_FIRST = 300_000, 200_000, 100_000
DRAWS_OF_A_QUERY = 2
"""Draws that one query may take, since not all draws are usable."""


class Jobs:
    """The resources of a study's jobs.

    Args:
        study: the experiment.
        workflow: Snakemake's workflow, in which resources and groups are registered; without it nothing is grouped.
    """

    def __init__(self, study: Study, workflow: Any) -> None:
        self.study = study
        self.config = study.config
        self.cluster = study.config.site.cluster
        self.workflow = workflow
        self.rates = Rates(Path(self.config.paths.store))

    # Priorities.

    def largest_first(self, model_of: Named, least: int = 0) -> Callable[[Any], int]:
        """A priority: the larger a job's model, the earlier the job runs."""
        return lambda wildcards: least + round(1000 * (self.config.model[model_of(wildcards)].parameters_billion or 0))

    def threads(self, model_of: Named) -> Callable[[Any], int]:
        return lambda wildcards: self.config.model[model_of(wildcards)].threads

    def embedder_threads(self, wildcards: Any) -> int:
        return self.study.embedder(wildcards).threads

    # Whole jobs.

    def fetching(self, kind: str) -> dict[str, Any]:
        """Resources of a job that fetches weights; its wildcard is ``model`` or ``embedder``."""

        def spec(wildcards: Any) -> Model | Embedder:
            return getattr(self.config, kind)[wildcards[kind]]

        return {
            "mem_mb": lambda wildcards: spec(wildcards).memory_mb,
            "weights": lambda wildcards: slices.canonical(slices.weights(spec(wildcards).weights)),
            **self._cache(),
        }

    # Jobs that ask. A further replica's job, with the wildcard replica, has the same resources.

    def ask_queries(self) -> dict[str, Any]:
        return self._writing(
            self.study.model_of_generator,
            self.study.generator,
            lambda wildcards: slices.generation(self.config, self.study.folder, self.study.generator_name(wildcards)),
            self._draws,
            shares_prompts=True,
        )

    def ask_descriptions(self) -> dict[str, Any]:
        return self._writing(
            self.study.model_of_descriptor,
            self.study.descriptor,
            lambda wildcards: slices.describing(self.config, self.study.folder, wildcards.dataset, wildcards.variant),
            lambda wildcards: len(self.study.dataset(wildcards).tasks),
        )

    def ask_answers(self, all_files: Files) -> dict[str, Any]:
        """Resources of a job that asks a member; ``all_files``: the questions of all query sets that the member answers."""
        return {
            **self._one_load_at_a_time("member", self._models_of_members()),
            **self._asking(self.study.model_of_member, "answers", self._answering, all_files, self._questions),
        }

    def ask_features(self, all_files: Files) -> dict[str, Any]:
        """Resources of a job that asks a featurizer; ``all_files``: the questions of all query sets that it describes."""
        return {
            **self._one_load_at_a_time(
                "featurizer", {name: spec.model for name, spec in self.config.featurizer.items()}
            ),
            **self._asking(
                self.study.model_of_featurizer,
                "features",
                lambda wildcards: slices.featurizing(self.config, self.study.folder, wildcards.featurizer),
                all_files,
                self._questions,
                spec_of=self.study.featurizer,
            ),
        }

    def ask_referee(self, all_files: Files, own_file: Named) -> dict[str, Any]:
        """As for answers; jobs that ask the same member for answers do not run at the same time."""
        return {
            **self._one_load_at_a_time("member", self._models_of_members()),
            **self._asking(
                self.study.model_of_member,
                "referee",
                lambda wildcards: slices.answering(self.config, self.study.folder, wildcards.member),
                all_files,
                own_file,
                draws=self.study.referee_draws,
            ),
        }

    def embedding(self, texts: Callable[[Any], int]) -> dict[str, Any]:
        """Resources of a job that embeds this many texts."""

        def minutes(wildcards: Any) -> tuple[int, int]:
            embedder = self.study.embedder(wildcards)
            own = run_times.requested(run_times.loading_s(embedder) + texts(wildcards) * run_times.text_s(embedder))
            return own, own

        return {
            **self._at_work(self.study.embedder, minutes),
            "engine": lambda wildcards: self.study.embedder(wildcards).engine,
            **self._model(self.study.embedder),
            "store": self.config.paths.store,
        }

    # Numbers of texts.

    def queries(self, wildcards: Any) -> int:
        """How many queries a query set has or may have."""
        return run_times.count_rows(self._questions(wildcards))

    def answers(self, wildcards: Any) -> int:
        """How many answers a pool gives to a query set."""
        return len(self.study.pool(wildcards.pool)) * self.queries(wildcards)

    def feature_texts(self, wildcards: Any) -> int:
        """How many texts a featurizer writes about a query set."""
        return run_times.TEXTS_OF_FEATURES * self.queries(wildcards)

    def tasks(self, wildcards: Any) -> int:
        return len(self.study.dataset(wildcards).tasks)

    def _draws(self, wildcards: Any) -> int:
        scenario = scenarios.parse(self.config, wildcards.drawn)
        return DRAWS_OF_A_QUERY * generated.queries(self.config, wildcards.dataset, scenario)

    # Groups.

    def together(self, kind: str, name_of: Named) -> Callable[[Any], str]:
        """A group: ``--group-components KIND=N`` puts up to N jobs of the same name and replica into one cluster job."""

        def group(wildcards: Any) -> str:
            name = f"{kind}_{name_of(wildcards)}"
            if (replica := replicas.number(wildcards)) != replicas.FIRST:
                name += f"_replica_{replica}"
            # What Snakemake does itself for a group whose name is a text with wildcards.
            self.workflow.parent_groupids[name] = kind
            return name

        return group

    def member_and_kind(self, wildcards: Any) -> str:
        """The group of everything that a member is asked with one kind of answer."""
        return f"{self.study.dataset(wildcards).kind}_{wildcards.member}"

    def place(self) -> None:
        """Give the site's partition and account to every rule that names none of its own."""
        place = {"slurm_partition": self.cluster.partition, "slurm_account": self.cluster.account}
        for rule in self.workflow.rules:
            for name, value in place.items():
                if value is not None and name not in rule.resources:
                    rule.resources[name] = value

    # What these are made of.

    def _answering(self, wildcards: Any) -> dict[str, Any]:
        kind = self.study.dataset(wildcards).kind
        return slices.answering(self.config, self.study.folder, wildcards.member, kind)

    def _asking(
        self,
        model_of: Named,
        kind: str,
        settings_of: Settings,
        all_files: Files,
        own_file: Named,
        *,
        draws: int = 1,
        spec_of: Callable[[Any], Any] | None = None,
    ) -> dict[str, Any]:
        """Resources of a job that asks a model about a question file, and about existing others not asked yet.

        Args:
            model_of: finds the model.
            kind: the kind of the rule's groups. If all jobs of a model are grouped into one cluster job, each gets its own
                share of the time; otherwise the first job may have to ask everything.
            settings_of: finds the settings under which the model is asked.
            all_files: all question files that the model is asked about.
            own_file: the job's own question file.
            draws: how often each question is asked.
            spec_of: finds the configuration that may name another engine than the model's file.
        """
        settings = self.workflow.group_settings
        grouped = bool(settings) and settings.group_components.get(kind, 1) > 1
        engine = self._engine(model_of, spec_of)

        def minutes(wildcards: Any) -> tuple[int, int]:
            own = self._located(own_file(wildcards))
            files = {own, *map(self._located, all_files(wildcards))}
            unknown = run_times.texts_of(self.study.dataset(wildcards).question_tokens)
            each = {
                path: (draws * run_times.count_rows(path), run_times.count_tokens(path) or unknown) for path in files
            }
            seconds = self._seconds(model_of(wildcards), settings_of(wildcards), list(each.values()), engine(wildcards))
            together = run_times.requested(seconds)
            texts = sum(count for count, _ in each.values())
            return math.ceil(together * each[own][0] / max(1, texts)) if grouped else together, together

        return {
            **self._asks(model_of, minutes, engine),
            # While the model is loaded it also answers the other files that exist; their own jobs find those in the store.
            "also": lambda wildcards: " ".join(map(self._located, all_files(wildcards))),
        }

    def _writing(
        self,
        model_of: Named,
        spec_of: Callable[[Any], Any],
        settings_of: Settings,
        texts: Callable[[Any], int],
        *,
        shares_prompts: bool = False,
    ) -> dict[str, Any]:
        """Resources of a job in which a model writes this many texts.

        Args:
            model_of: finds the model.
            spec_of: finds the configuration that may name another engine than the model's file.
            settings_of: finds the settings under which the model is asked.
            texts: how many texts it writes.
            shares_prompts: whether many texts have the same prompt.
        """
        engine = self._engine(model_of, spec_of)

        def minutes(wildcards: Any) -> tuple[int, int]:
            name, settings = model_of(wildcards), settings_of(wildcards)
            own = run_times.requested(
                self._seconds(
                    name,
                    settings,
                    [(texts(wildcards), run_times.TEXTS_UNKNOWN)],
                    engine(wildcards),
                    shares_prompts=shares_prompts,
                )
            )
            return own, own

        return self._asks(model_of, minutes, engine)

    def _seconds(
        self,
        name: str,
        content: Mapping[str, Any],
        texts: Sequence[tuple[int, run_times.Texts]],
        engine: str,
        *,
        shares_prompts: bool = False,
    ) -> float:
        """How long a job takes to load a model and ask it for its share of so many texts about questions of such lengths."""
        model, settings = self.config.model[name], AnswerSettings.from_mapping(content)
        if (waiting := run_times.waiting_s(model)) is not None:
            return run_times.loading_s(model) + waiting
        try:
            rate, _ = self.rates.of(settings)
        except UserError:
            # What cannot be read of the store is named by the job that needs it, not by a guess.
            rate = None
        seconds = sum(
            count * run_times.seconds_of_one(model, settings, rate, engine, shares_prompts, of_one)
            for count, of_one in texts
        )
        return run_times.loading_s(model) + seconds / self.study.replicas(name)

    def _engine(self, model_of: Named, spec_of: Callable[[Any], Any] | None) -> Named:
        """Finds what runs the model: the engine that the writer's file names, else the model's own."""
        if spec_of is None:
            return lambda wildcards: self._model_of(model_of)(wildcards).engine
        return lambda wildcards: slices.writing_engine(self.config, spec_of(wildcards))

    def _asks(self, model_of: Named, minutes: Callable[[Any], tuple[int, int]], engine: Named) -> dict[str, Any]:
        model = self._model_of(model_of)
        return {
            **self._one_api_job_at_a_time(model_of),
            **self._at_work(model, minutes),
            "engine": engine,
            **self._model(model),
            "store": self.config.paths.store,
            **{name: getattr(self.config.site, name) for name in ("chunk_size", "commit_seconds", "grace_seconds")},
            "replicas": lambda wildcards: self.study.replicas(model_of(wildcards)),
        }

    def _model(self, spec_of: Callable[[Any], Model | Embedder]) -> dict[str, Any]:
        """Where to find a model's weights, or how to ask its server."""
        return {
            "weights": lambda wildcards: slices.canonical(slices.weights(spec_of(wildcards).weights)),
            "api": lambda wildcards: slices.canonical(slices.api(spec_of(wildcards))),
            "max_model_len": lambda wildcards: spec_of(wildcards).max_model_len,
            **self._cache(),
        }

    def _cache(self) -> dict[str, Any]:
        return {"cache": self.config.paths.cache, "use_hub": int(self.config.site.use_hub)}

    def _at_work(
        self, spec_of: Callable[[Any], Model | Embedder], minutes: Callable[[Any], tuple[int, int]]
    ) -> dict[str, Any]:
        """Resources of a job that runs a model; each retry gets more memory and time.

        Args:
            spec_of: finds the model or the embedder.
            minutes: gives the job's time, and the total time of all jobs in the same cluster job.
        """

        def runtime(wildcards: Any, attempt: int) -> int:
            own, together = minutes(wildcards)
            return run_times.within(own, together, attempt, self.cluster.longest_minutes)

        def memory(wildcards: Any, attempt: int) -> int:
            return run_times.raised(spec_of(wildcards).memory_mb, attempt, self.cluster.largest_memory_mb)

        return {
            "mem_mb": memory,
            "gpu": lambda wildcards: spec_of(wildcards).gpus or None,
            "runtime": runtime,
            "slurm_partition": lambda wildcards: self.partition(spec_of(wildcards)),
        }

    def partition(self, model: Model | Embedder) -> str | None:
        """The partition of a job that runs ``model``; None for the cluster's own choice."""
        if model.gpus:
            return self.cluster.gpu_partition or self.cluster.partition
        return (self.cluster.served_partition if model.api is not None else None) or self.cluster.partition

    def _models_of_members(self) -> dict[str, str]:
        return {name: member.model_name for name, member in self.study.members.items()}

    def _one_load_at_a_time(self, wildcard: str, models: Mapping[str, str]) -> Mapping[str, Any]:
        """Jobs of one replica run one at a time: the next finds its answers in the store and loads no model.

        Args:
            wildcard: names what is asked.
            models: its values, and the model of each.
        """
        numbered = [
            (name, str(replica))
            for name, model in models.items()
            for replica in range(1, self.study.replicas(model) + 1)
        ]
        keys = {
            (name, replica): f"{wildcard}_{name}" + ("" if replica == replicas.FIRST else f"_replica_{replica}")
            for name, replica in numbered
        }
        return self._one_at_a_time(keys, lambda wildcards: (wildcards[wildcard], replicas.number(wildcards)))

    def _one_api_job_at_a_time(self, model_of: Named) -> Mapping[str, Any]:
        """Jobs of a served model with a rate limit run one at a time: it applies per model, not per job, and not to batches."""
        served = {name: spec.api for name, spec in self.config.model.items() if spec.api}
        limited = {name: f"api_{name}" for name, api in served.items() if api.requests_per_minute and not api.batch}
        return self._one_at_a_time(limited, model_of)

    def _one_at_a_time(self, keys: Mapping[Any, str], key_of: Callable[[Any], Any]) -> Mapping[str, Any]:
        """Resources of which there is one each, for the jobs of each of ``keys``."""

        def share(own: Any) -> Callable[[Any], int | None]:
            return lambda wildcards: 1 if key_of(wildcards) == own else None

        found = {key: re.sub(r"\W", "_", name) for key, name in keys.items()}
        for name in found.values():
            self.workflow.register_resource(name, 1)
        return {name: share(key) for key, name in found.items()}

    def _model_of(self, model_of: Named) -> Callable[[Any], Model]:
        return lambda wildcards: self.config.model[model_of(wildcards)]

    def _questions(self, wildcards: Any) -> str:
        return self._located(paths.questions(wildcards.dataset, wildcards.query_set))

    def _located(self, path: str) -> str:
        return paths.located(path, self.config.paths.results)
