"""What has changed for a job, in a person's words: the key of a file, or what the experiment and its pools have now."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from rgd.config import slices
from rgd.config.command_line import FOLDER
from rgd.config.files import file_of
from rgd.config.origins import model_named, origin
from rgd.config.products import listed
from rgd.config.schema import Config, Embedder, Model
from rgd.config.sweep import Cell
from rgd.planning import changes
from rgd.planning.arranged import POOL, SWEEP, arranged
from rgd.planning.changes import NOTHING, Change, Definitions, Leaf, few, kind_of, shown
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
        # Members that came, went or moved, by pool.
        self._come: dict[str, set[str]] = defaultdict(set)
        self._gone: dict[str, set[str]] = defaultdict(set)
        self._moved: set[str] = set()
        # Datasets, scenarios, pools and routers that the experiment has now, or no longer has, by kind.
        self._added: dict[str, set[str]] = defaultdict(set)
        self._removed: dict[str, set[str]] = defaultdict(set)

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
        """Tell which inputs came and went, by their names under the results' folder; what is new is told in their place."""
        before, now = set(before), set(now)
        if before == now:
            return
        makers = self._plan.makers
        kept = [makers[name] for name in before & now if name in makers]
        members_kept = {_member_of(name) for name in before & now}
        words = []
        for name in sorted(now - before):
            wildcards = makers.get(name, {})
            kind = next((each for each in _KINDS if _is_new(each, wildcards, kept)), None)
            member = _member_of(name)
            if kind is not None:
                self._entry(kind, _whole(kind, wildcards[kind]), NOTHING)
            elif member is not None and member not in members_kept:
                self._entry("member", member, NOTHING)
            else:
                words.append(f"+ {name}")
        for name in sorted(before - now):
            member, cell = _member_of(name), _cell_of(name)
            kind = next((each for each in _KINDS if _is_new(each, cell, kept)), None)
            if member is not None and not self._holds(member):
                self._entry("member", member, None)
            elif kind is not None:
                self._entry(kind, _whole(kind, cell[kind]), None)
            else:
                words.append(f"- {name}")
        if words:
            self._found.append(Change("inputs", f"inputs of {self._job.rule}: {few(words)}"))

    def changes(self) -> list[Change]:
        """What was told, each change once."""
        words = [*self._of_experiment(), *self._of_pools()]
        found = [*self._found, *(Change("configuration", text) for text in words)]
        return list(dict.fromkeys(found or self._rough))

    def _tell(self, parameter: str, found: list[Leaf]) -> list[Change]:
        """The changes of a parameter, from the leaves in which it differs."""
        swap = self._swapped(parameter, found)
        told = [] if swap is None else [Change("configuration", swap[1])]
        for path, old, new in found:
            if POOL in path:
                self._members(path[path.index(POOL) + 1], old, new)
                continue
            if path and path[-1] in _LISTS and isinstance(old, list) and isinstance(new, list) and set(old) != set(new):
                for name in set(old) ^ set(new):
                    self._entry(path[-1].removesuffix("s"), name, NOTHING if name in new else None)
                continue
            kind = self._kind(parameter, path) if NOTHING in (old, new) else None
            where = origin(self._config, self._job.rule, self._job.wildcards, parameter, path)
            if kind is not None:
                self._entry(kind, path[-1], old)
            elif swap is None or not where.startswith(f"{swap[0]}:"):
                told.append(Change(kind_of(old, new), f"{where}: {shown(old, new)}"))
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
        is_new = old is NOTHING
        if kind == "member":
            for pool in self._pools_of(name):
                (self._come if is_new else self._gone)[pool].add(name)
        else:
            (self._added if is_new else self._removed)[kind].add(name)

    def _members(self, pool: str, old: Any, new: Any) -> None:
        if NOTHING in (old, new):
            self._entry("pool", pool, old)
            return
        come, gone = [name for name in new if name not in old], [name for name in old if name not in new]
        for names, before in ((come, NOTHING), (gone, None)):
            for name in names:
                for each in [pool] if pool else self._pools_of(name):
                    (self._come if before is NOTHING else self._gone)[each].add(name)
        if not (come or gone):
            self._moved.add(pool or self._only_pool())

    def _pools(self) -> list[str]:
        """The job's pool, or those of the experiment."""
        own = self._job.wildcards.get("pool")
        return list(listed(self._config).pools) if own is None else [whole_pool(own)[0]]

    def _only_pool(self) -> str:
        pools = self._pools()
        return pools[0] if len(pools) == 1 else ""

    def _pools_of(self, member: str) -> list[str]:
        """The pools that have a member, or else the only pool that can have had it; "" if there are several."""
        return [name for name in self._pools() if member in self._config.pool[name].members] or [self._only_pool()]

    def _holds(self, member: str) -> bool:
        return any(member in self._config.pool[name].members for name in self._pools())

    def _of_experiment(self) -> list[str]:
        """What the experiment has now and no longer has."""
        words = []
        for kind in _KINDS:
            names = [f"+ {name}" for name in sorted(self._added[kind])]
            names += [f"- {name}" for name in sorted(self._removed[kind])]
            if names:
                where = origin(self._config, self._job.rule, {}, "cells", (SWEEP, f"{kind}s"))
                words.append(f"{where}: {few(names)}")
        return words

    def _of_pools(self) -> list[str]:
        """What the pools have now, in words."""
        words = []
        for pool in [*self._config.pool, ""]:
            one = f"pool {pool} has" if pool else f"the pools of {self._config.name} have"
            words += [f"{one} {_new_members(sorted(self._come[pool]))}"] if pool in self._come else []
            one = f"pool {pool} no longer has" if pool else f"the pools of {self._config.name} no longer have"
            words += [f"{one} the {_members(sorted(self._gone[pool]))}"] if pool in self._gone else []
            if pool in self._moved and not (pool in self._come or pool in self._gone):
                words.append(f"{one.replace(' no longer', '')} its members in another order")
        return words


def new_member(config: Config, member: str, told: Iterable[Change]) -> Change | None:
    """The change, of those that are told, that a pool of the experiment has a member that was never asked; None if none is."""
    begins = tuple(f"pool {pool} has " for pool in listed(config).pools)
    of_pools = (change for change in told if change.text.startswith(begins))
    return next((change for change in of_pools if member in change.text.replace(",", "").split()), None)


def _new_members(names: list[str]) -> str:
    return f"a new member {names[0]}" if len(names) == 1 else f"the new {_members(names)}"


def _members(names: list[str]) -> str:
    return f"member{'s' if len(names) > 1 else ''} {few(names)}"


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
