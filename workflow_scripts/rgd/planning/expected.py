"""What a run that begins now is expected to take, job by job, for those who watch it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rgd.config.schema import Config
from rgd.errors import UserError
from rgd.planning import estimates, graph, reasons
from rgd.progress.run import JOB_S, Job, Run
from rgd.weights.cache import cache_folder

FETCHED_BYTES_PER_S = 1e7
"""Assumed rate at which weights are fetched, checked and converted."""


def tell(workflow: Any) -> None:
    """Tell the loggers that want to know (those with a method ``expect``) what the run that begins will take.

    Args:
        workflow: Snakemake's workflow.
    """
    manager = workflow.logger_manager
    for logger in manager.get_log_handlers():
        if hasattr(logger, "expect"):
            logger.expect(expected(workflow), next(iter(manager.get_logfile()), ""))


def conclude(workflow: Any, summary: str) -> None:
    """Say what a run has made: by the logger that shows the run, after its picture, or else at once.

    Args:
        workflow: Snakemake's workflow.
        summary: what is said.
    """
    loggers = [each for each in workflow.logger_manager.get_log_handlers() if hasattr(each, "conclude")]
    for logger in loggers:
        logger.conclude(summary)
    if not loggers:
        print(summary)


def expected(workflow: Any) -> Run:
    """The run that begins now; without the jobs' seconds if there is no estimate.

    Args:
        workflow: Snakemake's workflow.
    """
    plan = graph.of(workflow)
    try:
        taken = estimates.estimates(plan, reasons.reasons(plan))
    except (UserError, OSError):
        # The jobs find the same fault and say so.
        taken = {}
    return run_of(plan, taken, workflow.resource_settings.cores if workflow.local_exec else None)


def run_of(plan: graph.Plan, taken: Mapping[int, estimates.Estimate], cores: int | None) -> Run:
    """A plan's jobs that would run, as a run that has not begun.

    Args:
        plan: the plan.
        taken: the jobs' estimates, by number; {} if there are none.
        cores: how many there are; None for a cluster.
    """
    jobids = {job.number: job.jobid for job in plan.jobs if job.runs}
    jobs = [
        Job(
            job.jobid,
            job.rule,
            job.name,
            job.log,
            tuple(jobids[need] for need in job.needs if need in jobids),
            _seconds(job, plan.config, taken),
            max(1, job.threads),
            _asked(job),
        )
        for job in plan.jobs
        if job.runs
    ]
    return Run(plan.config.name, cores, bool(taken), {job.number: job for job in jobs})


def _asked(job: graph.Job) -> str | None:
    """What a job asks: a member of a pool, a generator and the like."""
    if not job.rule.startswith((estimates.ASK, estimates.SHARE)):
        return None
    keys = ("member", "featurizer", "drawn", "variant")
    return next((job.wildcards[key] for key in keys if key in job.wildcards), None)


def _seconds(job: graph.Job, config: Config, taken: Mapping[int, estimates.Estimate]) -> float | None:
    """The seconds that a job is expected to take; None if nothing is known."""
    estimate = taken.get(job.number)
    if estimate is None:
        return None
    if estimate.seconds is None:
        return _fetching(job, config)
    # The estimate of a job that asks counts what it asks, and the start of Python only with a model's.
    starts = job.rule.startswith(estimates.ASK) and not estimate.loading_s
    return estimate.seconds + (JOB_S if starts else 0.0)


def _fetching(job: graph.Job, config: Config) -> float | None:
    """The seconds of fetching weights whose size is known."""
    specs: dict[str, Any] = {**config.model, **config.embedder}
    spec = specs.get(job.wildcards.get("model", job.wildcards.get("embedder", "")))
    if not job.rule.startswith("fetch_") or spec is None or spec.weights is None or spec.weights.path is not None:
        return None
    if cache_folder(spec.weights, Path(config.paths.cache).expanduser()).is_dir():
        return JOB_S
    return None if spec.weights.bytes is None else JOB_S + spec.weights.bytes / FETCHED_BYTES_PER_S
