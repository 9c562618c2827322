"""What has changed for a job, in a person's words: the key of a file, or what the experiment and its pools have now."""

import json
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

from rgd.config import slices
from rgd.config.command_line import FOLDER
from rgd.config.files import file_of
from rgd.config.lines import line_of, line_of_text
from rgd.config.origins import model_named, origin
from rgd.config.products import listed
from rgd.config.schema import Config, Embedder, Model
from rgd.config.sweep import Cell
from rgd.planning import changes
from rgd.planning.arranged import POOL, SWEEP, arranged
from rgd.planning.changes import NOTHING, Change, Definitions, Leaf, first_difference, kind_of, shown
from rgd.planning.graph import Job, Plan
from rgd.routing.reduced import MARK, whole_pool
from rgd.tool import settings as tool_settings

# Where a key of a parameter is the name of something that an experiment has: rule, parameter, path, kind.
_ENTRIES = (
    *(("*", "titles", f"{kind}/*", kind) for kind in ("dataset", "pool", "scenario")),
    *(("report_page", "slice", f"titles/{kind}/*", kind) for kind in ("dataset", "pool", "scenario")),
    ("*", "titles", "variant/*", "member"),
    ("bundle", "members", "*", "member"),
    ("audit_table", "members", "*", "member"),
    ("*", "parameters_billion", "*", "member"),
    ("*", "slice", "parameters_billion/*", "member"),
    ("*", "slice", "prices/*", "member"),
    ("*", "slice", "members/*", "member"),
    ("*", "slice", "routers/*", "router"),
    ("*", "slice", "words/*", "router"),
    ("label_budget_table", "slice", "labels/*", "router"),
    ("*", "slice", "query_sets/*", "scenario"),
    ("*", "slice", "answers/*/*", "pool"),
    ("*", "slice", "answers/*", "dataset"),
    ("*", "slice", "descriptions/*", "dataset"),
    ("cost_table", "recorded", "*/*", "member"),
    ("cost_table", "recorded", "*", "dataset"),
)
_KINDS = ("dataset", "scenario", "pool", "router")
_LISTS = tuple(f"{kind}s" for kind in _KINDS)
# Folders of results whose files are a cell's, and a member's.
_OF_CELLS = ("cells", "outcomes", "routes", "choices", "routers")
_OF_MEMBERS = ("responses", "graded_responses", "matched_responses")


class Entry(NamedTuple):
    """Something that the experiment or one of its pools has now, or no longer has.

    Attributes:
        kind: dataset, scenario, pool, router or member.
        name: its key; "" stands for another order of a pool's members.
        pool: the pool of a member, "" where several can be meant; "" for the other kinds.
        is_new: whether it came; False where it went.
    """

    kind: str
    name: str
    pool: str
    is_new: bool

    @property
    def sign(self) -> str:
        """The name with what happened to it."""
        if not self.name:
            return "in a different order"
        return f"{'+' if self.is_new else '-'} {self.name}"


class Told(NamedTuple):
    """How one job differs from the one that made its outputs.

    Attributes:
        rule: the job's rule.
        changes: what has changed, each change once.
        entries: what the experiment has now, and no longer has.
        came: inputs that came, by their names under the results' folder, where no entry tells of them.
        went: inputs that went, likewise.
        lost: outputs that are gone, likewise.
        newer: inputs whose content has changed, likewise.
    """

    rule: str
    changes: tuple[Change, ...]
    entries: frozenset[Entry] = frozenset()
    came: tuple[str, ...] = ()
    went: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    newer: tuple[str, ...] = ()


class Telling:
    """The changes of one job.

    Args:
        job: the job.
        plan: the plan that has it.
    """

    def __init__(self, job: Job, plan: Plan) -> None:
        self._job, self._plan, self._config = job, plan, plan.config
        self._found: list[Change] = []
        self._rough: list[Change] = []
        self._entries: set[Entry] = set()
        self._came: list[str] = []
        self._went: list[str] = []

    def parameters(self, before: Mapping[str, Any], definitions: Callable[[str], Definitions | None]) -> None:
        """Tell how the job's parameters differ from ``before``.

        Args:
            before: the parameters that its outputs were made with, by name; those that are the same may be left out.
            definitions: the definitions behind a fingerprint; None if they are no longer known.
        """
        job = self._job
        known = {name: value for name, value in job.parameters.items() if name == "members"}
        asked = _with_asked(job, self._config, before)
        old = arranged(job.rule, job.wildcards, {**known, **before, **asked[0]})
        new = arranged(job.rule, job.wildcards, {**job.parameters, **asked[1]})
        given = {name: old[name] for name in before}
        self._found += changes.differences(given, new, self._tell, definitions)
        for name, value in before.items():
            is_same = repr(value) == repr(job.parameters.get(name, NOTHING))
            if not is_same and repr(old[name]) == repr(new.get(name, NOTHING)):
                where = origin(self._config, job.rule, job.wildcards, name, ())
                self._rough.append(Change("configuration", f"{where}: other {name.replace('_', ' ')}"))

    def inputs(self, before: Iterable[str], now: Iterable[str]) -> None:
        """Tell which inputs came and went, by their names under the results' folder; an entry is told in their place."""
        before, now = set(before), set(now)
        if before == now:
            return
        makers = self._plan.makers
        kept = [makers[name] for name in before & now if name in makers]
        # Where no member's file is kept, it is the dataset or the scenario that came or went.
        members_kept = {_member_of(name) for name in before & now} - {None}
        for name in sorted(now - before):
            wildcards = makers.get(name, {})
            kind = next((each for each in _KINDS if _is_new(each, wildcards, kept)), None)
            member = _member_of(name)
            if kind is not None:
                self._entry(kind, _whole(kind, wildcards[kind]), NOTHING)
            elif member is not None and members_kept and member not in members_kept:
                self._entry("member", member, NOTHING)
            else:
                self._came.append(name)
        for name in sorted(before - now):
            member, cell = _member_of(name), _cell_of(name)
            kind = next((each for each in _KINDS if _is_new(each, cell, kept)), None)
            if member is not None and members_kept and not self._holds(member):
                self._entry("member", member, None)
            elif kind is not None:
                self._entry(kind, _whole(kind, cell[kind]), None)
            else:
                self._went.append(name)

    def told(self) -> Told:
        """What was told."""
        is_rough = not (self._found or self._entries or self._came or self._went)
        return Told(
            self._job.rule,
            tuple(dict.fromkeys(self._rough if is_rough else self._found)),
            frozenset(self._entries),
            tuple(self._came),
            tuple(self._went),
        )

    def _tell(self, parameter: str, found: list[Leaf]) -> list[Change]:
        """The changes of a parameter, from the leaves in which it differs."""
        swap = self._swapped(parameter, found)
        told = [] if swap is None else [Change("configuration", swap[1])]
        for path, old, new in found:
            if SWEEP in path and NOTHING in (old, new) and path[-1] in _LISTS:
                for name in old if new is NOTHING else new:
                    self._entry_if_sure(path[-1].removesuffix("s"), name, old)
                continue
            if POOL in path:
                self._members(path[path.index(POOL) + 1], old, new)
                continue
            if path and path[-1] in _LISTS and isinstance(old, list) and isinstance(new, list) and set(old) != set(new):
                for name in set(old) ^ set(new):
                    self._entry(path[-1].removesuffix("s"), name, NOTHING if name in new else None)
                continue
            kind = self._kind(parameter, path) if NOTHING in (old, new) else None
            where = origin(self._config, self._job.rule, self._job.wildcards, parameter, path)
            one_of = next((each for each in _KINDS if where == place(self._config, each)), None)
            if kind is not None:
                self._entry(kind, path[-1], old)
            elif one_of is not None and isinstance(old, str) and isinstance(new, str):
                self._entry(one_of, old, None)
                self._entry(one_of, new, NOTHING)
            elif _is_told_apart(path, old, new):
                self._rough.append(Change("configuration", f"{where}: {shown(old, new)}"))
            elif where.endswith(".txt") and isinstance(old, str) and isinstance(new, str):
                changed = first_difference(old.splitlines(), new.splitlines())
                at = line_of_text(Path(where), new.splitlines()[: changed + 1])
                told.append(Change(kind_of(old, new), f"{where}: {shown(old, new, numbered=False)}", at))
            elif swap is None or not where.startswith(f"{swap[0]}:"):
                told.append(Change(kind_of(old, new), f"{where}: {shown(old, new)}", line(where)))
        return told

    def _kind(self, parameter: str, path: tuple[str, ...]) -> str | None:
        """What the last key of a path names, if it is something that an experiment has."""
        for rule, name, pattern, kind in _ENTRIES:
            is_deep = pattern.count("/") + 1 == len(path)
            if is_deep and rule in ("*", self._job.rule) and parameter == name and fnmatchcase("/".join(path), pattern):
                return kind
        return None

    def _swapped(self, parameter: str, found: list[Leaf]) -> tuple[str, str] | None:
        """The file of the model that is asked now, and what names it in the place of another model that has a file too."""
        named = model_named(self._config, self._job.rule, self._job.wildcards, parameter)
        before = next((old for path, old, _ in found if path == ("weights",)), None)
        if named is None or before is None:
            return None
        key, group, name = named
        specs: Mapping[str, Model | Embedder] = getattr(self._config, group)
        others = (other for other, spec in specs.items() if other != name and slices.model_identity(spec) == before)
        other = next(others, None)
        return None if other is None else (str(file_of(FOLDER, group, name)), f"{key}: {other} → {name}")

    def _entry(self, kind: str, name: str, old: Any) -> None:
        """Tell that the experiment has something new, where ``old`` is nothing, or no longer has it."""
        pools = self._pools_of(name) if kind == "member" else [""]
        self._entries |= {Entry(kind, name, pool, old is NOTHING) for pool in pools}

    def _entry_if_sure(self, kind: str, name: str, old: Any) -> None:
        """Tell of a name in a list of cells that has none left, or some at last: the experiment may have it as before."""
        is_new = old is NOTHING
        if is_new:
            is_sure = name not in _made(self._plan, kind)
        else:
            is_sure = name not in getattr(listed(self._config), f"{kind}s")
        if is_sure:
            self._entry(kind, name, old)
        else:
            entry = Entry(kind, name, "", is_new)
            self._rough.append(Change("configuration", f"{place(self._config, kind)}: {entry.sign}"))

    def _members(self, pool: str, old: Any, new: Any) -> None:
        if NOTHING in (old, new):
            self._entry_if_sure("pool", pool, old)
            return
        for name in {*old, *new} - ({*old} & {*new}):
            pools = [pool] if pool else self._pools_of(name)
            self._entries |= {Entry("member", name, each, name in new) for each in pools}
        if set(old) == set(new):
            self._entries.add(Entry("member", "", pool, True))

    def _pools(self) -> list[str]:
        """The job's pool, or those of the experiment."""
        own = self._job.wildcards.get("pool")
        return list(listed(self._config).pools) if own is None else [whole_pool(own)[0]]

    def _pools_of(self, member: str) -> list[str]:
        """The job's pool, or the pools that have a member; "" if there are none."""
        pools = self._pools()
        return [name for name in pools if member in self._config.pool[name].members] or (
            pools if "pool" in self._job.wildcards else [""]
        )

    def _holds(self, member: str) -> bool:
        return any(member in self._config.pool[name].members for name in self._pools())


def place(config: Config, kind: str, pool: str = "") -> str:
    """``FILE: KEY`` of the experiment's list of datasets, scenarios, pools or routers, or of a pool's members.

    Args:
        config: the configuration.
        kind: as of :class:`Entry`.
        pool: the members' pool; "" where several can be meant.
    """
    if kind != "member":
        return origin(config, "", {}, "cells", (SWEEP, f"{kind}s"))
    pools = [pool] if pool else listed(config).pools
    return (
        origin(config, "", {"pool": pools[0]}, "members", ()) if len(pools) == 1 else f"{config.name}: pools' members"
    )


def line(where: str, item: str | None = None) -> int | None:
    """The line of ``FILE: KEY``, or of an item of the list there; None if it is in no file of the configuration."""
    file, _, key = where.partition(": ")
    return line_of(Path(file), key, item) if key and file.endswith(".yaml") else None


def _is_told_apart(path: tuple[str, ...], old: Any, new: Any) -> bool:
    """Whether a title is followed by its key, or no longer is, because something with the same title came or went."""
    return bool(path) and any(one == f"{other} ({path[-1]})" for one, other in ((old, new), (new, old)))


def _member_of(name: str) -> str | None:
    """The member whose answers a file of the results has."""
    return Path(name).stem if name.partition("/")[0] in _OF_MEMBERS else None


def _cell_of(name: str) -> dict[str, str]:
    """The dataset, scenario, pool and router of a cell's file; nothing for another file."""
    folder, *parts = Path(name).with_suffix("").parts
    return dict(zip(_KINDS, parts, strict=True)) if folder in _OF_CELLS and len(parts) == len(_KINDS) else {}


def _is_new(kind: str, wildcards: Mapping[str, str], kept: list[Mapping[str, str]]) -> bool:
    """Whether the other inputs are of things of this kind too, but of none with this name."""
    names = {_whole(kind, each[kind]) for each in kept if kind in each}
    return kind in wildcards and bool(names) and _whole(kind, wildcards[kind]) not in names


def _made(plan: Plan, kind: str) -> set[str]:
    """The names of a kind for which something has been made already."""
    return {_whole(kind, job.wildcards[kind]) for job in plan.jobs if kind in job.wildcards and job.record is not None}


def _whole(kind: str, key: str) -> str:
    """A key without the sign that makes it a part of another one."""
    return key.partition(MARK)[0]


def _with_asked(job: Job, config: Config, before: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """How the members of a bundle were asked, and how they are now; nothing if they have not changed or are not known.

    The parameter is a digest, but the bundle itself has the members.
    """
    if job.rule != "bundle" or "members" not in before:
        return {}, {}
    try:
        manifest = next(path for path in job.outputs if path.endswith("/bundle.json"))
        old = json.loads(Path(manifest).read_text(encoding="utf-8"))["members"]
    except (OSError, ValueError, KeyError, StopIteration):
        return {}, {}
    if tool_settings.digest(old) != before["members"]:
        return {}, {}
    cell = Cell(*(job.wildcards[key] for key in Cell._fields))
    return {"members": old}, {"members": tool_settings.asking(config, FOLDER, cell)}
