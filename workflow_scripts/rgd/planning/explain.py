"""``rgd explain``: how a file was made and what has changed since, from its provenance and that of its inputs."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rgd.artifacts.digests import digest
from rgd.artifacts.provenance import SUFFIX, name_under, read_provenance
from rgd.errors import UserError
from rgd.planning import changes, reasons
from rgd.planning.changes import Change, opened
from rgd.planning.graph import Job, NoSuchTarget, Plan

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


def story_of(path: Path, build: Callable[[list[str]], Plan]) -> tuple[Story, list[tuple[Change, list[str]]]]:
    """How the file at ``path`` was made, and what has changed since; see :func:`since`.

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
    root = (plan or build([])).root
    story = tell(root, path)
    return story, since(story, plan)


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


def since(story: Story, plan: Plan | None) -> list[tuple[Change, list[str]]]:
    """What has changed since a file was made, and which files of its story each change affects.

    Args:
        story: the file's story.
        plan: the plan with the file as its target; None if no rule makes the file any more.
    """
    found: dict[Change, list[str]] = defaultdict(list)
    if plan is None:
        return [(Change("configuration", "no rule makes this file in this experiment any more"), [story.name])]
    jobs = {name_under(plan.root, path): job for job in plan.jobs for path in job.outputs}
    for name, content in story.steps.items():
        job = jobs.get(name)
        for change in [*_bytes(plan.root, name, content), *(_own(job, content, plan) if job else [])]:
            found[change].append(name)
    return list(found.items())


def _bytes(root: Path, name: str, content: Mapping[str, Any]) -> list[Change]:
    path = root / name
    if not path.is_file():
        return [Change("data", "is gone")]
    return [] if digest(path) == content["outputs"].get(name) else [Change("data", "has changed")]


def _own(job: Job, content: Mapping[str, Any], plan: Plan) -> list[Change]:
    before = {name: value for name, value in content["parameters"].items() if name in job.parameters}
    return reasons.since(job, plan, before, content["inputs"])


def content(story: Story, changed: list[tuple[Change, list[str]]]) -> dict[str, Any]:
    """The story and the changes as plain types."""
    return {
        "file": story.name,
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


def lines(story: Story, changed: list[tuple[Change, list[str]]]) -> list[str]:
    """The story and the changes for a person."""
    versions = ", ".join(f"{name} {value}" for name, value in story.content["versions"].items())
    found = [
        f"{story.name}",
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
    found += ["", "Since then"]
    if not changed:
        return [*found, "  nothing has changed: a run would leave it as it is."]
    for change, names in changed:
        found += [f"  {change.text}", f"    {changes.few(names)}"]
    return found


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
