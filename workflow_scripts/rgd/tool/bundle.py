"""A bundle: a self-contained folder that can route. This module defines, writes and checks its content.

Its files are JSON, Parquet and safetensors, so reading them runs no code. ``bundle.json`` lists the others with size and
SHA-256, so a truncated, edited or mixed-up bundle is detected. This is not a signature: it does not prove who made the
bundle.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from rgd import __version__
from rgd.artifacts.digests import digest
from rgd.artifacts.files import read_table, replacing, write_json, write_table
from rgd.artifacts.schemas import ROUTER, TRAINING
from rgd.errors import UserError

FORMAT, VERSION = "rgd-bundle", 1
MANIFEST = "bundle.json"
ROUTER_FILE, TRAINING_FILE, EMBEDDINGS_FILE = "router.parquet", "training.parquet", "embeddings.safetensors"
FILES = (ROUTER_FILE, TRAINING_FILE, EMBEDDINGS_FILE)
TENSOR = "embeddings"
# Learned values become attributes of an object, so only names of learned attributes are allowed.
_LEARNED = re.compile(r"[a-z][A-Za-z0-9_.-]*_")
_ROUTING_KEYS = ("method", "parameters", "variants", "aggregate", "cell", "seed", "neighbours", "titles", "embedder")
_KEYS = ("files", "routing", "members", "made_from")


@dataclass(frozen=True)
class Content:
    """The content of a bundle.

    Attributes:
        routing: everything that determines a ranking: the router's method, parameters, variants and aggregate, its cell,
            its seed, titles, the embedder and the tasks' descriptions.
        members: for each member, in the pool's order, its key, its title and how it is asked (None if it cannot be).
        made_from: the SHA-256 of the fitted router and of what it was fitted on, by path relative to the results.
        learned: what the router learned (schemas.ROUTER), for one seed.
        training: the n training queries (schemas.TRAINING), in the router's order.
        embeddings: (n, d) float32, their vectors.
    """

    routing: dict[str, Any]
    members: list[dict[str, Any]]
    made_from: dict[str, str]
    learned: pa.Table
    training: pa.Table
    embeddings: np.ndarray


def write(folder: str | Path, content: Content) -> None:
    """Write a bundle to ``folder``; the manifest comes last, so that an incomplete bundle has none.

    Raises:
        UserError: the folder cannot be written.
    """
    from safetensors.numpy import save_file

    folder = Path(folder)
    write_table(folder / ROUTER_FILE, content.learned, ROUTER)
    write_table(folder / TRAINING_FILE, content.training, TRAINING)
    with replacing(folder / EMBEDDINGS_FILE) as temporary:
        save_file({TENSOR: np.ascontiguousarray(content.embeddings, dtype=np.float32)}, temporary)
    files = {name: {"bytes": (folder / name).stat().st_size, "sha256": digest(folder / name)} for name in FILES}
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "rgd": __version__,
        "files": files,
        "routing": content.routing,
        "members": content.members,
        "made_from": content.made_from,
    }
    write_json(folder / MANIFEST, manifest)


def read(folder: str | Path) -> Content:
    """The checked content of the bundle in ``folder``.

    Raises:
        UserError: there is no bundle, it has another version, or a file is missing, damaged or unknown.
    """
    folder = Path(folder)
    manifest = _manifest(folder)
    for name in FILES:
        _check_file(folder / name, manifest["files"][name])
    training = read_table(folder / TRAINING_FILE)
    learned = read_table(folder / ROUTER_FILE)
    embeddings = _embeddings(folder / EMBEDDINGS_FILE)
    for name, table, schema in ((ROUTER_FILE, learned, ROUTER), (TRAINING_FILE, training, TRAINING)):
        if not table.schema.equals(schema):
            raise _damaged(folder / name, f"it has the columns {', '.join(table.schema.names)}")
    if len(embeddings) != training.num_rows:
        raise _damaged(folder, f"{training.num_rows} training queries have {len(embeddings)} vectors")
    for name in learned["name"].to_pylist():
        if not _LEARNED.fullmatch(name):
            raise _damaged(folder / ROUTER_FILE, f"{name!r} is not a learned attribute")
    if learned["seed"].unique().to_pylist() != [manifest["routing"]["seed"]]:
        raise _damaged(folder / ROUTER_FILE, "its seed differs from the manifest's")
    return Content(
        manifest["routing"], manifest["members"], manifest["made_from"], learned, training, np.asarray(embeddings)
    )


def _manifest(folder: Path) -> dict[str, Any]:
    file = folder / MANIFEST
    if not folder.is_dir():
        raise UserError(f"there is no bundle {folder}. Give the folder that `rgd export` wrote.")
    if not file.is_file():
        there = ", ".join(sorted(path.name for path in folder.iterdir())[:5]) or "nothing"
        raise UserError(
            f"{folder} is not a bundle: it contains no {MANIFEST}, only {there}. Give the folder that `rgd export` wrote. If "
            "the export was interrupted, run it again."
        )
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(file, str(error)) from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise UserError(
            f"{file} does not belong to a bundle: format is not {FORMAT}. Give the folder that `rgd export` wrote."
        )
    if manifest.get("version") != VERSION:
        raise UserError(
            f"{file}: version = {manifest.get('version')!r}, but this rgd ({__version__}) reads version {VERSION}. Install rgd "
            f"{manifest.get('rgd')}, which wrote it, or export the router again."
        )
    for key, kind in zip(_KEYS, (dict, dict, list, dict), strict=True):
        if not isinstance(manifest.get(key), kind):
            raise _damaged(file, f"{key} is missing or not {'a list' if kind is list else 'an object'}")
    missing = [key for key in _ROUTING_KEYS if key not in manifest["routing"]]
    if missing:
        raise _damaged(file, f"routing.{missing[0]} is missing")
    if not all(isinstance(each, dict) and {"key", "title", "asked"} <= set(each) for each in manifest["members"]):
        raise _damaged(file, "a member has no key, title or asked")
    _check_names(file, manifest["files"])
    return manifest


def _check_names(file: Path, files: Mapping[str, Any]) -> None:
    """A manifest may name only the files of a bundle, so that it cannot lead anywhere else."""
    for name in files:
        if name not in FILES:
            raise UserError(
                f"{file}: files names {name!r}, which is not a file of a bundle ({', '.join(FILES)}). The manifest was "
                "changed. Do not use this bundle; export the router again."
            )
    for name in FILES:
        entry = files.get(name)
        if not isinstance(entry, dict) or not isinstance(entry.get("sha256"), str):
            raise _damaged(file, f"files.{name} is missing or has no sha256")


def _check_file(path: Path, entry: Mapping[str, Any]) -> None:
    if path.is_symlink():
        raise UserError(
            f"{path} is a link, but a bundle must contain its files. Copy the bundle with the files themselves."
        )
    if not path.is_file():
        raise UserError(f"{path} is missing, so the bundle is incomplete. Copy it again, or export the router again.")
    size = path.stat().st_size
    if size != entry.get("bytes"):
        raise _damaged(path, f"it has {size:,} bytes instead of {entry.get('bytes')!r}")
    if digest(path) != entry["sha256"]:
        raise _damaged(path, "its SHA-256 is not the one in the manifest")


def _embeddings(path: Path) -> np.ndarray:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors = load_file(path)
    except (SafetensorError, ValueError, OSError) as error:
        raise _damaged(path, str(error)) from None
    if set(tensors) != {TENSOR} or tensors[TENSOR].ndim != 2 or tensors[TENSOR].dtype != np.float32:
        raise _damaged(path, f"it does not contain exactly one float32 matrix {TENSOR!r}")
    return tensors[TENSOR]


def _damaged(path: Path, fault: str) -> UserError:
    return UserError(f"{path} is damaged or was changed: {fault}. Copy the bundle again, or export the router again.")
