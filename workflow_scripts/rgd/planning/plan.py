"""``rgd plan``: which jobs would run, why, and what they take, for a person or as JSON."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rgd.config import slices
from rgd.config.schema import Config
from rgd.config.schema.models import NEUTRAL, Embedder, Model
from rgd.planning import causes, estimates, expected, reasons
from rgd.planning.changes import Change
from rgd.planning.estimates import Estimate
from rgd.planning.graph import Job, Plan
from rgd.planning.wall_time import LEAST_GAIN, WallTime, wall_time
from rgd.progress.run import JOB_S
from rgd.store.answers import Store
from rgd.store.ledger import Ledger
from rgd.terminal import duration

# How many changes are listed; the JSON has all of them.
SHOWN = 12
# How many groups of changes are listed with their rules; with more of them, each has its stages alone.
WITH_RULES = 3
# Share of the wall time from which on a job in the chain that decides it is named.
LEAST_SHOWN = 0.02
# Retries for failures, beyond those needed because jobs run out of time.
SPARE_TRIES = 4


@dataclass(frozen=True)
class Spent:
    """What all jobs so far have spent on a model, and its budget (None: no limit), in US dollars."""

    model: str
    dollars: float
    budget: float | None


@dataclass(frozen=True)
class Here:
    """A run on this machine: its cores, the seconds that it takes, and how many jobs count as ``JOB_S``, being unknown."""

    cores: int
    seconds: float
    unknown: int


@dataclass(frozen=True)
class Outlook:
    """A plan's jobs, the reasons for them, and what they take.

    Attributes:
        running: the jobs that would run.
        all_jobs: the number of all jobs, without those that only collect files.
        own: the changes of each job itself, by its number; none if it only follows others.
        taken: the estimate of each job.
        path: the chain of jobs that takes longest.
        longest_s: the time limit of a cluster job, in seconds.
        spent: what models with prices have cost so far.
        wall: how long all jobs take with a number of GPUs; None if none was given.
        here: how long all jobs take on this machine's cores; None if a job needs a GPU.
        collecting: the rules that would only collect files, such as ``all``.
    """

    experiment: str
    running: tuple[Job, ...]
    all_jobs: int
    own: Mapping[int, Sequence[Change]]
    taken: dict[int, Estimate]
    path: list[Job]
    longest_s: float
    spent: tuple[Spent, ...] = ()
    wall: WallTime | None = None
    here: Here | None = None
    collecting: tuple[str, ...] = ()

    @property
    def total(self) -> Estimate:
        """The estimate of all jobs together."""
        return estimates.total(self.taken.values())


def look(plan: Plan, gpus: int | None = None) -> Outlook:
    """Which jobs ``plan`` would run, why, what they take, and how long all take with so many GPUs."""
    from snakemake.utils import available_cpu_count

    running = tuple(job for job in plan.jobs if job.runs)
    own = reasons.reasons(plan)
    taken = estimates.estimates(plan, own)
    return Outlook(
        plan.config.name,
        running,
        len(plan.jobs),
        own,
        taken,
        estimates.longest_path(running, taken),
        60.0 * plan.config.site.cluster.longest_minutes,
        spent_so_far(plan.config),
        None if gpus is None else wall_time(plan.config, running, taken, gpus),
        here(plan, taken, available_cpu_count()),
        plan.collecting,
    )


def here(plan: Plan, taken: Mapping[int, Estimate], cores: int) -> Here | None:
    """How long a plan's jobs take on so many cores; None if one needs a GPU or nothing runs."""
    if not taken or any(estimate.gpus for estimate in taken.values()):
        return None
    run = expected.run_of(plan, taken, cores)
    return Here(cores, run.left(0.0) or 0.0, sum(job.planned_s is None for job in run.jobs.values()))


def spent_so_far(config: Config) -> tuple[Spent, ...]:
    """What the configuration's models and embedders with a ledger or a budget have cost."""
    found = []
    asked: dict[str, Model | Embedder] = {**config.model, **config.embedder}
    for name, model in asked.items():
        if model.api is None:
            continue
        identity, budget = slices.model_identity(model), model.api.budget_dollars
        dollars = Ledger(config.paths.store, identity).spent()
        if dollars is None and budget is not None:
            dollars = Store(config.paths.store).spent(identity)
        if dollars is not None:
            found.append(Spent(name, dollars, budget))
    return tuple(found)


def most_tries(outlook: Outlook) -> tuple[str, float, int] | None:
    """The member that is asked longest, its seconds, and how many cluster jobs of the longest allowed time that takes.

    None if no member needs more than one. A restarted job resumes from what the one before has committed.
    """
    seconds: dict[str, float] = defaultdict(float)
    for job in outlook.running:
        if job.rule == "ask_answers":
            seconds[job.wildcards["member"]] += outlook.taken[job.number].seconds or 0.0
    if not seconds:
        return None
    member = max(seconds, key=lambda name: seconds[name])
    tries = math.ceil(seconds[member] / outlook.longest_s)
    return (member, seconds[member], tries) if tries > 1 else None


def content(outlook: Outlook) -> dict[str, Any]:
    """The outlook as plain types."""
    return {
        "experiment": outlook.experiment,
        "jobs": len(outlook.running),
        "jobs_altogether": outlook.all_jobs,
        "collecting": list(outlook.collecting),
        **_figures(outlook.total),
        "spent": [asdict(each) for each in outlook.spent],
        "asked_again": [
            {"model": model, "queries": queries, "dollars": round(dollars, 2)}
            for model, queries, dollars in outlook.total.again
        ],
        "most_tries": _most_tries(outlook),
        "wall_time": _wall_content(outlook),
        "here": None if outlook.here is None else asdict(outlook.here) | {"seconds": round(outlook.here.seconds, 1)},
        "assumed": sorted(outlook.total.guesses),
        "because": [
            {
                "kind": change.kind,
                "what": change.text,
                "line": change.line,
                "jobs": [job.name for job in jobs if change in outlook.own[job.number]],
                "stages": {stage: _by_rule(of_stage) for stage, of_stage in _stages(jobs)},
            }
            for change, jobs in causes.reached(outlook.running, outlook.own).items()
        ],
        "stages": [
            {"stage": stage, "rules": _by_rule(jobs), **_figures(_total(outlook, jobs))}
            for stage, jobs in _stages(outlook.running)
        ],
        "longest_path": [{"job": job.name, "seconds": outlook.taken[job.number].seconds} for job in outlook.path],
        "runs": [
            {
                "job": job.name,
                "rule": job.rule,
                "stage": job.stage,
                "wildcards": dict(job.wildcards),
                "outputs": list(job.outputs),
                "because": [change.text for change in outlook.own[job.number]] or ["its inputs are rebuilt"],
                **_figures(outlook.taken[job.number]),
            }
            for job in outlook.running
        ],
    }


def _most_tries(outlook: Outlook) -> dict[str, Any] | None:
    longest = most_tries(outlook)
    return None if longest is None else dict(zip(("member", "seconds", "tries"), longest, strict=True))


def _wall_content(outlook: Outlook) -> dict[str, Any] | None:
    if outlook.wall is None:
        return None
    names = {job.number: job.name for job in outlook.running}
    return asdict(outlook.wall) | {
        "busy": round(outlook.wall.busy, 3),
        "chain": [{"job": names[number], "seconds": outlook.taken[number].seconds} for number in outlook.wall.chain],
    }


def _figures(estimate: Estimate) -> dict[str, Any]:
    return {
        "queries": estimate.queries,
        "queries_are_about": estimate.is_about,
        "seconds": None if estimate.seconds is None else round(estimate.seconds, 1),
        "gpu_hours": round(estimate.gpu_hours, 3),
        "dollars": round(estimate.dollars, 2),
        "dollars_direct": round(estimate.dollars_direct, 2),
        "dollars_batch": round(estimate.dollars_batch, 2),
    }


def _total(outlook: Outlook, jobs: Iterable[Job]) -> Estimate:
    return estimates.total(outlook.taken[job.number] for job in jobs)


def _stages(jobs: Iterable[Job]) -> list[tuple[str, list[Job]]]:
    """The jobs by stage, in the order in which data flow."""
    found: dict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        found[job.stage].append(job)
    order = ("datasets", "generation", "inference", "equality", "routing", "query_sets", "analysis", "tool")
    return sorted(found.items(), key=lambda item: (order.index(item[0]) if item[0] in order else len(order), item[0]))


def lines(outlook: Outlook) -> list[str]:
    """The outlook for a person."""
    if not outlook.running:
        return [f"{outlook.experiment}: nothing to do, all {outlook.all_jobs:,} jobs are done."]
    found = [f"{outlook.experiment}: {len(outlook.running):,} of {outlook.all_jobs:,} jobs would run."]
    if outlook.collecting:
        verb = "collects" if len(outlook.collecting) == 1 else "collect"
        names = ", ".join(outlook.collecting)
        found.append(f"(snakemake -n counts {len(outlook.collecting)} more: {names}, which only {verb} files.)")
    found += ["", *_because(outlook), "", *_table(outlook), "", *_path(outlook)]
    found += _wall(outlook)
    if outlook.here is not None:
        cores = "1 core" if outlook.here.cores == 1 else f"{outlook.here.cores:,} cores"
        unknown = f", if each of {outlook.here.unknown:,} jobs of unknown duration takes {JOB_S:.0f} s"
        found.append(
            f"On {cores} of this machine: about {duration(outlook.here.seconds)}{unknown if outlook.here.unknown else ''}"
        )
    if (longest := most_tries(outlook)) is not None:
        member, seconds, tries = longest
        found.append(
            f"On a cluster: asking {member} takes {duration(seconds)}, which is {tries} consecutive jobs of at most "
            f"{duration(outlook.longest_s)}. Run snakemake with --retries {tries + SPARE_TRIES}."
        )
    for model, queries, dollars in outlook.total.again:
        found += [
            "",
            f"Asked again: for {queries:,} answers of {model} in the store, the server chose part of the sampling",
            f"(generation_config.json). Requests now carry {', '.join(NEUTRAL)}.",
            f"Asking again costs about {dollars:,.2f} dollars. To keep these answers, list the names in api.omit in",
            f"config/model/{model}.yaml.",
        ]
    if outlook.total.dollars_direct:
        found += [
            "",
            f"Paid servers: {outlook.total.dollars_direct:,.2f} dollars request by request, {outlook.total.dollars_batch:,.2f} in batches,",
            "which take up to a day (api.batch in the model's file).",
        ]
    if spent := [each for each in outlook.spent if each.dollars]:
        found += ["", "Spent so far, failed attempts included", *map(_spent, spent)]
    guesses = sorted(outlook.total.guesses)
    if guesses:
        found += ["", "Assumed", *(f"  {guess}" for guess in guesses[:SHOWN])]
    return found


def _wall(outlook: Outlook) -> list[str]:
    """The wall time, the chain of jobs that decides it, and what to raise."""
    wall = outlook.wall
    if wall is None:
        return []
    if wall.seconds is None:
        return [f"With {_gpus(wall.gpus)}: cannot run, since {', '.join(wall.too_large)} needs more."]
    over = "at least " if wall.unknown else ""
    found = [f"With {_gpus(wall.gpus)}: {over}{duration(wall.seconds)}, the GPUs at work {wall.busy:.0%} of the time"]
    if wall.unknown:
        found.append(f"  {wall.unknown:,} jobs of unknown duration count as 0 s")
    found += [f"  decided by {' > '.join(steps)}"] if (steps := _chain(outlook, wall)) else []
    for each in wall.suggestions:
        found.append(
            f"  {each.key}: {each.value} in config/model/{each.model}.yaml makes it {over}{duration(each.seconds)}"
        )
    if (more := wall.with_twice_the_gpus) is not None and more <= (1 - LEAST_GAIN) * wall.seconds:
        found.append(f"  {_gpus(2 * wall.gpus)} alone make it {over}{duration(more)}")
    return found


def _chain(outlook: Outlook, wall: WallTime) -> list[str]:
    """The chain of jobs that decides the wall time; what one model is asked in successive jobs is one step."""
    jobs = {job.number: job for job in outlook.running}
    steps: list[tuple[str, list[int]]] = []
    for number in wall.chain:
        model = outlook.taken[number].model
        name = jobs[number].name if model is None else f"{jobs[number].rule} by {model}"
        if not steps or steps[-1][0] != name:
            steps.append((name, []))
        steps[-1][1].append(number)
    timed = [(name, sum(outlook.taken[number].seconds or 0.0 for number in numbers)) for name, numbers in steps]
    return [f"{name} ({duration(taken)})" for name, taken in timed if taken >= LEAST_SHOWN * (wall.seconds or 0.0)]


def _gpus(number: int) -> str:
    return "1 GPU" if number == 1 else f"{number:,} GPUs"


def _spent(each: Spent) -> str:
    limit = "" if each.budget is None else f" of {each.budget:,.2f}"
    return f"  {each.model}: {each.dollars:,.2f}{limit} dollars"


def _because(outlook: Outlook) -> list[str]:
    """The changes, and by stage the jobs that each makes run; changes with the same jobs are told together."""
    groups: dict[tuple[int, ...], list[Change]] = defaultdict(list)
    for change, jobs in causes.reached(outlook.running, outlook.own).items():
        groups[tuple(job.number for job in jobs)].append(change)
    by_number = {job.number: job for job in outlook.running}
    found, left = ["Because"], SHOWN
    for numbers, together in list(groups.items()):
        found += [f"  {change.placed}" for change in together[:left]]
        left -= len(together)
        found += _follow([by_number[number] for number in numbers], len(groups) <= WITH_RULES)
        if left <= 0:
            break
    number = sum(map(len, groups.values()))
    if number > SHOWN:
        found.append(f"  and {number - SHOWN} more; --json lists all")
    if sum(map(len, groups)) > len(outlook.running):
        found.append("  A job that follows from several is counted with each.")
    return found


def _follow(jobs: Sequence[Job], with_rules: bool) -> list[str]:
    """The jobs that follow from a change, one line for each stage, or one for all."""
    stages = _stages(jobs)
    if not with_rules:
        return [f"    {', '.join(f'{stage} {len(each):,}' for stage, each in stages)}"]
    width = max(len(stage) for stage, _ in stages)
    counts = [(stage, (f"{number:,} {rule}" for rule, number in _by_rule(each).items())) for stage, each in stages]
    return [f"    {stage.ljust(width)}  {', '.join(words)}" for stage, words in counts]


def _by_rule(jobs: Iterable[Job]) -> dict[str, int]:
    return dict(Counter(job.rule for job in jobs))


def _table(outlook: Outlook) -> list[str]:
    rows = [("stage", "jobs", "queries", "GPU hours", "dollars", "total time")]
    for stage, jobs in [*_stages(outlook.running), ("total", list(outlook.running))]:
        taken = _total(outlook, jobs)
        is_known = all(outlook.taken[job.number].seconds is not None for job in jobs)
        rows.append(
            (
                stage,
                f"{len(jobs):,}",
                f"{'about ' if taken.is_about else ''}{taken.queries:,}" if taken.queries else "-",
                f"{taken.gpu_hours:,.2f}" if taken.gpu_hours else "-",
                f"{taken.dollars:,.2f}" if taken.dollars else "-",
                _at_least(taken.seconds or 0.0, is_known),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _at_least(seconds: float, is_known: bool) -> str:
    """A duration; "unknown" where nothing is known of any of its parts."""
    if is_known:
        return duration(seconds)
    return f"at least {duration(seconds)}" if seconds else "unknown"


def _path(outlook: Outlook) -> list[str]:
    seconds = [outlook.taken[job.number].seconds for job in outlook.path]
    known = sum(each or 0.0 for each in seconds)
    over = "" if all(each is not None for each in seconds) else "at least "
    steps = " > ".join(_steps(outlook.path))
    return [f"Longest path: {len(outlook.path)} jobs, {over}{duration(known)}", f"  {steps}"]


def _steps(path: Sequence[Job]) -> list[str]:
    return [job.name if number == 0 else job.rule for number, job in enumerate(path)]
