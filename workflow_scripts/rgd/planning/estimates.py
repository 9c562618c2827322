"""How many queries a plan's jobs would ask, how long they take and what they cost.

The estimates come from the store, from earlier runs' benchmark files, from the models' files, and else from
:mod:`rgd.workflow.run_times`.
"""

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rgd.answers.requests import feature_requests, referee_requests, requests_for
from rgd.artifacts.files import read_table
from rgd.config.origins import asked, asked_by
from rgd.config.schema import Config, Model
from rgd.engines.base import Request
from rgd.errors import UserError
from rgd.generation import scenario
from rgd.planning.changes import Change
from rgd.planning.graph import Job, Plan
from rgd.routing.reduced import BENCHMARK, whole_pool
from rgd.store.answers import AnswerSettings, Store
from rgd.store.listing import Listing
from rgd.store.rates import SAMPLE, Rate, Rates
from rgd.workflow import run_times

ASK, SHARE = "ask_", "share_"
"""The beginning of the name of every rule that asks a model, and of the rule for its further replicas."""
TESTED = "/tested_questions/"
"""In the path of the questions of the first split's test part, which a referee judges."""


@dataclass(frozen=True)
class Estimate:
    """What one job, or several together, will take.

    Attributes:
        queries: queries to ask a model, without those answered in the store.
        is_about: whether ``queries`` is a guess, since the questions have not been made yet.
        seconds: run time; None if nothing is known about it.
        gpu_hours: hours of one GPU.
        dollars: cost of a paid API.
        guesses: the assumptions made, one line each.
        again: by model, the queries and dollars for what it has answered under sampling that its server decided.
        model: the model that the job asks.
        gpus: GPUs that the job has.
        loading_s: the part of its time in which it loads a model or waits for a batch, which replicas do not share.
        dollars_direct: cost if every paid API is asked request by request.
        dollars_batch: cost if every paid API is asked in batches.
    """

    queries: int = 0
    is_about: bool = False
    seconds: float | None = 0.0
    gpu_hours: float = 0.0
    dollars: float = 0.0
    guesses: frozenset[str] = frozenset()
    again: tuple[tuple[str, int, float], ...] = ()
    model: str | None = None
    gpus: int = 0
    loading_s: float = 0.0
    dollars_direct: float = 0.0
    dollars_batch: float = 0.0


def total(estimates: Iterable[Estimate]) -> Estimate:
    """The sum; unknown figures count as 0."""
    found = list(estimates)
    return Estimate(
        sum(each.queries for each in found),
        any(each.is_about for each in found),
        sum(each.seconds or 0.0 for each in found),
        sum(each.gpu_hours for each in found),
        sum(each.dollars for each in found),
        frozenset().union(*(each.guesses for each in found)),
        _together(item for each in found for item in each.again),
        dollars_direct=sum(each.dollars_direct for each in found),
        dollars_batch=sum(each.dollars_batch for each in found),
    )


def _together(again: Iterable[tuple[str, int, float]]) -> tuple[tuple[str, int, float], ...]:
    """The sums by model."""
    queries: dict[str, int] = defaultdict(int)
    dollars: dict[str, float] = defaultdict(float)
    for name, count, price in again:
        queries[name] += count
        dollars[name] += price
    return tuple((name, queries[name], dollars[name]) for name in queries)


def estimates(plan: Plan, changes: Mapping[int, Sequence[Change]]) -> dict[int, Estimate]:
    """The estimate of each job that would run, by its number.

    Args:
        plan: the plan.
        changes: the job's own reasons to run, by its number.
    """
    asks, durations = _Asks(plan), _Durations(plan)
    found: dict[int, Estimate] = {}
    fresh: set[int] = set()
    further = further_replicas(plan.jobs)
    for job in plan.jobs:
        if not job.runs or job.rule.startswith(SHARE):
            continue
        if job.rule.startswith(ASK):
            found[job.number] = shared(asks.estimate(job), 1 + len(further.get(first_replica(job), ())))
            is_fresh = found[job.number].queries > 0
        else:
            found[job.number] = _embedding(job, plan.config, durations.seconds(job), asks)
            is_fresh = any(change.kind not in _SAME_CONTENT for change in changes.get(job.number, ()))
        asks.remade.update(dict.fromkeys(job.outputs, False))
        if is_fresh or any(need in fresh for need in job.needs):
            fresh.add(job.number)
            asks.remade.update(dict.fromkeys(job.outputs, True))
    for job in plan.jobs:
        if job.number in found:
            for number in further.get(first_replica(job), ()):
                found[number] = replace(
                    found[job.number],
                    queries=0,
                    dollars=0.0,
                    again=(),
                    guesses=frozenset(),
                    dollars_direct=0.0,
                    dollars_batch=0.0,
                )
    # Replicas of what has been asked find everything in the store.
    return {number: Estimate() for numbers in further.values() for number in numbers} | found


def first_replica(job: Job) -> tuple[str, ...]:
    """What names the first of a job's replicas, and the job itself if it is the first: what it asks, and the other keys."""
    what = job.rule.removeprefix(SHARE).removeprefix(ASK)
    return (what, *(value for name, value in job.wildcards.items() if name != "replica"))


def further_replicas(jobs: Iterable[Job]) -> dict[tuple[str, ...], list[int]]:
    """The numbers of the further replicas that would run, by :func:`first_replica`."""
    found: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for job in jobs:
        if job.runs and job.rule.startswith(SHARE):
            found[first_replica(job)].append(job.number)
    return found


def shared(estimate: Estimate, replicas: int) -> Estimate:
    """The estimate of one of several jobs that share the asking; its queries and dollars are those of all."""
    if replicas == 1 or estimate.seconds is None:
        return estimate
    seconds = estimate.loading_s + (estimate.seconds - estimate.loading_s) / replicas
    return replace(estimate, seconds=seconds, gpu_hours=estimate.gpus * seconds / 3600)


# Changes that rebuild a file but most likely leave its content the same.
_SAME_CONTENT = ("code", "library", "unknown")


def _embedding(job: Job, config: Config, seconds: float | None, asks: "_Asks") -> Estimate:
    """The estimate of a job that asks nothing: its duration, and the GPU time if it embeds on GPUs.

    An embedding's duration is assumed from the number of texts if no earlier one is known.
    """
    if not job.rule.startswith("embed_"):
        return Estimate(seconds=seconds)
    name = config.dataset[job.wildcards["dataset"]].embedder
    embedder, guesses = config.embedder[name], frozenset[str]()
    if seconds is None:
        of_one = run_times.text_s(embedder)
        seconds = run_times.loading_s(embedder) + asks.texts(job) * of_one
        if embedder.texts_per_minute is None:
            remark = (
                f"{name}: {60 / of_one:,.0f} texts a minute; set texts_per_minute in its file for a better estimate"
            )
            guesses = frozenset([remark])
    hours = embedder.gpus * seconds / 3600
    return Estimate(seconds=seconds, gpu_hours=hours, guesses=guesses, gpus=embedder.gpus)


class _Asks:
    """What the jobs that ask models will ask, in turn: each job finds in the store what an earlier one asked."""

    def __init__(self, plan: Plan) -> None:
        self.config = plan.config
        # Files that are rebuilt before a job asks, and whether their content may change.
        self.remade: dict[str, bool] = {}
        self.store = Store(plan.config.paths.store)
        self.listings: dict[str, Listing] = {}
        self.claimed: dict[str, set[str]] = defaultdict(set)
        # Of the queries counted last, those that have an answer under sampling that was not sent in full.
        self.again = 0
        self.rates = Rates(self.store.root)
        # Settings whose model a job has loaded, which asks all existing queries while it has it.
        self.loaded: set[str] = set()

    def estimate(self, job: Job) -> Estimate:
        settings = AnswerSettings.from_mapping(json.loads(job.parameters["settings"]))
        self.again = 0
        queries, is_about = self._queries(job, settings)
        name = asked(self.config, job.wildcards)
        if name is None or not queries:
            return Estimate(queries, is_about)
        model = self.config.model[name]
        is_drawing = job.rule == "ask_queries"
        engine = asked_by(self.config, job.wildcards)
        rate, remark = self.rates.of(settings)
        way = {"engine": engine, "shares_prompts": is_drawing, "texts": self._lengths(job)}
        found = cost(model, name, queries, settings, rate, remark, **way)
        loading = 0.0 if settings.key in self.loaded else run_times.loading_s(model)
        if not is_drawing:
            self.loaded.add(settings.key)
        again = ((name, self.again, found.dollars * self.again / queries),) if self.again else ()
        return replace(
            found,
            is_about=is_about,
            again=again,
            seconds=(found.seconds or 0.0) + loading,
            gpu_hours=found.gpu_hours + model.gpus * loading / 3600,
            model=name,
            gpus=model.gpus,
            loading_s=loading + (run_times.BATCH_S if model.api is not None and model.api.batch else 0.0),
        )

    def texts(self, job: Job) -> int:
        """How many texts a job embeds."""
        dataset = job.wildcards["dataset"]
        if job.rule == "embed_descriptions":
            return len(self.config.dataset[dataset].tasks)
        questions = f"{self.config.paths.results}/questions/{dataset}/{job.wildcards['query_set']}.parquet"
        queries = self._expected(job, questions)
        if job.rule == "embed_answers":
            return queries * len(self.config.pool[whole_pool(job.wildcards["pool"])[0]].members)
        return queries * (run_times.TEXTS_OF_FEATURES if job.rule == "embed_features" else 1)

    def _claimed(self, settings: AnswerSettings, names: set[str]) -> int:
        """Count the names that no earlier job asks, and among them those answered under sampling that was not sent in full."""
        names = names - self.claimed[settings.key]
        self.claimed[settings.key] |= names
        if names and settings.decoding and None not in settings.decoding.values():
            former = replace(settings, decoding={})
            keys, draws = zip(*(name.split(":") for name in sorted(names)), strict=True)
            answered = self._listing(former).find(keys, list(map(int, draws)))
            self.again = len(answered) - answered.null_count
        return len(names)

    def _queries(self, job: Job, settings: AnswerSettings) -> tuple[int, bool]:
        wanted = json.loads(job.parameters.get("slice", "{}"))
        if "queries" in wanted:
            return self._draws(job, settings, wanted)
        if job.rule == "ask_descriptions":
            return len(wanted.get("tasks", [None])), True
        questions = _questions(job)
        assert questions is not None
        if self.remade.get(questions) or not Path(questions).is_file():
            return self._expected(job, questions) * job.parameters.get("draws", 1), True
        return self._lacking(job, settings, questions), questions in self.remade

    def _expected(self, job: Job, questions: str) -> int:
        """How many questions a query set that does not exist yet will have."""
        if Path(questions).is_file():
            return read_table(questions, ["query_id"]).num_rows
        dataset = self.config.dataset[job.wildcards["dataset"]]
        key = job.wildcards.get("query_set", BENCHMARK)
        if key != BENCHMARK:
            sizes = {f"-{size}": number for size, number in dataset.generated_sizes.items()}
            default = dataset.generated_queries or run_times.QUERIES_UNKNOWN
            return next((number for suffix, number in sizes.items() if suffix in key), default)
        per_task = dataset.questions_per_task
        number = run_times.QUERIES_UNKNOWN if per_task is None else per_task * len(dataset.tasks)
        return round((1 - dataset.train_share) * number) if TESTED in questions else number

    def _lengths(self, job: Job) -> run_times.Texts:
        """The lengths of the questions that a job asks, as far as they are known."""
        questions = _questions(job)
        found = None if questions is None else run_times.count_tokens(questions)
        if found is not None:
            return found
        dataset = self.config.dataset.get(job.wildcards.get("dataset", ""))
        return run_times.texts_of(None if questions is None or dataset is None else dataset.question_tokens)

    def _lacking(self, job: Job, settings: AnswerSettings, questions: str) -> int:
        """How many questions of a file, or draws of them, are neither answered nor asked by an earlier job."""
        table = read_table(questions, ["question", "options"])
        draws = job.parameters.get("draws", 1)
        listing = self._listing(settings)
        if not listing.table().num_rows and not settings.decoding and draws == 1:
            # Nothing is stored: texts distinguish queries as well as keys do, and are faster to get.
            names = {
                repr(row) for row in zip(*(table[name].to_pylist() for name in ("question", "options")), strict=True)
            }
        elif job.rule == "ask_features":
            names = _unanswered(listing, feature_requests(table, settings.prompt))
        elif draws > 1:
            names = _unanswered(listing, referee_requests(table, settings.prompt, draws))
        else:
            names = _unanswered(listing, requests_for(table, settings.prompt))
        return self._claimed(settings, names)

    def _draws(self, job: Job, settings: AnswerSettings, wanted: Mapping[str, Any]) -> tuple[int, bool]:
        """About how many draws are lacking if the usable share stays that of the earlier draws."""
        counts = next(
            Path(job.outputs[0])
            .parents[2]
            .glob(f"generation/{job.wildcards['dataset']}/{job.wildcards.get('drawn')}.parquet"),
            None,
        )
        share = 1.0
        if counts is not None:
            made = read_table(counts).to_pylist()
            drawn = sum(row["draws"] for row in made)
            share = sum(row["draws"] for row in made if row["outcome"] == "kept") / drawn if drawn else 1.0
        descriptions = next((path for path in job.inputs if "/descriptions/" in path), None)
        needed = math.ceil(wanted["queries"] / max(share, 0.05))
        if descriptions is None or self.remade.get(descriptions) or not Path(descriptions).is_file():
            return needed, True
        table = read_table(descriptions).to_pydict()
        described = dict(zip(table["task"], table["description"], strict=True))
        per_task = min(math.ceil(needed / max(1, len(described))), wanted.get("max_draws_per_task", needed))
        prompt = json.loads(settings.prompt)
        pairs = [(task, number) for task in described for number in range(per_task)]
        try:
            requests = scenario.requests_for(described, prompt["instruction"], prompt["examples"], pairs)
        except UserError:
            return len(pairs), True
        return self._claimed(settings, _unanswered(self._listing(settings), requests)), True

    def _listing(self, settings: AnswerSettings) -> Listing:
        if settings.key not in self.listings:
            self.listings[settings.key] = self.store.listing(settings)
        return self.listings[settings.key]


def _questions(job: Job) -> str | None:
    """The question file that a job asks about; None for a job that writes queries or descriptions."""
    return next((path for path in job.inputs if any(kind in path for kind in ("/questions/", TESTED))), None)


def _unanswered(listing: Listing, requests: Sequence[Request]) -> set[str]:
    """The names of the requests that have no answer in the store."""
    keys, draws = [request.query_key for request in requests], [request.draw for request in requests]
    lacks = listing.find(keys, draws).is_null().to_pylist()
    return {f"{key}:{draw}" for key, draw, is_lacking in zip(keys, draws, lacks, strict=True) if is_lacking}


def cost(
    model: Model, name: str, queries: int, settings: AnswerSettings, rate: Rate | None, remark: str | None, **way: Any
) -> Estimate:
    """What it takes to ask a model some queries, without loading it.

    Args:
        model: the model.
        name: the name of its file.
        queries: how many.
        settings: the settings under which it is asked.
        rate: the rate of similar queries; None if none are known.
        remark: where the rate comes from, if not from the same settings.
        way: ``engine``, ``shares_prompts`` and ``texts``, as for :func:`rgd.workflow.run_times.seconds_of_one`.
    """
    lengths = run_times.lengths(settings, rate, way.get("texts", run_times.TEXTS_UNKNOWN))
    if rate is None:
        remark = f"{lengths.prompt:,.0f} tokens a prompt and {lengths.written:,.0f} an answer, since no answers are stored yet"
    guesses = [f"{name}: {remark}"] if remark else []
    seconds_of_one = run_times.seconds_of_one(model, settings, rate, **way)
    if model.answers_per_minute is None and (rate is None or rate.seconds is None):
        guesses.append(
            f"{name}: {60 / seconds_of_one:,.0f} answers a minute; set answers_per_minute in its file for a better estimate"
        )
    seconds = queries * seconds_of_one
    direct = batch = 0.0
    if model.api is not None:
        of_one = lengths.prompt * model.api.price_prompt + lengths.written * model.api.price_completion
        direct = queries * of_one / 1e6
        batch = direct * model.api.batch_price_factor
    dollars = direct
    if model.api is not None and model.api.batch:
        dollars, seconds = batch, run_times.BATCH_S
        guesses = [*([f"{name}: {remark}"] if remark else []), f"{name}: a batch takes up to a day"]
    return Estimate(
        queries,
        False,
        seconds,
        model.gpus * seconds / 3600,
        dollars,
        frozenset(guesses),
        dollars_direct=direct,
        dollars_batch=batch,
    )


class _Durations:
    """Durations of jobs that ask nothing, from the benchmark files of earlier runs."""

    def __init__(self, plan: Plan) -> None:
        self.folder = plan.root / "benchmarks"
        self._means: dict[tuple[str, str | None], float | None] = {}

    def seconds(self, job: Job) -> float | None:
        """The duration of this job, else of its rule with the same router, else of its rule; None if none has run."""
        own = seconds_in(Path(job.benchmark)) if job.benchmark else None
        if own is not None:
            return own
        router = job.wildcards.get("router")
        found = self._mean(job.rule, router) if router else None
        return found if found is not None else self._mean(job.rule, None)

    def _mean(self, rule: str, router: str | None) -> float | None:
        if (rule, router) not in self._means:
            paths = sorted((self.folder / rule).rglob(f"{router}.jsonl" if router else "*.jsonl"))
            taken = [seconds_in(path) for path in paths[:: max(1, len(paths) // SAMPLE)]]
            known = [seconds for seconds in taken if seconds is not None]
            self._means[rule, router] = sum(known) / len(known) if known else None
        return self._means[rule, router]


def seconds_in(benchmark: Path) -> float | None:
    """The seconds that the last run in a benchmark file took; None if there is none."""
    try:
        lines = benchmark.read_text(encoding="utf-8").split("\n")
        return float(json.loads([line for line in lines if line.strip()][-1])["s"])
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return None


def longest_path(jobs: Sequence[Job], taken: Mapping[int, Estimate]) -> list[Job]:
    """The chain of dependent jobs that takes longest; a job of unknown duration counts as 0 s.

    Args:
        jobs: in an order in which every job comes after those it needs.
        taken: the estimates of those that run.
    """
    best: dict[int, tuple[float, int, int | None]] = {}
    by_number = {job.number: job for job in jobs}
    for job in jobs:
        if job.number not in taken:
            continue
        before = max(((*best[need][:2], need) for need in job.needs if need in best), default=(0.0, 0, None))
        best[job.number] = (before[0] + (taken[job.number].seconds or 0.0), before[1] + 1, before[2])
    at: int | None = max(best, key=lambda number: best[number][:2], default=None)
    chain = []
    while at is not None:
        chain.append(by_number[at])
        at = best[at][2]
    return chain[::-1]
