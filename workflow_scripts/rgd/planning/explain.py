"""``rgd explain``: whether a file is up to date, how it was made and what has changed since.

What a run would do with it is Snakemake's plan; how it was made is told by its provenance and that of its inputs.
"""

import itertools
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rgd.artifacts.digests import digest
from rgd.artifacts.provenance import SUFFIX, name_under, read_provenance
from rgd.config.command_line import DEFAULT_EXPERIMENT
from rgd.errors import UserError
from rgd.planning import causes, changes, reasons
from rgd.planning.changes import Change, opened
from rgd.planning.graph import Job, NoSuchTarget, Plan
from rgd.planning.telling import Told
from rgd.routing.reduced import MARK

# Folders of results in which each experiment has a folder of its own.
OF_EXPERIMENTS = ("tables", "figures", "reports")
# How many changes are listed; the JSON has all of them.
SHOWN = 12
# Length in characters of the longest list of a step's parameters.
LONGEST = 140


@dataclass(frozen=True)
class Story:
    """How a file was made.

    Attributes:
        name: the file's path relative to the results' folder.
        content: its provenance.
        steps: the provenance of the file and of everything it was made from, by name, earliest first.
        lost: inputs without provenance.
    """

    name: str
    content: dict[str, Any]
    steps: dict[str, dict[str, Any]]
    lost: tuple[str, ...]


Because = list[tuple[Change, list[str]]]
"""Changes, each with files: those that it affects itself, or the chain of them through which it reaches a file."""


@dataclass(frozen=True)
class Standing:
    """What a run would do with a file.

    Attributes:
        experiment: the experiment that is run.
        state: current, remade, or unmade: no rule of the experiment makes it.
        because: why it is remade: each change with the files through which it reaches this one, the last.
        is_recorded: whether Snakemake knows how it was made.
    """

    experiment: str
    state: str
    because: Because
    is_recorded: bool = True


def experiment_of(path: Path, lists: Mapping[str, Mapping[str, Collection[str]]]) -> str | None:
    """The experiment that a file of the results most likely belongs to, by the names in its path.

    Tables, figures and reports lie in a folder of their experiment. What experiments share belongs to the one that has most of
    the datasets, scenarios, pools and routers that the path names.

    Args:
        path: the file.
        lists: the datasets, scenarios, pools and routers of each experiment.

    Returns:
        None if no experiment has a dataset that the path names.
    """
    parts = [part.partition(MARK)[0] for part in path.with_suffix("").parts]
    for folder, name in itertools.pairwise(path.parts):
        if folder in OF_EXPERIMENTS and name in lists:
            return name
    # The default experiment comes first where several have as many of the names.
    names = sorted(lists, key=lambda name: (name != DEFAULT_EXPERIMENT, name))
    found = [name for name in names if not {*parts}.isdisjoint(lists[name]["datasets"])]
    known = {name: {each for names in lists[name].values() for each in names} for name in found}
    return max(found, key=lambda name: sum(part in known[name] for part in parts), default=None)


def lists_of(folder: Path) -> dict[str, dict[str, set[str]]]:
    """The datasets, scenarios, pools and routers of each experiment in a folder of YAML files; without files that cannot be read."""
    found = {}
    for file in sorted(folder.glob("*.yaml")):
        try:
            content = yaml.safe_load(file.read_text(encoding="utf-8"))
            sweeps = [content, *(content.get("also") or [])]
            found[file.stem] = {
                key: {name for sweep in sweeps for name in sweep.get(key) or []}
                for key in ("datasets", "scenarios", "pools", "routers")
            }
        except (OSError, UnicodeDecodeError, yaml.YAMLError, AttributeError, TypeError):
            # Whoever names the experiment is told what is wrong with its file.
            continue
    return found


def story_of(path: Path, build: Callable[[list[str]], Plan]) -> tuple[Story, Standing, Because]:
    """How the file at ``path`` was made, what a run would do with it, and what has changed since; see :func:`since`.

    Args:
        path: the file.
        build: gives the plan of some targets, or of the experiment if there are none.
    """
    try:
        plan: Plan | None = build([str(path)])
    except NoSuchTarget as error:
        if not path.is_file():
            raise UserError(f"there is no result {path}: {error}") from error
        plan = None
    whole = plan or build([])
    story = tell(whole.root, path)
    if plan is None:
        return story, Standing(whole.config.name, "unmade", []), []
    return story, standing(story.name, plan), since(story, plan)


def tell(root: Path, path: Path) -> Story:
    """The story of the file at ``path`` under the results' folder ``root``.

    Raises:
        UserError: there is no such file, or it has no provenance.
    """
    if not path.is_file():
        raise UserError(f"{path}: there is no such file. Run snakemake --cores 1 {path} to make it.")
    name = name_under(root, path)
    content = provenance_of(root, name)
    if content is None:
        raise UserError(
            f"{path} has no provenance (PATH{SUFFIX}): it was not made by this workflow. Files under {root} have one."
        )
    steps: dict[str, dict[str, Any]] = {}
    lost: set[str] = set()

    def visit(item: str, found: dict[str, Any] | None) -> None:
        if found is None:
            lost.add(item)
        elif item not in steps:
            steps[item] = found
            for before in found["inputs"]:
                visit(before, provenance_of(root, before))

    visit(name, content)
    order = dict(sorted(steps.items(), key=lambda item: (item[1]["made"], item[0])))
    return Story(name, content, order, tuple(sorted(lost)))


def provenance_of(root: Path, name: str) -> dict[str, Any] | None:
    """The provenance of a file; it may lie beside another output of the same job."""
    own = read_provenance(root / name)
    if own is not None:
        return own if "outputs" in own else None
    for path in sorted((root / name).parent.glob(f"*{SUFFIX}")):
        found = read_provenance(str(path).removesuffix(SUFFIX))
        if found is not None and name in found.get("outputs", {}):
            return found
    return None


def standing(name: str, plan: Plan) -> Standing:
    """What a run would do with a file, by its name under the results' folder, which a job of the plan makes."""
    jobs = {name_under(plan.root, path): job for job in plan.jobs for path in job.outputs}
    target = jobs[name]
    if not target.runs:
        return Standing(plan.config.name, "current", [], target.record is not None)
    running = [job for job in plan.jobs if job.runs]
    own = reasons.reasons(plan)
    found = []
    for change in causes.reached(running, own):
        chain = causes.chain(target, change, running, own)
        passed = [_passed(plan.root, job, after) for job, after in itertools.pairwise(chain)]
        found += [(change, [*passed, name])] if chain else []
    return Standing(plan.config.name, "remade", found)


def _passed(root: Path, job: Job, after: Job) -> str:
    """An output of one job that another one reads."""
    return name_under(root, next(path for path in job.outputs if path in after.inputs))


def since(story: Story, plan: Plan) -> Because:
    """What has changed since a file was made, and which files of its story each change affects itself.

    Args:
        story: the file's story.
        plan: the plan with the file as its target.
    """
    jobs = {name_under(plan.root, path): job for job in plan.jobs for path in job.outputs}
    told = {name: _own(jobs[name], content, plan) for name, content in story.steps.items() if name in jobs}
    merged = causes.merged(told, causes.Entries(told.values(), plan.config), plan)
    found: dict[Change, list[str]] = defaultdict(list)
    for name, content in story.steps.items():
        for change in [*_bytes(plan.root, name, content), *merged.get(name, [])]:
            found[change].append(name)
    return list(found.items())


def _bytes(root: Path, name: str, content: Mapping[str, Any]) -> list[Change]:
    path = root / name
    if not path.is_file():
        return [Change("data", "is gone")]
    return [] if digest(path) == content["outputs"].get(name) else [Change("data", "has changed")]


def _own(job: Job, content: Mapping[str, Any], plan: Plan) -> Told:
    before = {name: value for name, value in content["parameters"].items() if name in job.parameters}
    return reasons.since(job, plan, before, content["inputs"])


def content(story: Story, stands: Standing, changed: Because) -> dict[str, Any]:
    """All that is told, as plain types."""
    return {
        "file": story.name,
        "experiment": stands.experiment,
        "state": stands.state,
        "because": [
            {"kind": change.kind, "what": change.text, "line": change.line, "through": names}
            for change, names in stands.because
        ],
        "made": story.content["made"],
        "rule": story.content["rule"],
        "versions": story.content["versions"],
        "steps": [
            {
                "file": name,
                "rule": step["rule"],
                "made": step["made"],
                "inputs": list(step["inputs"]),
                "parameters": {key: opened(value) for key, value in step["parameters"].items()},
            }
            for name, step in story.steps.items()
        ],
        "without_provenance": list(story.lost),
        "since": [{"kind": change.kind, "what": change.text, "files": names} for change, names in changed],
    }


def lines(story: Story, stands: Standing, changed: Because) -> list[str]:
    """All that is told, for a person."""
    told = {change for change, _ in stands.because}
    left = [(change, names) for change, names in changed if change not in told]
    versions = ", ".join(f"{name} {value}" for name, value in story.content["versions"].items())
    found = [
        *_standing(story.name, stands, bool(left)),
        f"  made {story.content['made']} by the rule {story.content['rule']}, {versions}",
        "",
        "How it was made",
    ]
    by_rule: dict[str, list[str]] = defaultdict(list)
    for name, content in story.steps.items():
        by_rule[content["rule"]].append(name)
    width = max(map(len, by_rule))
    for rule, names in by_rule.items():
        made = story.steps[names[0]]["made"]
        what = names[0] if len(names) == 1 else f"{len(names)} files, the first {names[0]}"
        found.append(f"  {rule.ljust(width)}  {made}  {what}")
        used = _used([story.steps[name]["parameters"] for name in names])
        if used:
            found.append(f"  {' ' * width}  {used}")
    if story.lost:
        found.append(f"  {''.ljust(width)}  no provenance: {changes.few(story.lost)}")
    if left:
        found += ["", "Since then"]
    for change, names in left[:SHOWN]:
        found += [f"  {change.placed}", f"    {changes.few(names)}"]
    if len(left) > SHOWN:
        found.append(f"  and {len(left) - SHOWN} more; --json lists all")
    return found


def _standing(name: str, stands: Standing, has_changes: bool) -> list[str]:
    """What a run would do with a file, and why."""
    begin = f"{name} (experiment {stands.experiment}): "
    if stands.state == "unmade":
        return [f"{begin}no rule of this experiment makes it any more"]
    if stands.state == "current":
        known = "" if stands.is_recorded else "; Snakemake has no record of how it was made: see rgd adopt"
        if has_changes:
            return [f"{begin}a run would leave it as it is, though something has changed, told below{known}"]
        return [f"{begin}up to date: nothing has changed, and a run would leave it as it is{known}"]
    if len(stands.because) == 1:
        ((change, names),) = stands.because
        return [f"{begin}to be made again, because {change.placed}", *_through(names)]
    found = [f"{begin}to be made again, because of {len(stands.because)} changes"]
    for change, names in stands.because[:SHOWN]:
        found += [f"  {change.placed}", *_through(names)]
    if len(stands.because) > SHOWN:
        found.append(f"  and {len(stands.because) - SHOWN} more; --json lists all")
    return found


def _through(names: list[str]) -> list[str]:
    """The files through which a change reaches the last of them; nothing if it changes that one itself."""
    return [f"    through {' > '.join(names)}"] if len(names) > 1 else []


def _used(parameters: list[Mapping[str, Any]]) -> str:
    """The parameter values that all jobs of a step share, without code and long texts."""
    shared = [
        (name, value)
        for name, value in parameters[0].items()
        if name != "code" and all(each.get(name) == value for each in parameters)
    ]
    words = []
    for name, value in shared:
        for path, _, leaf in changes.leaves({}, {name: opened(value)}):
            text = leaf if isinstance(leaf, str) else str(leaf)
            if len(text) <= changes.LONGEST and "\n" not in text:
                words.append(f"{'.'.join(path[1:] or path)}={text}")
    line = ", ".join(words)
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}…"
