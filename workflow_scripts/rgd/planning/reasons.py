"""Why a job of the plan runs: its own changes, apart from those of the jobs it depends on."""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from rgd.artifacts.fingerprint import follow
from rgd.artifacts.provenance import carriers, name_under, read_definitions, read_provenance
from rgd.planning import causes, changes
from rgd.planning.changes import Change, Definitions
from rgd.planning.graph import Job, Plan
from rgd.planning.telling import Telling, Told

# Wildcards in a missing file's path; those that best explain why it is missing come first.
_TELLING = (
    "experiment",
    "dataset",
    "generator",
    "query_set",
    "scenario",
    "embedder",
    "model",
    "member",
    "pool",
    "router",
    "featurizer",
)


def reasons(plan: Plan) -> dict[int, list[Change]]:
    """The own changes of each job that would run; none for a job that only follows others.

    Returns:
        the changes by job number.
    """
    running = [job for job in plan.jobs if job.runs]
    if all(job.missing and job.record is None for job in plan.jobs):
        return {job.number: [Change("new", "nothing has been made yet")] for job in running}
    told = {job.number: told_of(job, plan) for job in running}
    entries = causes.Entries(told.values(), plan.config)
    found = causes.merged(told, entries, plan)
    users = causes.users(running)
    newcomers = _newcomers(plan.jobs)
    # Those that use a file come before those that make it: a new file is there for what its users have now.
    for job in reversed(running):
        if job.missing and not found[job.number]:
            of_users = itertools.chain.from_iterable(found[user.number] for user in users[job.number])
            asked_for = dict.fromkeys(change for change in of_users if change.kind in ("configuration", "new"))
            found[job.number] = entries.new_in(job.wildcards) or list(asked_for) or _newcomer(job, newcomers)
    # Every chain of reasons has a beginning.
    for job in running:
        if not (found[job.number] or job.missing or any(need in found for need in job.needs)):
            found[job.number] = [Change("unknown", "no change is known: snakemake -n tells its own reason")]
    absent = {
        job.number: name_under(plan.root, job.outputs[0]) for job in running if job.missing and not found[job.number]
    }
    return found | dict.fromkeys(absent, causes.of_files("new", absent.values(), "is not made yet", "are not made yet"))


def told_of(job: Job, plan: Plan) -> Told:
    """How a job's parameters and inputs have changed since it made its outputs."""
    if job.record is None:
        unknown = Change("unknown", "Snakemake has no record of how it was made: see rgd adopt")
        return Told(job.rule, () if job.missing else (unknown,))
    if job.record.refusal:
        return Told(job.rule, (Change("data", job.record.refusal),))
    told = next(filter(None, map(read_provenance, carriers(job.outputs))), {}).get("parameters")
    before = changes.named(job.record.parameters, job.parameters, told)
    are_same = set(job.record.inputs) == set(job.inputs)
    found = since(job, plan, before, None if are_same else [name_under(plan.root, path) for path in job.record.inputs])
    more = []
    if are_same and sorted(job.record.inputs) != sorted(job.inputs):
        more.append(Change("inputs", f"inputs of {job.rule}: the same files, some a different number of times"))
    if _is_made_with_less(job):
        more.append(Change("code", "code: no record of the code that made it"))
    if job.is_cut:
        more.append(Change("data", "a run was interrupted while making it"))
    lost = [] if job.is_cut else [name_under(plan.root, path) for path in job.missing[:1]]
    newer = [name_under(plan.root, path) for path in job.newer]
    return found._replace(changes=(*found.changes, *more), lost=tuple(lost), newer=tuple(newer))


def since(job: Job, plan: Plan, parameters: Mapping[str, Any], inputs: Iterable[str] | None) -> Told:
    """How a job's parameters and inputs differ from those that its outputs were made with.

    Args:
        job: the job.
        plan: the plan that has it.
        parameters: the earlier ones by name; those that are the same may be left out.
        inputs: the earlier ones, by their names under the results' folder; None if they are the same.
    """
    telling = Telling(job, plan)
    telling.parameters(parameters, lambda fingerprint: definitions(plan.root, fingerprint, code_of(job)))
    if inputs is not None:
        telling.inputs(inputs, [name_under(plan.root, path) for path in job.inputs])
    return telling.told()


def _is_made_with_less(job: Job) -> bool:
    """Whether there are parameters now but were none then, as for a rule that has since got a fingerprint."""
    assert job.record is not None
    return not job.record.parameters and bool(job.parameters)


def _newcomer(job: Job, newcomers: Mapping[tuple[str, str], bool]) -> list[Change]:
    """What a job has in its wildcards that is new; nothing if they hold nothing new."""
    for name in _TELLING:
        value = job.wildcards.get(name)
        if value is not None and newcomers.get((name, value)):
            return [Change("new", f"{name.replace('_', ' ')} {value} is new")]
    return []


def _newcomers(jobs: Iterable[Job]) -> dict[tuple[str, str], bool]:
    """For every wildcard value in outputs' paths, whether nothing with it has ever been made."""
    new: dict[tuple[str, str], bool] = defaultdict(lambda: True)
    for job in jobs:
        is_new = bool(job.missing) and job.record is None
        for item in job.wildcards.items():
            new[item] = new[item] and is_new
    return new


def code_of(job: Job) -> tuple[str, tuple[str, ...], tuple[str, ...], str] | None:
    """Script, plugins, data files and fingerprint of a job's present code."""
    code = changes.opened(job.parameters.get("code"))
    if not isinstance(code, Mapping):
        return None
    script, *plugins = code["of"]
    return script, tuple(plugins), tuple(code.get("files", ())), code["fingerprint"]


def definitions(
    root: Path, fingerprint: str, now: tuple[str, tuple[str, ...], tuple[str, ...], str] | None
) -> Definitions | None:
    """The definitions behind a fingerprint: from the code for the present one, from stored ones for an earlier one."""
    if now is not None and now[3] == fingerprint:
        return _present(*now[:3])
    return _kept(root, fingerprint)


@cache
def _present(script: str, plugins: tuple[str, ...], files: tuple[str, ...]) -> Definitions:
    return follow(script, plugins, files, kept=Path(".snakemake") / "fingerprints").definitions()


@cache
def _kept(root: Path, fingerprint: str) -> Definitions | None:
    return read_definitions(root, fingerprint)
