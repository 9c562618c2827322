"""A bundle: a self-contained folder that can route. This module defines, writes and checks its content.

Its files are JSON, Parquet and safetensors, so reading them runs no code. ``bundle.json`` lists the others with size and
SHA-256, so a truncated, edited or mixed-up bundle is detected. This is not a signature: it does not prove who made the
bundle. So nothing in it is trusted: the manifest is read by its schema (:mod:`rgd.tool.manifest`), and every array is
checked before it is built. Servers, keys and folders come from the user alone (:mod:`rgd.tool.places`).
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import ValidationError

from rgd import __version__
from rgd.artifacts.digests import digest
from rgd.artifacts.files import replacing, write_json, write_table
from rgd.artifacts.headers import value_count
from rgd.artifacts.schemas import ROUTER, TRAINING
from rgd.errors import UserError
from rgd.tool.manifest import Manifest

FORMAT, VERSION = "rgd-bundle", 1
MANIFEST = "bundle.json"
ROUTER_FILE, TRAINING_FILE, EMBEDDINGS_FILE = "router.parquet", "training.parquet", "embeddings.safetensors"
FILES = (ROUTER_FILE, TRAINING_FILE, EMBEDDINGS_FILE)
TENSOR = "embeddings"
# Learned values become attributes of an object, so only names of learned attributes are allowed.
_LEARNED = re.compile(r"[a-z][A-Za-z0-9_.-]*_")
# The types of learned arrays, and the column of schemas.ROUTER that holds the values of each.
_KINDS = {
    "str": "strings",
    **dict.fromkeys(("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"), "integers"),
    **dict.fromkeys(("float16", "float32", "float64"), "floats"),
}
# A small file may unpack to any size. No router comes near these numbers.
MOST_MANIFEST_BYTES = 1 << 26
MOST_VALUES = 1 << 28
MOST_CHARACTERS = 1 << 26


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
        to_label: the training queries whose labels the router asks for, the most telling first.
        digests: the SHA-256 of each file of the bundle, by name; empty if this was not read from one.
    """

    routing: dict[str, Any]
    members: list[dict[str, Any]]
    made_from: dict[str, str]
    learned: pa.Table
    training: pa.Table
    embeddings: np.ndarray
    to_label: list[dict[str, Any]] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)


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
        **({"to_label": content.to_label} if content.to_label else {}),
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
    training = _table(folder / TRAINING_FILE, TRAINING, tuple(TRAINING.names))
    learned = _table(folder / ROUTER_FILE, ROUTER, ("seed", "name", "kind", "shape"))
    embeddings = _embeddings(folder / EMBEDDINGS_FILE)
    if len(embeddings) != training.num_rows:
        raise _damaged(folder, f"{training.num_rows} training queries have {len(embeddings)} vectors")
    for fault in _faults_of_learned(learned):
        raise _damaged(folder / ROUTER_FILE, fault)
    if learned["seed"].unique().to_pylist() != [manifest["routing"]["seed"]]:
        raise _damaged(folder / ROUTER_FILE, "its seed differs from the manifest's")
    return Content(
        manifest["routing"],
        manifest["members"],
        manifest["made_from"],
        learned,
        training,
        np.asarray(embeddings),
        manifest.get("to_label", []),
        {name: manifest["files"][name]["sha256"] for name in FILES},
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
    if file.is_symlink():
        raise _linked(file)
    try:
        if file.stat().st_size > MOST_MANIFEST_BYTES:
            raise ValueError(f"it has more than {MOST_MANIFEST_BYTES:,} bytes")
        manifest = json.loads(file.read_text(encoding="utf-8"), parse_constant=_no_number, parse_float=_finite)
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(file, str(error)) from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise UserError(
            f"{file} does not belong to a bundle: format is not {FORMAT}. Give the folder that `rgd export` wrote."
        )
    version = manifest.get("version")
    if version != VERSION or isinstance(version, bool):
        raise UserError(
            f"{file}: version = {version!r}, but this rgd ({__version__}) reads version {VERSION}. Install rgd "
            f"{manifest.get('rgd')}, which wrote it, or export the router again."
        )
    if isinstance(manifest.get("files"), dict):
        _check_names(file, manifest["files"])
    try:
        Manifest.model_validate(manifest)
    except (ValidationError, RecursionError) as error:
        raise _damaged(file, _first_fault(error)) from None
    keys = [each["key"] for each in manifest["members"]]
    if len(set(keys)) < len(keys):
        raise _damaged(file, "two members have the same key")
    return manifest


def _first_fault(error: ValidationError | RecursionError) -> str:
    """The first wrong key and why; its value may be long, or a secret, and is not repeated."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is not a finite number")
    return value


def _check_names(file: Path, files: Mapping[str, Any]) -> None:
    """A manifest may name only the files of a bundle, so that it cannot lead anywhere else."""
    for name in files:
        if name not in FILES:
            raise UserError(
                f"{file}: files names {name!r}, which is not a file of a bundle ({', '.join(FILES)}). The manifest was "
                "changed. Do not use this bundle; export the router again."
            )
    for name in FILES:
        if name not in files:
            raise _damaged(file, f"files.{name} is missing")


def _linked(path: Path) -> UserError:
    return UserError(
        f"{path} is a link, but a bundle must contain its files. Copy the bundle with the files themselves."
    )


def _check_file(path: Path, entry: Mapping[str, Any]) -> None:
    if path.is_symlink():
        raise _linked(path)
    if not path.is_file():
        raise UserError(f"{path} is missing, so the bundle is incomplete. Copy it again, or export the router again.")
    size = path.stat().st_size
    if size != entry.get("bytes"):
        raise _damaged(path, f"it has {size:,} bytes instead of {entry.get('bytes')!r}")
    if digest(path) != entry["sha256"]:
        raise _damaged(path, "its SHA-256 is not the one in the manifest")


def _table(path: Path, schema: pa.Schema, required: tuple[str, ...]) -> pa.Table:
    """A file of the bundle with the columns of ``schema``, without nulls in the ``required`` ones.

    Its size is checked before it is unpacked.
    """
    try:
        values = value_count(path)
        if values > MOST_VALUES or pq.read_metadata(path).num_rows > MOST_VALUES:
            raise _damaged(path, f"it has {values:,} values")
        if not pq.read_schema(path).equals(schema):
            raise _damaged(path, f"it has the columns {', '.join(pq.read_schema(path).names)}")
        # Dictionaries stay packed: a long text that is repeated a million times is held once.
        packed = pq.read_table(
            path, read_dictionary=[name for name in schema.names if schema.field(name).type == pa.string()]
        )
        for name in packed.column_names:
            _check_length(path, name, packed[name])
        table = packed.cast(schema)
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise _damaged(path, " ".join(str(error).split())[:300]) from None
    for name in required:
        if table[name].null_count:
            raise _damaged(path, f"{name} is missing in {table[name].null_count} rows")
    return table


def _check_length(path: Path, name: str, column: pa.ChunkedArray) -> None:
    """Refuse a column of texts that would unpack to more than MOST_CHARACTERS bytes."""
    size = 0
    for chunk in column.chunks:
        if pa.types.is_dictionary(chunk.type):
            lengths = pc.fill_null(pc.binary_length(chunk.dictionary), 0).to_numpy(zero_copy_only=False)
            used = chunk.indices.drop_null().to_numpy()
            size += int(lengths.astype(np.int64)[used].sum()) if len(used) else 0
    if size > MOST_CHARACTERS:
        raise _damaged(path, f"{name} has {size:,} characters")


def _faults_of_learned(learned: pa.Table) -> Iterator[str]:
    """What keeps learned values from being arrays: their attribute, type, shape or number.

    The longest text sets the size of all texts of an array in numpy.
    """
    seen = set()
    for row in learned.select(["name", "kind", "shape"]).to_pylist():
        name, kind = row["name"], row["kind"]
        if not _LEARNED.fullmatch(name) or name in seen:
            yield f"{name!r} is not a learned attribute" if name not in seen else f"{name!r} occurs twice"
        seen.add(name)
        if kind not in _KINDS:
            yield f"{name} has the type {kind!r}"
            return
        value = learned[_KINDS[kind]][len(seen) - 1]
        if not value.is_valid or len(value) != math.prod(row["shape"]) or min(row["shape"], default=0) < 0:
            yield f"{name} has other values than its shape {row['shape']}"
            return
        if value.values.null_count:
            yield f"{name} lacks values"
        if kind == "str":
            longest = max(map(len, value.as_py()), default=0)
            if longest * len(value) > MOST_CHARACTERS:
                yield f"{name} has {len(value):,} texts of up to {longest:,} characters"


def _embeddings(path: Path) -> np.ndarray:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors = load_file(path)
    except (SafetensorError, ValueError, OSError) as error:
        raise _damaged(path, str(error)) from None
    if set(tensors) != {TENSOR} or tensors[TENSOR].ndim != 2 or tensors[TENSOR].dtype != np.float32:
        raise _damaged(path, f"it does not contain exactly one float32 matrix {TENSOR!r}")
    vectors = tensors[TENSOR]
    if not vectors.size or not np.isfinite(vectors).all():
        raise _damaged(path, "it has no vectors, or one that is not finite")
    return vectors


def _damaged(path: Path, fault: str) -> UserError:
    return UserError(f"{path} is damaged or was changed: {fault}. Copy the bundle again, or export the router again.")
