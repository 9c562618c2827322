"""How long a plan's jobs take with a number of GPUs, and what would make them end sooner.

Jobs start as soon as what they need is there and GPUs are free. Of several, the one with the longest chain of jobs behind it
starts first, which Snakemake's priorities only come near to. Jobs without GPUs wait for their inputs alone: processor cores
are not counted, nor that a cluster's groups of jobs wait for the inputs of all.
"""

import heapq
import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

from rgd.config.origins import asked
from rgd.config.schema import Config
from rgd.planning.estimates import Estimate, first_replica
from rgd.planning.graph import Job

LEAST_GAIN = 0.05
"""Share of the wall time that a suggestion must save."""
SUGGESTIONS = 3
FACTORS = (2, 4, 8, 16, 32, 64)


@dataclass(frozen=True)
class Task:
    """A job as far as its time is concerned.

    Attributes:
        needs: numbers of the tasks that must end first.
        alone: tasks of which this is the same run one at a time; None: this one runs beside any other.
        model: the model that it asks.
        loading_s: the part of its time that replicas do not share.
        replicas: how many tasks share what it asks.
        faster: how many times as fast a server may be asked with more requests at a time; None for a model in the job.
    """

    number: int
    seconds: float
    gpus: int
    needs: tuple[int, ...]
    alone: Hashable = None
    model: str | None = None
    loading_s: float = 0.0
    replicas: int = 1
    faster: float | None = None


@dataclass(frozen=True)
class Suggestion:
    """A key of a model's file, a higher value, and the seconds that everything takes with it and the suggestions before."""

    model: str
    key: str
    value: int
    seconds: float


@dataclass(frozen=True)
class WallTime:
    """What a plan takes with a number of GPUs.

    Attributes:
        seconds: from the first job to the last; jobs of unknown duration count as 0 s. None if a model needs more GPUs.
        busy: share of the GPUs' time in which a job has them.
        chain: numbers of the jobs that each began when the one before ended, because it needed its result or its GPUs.
        unknown: how many jobs have an unknown duration.
        too_large: models that need more GPUs than there are.
        suggestions: what to raise, the first one first.
        with_twice_the_gpus: the seconds with twice as many GPUs.
    """

    gpus: int
    seconds: float | None
    busy: float
    chain: tuple[int, ...]
    unknown: int
    too_large: tuple[str, ...]
    suggestions: tuple[Suggestion, ...]
    with_twice_the_gpus: float | None = None


def wall_time(config: Config, jobs: Sequence[Job], taken: Mapping[int, Estimate], gpus: int) -> WallTime:
    """What ``jobs`` take with ``gpus`` GPUs.

    Args:
        config: of the experiment.
        jobs: those that run, in an order in which every job comes after those it needs.
        taken: their estimates.
        gpus: at least 1.
    """
    unknown = sum(taken[job.number].seconds is None for job in jobs)
    large = (taken[job.number].model or job.name for job in jobs if taken[job.number].gpus > gpus)
    if too_large := tuple(dict.fromkeys(large)):
        return WallTime(gpus, None, 0.0, (), unknown, too_large, ())
    tasks = tasks_of(config, jobs, taken)
    seconds, chain = schedule(tasks, gpus)
    work = sum(task.gpus * task.seconds for task in tasks)
    busy = work / (gpus * seconds) if seconds else 0.0
    found = suggestions(config, tasks, gpus)
    return WallTime(gpus, seconds, busy, chain, unknown, (), found, schedule(tasks, 2 * gpus)[0])


def tasks_of(config: Config, jobs: Sequence[Job], taken: Mapping[int, Estimate]) -> list[Task]:
    """The jobs as tasks; what needs the first of several replicas waits for all of them, which then have asked everything."""
    numbers: dict[tuple[str, ...], tuple[int, ...]] = {}
    for job in jobs:
        numbers[first_replica(job)] = (*numbers.get(first_replica(job), ()), job.number)
    replicas = {number: together for together in numbers.values() for number in together}
    return [
        Task(
            job.number,
            taken[job.number].seconds or 0.0,
            taken[job.number].gpus,
            tuple(number for need in job.needs if need in replicas for number in replicas[need]),
            _alone(config, job),
            taken[job.number].model,
            taken[job.number].loading_s,
            len(replicas[job.number]),
            _faster(config, taken[job.number]),
        )
        for job in jobs
    ]


def _faster(config: Config, estimate: Estimate) -> float | None:
    """How many times as fast a server may be asked before its pace is reached; a batch's pace is the server's own."""
    api = None if estimate.model is None else config.model[estimate.model].api
    if api is None:
        return None
    if api.batch or not estimate.queries or estimate.seconds is None:
        return 1.0
    if api.requests_per_minute is None:
        return math.inf
    asking = estimate.seconds - estimate.loading_s
    return max(1.0, asking * api.requests_per_minute / 60 / estimate.queries)


def _alone(config: Config, job: Job) -> Hashable:
    """What jobs that run one at a time have in common, as in :class:`rgd.workflow.resources.Jobs`."""
    what, wildcards = first_replica(job)[0], job.wildcards
    if job.rule == what:
        return None
    name = asked(config, wildcards)
    api = config.model[name].api if name is not None else None
    if api is not None and api.requests_per_minute:
        return name
    asks = wildcards.get("member", wildcards.get("featurizer"))
    return None if asks is None else (asks, wildcards.get("replica"))


def schedule(tasks: Sequence[Task], gpus: int) -> tuple[float, tuple[int, ...]]:
    """The seconds that ``tasks`` take with ``gpus`` GPUs, and the chain of tasks that ends last (:attr:`WallTime.chain`).

    Args:
        tasks: in an order in which every task comes after those it needs; none needs more than ``gpus``.
        gpus: how many GPUs there are.
    """
    by_number = {task.number: task for task in tasks}
    behind = _behind(tasks)
    missing = {task.number: len(task.needs) for task in tasks}
    following: dict[int, list[int]] = {task.number: [] for task in tasks}
    for task in tasks:
        for need in task.needs:
            following[need].append(task.number)
    # Tasks that wait for GPUs or others like them, with the time and the task that made them ready; and those at work.
    ready: dict[int, tuple[float, int | None]] = {number: (0.0, None) for number, count in missing.items() if not count}
    at_work: list[tuple[float, int]] = []
    began_after: dict[int, int | None] = {}
    # What tasks at work keep others from beginning by running alone, and who released it last and when.
    held: set[Hashable] = set()
    released: dict[Hashable, tuple[float, int]] = {}
    now, free = 0.0, gpus
    last: int | None = None
    last_freed: int | None = None
    while ready or at_work:
        for number in sorted(ready, key=lambda number: (-behind[number], number)):
            task = by_number[number]
            if task.gpus > free or (task.alone is not None and task.alone in held):
                continue
            free -= task.gpus
            if task.alone is not None:
                held.add(task.alone)
            since, cause = ready.pop(number)
            if since < now:
                at, holder = released.get(task.alone, (0.0, None))
                cause = holder if at == now else last_freed
            began_after[number] = cause
            heapq.heappush(at_work, (now + task.seconds, number))
        now = at_work[0][0]
        while at_work and at_work[0][0] == now:
            _, last = heapq.heappop(at_work)
            task = by_number[last]
            free += task.gpus
            if task.alone is not None:
                held.remove(task.alone)
                released[task.alone] = now, last
            if task.gpus:
                last_freed = last
            for number in following[last]:
                missing[number] -= 1
                if not missing[number]:
                    ready[number] = now, last
    chain: list[int] = []
    while last is not None:
        chain.append(last)
        last = began_after[last]
    return now, tuple(reversed(chain))


def _behind(tasks: Sequence[Task]) -> dict[int, float]:
    """The seconds from the beginning of each task to the end of the longest chain of tasks that need it."""
    behind: dict[int, float] = {task.number: 0.0 for task in tasks}
    for task in reversed(tasks):
        behind[task.number] += task.seconds
        for need in task.needs:
            behind[need] = max(behind[need], behind[task.number])
    return behind


def suggestions(config: Config, tasks: Sequence[Task], gpus: int) -> tuple[Suggestion, ...]:
    """Values to raise so that everything ends sooner, one after the other, as long as each saves enough.

    Args:
        config: of the experiment.
        tasks: in an order in which every task comes after those it needs.
        gpus: how many GPUs there are.
    """
    found: list[Suggestion] = []
    seconds, chain = schedule(tasks, gpus)
    while len(found) < SUGGESTIONS and seconds:
        by_number = {task.number: task for task in tasks}
        asking: dict[str, float] = {}
        for task in (by_number[number] for number in chain):
            if task.model is not None and task.model not in {each.model for each in found}:
                asking[task.model] = asking.get(task.model, 0.0) + task.seconds - task.loading_s
        tried = [
            (schedule(more, gpus)[0], factor, model, more)
            for model in sorted(asking, key=lambda name: -asking[name])[:SUGGESTIONS]
            for factor, more in _raised(tasks, model, gpus)
        ]
        best = min((each[0] for each in tried), default=seconds)
        if best > (1 - LEAST_GAIN) * seconds:
            break
        # The lowest value that is nearly as good.
        near = [each for each in tried if each[0] <= best + LEAST_GAIN * seconds]
        _, factor, model, raised = min(near, key=lambda each: each[1])
        api = config.model[model].api
        if api is None:
            key, now = "replicas", max(task.replicas for task in tasks if task.model == model)
        else:
            key, now = "api.concurrency", api.concurrency
        tasks = raised
        seconds, chain = schedule(tasks, gpus)
        found.append(Suggestion(model, key, factor * now, seconds))
    return tuple(found)


def _raised(tasks: Sequence[Task], model: str, gpus: int) -> list[tuple[int, list[Task]]]:
    """The tasks if a model were asked two, four and so on times as fast, by replicas or by requests at a time."""
    mine = [task for task in tasks if task.model == model]
    now, gpus_each = max(task.replicas for task in mine), max(task.gpus for task in mine)
    paces = [task.faster for task in mine if task.faster is not None]
    most = max(paces, default=gpus / (now * gpus_each) if gpus_each else 1.0)
    factors = [factor for factor in FACTORS if factor <= most]
    raised = _faster_tasks if paces else _with_replicas
    return [(factor, raised(tasks, model, factor)) for factor in factors]


def _faster_tasks(tasks: Sequence[Task], model: str, factor: int) -> list[Task]:
    """The tasks if a server were asked ``factor`` times as fast."""
    return [
        task
        if task.model != model
        else replace(task, seconds=task.loading_s + (task.seconds - task.loading_s) / factor)
        for task in tasks
    ]


def _with_replicas(tasks: Sequence[Task], model: str, factor: int) -> list[Task]:
    """The tasks if ``factor`` times as many shared what a model is asked in each of its jobs."""
    found: list[Task] = []
    further: dict[int, tuple[int, ...]] = {}
    free_number = 1 + max(task.number for task in tasks)
    for task in tasks:
        needs = tuple(number for need in task.needs for number in (need, *further.get(need, ())))
        if task.model != model:
            found.append(replace(task, needs=needs))
            continue
        seconds = task.loading_s + (task.seconds - task.loading_s) / factor
        # Each of the replicas brings forth its part of the further ones.
        numbers = [task.number, *range(free_number, free_number + factor - 1)]
        further[task.number], free_number = tuple(numbers[1:]), free_number + factor - 1
        for at, number in enumerate(numbers):
            alone = task.alone if not at or task.alone is None else (task.alone, at)
            changes = {
                "number": number,
                "needs": needs,
                "alone": alone,
                "seconds": seconds,
                "replicas": factor * task.replicas,
            }
            found.append(replace(task, **changes))
    return found
