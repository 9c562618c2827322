"""The state of a run: which jobs are done, at work or failed, and how long the rest will take.

The time left is that of the longest chain of jobs, or that of all jobs side by side on the cores, whichever is longer. A
job's seconds are those that the plan expects, corrected by what other jobs of its kind took compared with their plan;
without a plan, the mean of its rule's jobs so far. A job at work that counts what it does is taken at its word, and from a
part on it tells of the others of its kind as well.
"""

import enum
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from rgd.progress.logs import Count
from rgd.progress.stages import OTHER, STAGES, stage_of

JOB_S = 5.0
"""Assumed seconds of a job about which nothing is known: Python starts and loads its libraries."""
LEAST_JOB_S = 1.0
MOST_CORRECTION = 5.0
"""How far the jobs of a kind may be from their plan at most, as a factor."""
TELLING = 0.1
"""The share of its work after which a job that counts tells how long the others of its kind will take."""
OVERTIME, MOST_OVERTIME_S = 0.25, 60.0
"""A job that takes longer than expected is given this share of its time so far, at most these seconds."""


class State(enum.Enum):
    WAITING = enum.auto()
    RUNNING = enum.auto()
    DONE = enum.auto()
    FAILED = enum.auto()


@dataclass
class Job:
    """A job of the run.

    Attributes:
        number: Snakemake's number of it.
        rule: its rule.
        title: what it does, for a person.
        log: its log file; "" if it is unknown.
        needs: numbers of the jobs of this run that make its inputs.
        planned_s: the seconds that the plan expects; None if nothing is known.
        threads: cores that it takes.
        asks: the member, generator or the like that it asks; None if it asks none.
        started: when it began, in seconds of any clock; None before.
        took: its seconds, once it has ended.
        count: how far it has come, as it says itself.
        says: the last line of its log.
    """

    number: int
    rule: str
    title: str = ""
    log: str = ""
    needs: tuple[int, ...] = ()
    planned_s: float | None = None
    threads: int = 1
    asks: str | None = None
    state: State = State.WAITING
    started: float | None = None
    took: float | None = None
    count: Count | None = None
    says: str = ""

    def elapsed(self, now: float) -> float:
        """Seconds since it began."""
        return 0.0 if self.started is None else max(0.0, now - self.started)


class StageState(NamedTuple):
    """A stage: the numbers of its jobs, and the seconds that they have taken together so far."""

    stage: str
    done: int
    total: int
    running: int
    failed: int
    seconds: float


@dataclass
class Run:
    """A run of the workflow.

    Attributes:
        name: of the experiment; "" if it is unknown.
        cores: how many there are; None for a cluster, whose jobs do not wait for cores here.
        is_planned: whether the jobs' seconds come from a plan; otherwise shares are shares of the jobs.
        jobs: by number, in an order in which every job comes after those it needs.
        counts: how many jobs of each rule there are, for a run whose jobs are not known beforehand.
        started: when the first job began.
    """

    name: str = ""
    cores: int | None = None
    is_planned: bool = False
    jobs: dict[int, Job] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    started: float | None = None
    _share: float = 0.0

    def start(self, number: int, rule: str, title: str, log: str, now: float) -> Job:
        """A job begins, for the first time or again."""
        job = self.jobs.setdefault(number, Job(number, rule))
        job.title, job.log = title or rule, log or job.log
        job.state, job.started, job.took, job.count, job.says = State.RUNNING, now, None, None, ""
        self.started = now if self.started is None else self.started
        return job

    def end(self, number: int, state: State, now: float) -> Job | None:
        """A job has ended; None if it is unknown."""
        job = self.jobs.get(number)
        if job is not None:
            job.state, job.took = state, job.elapsed(now)
        return job

    def of(self, state: State) -> list[Job]:
        """The jobs in a state."""
        return [job for job in self.jobs.values() if job.state is state]

    @property
    def total(self) -> int:
        """How many jobs there are."""
        return max(len(self.jobs), sum(self.counts.values()))

    @property
    def is_over(self) -> bool:
        """Whether every job is done."""
        return len(self.of(State.DONE)) == self.total

    def elapsed(self, now: float) -> float:
        """Seconds since the first job began."""
        return 0.0 if self.started is None else now - self.started

    def left(self, now: float) -> float | None:
        """Seconds until the run ends; None if they are unknown. What needs a failed job will not run."""
        if not self.is_planned:
            return None
        expected = self._expectations(now)
        chains: dict[int, float] = {}
        longest = work = 0.0
        for job in self.jobs.values():
            if job.state is State.DONE:
                continue
            if job.state is State.FAILED or any(chains.get(need) == float("inf") for need in job.needs):
                chains[job.number] = float("inf")
                continue
            own = self._remaining(job, expected, now)
            chains[job.number] = own + max((chains.get(need, 0.0) for need in job.needs), default=0.0)
            longest = max(longest, chains[job.number])
            work += own * min(job.threads, self.cores or job.threads)
        return max(longest, work / self.cores if self.cores else 0.0)

    def share(self, now: float) -> float:
        """The share of the run's time that is over, from 0 to 1; of its jobs if there is no plan. It never falls."""
        left = self.left(now)
        done = len(self.of(State.DONE))
        if left is None:
            share = done / self.total if self.total else 0.0
        else:
            elapsed = self.elapsed(now)
            share = elapsed / (elapsed + left) if elapsed + left > 0 else 0.0
        self._share = max(self._share, min(share, 1.0))
        return self._share

    def _expectations(self, now: float) -> "_Expectations":
        took: dict[str, list[float]] = defaultdict(list)
        planned: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for job in self.jobs.values():
            seconds = _whole_s(job, now)
            if seconds is None:
                continue
            took[job.rule].append(seconds)
            if job.planned_s:
                planned[_kind(job)].append((seconds, job.planned_s))
        factors = {
            kind: sum(real for real, _ in pairs) / sum(plan for _, plan in pairs) for kind, pairs in planned.items()
        }
        return _Expectations(
            {kind: min(max(factor, 1 / MOST_CORRECTION), MOST_CORRECTION) for kind, factor in factors.items()},
            {rule: sum(seconds) / len(seconds) for rule, seconds in took.items()},
        )

    def _remaining(self, job: Job, expected: "_Expectations", now: float) -> float:
        count = job.count
        if job.state is State.RUNNING and count is not None and count.rate:
            return max(0, count.total - count.done) / count.rate
        if job.planned_s is None:
            seconds = expected.means.get(job.rule, JOB_S)
        else:
            seconds = job.planned_s * expected.factors.get(_kind(job), 1.0)
        seconds = max(LEAST_JOB_S, seconds)
        if job.state is not State.RUNNING:
            return seconds
        elapsed = job.elapsed(now)
        return max(seconds - elapsed, min(OVERTIME * elapsed, MOST_OVERTIME_S))

    def stages(self, now: float) -> list[StageState]:
        """The stages that have jobs, in the order in which data flow."""
        jobs: dict[str, list[Job]] = defaultdict(list)
        for job in self.jobs.values():
            jobs[stage_of(job.rule)].append(job)
        totals: Counter[str] = Counter()
        for rule, count in self.counts.items():
            totals[stage_of(rule)] += count
        return [
            _stage_state(stage, jobs[stage], max(len(jobs[stage]), totals[stage]), now)
            for stage in (*STAGES, OTHER)
            if jobs[stage] or totals[stage]
        ]


class _Expectations(NamedTuple):
    """What the jobs so far tell: by kind, the factor by which the plan was wrong; by rule, the mean seconds of a job."""

    factors: Mapping[str, float]
    means: Mapping[str, float]


def _whole_s(job: Job, now: float) -> float | None:
    """The seconds that a job took, or that it will take as it counts; None if it does not tell yet."""
    if job.state is State.DONE:
        return job.took
    count = job.count
    if job.state is not State.RUNNING or count is None or not count.rate or count.done < TELLING * count.total:
        return None
    return job.elapsed(now) + max(0, count.total - count.done) / count.rate


def _kind(job: Job) -> str:
    """Jobs whose plans are alike, and so are wrong alike: those that ask, those that embed; else those of one rule."""
    verb = job.rule.partition("_")[0]
    return {"share": "ask"}.get(verb, verb) if verb in ("ask", "share", "embed", "fetch") else job.rule


def _stage_state(stage: str, jobs: Iterable[Job], total: int, now: float) -> StageState:
    jobs = list(jobs)
    states = Counter(job.state for job in jobs)
    seconds = sum(job.elapsed(now) if job.took is None else job.took for job in jobs)
    return StageState(stage, states[State.DONE], total, states[State.RUNNING], states[State.FAILED], seconds)
