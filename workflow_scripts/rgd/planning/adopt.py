"""``rgd adopt``: check results made elsewhere against their provenance, and take them over.

Snakemake has no records of results that were copied here, so it takes every existing file for done, whatever the
configuration says. A file that is taken over gets the record it would have had here, with the parameters it was made
with. An edit, made before or after, then reruns whatever it may have changed. A file that cannot be verified is recorded
as refused, and the next run rebuilds it.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from rgd.artifacts.digests import digest
from rgd.artifacts.provenance import CODE_FOLDER, SUFFIX, read_provenance

REFUSED = "not adopted: "
"""Prefix of the only recorded parameter of a file that was not taken over."""
NO_ARTIFACTS = {"store", "logs", "benchmarks", CODE_FOLDER}
"""Folders under the results' folder whose files are no rule's outputs."""


class Memory(Protocol):
    """Snakemake's records of how files were made: :class:`rgd.planning.graph.Memory`."""

    def knows(self, path: str) -> bool: ...

    def write(
        self,
        path: str,
        rule: str,
        inputs: list[str],
        parameters: list[Any],
        checksums: Mapping[str, str],
        made: float,
    ) -> None: ...


@dataclass
class Adoption:
    """The outcome: how many files were taken over, how many were already known, and why each other one was refused."""

    adopted: int = 0
    known: int = 0
    refused: dict[str, str] = field(default_factory=dict)


def adopt(root: Path, memory: Memory, checksum_limit: int) -> Adoption:
    """Take over the files under ``root`` of which Snakemake has no record.

    Args:
        root: the results' folder, as the configuration names it.
        memory: Snakemake's records.
        checksum_limit: size in bytes up to which Snakemake compares the content of an input newer than an output.
    """
    names = sorted(artifacts(root))
    made = _provenances(root, names)
    digests = {name: digest(root / name) for name in names}
    done = Adoption()
    adopted: set[str] = set()
    for name in names:
        path = str(root / name)
        if memory.knows(path):
            done.known += 1
            continue
        reason = _reason(name, made.get(name), digests)
        if reason is not None:
            done.refused[name] = reason
            memory.write(path, "adopt", [], [REFUSED + reason], {}, 0.0)
            continue
        content = made[name]
        inputs = {str(root / item): value for item, value in content["inputs"].items()}
        small = {item: value for item, value in inputs.items() if _size(Path(item)) <= checksum_limit}
        when = datetime.fromisoformat(content["made"]).timestamp()
        again = [str(root / item) for item in content.get("inputs_again", ())]
        memory.write(path, content["rule"], [*inputs, *again], list(content["parameters"].values()), small, when)
        adopted.add(name)
    _put_in_order(root, made, set(names))
    done.adopted = len(adopted)
    return done


def artifacts(root: Path) -> Iterator[str]:
    """Paths relative to ``root`` of the files that rules may have made, without provenance and hidden files."""
    for folder, folders, files in os.walk(root):
        place = Path(folder).relative_to(root)
        folders[:] = [
            each for each in folders if not each.startswith(".") and (place.parts or each not in NO_ARTIFACTS)
        ]
        if place.parts:
            yield from (
                (place / each).as_posix() for each in files if not each.startswith(".") and not each.endswith(SUFFIX)
            )


def _provenances(root: Path, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The provenance of each output that has one."""
    made: dict[str, dict[str, Any]] = {}
    for name in names:
        content = read_provenance(root / name)
        if content is not None and is_whole(content):
            made.update(dict.fromkeys(content.get("outputs", {}), content))
    return made


def is_whole(content: Mapping[str, Any]) -> bool:
    """Whether a provenance, which came with the results, has all that is recorded of it, in the right types."""
    outputs, inputs, again = content.get("outputs"), content.get("inputs"), content.get("inputs_again", [])
    if not isinstance(outputs, dict) or not isinstance(inputs, dict) or not isinstance(again, list):
        return False
    if not all(isinstance(text, str) for text in [*outputs.values(), *inputs.values(), *again, content.get("rule")]):
        return False
    if not isinstance(content.get("parameters"), dict) or not isinstance(content.get("made"), str):
        return False
    try:
        datetime.fromisoformat(content["made"]).timestamp()
    except (ValueError, OverflowError):
        return False
    # Nothing outside the results is looked at.
    paths = [Path(name) for name in [*outputs, *inputs, *again]]
    return not any(path.is_absolute() or ".." in path.parts for path in paths)


def _reason(name: str, content: Mapping[str, Any] | None, digests: Mapping[str, str]) -> str | None:
    """Why the file ``name`` cannot be taken over; None if it can."""
    if content is None:
        return "it has no provenance that names all outputs and inputs"
    if content["outputs"][name] != digests[name]:
        return "its content does not match its provenance"
    for item, value in content["inputs"].items():
        if digests.get(item, value) != value:
            return f"it was made from a different {item}"
    return None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _put_in_order(root: Path, made: Mapping[str, Mapping[str, Any]], names: set[str]) -> None:
    """Make every output at least as new as its inputs: copying may change times, and large inputs are compared by time."""
    times: dict[str, int] = {}

    def time_of(name: str) -> int:
        if name not in times:
            own = (root / name).stat().st_mtime_ns
            inputs = made[name]["inputs"] if name in made else {}
            times[name] = own  # ends a cycle, which only a damaged provenance can contain
            times[name] = max([own, *(time_of(item) for item in inputs if item in names)])
            if times[name] != own:
                os.utime(root / name, ns=(times[name], times[name]))
            beside = root / f"{name}{SUFFIX}"
            if beside.is_file() and beside.stat().st_mtime_ns < times[name]:
                os.utime(beside, ns=(times[name], times[name]))
        return times[name]

    for name in names:
        time_of(name)


def lines(done: Adoption, shown: int = 12) -> list[str]:
    """The outcome for a person."""
    refused = [f"  {name}: {reason}" for name, reason in list(done.refused.items())[:shown]]
    more = [f"  and {len(done.refused) - shown:,} more"] if len(done.refused) > shown else []
    head = f"{done.adopted:,} files taken over, {done.known:,} already known, {len(done.refused):,} will be rebuilt"
    return [f"{head}{':' if refused else '.'}", *refused, *more]
