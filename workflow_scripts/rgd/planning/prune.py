"""``rgd prune``: artifacts that no experiment needs any more. The store is never touched: answers are kept for ever."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rgd.artifacts.provenance import CODE_FOLDER, SUFFIX, read_provenance
from rgd.errors import UserError
from rgd.planning.changes import opened
from rgd.planning.workflow import Memory, Plan

KEPT = {"store"}
"""Folders under the results' folder that are never pruned."""


@dataclass(frozen=True)
class Leftover:
    """A file that no experiment needs: its path, and its size in bytes."""

    path: Path
    bytes: int


def leftovers(plans: Iterable[Plan]) -> list[Leftover]:
    """The files in the folders that rules write to that none of these plans, one for each experiment, has a use for.

    Raises:
        UserError: a run is under way, whose files may not be in any plan yet.
    """
    plans = list(plans)
    if any(plan.is_locked for plan in plans):
        raise UserError("a run is under way in this folder: prune when it has ended.")
    needed = {path for plan in plans for job in plan.jobs for path in (*job.outputs, job.log, job.benchmark)}
    found = []
    for root in sorted({plan.root for plan in plans}):
        kinds = frozenset().union(*(plan.kinds for plan in plans)) - KEPT
        files = [file for kind in sorted(kinds) for file in _files(root / kind)]
        found += [file for file in files if str(file).removesuffix(SUFFIX) not in needed]
        found += _codes(root, files, set(found))
    return [Leftover(file, file.stat().st_size) for file in found]


def _files(folder: Path) -> list[Path]:
    return sorted(Path(place) / name for place, _, names in os.walk(folder) for name in names)


def _codes(root: Path, files: Iterable[Path], going: set[Path]) -> list[Path]:
    """What is kept of fingerprints that no artifact which stays was made with."""
    used = set()
    for file in files:
        if file.name.endswith(SUFFIX) and file not in going:
            code = opened((read_provenance(str(file).removesuffix(SUFFIX)) or {}).get("parameters", {}).get("code"))
            used.add(code.get("fingerprint") if isinstance(code, dict) else None)
    return [file for file in _files(root / CODE_FOLDER) if file.stem not in used]


def remove(found: Iterable[Leftover], memory: Memory) -> None:
    """Delete the files, Snakemake's records of them, and folders that are empty then."""
    folders = set()
    for leftover in found:
        leftover.path.unlink(missing_ok=True)
        memory.forget(str(leftover.path))
        folders.add(leftover.path.parent)
    for folder in sorted(folders, key=lambda each: len(each.parts), reverse=True):
        while folder.parts and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
            folder = folder.parent


def lines(found: Iterable[Leftover], is_gone: bool) -> list[str]:
    """The files for a person, with what they take."""
    found = list(found)
    size = sum(leftover.bytes for leftover in found) / 1e6
    if not found:
        return ["Every artifact is needed by some experiment."]
    words = "deleted" if is_gone else "that no experiment needs; --yes deletes them"
    return [*(str(leftover.path) for leftover in found), f"{len(found):,} files, {size:,.1f} MB, {words}"]
