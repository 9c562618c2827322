"""Why a job of the plan runs: its own changes, apart from those of the jobs it depends on."""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from rgd.artifacts.fingerprint import follow
from rgd.artifacts.provenance import carriers, name_under, read_definitions, read_provenance
from rgd.planning import changes
from rgd.planning.changes import Change, Definitions
from rgd.planning.graph import Job, Plan
from rgd.planning.telling import Telling, new_member

# Wildcards in a missing file's path; those that best explain why it is missing come first.
_TELLING = (
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
    found = {job.number: changes_of(job, plan) for job in running}
    newcomers = _newcomers(plan.jobs)
    is_first = all(job.missing and job.record is None for job in plan.jobs)
    told = set(itertools.chain.from_iterable(found.values()))
    for job in running:
        if job.missing and not found[job.number]:
            change = Change("new", "nothing has been made yet") if is_first else _missing(job, newcomers)
            found[job.number] = [new_member(plan.config, job.wildcards.get("member", ""), told) or change]
    return found


def changes_of(job: Job, plan: Plan) -> list[Change]:
    """How a job's parameters and inputs have changed since it made its outputs."""
    if job.record is None:
        return [] if job.missing else [Change("unknown", "Snakemake has no record of how it was made: see rgd adopt")]
    if job.record.refusal:
        return [Change("data", job.record.refusal)]
    told = next(filter(None, map(read_provenance, carriers(job.outputs))), {}).get("parameters")
    before = changes.named(job.record.parameters, job.parameters, told)
    are_same = set(job.record.inputs) == set(job.inputs)
    found = since(job, plan, before, None if are_same else [name_under(plan.root, path) for path in job.record.inputs])
    if are_same and sorted(job.record.inputs) != sorted(job.inputs):
        found.append(Change("inputs", f"inputs of {job.rule}: the same files, some a different number of times"))
    if _is_made_with_less(job):
        found.append(Change("code", "code: no record of the code that made it"))
    if job.is_cut:
        found.append(Change("data", "a run was interrupted while making it"))
    elif job.missing:
        found.append(Change("data", f"{name_under(plan.root, job.missing[0])} is gone"))
    found += [Change("data", f"{name_under(plan.root, path)} has changed") for path in job.newer]
    return found


def since(job: Job, plan: Plan, parameters: Mapping[str, Any], inputs: Iterable[str] | None) -> list[Change]:
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
    return telling.changes()


def _is_made_with_less(job: Job) -> bool:
    """Whether there are parameters now but were none then, as for a rule that has since got a fingerprint."""
    assert job.record is not None
    return not job.record.parameters and bool(job.parameters)


def _missing(job: Job, newcomers: Mapping[tuple[str, str], bool]) -> Change:
    for name in _TELLING:
        value = job.wildcards.get(name)
        if value is not None and newcomers.get((name, value)):
            return Change("new", f"{name.replace('_', ' ')} {value} is new")
    return Change("new", "not made yet")


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


def grouped(found: Mapping[int, Sequence[Change]]) -> dict[Change, list[int]]:
    """The jobs that each change triggers, the change with the most jobs first."""
    groups: dict[Change, list[int]] = defaultdict(list)
    for number, change in itertools.chain.from_iterable(((n, c) for c in cs) for n, cs in found.items()):
        groups[change].append(number)
    return dict(sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])))
