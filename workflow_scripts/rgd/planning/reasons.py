"""Why a job of the plan runs: what of its own has changed, apart from what it waits for."""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

from rgd.artifacts.fingerprint import follow
from rgd.artifacts.provenance import carriers, name_under, read_definitions, read_provenance
from rgd.config.origins import origin
from rgd.planning import changes
from rgd.planning.changes import Change, Definitions
from rgd.planning.graph import Job, Plan

# Of the names that a missing file's path has, the one that tells most about why it is missing stands first.
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
    """The changes that each job that would run has of its own; none of a job that only follows others.

    Returns:
        by the job's number.
    """
    running = [job for job in plan.jobs if job.runs]
    found = {job.number: changes_of(job, plan) for job in running}
    newcomers = _newcomers(plan.jobs)
    for job in running:
        if job.missing and not found[job.number]:
            found[job.number] = [_missing(job, newcomers)]
    return found


def changes_of(job: Job, plan: Plan) -> list[Change]:
    """What has changed of a job's parameters and inputs since it made its outputs."""
    if job.record is None:
        return [] if job.missing else [Change("unknown", "nothing is recorded of how it was made: see rgd adopt")]
    if job.record.refusal:
        return [Change("data", job.record.refusal)]
    told = next(filter(None, map(read_provenance, carriers(job.outputs))), {}).get("parameters")
    found = changes.differences(
        changes.named(job.record.parameters, job.parameters, told),
        job.parameters,
        lambda parameter, path: origin(plan.config, job.rule, job.wildcards, parameter, path),
        lambda fingerprint: definitions(plan.root, fingerprint, code_of(job)),
    )
    if _is_made_with_less(job):
        found.append(Change("code", "code: nothing is known of what it was made with"))
    if job.is_cut:
        found.append(Change("data", "a run was cut off while it was made"))
    elif job.missing:
        found.append(Change("data", f"{name_under(plan.root, job.missing[0])} is gone"))
    found += [Change("data", f"{name_under(plan.root, path)} has another content") for path in job.newer]
    return found + _inputs(job, plan)


def _is_made_with_less(job: Job) -> bool:
    """Whether there are parameters now and were none of them, as of a rule that has got a fingerprint."""
    assert job.record is not None
    return not job.record.parameters and bool(job.parameters)


def _inputs(job: Job, plan: Plan) -> list[Change]:
    """The inputs that came or went since."""
    assert job.record is not None
    before, now = set(job.record.inputs), set(job.inputs)
    words = [f"+ {name_under(plan.root, path)}" for path in sorted(now - before)]
    words += [f"- {name_under(plan.root, path)}" for path in sorted(before - now)]
    if not words and sorted(job.record.inputs) != sorted(job.inputs):
        words = ["a file counts another time"]
    return [Change("inputs", f"inputs: {changes.few(words)}")] if words else []


def _missing(job: Job, newcomers: Mapping[tuple[str, str], bool]) -> Change:
    for name in _TELLING:
        value = job.wildcards.get(name)
        if value is not None and newcomers.get((name, value)):
            return Change("new", f"{name.replace('_', ' ')} {value} is new")
    return Change("new", "not made yet")


def _newcomers(jobs: Iterable[Job]) -> dict[tuple[str, str], bool]:
    """Of every name in the paths of outputs, whether nothing of it has ever been made."""
    new: dict[tuple[str, str], bool] = defaultdict(lambda: True)
    for job in jobs:
        is_new = bool(job.missing) and job.record is None
        for item in job.wildcards.items():
            new[item] = new[item] and is_new
    return new


def code_of(job: Job) -> tuple[str, tuple[str, ...], tuple[str, ...], str] | None:
    """Script, plugins, data files and fingerprint of a job's code as it is now."""
    code = changes.opened(job.parameters.get("code"))
    if not isinstance(code, Mapping):
        return None
    script, *plugins = code["of"]
    return script, tuple(plugins), tuple(code.get("files", ())), code["fingerprint"]


def definitions(
    root: Path, fingerprint: str, now: tuple[str, tuple[str, ...], tuple[str, ...], str] | None
) -> Definitions | None:
    """What a fingerprint was made of: of the present one from the code, of an earlier one from what was kept."""
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
    """The jobs that each change makes run, the changes that reach most first."""
    groups: dict[Change, list[int]] = defaultdict(list)
    for number, change in itertools.chain.from_iterable(((n, c) for c in cs) for n, cs in found.items()):
        groups[change].append(number)
    return dict(sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])))
