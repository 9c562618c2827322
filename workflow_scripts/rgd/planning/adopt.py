"""``rgd adopt``: results that were made elsewhere are checked against their provenance and taken over.

Of results that were copied here Snakemake remembers nothing, and takes every file that is there for done, whatever the
configuration says. What is taken over gets the record that it would have had here, with the parameters it was made with:
then an edit, made before or after, reruns what it can have changed. What cannot be vouched for is recorded as such, and the next
run makes it anew.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from rgd.artifacts.provenance import CODE_FOLDER, SUFFIX, digest, read_provenance

REFUSED = "not adopted: "
"""How the one recorded parameter begins of a file that was not taken over."""
NO_ARTIFACTS = {"store", "logs", "benchmarks", CODE_FOLDER}
"""Folders under the results' folder whose files no rule has as an output."""


class Memory(Protocol):
    """Where Snakemake remembers how files were made: :class:`rgd.planning.graph.Memory`."""

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
    """What became of the files: how many were taken over and how many were known; why others were not, by name."""

    adopted: int = 0
    known: int = 0
    refused: dict[str, str] = field(default_factory=dict)


def adopt(root: Path, memory: Memory, checksum_limit: int) -> Adoption:
    """Take over the files under ``root`` that Snakemake does not know.

    Args:
        root: the results' folder, as the configuration names it.
        memory: Snakemake's records.
        checksum_limit: bytes up to which Snakemake compares the content of an input that is newer than an output.
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
    """The files under ``root`` that rules may have made, by their place under it; provenance and what is hidden left out."""
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
    """What made each output that some provenance tells of."""
    made: dict[str, dict[str, Any]] = {}
    for name in names:
        content = read_provenance(root / name)
        if content is not None:
            made.update(dict.fromkeys(content.get("outputs", {}), content))
    return made


def _reason(name: str, content: Mapping[str, Any] | None, digests: Mapping[str, str]) -> str | None:
    """Why the file ``name`` cannot be taken over; None if it can."""
    if content is None:
        return "it has no provenance that tells of all outputs and inputs"
    if content["outputs"][name] != digests[name]:
        return "its content is not what its provenance tells of"
    for item, value in content["inputs"].items():
        if digests.get(item, value) != value:
            return f"it was made from another {item}"
    return None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _put_in_order(root: Path, made: Mapping[str, Mapping[str, Any]], names: set[str]) -> None:
    """Make no output older than its inputs, as copying may have done: large inputs are compared by their times alone."""
    times: dict[str, int] = {}

    def time_of(name: str) -> int:
        if name not in times:
            own = (root / name).stat().st_mtime_ns
            inputs = made[name]["inputs"] if name in made else {}
            times[name] = own  # ends a circle, which only a damaged provenance can have
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
    """What became of the files, for a person."""
    refused = [f"  {name}: {reason}" for name, reason in list(done.refused.items())[:shown]]
    more = [f"  and {len(done.refused) - shown:,} more"] if len(done.refused) > shown else []
    head = f"{done.adopted:,} files taken over, {done.known:,} were known, {len(done.refused):,} will be made anew"
    return [f"{head}{':' if refused else '.'}", *refused, *more]
