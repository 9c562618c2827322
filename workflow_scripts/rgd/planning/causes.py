"""What is at the root of a plan: what all jobs tell of one edit as one change, and the jobs that each change reaches."""

import itertools
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from rgd.artifacts.provenance import name_under
from rgd.config.products import listed
from rgd.config.schema import Config
from rgd.planning.changes import Change, few
from rgd.planning.graph import Job, Plan
from rgd.planning.telling import Entry, Told, line, place
from rgd.routing.reduced import MARK

Key = TypeVar("Key")

# Wildcards that hold the key of something that an experiment has, by its kind.
_WILDCARDS = {"scenario": ("scenario", "query_set", "drawn", "generator")}


class Entries:
    """What an experiment has now and no longer has, told as one change for each list of the configuration.

    Args:
        told: what jobs tell.
        config: the configuration.
    """

    def __init__(self, told: Iterable[Told], config: Config) -> None:
        self._all = frozenset[Entry]().union(*(each.entries for each in told))
        self._config = config
        by_place: dict[str, set[Entry]] = defaultdict(set)
        for entry in itertools.chain.from_iterable(map(self._settled, self._all)):
            by_place[place(config, entry.kind, entry.pool)].add(entry)
        self._changes = {where: _list_change(where, entries) for where, entries in by_place.items()}

    def changes_of(self, entries: Iterable[Entry]) -> list[Change]:
        """What is told of ``entries``, each change once."""
        settled = sorted(itertools.chain.from_iterable(map(self._settled, entries)))
        places = (place(self._config, entry.kind, entry.pool) for entry in settled)
        return list(dict.fromkeys(self._changes[where] for where in places))

    def new_in(self, wildcards: Mapping[str, str]) -> list[Change]:
        """Why there is a job with these wildcards at last; nothing if they name nothing new."""
        return self.changes_of(
            entry
            for entry in self._all
            if entry.is_new
            and entry.name
            and entry.name in {_whole(wildcards.get(key, "")) for key in _WILDCARDS.get(entry.kind, (entry.kind,))}
        )

    def behind(self, name: str, is_new: bool) -> list[Change]:
        """Why a job has a further input, or one less; nothing if the name of the file tells of no entry."""
        parts = [_whole(part) for part in Path(name).with_suffix("").parts[1:]]
        return self.changes_of(
            entry
            for entry in self._all
            if entry.is_new == is_new and entry.name in (parts[:1] if entry.kind == "dataset" else parts[1:])
        )

    def _settled(self, entry: Entry) -> set[Entry]:
        """The entries that stand for ``entry``: the pool of a member that came or went with its whole pool."""
        if entry.kind != "member":
            return {entry}
        if not entry.pool:
            known = {each for each in self._all if each.pool and each == entry._replace(pool=each.pool)}
            pools = {each for each in self._all if each.kind == "pool" and each.is_new == entry.is_new}
            if known or pools:
                return set().union(*map(self._settled, known)) if known else pools
            swept = listed(self._config).pools
            return {entry._replace(pool=swept[0])} if len(swept) == 1 else {entry}
        own = Entry("pool", entry.pool, "", entry.is_new)
        return {own} if own in self._all else {entry}


def _list_change(where: str, entries: Iterable[Entry]) -> Change:
    """What a list of the configuration has now and no longer has."""
    # Where members came or went, the order is another one anyway.
    named = [entry for entry in entries if entry.name]
    entries = sorted(named or entries, key=lambda entry: (not entry.is_new, entry.name))
    item = entries[0].name if len(entries) == 1 and entries[0].is_new else None
    return Change("configuration", f"{where}: {few([entry.sign for entry in entries])}", line(where, item or None))


def _whole(key: str) -> str:
    return key.partition(MARK)[0]


def merged(told: Mapping[Key, Told], entries: Entries, plan: Plan) -> dict[Key, list[Change]]:
    """The changes of each job or file, where what several tell of one edit is one change.

    Args:
        told: what each tells.
        entries: of all that is told.
        plan: the plan.
    """
    made = {name_under(plan.root, path) for job in plan.jobs if job.runs for path in job.outputs}
    lost = of_files("data", (name for each in told.values() for name in each.lost), "is gone", "are gone")
    newer = of_files("data", (name for each in told.values() for name in each.newer), "has changed", "have changed")
    found: dict[Key, list[Change]] = {}
    strange: dict[Key, list[str]] = {}
    for key, each in told.items():
        own = [*each.changes, *entries.changes_of(each.entries)]
        own += [*(lost[:1] if each.lost else ()), *(newer[:1] if each.newer else ())]
        strange[key] = []
        for name, is_new in [*((name, True) for name in each.came), *((name, False) for name in each.went)]:
            behind = entries.behind(name, is_new)
            own += behind
            # A new file is made by a job that runs: that one tells why.
            if not behind and not (is_new and name in made):
                strange[key].append(f"{'+' if is_new else '-'} {name}")
        found[key] = list(dict.fromkeys(own))
    shared = _behind_shared(strange, found)
    for key, names in strange.items():
        if names and not found[key]:
            words = Change("inputs", f"inputs of {told[key].rule}: {few(names)}")
            found[key] = next((shared[name] for name in names if name in shared), [words])
    return found


def _behind_shared(files: Mapping[Key, Sequence[str]], own: Mapping[Key, Sequence[Change]]) -> dict[str, list[Change]]:
    """The changes of the configuration that all those tell that a file came to or went from, by the file.

    Left out are those that tell nothing, and files without such a change.
    """
    found: dict[str, list[Change]] = {}
    for key, names in files.items():
        said = [change for change in own[key] if change.kind == "configuration"]
        for name in names if own[key] else ():
            found[name] = [change for change in found.get(name, said) if change in said]
    return {name: told for name, told in found.items() if told}


def of_files(kind: str, names: Iterable[str], one: str, several: str) -> list[Change]:
    """What is said of some files, in one change; nothing if there are none.

    Args:
        kind: of the change.
        names: the files.
        one: what is said of one.
        several: what is said of several.
    """
    known = sorted(set(names))
    return [Change(kind, f"{few(known)} {one if len(known) == 1 else several}")] if known else []


def users(jobs: Sequence[Job]) -> dict[int, list[Job]]:
    """Of each job the jobs that need it, by number."""
    found: dict[int, list[Job]] = {job.number: [] for job in jobs}
    for job in jobs:
        for need in job.needs:
            if need in found:
                found[need].append(job)
    return found


def reached(running: Sequence[Job], own: Mapping[int, Sequence[Change]]) -> dict[Change, list[Job]]:
    """The jobs that each change makes run, themselves or through what they need; the change with most jobs first.

    Args:
        running: the jobs that run, in topological order.
        own: the own changes of each, by number.
    """
    behind: dict[int, dict[Change, None]] = {}
    found: dict[Change, list[Job]] = defaultdict(list)
    for job in running:
        needed = itertools.chain.from_iterable(behind.get(need, ()) for need in job.needs)
        behind[job.number] = dict.fromkeys([*own[job.number], *needed])
        for change in behind[job.number]:
            found[change].append(job)
    return dict(sorted(found.items(), key=lambda item: (-len(item[1]), item[0].text)))


def chain(target: Job, change: Change, running: Sequence[Job], own: Mapping[int, Sequence[Change]]) -> list[Job]:
    """The jobs through which a change reaches ``target``, which is the last; none if it does not.

    The first is the earliest job that has the change itself, and from there on the chain is a shortest one.

    Args:
        target: the job at the end.
        change: the change.
        running: the jobs that run, in topological order.
        own: the own changes of each, by number.
    """
    jobs = {job.number: job for job in running}
    after: dict[int, Job | None] = {target.number: None}
    waiting = deque([target] if target.number in jobs else [])
    while waiting:
        job = waiting.popleft()
        for need in job.needs:
            if need in jobs and need not in after:
                after[need] = job
                waiting.append(jobs[need])
    first = next((job for job in running if job.number in after and change in own[job.number]), None)
    return _from(first, after)


def _from(job: Job | None, after: Mapping[int, Job | None]) -> list[Job]:
    found = []
    while job is not None:
        found.append(job)
        job = after[job.number]
    return found
