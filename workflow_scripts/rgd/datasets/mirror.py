"""Where a dataset's files lie: in a mirror of public repositories, under the same names, or wherever the user has them."""

import hashlib
import itertools
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rgd.artifacts.digests import file_digest
from rgd.datasets.base import PARTS
from rgd.errors import UserError

DATA_CACHE = "data"
"""Subfolder of the cache with what a workflow fetched, in the layout of a mirror."""

MANIFEST = ".rgd-fetched.json"
"""The list in a repository's folder of what `rgd data fetch` put there; by file: remote, revision, sha256, bytes."""


PRESENT, FETCHED, MISSING = "present", "fetched", "missing"


class SourceFile(NamedTuple):
    """A file of a source, with the task and part (train, test) of its rows where its name gives them, else None."""

    name: str
    task: str | None
    part: str | None


def task_key(name: str) -> str:
    """A task's name as a key: letters of any alphabet, digits and underscores."""
    return re.sub(r"\W+", "_", task_name(name)).strip("_")


def task_name(name: str) -> str:
    """A task's name as it is compared: without spaces around it, in Unicode's composed form."""
    return unicodedata.normalize("NFC", name).strip()


def task_keys(names: Iterable[str], tasks: Collection[str]) -> dict[str, str]:
    """The key of each task of a file: one of ``tasks`` where it is listed. No two names have the same key.

    A task is listed by its name, or by :func:`task_key` of it unless another name in the file has the same (C and C++).

    Args:
        names: the names in the file, in any form.
        tasks: the listed tasks.
    """
    spelled = {name: task_name(name) for name in dict.fromkeys(names)}
    shared = Counter(map(task_key, set(spelled.values())))
    listed = {task_name(task): task for task in tasks}
    found = {}
    for name, text in spelled.items():
        short = task_key(text)
        found[name] = listed.get(text, short if short and shared[short] == 1 else text)
    return found


def source_files(source: Mapping[str, Any], tasks: Sequence[str]) -> list[SourceFile]:
    """The files of a source: ``file`` with each task for {task} and each part for {part}."""
    pattern = source["file"]
    of_task = tasks if "{task}" in pattern else [None]
    of_part = PARTS if "{part}" in pattern else [None]
    return [SourceFile(fill(pattern, task, part), task, part) for task, part in itertools.product(of_task, of_part)]


def fill(pattern: str, task: str | None, part: str | None) -> str:
    """``pattern`` with its placeholders {task} and {part} filled in."""
    return pattern.replace("{task}", task or "").replace("{part}", part or "")


def divided(file: str) -> tuple[str, str]:
    """Split the path of a user's own file into a folder and a name: /data/{task}/a.csv into /data and {task}/a.csv."""
    parts = Path(file).parts
    places = [place for place, part in enumerate(parts) if "{" in part]
    first = min([*places, len(parts) - 1])
    return str(Path(*parts[:first])) if first else "", str(Path(*parts[first:]))


def folder_of(source: Mapping[str, Any], tasks: Sequence[str], roots: Sequence[Path]) -> Path:
    """The folder of a source's files: the first under ``roots`` that has all of them.

    Args:
        source: repo, revision and file of the dataset.
        tasks: the dataset's tasks.
        roots: where to look: the user's data_root and the cache of fetched files, or the folder of the user's own file.

    Raises:
        UserError: no folder has them, or they were fetched at another revision.
    """
    names = [file.name for file in source_files(source, tasks)]
    folders = [root if source["repo"] is None else root / "hub" / source["repo"] for root in roots]
    for folder in folders:
        if all((folder / name).is_file() for name in names):
            _check_revision(folder, source, names)
            return folder
    absent = [folder / name for folder in folders for name in names if not (folder / name).is_file()]
    found = f"{absent[0]} is missing" if absent else "no data_root is given in --config"
    if source["repo"] is None:
        raise UserError(f"{found}. Correct source.file in the dataset's file, or data_root.")
    raise UserError(
        f"{source['repo']} is read from a mirror, but {found}. Run `rgd data fetch DATASET --data-root DIR` on a machine with a network, "
        "and add data_root=DIR to --config."
    )


def _check_revision(folder: Path, source: Mapping[str, Any], names: Sequence[str]) -> None:
    """Files that `rgd data fetch` put into a mirror must have the right revision; a user's own mirror states none."""
    fetched = manifest(folder)
    for name in names:
        revision = fetched.get(name, {}).get("revision")
        if source["revision"] is not None and revision not in (None, source["revision"]):
            raise UserError(
                f"{folder / name} was fetched at the revision {revision}, but the dataset's file names {source['revision']}. "
                "Run `rgd data fetch` again, or correct source.revision."
            )


def manifest(folder: Path) -> dict[str, dict[str, Any]]:
    """What was fetched into a repository's folder, by file name; empty if nothing was.

    Raises:
        UserError: the list is damaged.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8"))["files"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is damaged ({error}). Delete it and run `rgd data fetch` again.") from error


def state_of_files(source: Mapping[str, Any], tasks: Sequence[str], root: Path) -> list[dict[str, Any]]:
    """Which files of a source lie under ``root``: one row per file, with file, state, bytes and revision.

    The state is ``fetched`` (by rgd, at the revision), ``present`` or ``missing``; bytes is None for a missing file.
    """
    folder = root / "hub" / source["repo"] if source["repo"] else root
    fetched = manifest(folder) if source["repo"] else {}
    rows = []
    for file in source_files(source, tasks):
        path, is_fetched = folder / file.name, file.name in fetched
        if path.is_file():
            found = {
                "state": FETCHED if is_fetched else PRESENT,
                "bytes": path.stat().st_size,
                "revision": fetched[file.name]["revision"] if is_fetched else "",
            }
        else:
            found = {"state": MISSING, "bytes": None, "revision": ""}
        rows.append({"file": str(path), **found})
    return rows


def content_digest(settings: Mapping[str, Any], folder: Path) -> str:
    """SHA-256 of the contents of a source's files, in order.

    Args:
        settings: source and tasks of the dataset.
        folder: what the files' names are relative to.

    Raises:
        UserError: a file cannot be read.
    """
    digest = hashlib.sha256()
    for file in source_files(settings["source"], settings["tasks"]):
        digest.update(bytes.fromhex(file_digest(folder / file.name)))
    return digest.hexdigest()


def states_revision(source: Mapping[str, Any], tasks: Sequence[str], root: Path) -> bool:
    """Whether the mirror ``root`` states at which revision it fetched every file of a source, and so what they hold.

    Raises:
        UserError: the mirror's list of fetched files is damaged.
    """
    fetched = manifest(root / "hub" / source["repo"])
    names = [file.name for file in source_files(source, tasks)]
    return all(fetched.get(name, {}).get("revision") is not None for name in names)
