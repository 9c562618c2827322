"""``rgd prune``: delete artifacts that no experiment needs. The store is never touched: answers are kept forever."""

import os
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rgd.artifacts.provenance import CODE_FOLDER, SUFFIX, read_provenance
from rgd.config import needs
from rgd.config.products import listed
from rgd.config.schema import Config
from rgd.errors import UserError
from rgd.planning.changes import opened
from rgd.planning.graph import Memory, Plan

KEPT = {"store"}
"""Folders under the results' folder that are never pruned."""


@dataclass(frozen=True)
class Leftover:
    """A file that no experiment needs: its path and its size in bytes."""

    path: Path
    bytes: int


@dataclass(frozen=True)
class Unplanned:
    """An experiment that Snakemake cannot plan, for example because its data are not given.

    Attributes:
        keys: the experiment's name, datasets, models and embedders; the path of each of its results names one of them.
        reason: why it cannot be planned.
    """

    name: str
    keys: frozenset[str]
    reason: str


def survey(
    experiments: Iterable[str], plan: Callable[[str], Plan], compose: Callable[[str], Config]
) -> tuple[list[Plan], list[Unplanned]]:
    """The plans of the experiments, and the experiments without one.

    Args:
        experiments: their names.
        plan: makes the plan of an experiment.
        compose: gives the configuration of an experiment, even if its data do not exist.

    Raises:
        UserError: there is no plan at all, or an experiment's configuration cannot be composed, so that its needs are
            unknown.
    """
    plans, unplanned = [], []
    for name in experiments:
        try:
            plans.append(plan(name))
        except UserError as error:
            try:
                config = compose(name)
            except UserError as cause:
                raise UserError(
                    f"the needs of the experiment {name} are unknown, so nothing is pruned: {cause} Correct or remove "
                    f"config/experiment/{name}.yaml."
                ) from None
            keys = {name, *listed(config).datasets, *needs.models(config), *needs.embedders(config)}
            unplanned.append(Unplanned(name, frozenset(keys), str(error)))
    if not plans:
        reasons = "; ".join(f"{each.name}: {each.reason}" for each in unplanned)
        raise UserError(f"no experiment can be planned, so nothing is pruned. {reasons}")
    return plans, unplanned


def leftovers(plans: Sequence[Plan], unplanned: Iterable[Unplanned] = ()) -> list[Leftover]:
    """The files in folders that rules write to that no experiment needs.

    Args:
        plans: the experiments' plans; a file that is in none of them is left over.
        unplanned: experiments without a plan; files whose paths contain one of their keys are kept.

    Raises:
        UserError: a run is in progress, whose files may not be in any plan yet.
    """
    kept = frozenset[str]().union(*(each.keys for each in unplanned))
    if any(plan.is_locked for plan in plans):
        raise UserError("a run is in progress in this folder. Prune after it has finished.")
    needed = {path for plan in plans for job in plan.jobs for path in (*job.outputs, job.log, job.benchmark)}
    found = []
    for root in sorted({plan.root for plan in plans}):
        kinds = frozenset().union(*(plan.kinds for plan in plans)) - KEPT
        files = [file for kind in sorted(kinds) for file in _files(root / kind)]
        found += [
            file
            for file in files
            if str(file).removesuffix(SUFFIX) not in needed and not _names_one(file.relative_to(root), kept)
        ]
        found += _codes(root, files, set(found))
    return [Leftover(file, file.stat().st_size) for file in found]


def _names_one(path: Path, keys: Collection[str]) -> bool:
    """Whether the name of a folder of ``path``, or of its file without suffixes, is one of ``keys``."""
    return any(part in keys for part in path.parts[:-1]) or any(
        path.name[:end] in keys for end, sign in enumerate(path.name) if sign == "."
    )


def _files(folder: Path) -> list[Path]:
    return sorted(Path(place) / name for place, _, names in os.walk(folder) for name in names)


def _codes(root: Path, files: Iterable[Path], going: set[Path]) -> list[Path]:
    """The stored definitions of fingerprints that no remaining artifact was made with."""
    used = set()
    for file in files:
        if file.name.endswith(SUFFIX) and file not in going:
            code = opened((read_provenance(str(file).removesuffix(SUFFIX)) or {}).get("parameters", {}).get("code"))
            used.add(code.get("fingerprint") if isinstance(code, dict) else None)
    return [file for file in _files(root / CODE_FOLDER) if file.stem not in used]


def remove(found: Iterable[Leftover], memory: Memory) -> None:
    """Delete the files, Snakemake's records of them, and folders left empty."""
    folders = set()
    for leftover in found:
        leftover.path.unlink(missing_ok=True)
        memory.forget(str(leftover.path))
        folders.add(leftover.path.parent)
    for folder in sorted(folders, key=lambda each: len(each.parts), reverse=True):
        while folder.parts and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
            folder = folder.parent


def lines(found: Iterable[Leftover], unplanned: Iterable[Unplanned], is_gone: bool) -> list[str]:
    """The files and their total size for a person, and the experiments whose files are all kept."""
    found = list(found)
    size = sum(leftover.bytes for leftover in found) / 1e6
    words = "deleted" if is_gone else "that no experiment needs; --yes deletes them"
    return [
        *(str(leftover.path) for leftover in found),
        *(
            f"Kept: every file of {', '.join(sorted(each.keys))}, because the experiment {each.name} cannot be planned. "
            + each.reason
            for each in unplanned
        ),
        f"{len(found):,} files, {size:,.1f} MB, {words}" if found else "Every artifact is needed by some experiment.",
    ]
