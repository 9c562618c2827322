"""Maintenance of the store: surveying, verifying and compacting it."""

import contextlib
import json
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rgd.errors import UserError
from rgd.store import batch_files, chunks, ledger
from rgd.store.answers import AnswerSettings
from rgd.store.leases import CLAIMS, COMPACTION, SUFFIX, Leases, compacting, is_dead
from rgd.store.listing import joined

# Answers in a compacted file: at most a few hundred megabytes of text, and a few files for a whole study.
ANSWERS_IN_A_FILE = 65_536
# An older unfinished file belongs to no running writer.
SECONDS_UNTIL_LEFT_OVER = 3600.0
# Prefix of the folders in which an import is unpacked or an export assembled.
UNPACKED = ".exchange-"
# Far more than the longest prompt.
MOST_SETTINGS_BYTES = 4 * 1024 * 1024
_HOUSEKEEPING = {chunks.SETTINGS_FILE, CLAIMS, COMPACTION, batch_files.TURN}
NEVER_NULL = [name for name in chunks.FILE_SCHEMA.names if name not in ("scores", "confidence")]
"""The columns that have a value for every answer."""
LEAST = {"draw": 0, "prompt_tokens": 0, "completion_tokens": 0, "attempts": 1}
"""The smallest values of the columns of whole numbers."""
_QUERY_KEY = r"^[0-9a-f]{64}$"
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}\.tmp")


@dataclass(frozen=True)
class Survey:
    """The content of one settings' folder.

    Attributes:
        key: the folder's name.
        settings: settings of the answers.
        answers: number of distinct answers.
        files: number of files of answers.
        bytes: size of these files.
        computed_by: engine and version -> number of answers.
        served_models: model that a server reported -> number of answers.
        cost: cost of the answers in US dollars.
        spent: what all jobs have spent on the model, under all settings, failed attempts included; None without a ledger.
        batches: number of batches in progress at the model's server.
        in_batches: number of requests in them.
        damaged: a line for each damaged file, whose answers are not counted.
    """

    key: str
    settings: dict[str, Any]
    answers: int
    files: int
    bytes: int
    computed_by: dict[str, int]
    served_models: dict[str, int]
    cost: float
    spent: float | None
    batches: int
    in_batches: int
    damaged: list[str]


@dataclass
class Findings:
    """Problems of a store, one line each; only those in ``damaged`` make it unsound."""

    files: int = 0
    answers: int = 0
    duplicates: int = 0
    damaged: list[str] = field(default_factory=list)
    left_over: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Compaction:
    """The result of compacting one folder: files before and after, and duplicate answers that were removed."""

    key: str
    before: int
    after: int
    repeated: int


def folders(root: Path, keys: Sequence[str] = ()) -> list[Path]:
    """The settings' folders under ``root``, in order.

    Args:
        root: the store.
        keys: prefixes of the wanted names; default: all.

    Raises:
        UserError: there is no store, or no name in it has one of the prefixes.
    """
    try:
        found = sorted(path for path in root.iterdir() if path.is_dir() and chunks.FOLDER_NAME.fullmatch(path.name))
    except OSError as error:
        raise UserError(f"no store at {root} ({error.strerror}): name its folder with --store.") from error
    for key in keys:
        if not any(path.name.startswith(key) for path in found):
            raise UserError(f"the store {root} has no settings {key}: run `rgd store ls` to list them.")
    return [path for path in found if not keys or path.name.startswith(tuple(keys))]


def read_settings(folder: Path) -> AnswerSettings:
    """The settings of a folder, checked against its name.

    Raises:
        UserError: they cannot be read, or belong to another folder.
    """
    path = folder / chunks.SETTINGS_FILE
    try:
        if path.stat().st_size > MOST_SETTINGS_BYTES:
            raise ValueError(f"it has more than {MOST_SETTINGS_BYTES:,} bytes")
        content = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
        settings = AnswerSettings.from_mapping(content)
        _check_types(content)
        key = settings.key
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing: run the job that asks this model, which writes it again.") from error
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, UserError) as error:
        raise UserError(
            f"{path} cannot be read ({error}): delete it and run the job that asks this model, which writes it again."
        ) from error
    if key != folder.name:
        raise UserError(
            f"{path} holds the settings {key}, not those of its folder {folder.name}: delete it and run the job that asks "
            "this model, which writes it again."
        )
    return settings


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is no number")


def _check_types(content: Mapping[str, Any]) -> None:
    """Check the types of settings whose hash is right: whoever writes the settings can write the hash as well.

    Raises:
        TypeError: a value has another type.
    """
    kinds: dict[str, type | UnionType] = {
        "weights": str,
        "way": str,
        "prompt": str,
        "dtype": str,
        "max_model_len": int | None,
        "answers_epoch": int,
        "chat": dict,
        "sampling": dict | None,
    }
    for name, kind in kinds.items():
        if name in content and (not isinstance(content[name], kind) or isinstance(content[name], bool)):
            raise TypeError(f"{name} has the type {type(content[name]).__name__}")
    texts = [content["weights"], content.get("dtype", ""), *content.get("chat", {})]
    if not all(text.isprintable() for text in texts):
        raise TypeError("it contains control characters")
    content["prompt"].encode()


def check_file(path: Path) -> pa.Table:
    """Read a whole file of answers and check everything about it.

    Raises:
        FileNotFoundError: a compaction has replaced the file.
        UserError: the file is damaged: it cannot be read, a checksum is wrong, a column is missing or has the wrong type,
            a key is malformed, or the name does not match the answers.
    """
    table = chunks.read(path, chunks.FILE_SCHEMA.names)
    reason = _fault(table)
    if reason is None and path.stem.removeprefix(chunks.COMPACTED) != chunks.table_key(table):
        reason = "its name does not match its answers"
    if reason is not None:
        raise chunks.Damaged(path, reason)
    return table


def _fault(table: pa.Table) -> str | None:
    """What is wrong with the values of a file of answers; None if nothing is."""
    try:
        table.validate(full=True)
    except pa.ArrowInvalid as error:
        return f"a text is not UTF-8 or a value is malformed: {str(error).splitlines()[0]}"
    keys = table["query_key"]
    for name in NEVER_NULL:
        if table[name].null_count:
            return f"a value of {name} is missing"
    well_formed = pc.match_substring_regex(keys, _QUERY_KEY).combine_chunks()
    if not pc.all(well_formed, min_count=0).as_py():
        return f"{keys.filter(pc.invert(well_formed))[0].as_py()!r} is not a query key"
    for name, least in LEAST.items():
        if len(table) and pc.min(table[name]).as_py() < least:
            return f"{name} is {pc.min(table[name]).as_py()}"
    for text in pc.unique(table[chunks.PROVENANCE]).to_pylist():
        try:
            chunks.provenance_of(text)
        except ValueError as error:
            return f"the provenance of an answer is damaged: {error}"
    return chunks.cost_fault(table["cost"])


def survey(folder: Path) -> Survey:
    """Survey ``folder``; damaged files are named and left out.

    Raises:
        UserError: the settings are damaged.
    """
    columns = [*chunks.KEY_COLUMNS, "served_model", "cost", chunks.PROVENANCE]

    def attempt() -> Survey:
        paths = [folder / name for name in chunks.names(folder)]
        keys: list[pa.Array] = []
        engines, models, cost, damaged = Counter[str](), Counter[str](), 0.0, list[str]()
        for path in paths:
            with _told(damaged):
                table = chunks.read(path, columns)
                try:
                    found = [(chunks.engine_of(text), count) for text, count in _counts(table[chunks.PROVENANCE])]
                except (ValueError, TypeError) as error:
                    raise chunks.Damaged(path, f"the provenance of an answer: {error}") from error
                cost += chunks.cost(path)
                for engine, count in found:
                    engines[engine] += count
                keys.append(joined(table["query_key"], table["draw"]))
                models.update({name: count for name, count in _counts(table["served_model"]) if name})
        settings = read_settings(folder)
        in_progress = [batch for batch in batch_files.batches(folder) if batch.is_open]
        return Survey(
            folder.name,
            settings.content(),
            len(pc.unique(pa.chunked_array(keys, pa.string()))),
            len(paths),
            sum(path.stat().st_size for path in paths),
            dict(sorted(engines.items())),
            dict(sorted(models.items())),
            cost,
            ledger.Ledger(folder.parent, settings.weights).spent(),
            len(in_progress),
            len(batch_files.names(in_progress)),
            damaged,
        )

    return chunks.settled(attempt)


def verify(root: Path, keys: Sequence[str] = ()) -> Findings:
    """Read everything in the store and check it; changes nothing.

    Args:
        root: the store.
        keys: see :func:`folders`.

    Raises:
        UserError: there is no store.
    """
    findings = Findings()
    for path in sorted(root.glob(f"{UNPACKED}*")):
        if time.time() - path.stat().st_mtime > SECONDS_UNTIL_LEFT_OVER:
            findings.left_over.append(f"{path}: an unfinished import or export; delete it")
    for path in sorted((root / ledger.FOLDER).glob("*.json")):
        with _told(findings.damaged):
            ledger.read(path)
    for folder in folders(root, keys):
        with _told(findings.damaged):
            read_settings(folder)
        with _told(findings.damaged):
            batch_files.batches(folder)
        seen: list[pa.Array] = []
        for name in chunks.names(folder):
            with _told(findings.damaged), contextlib.suppress(FileNotFoundError):
                table = check_file(folder / name)
                seen.append(joined(table["query_key"], table["draw"]))
            findings.files += 1
        rows = pa.chunked_array(seen, pa.string())
        distinct = len(pc.unique(rows))
        findings.answers += distinct
        findings.duplicates += len(rows) - distinct
        findings.left_over += [f"{path}: {reason}" for path, reason in left_over(folder)]
    return findings


def left_over(folder: Path) -> Iterator[tuple[Path, str]]:
    """Leftovers of interrupted jobs in ``folder``, and foreign files; each with its description and fix."""
    for path in sorted(folder.iterdir()):
        with contextlib.suppress(FileNotFoundError):
            if path.name.endswith(SUFFIX):
                if is_dead(path):
                    yield path, "the lease of a dead job; run `rgd store compact` to remove it"
            elif path.name.endswith(batch_files.SUFFIX):
                continue
            elif _TEMPORARY.fullmatch(path.name):
                if time.time() - path.stat().st_mtime > SECONDS_UNTIL_LEFT_OVER:
                    yield path, "an unfinished file; run `rgd store compact` to remove it"
            elif path.name not in _HOUSEKEEPING and not chunks.FILE_NAME.fullmatch(path.name):
                yield path, "not a file of the store; move it elsewhere"


def compact(folder: Path, answers_in_a_file: int = ANSWERS_IN_A_FILE) -> Compaction:
    """Merge many small files into a few large ones, while other jobs may read and ask.

    A new file is written, synced and renamed before the files that it replaces are removed, so every answer is in the
    folder at any moment. An interruption leaves duplicates, which the next compaction removes. If a draw of a query has
    several answers, the one that counted before is kept. Files are merged in the order in which they were asked, so that
    answers that were asked together are read together.

    Args:
        folder: the folder of one settings.
        answers_in_a_file: size of a merged file; a file with at least half as many answers is left alone, unless it holds
            duplicates.

    Raises:
        UserError: a file is damaged (nothing is changed then), the folder cannot be written, or another process is
            compacting or exporting it.
    """
    with compacting(folder):
        names = chunks.names(folder)
        kept, sizes = _first_rows([chunks.read(folder / name, chunks.KEY_COLUMNS) for name in names])
        repeated = sum(sizes) - sum(map(len, kept))
        # A large file with duplicates is rewritten as well, so that none remain.
        old = [at for at, size in enumerate(sizes) if 2 * size < answers_in_a_file or len(kept[at]) < size]
        if len(old) > 1 or repeated:
            asked_at = {at: _asked_at(folder / names[at]) for at in old}
            old.sort(key=lambda at: (asked_at[at], names[at]))
            for group in _groups(old, kept, answers_in_a_file):
                _replace(folder, {names[at]: kept[at] for at in group})
        clear(folder)
        return Compaction(folder.name, len(names), len(chunks.names(folder)), repeated)


def clear(folder: Path) -> None:
    """Remove the leftovers of interrupted jobs: dead leases and unfinished files."""
    leases = Leases(folder)
    with leases.claiming():
        leases.held()
    for path, _ in left_over(folder):
        if _TEMPORARY.fullmatch(path.name):
            path.unlink(missing_ok=True)


def _first_rows(keys: Sequence[pa.Table]) -> tuple[list[np.ndarray], list[int]]:
    """For each table, the rows that duplicate no earlier row of any table, and the number of rows."""
    together = pa.chunked_array([joined(table["query_key"], table["draw"]) for table in keys], pa.string())
    together = together.combine_chunks()
    is_first = pc.index_in(together, value_set=together).to_numpy() == np.arange(len(together))
    sizes = [len(table) for table in keys]
    return [np.flatnonzero(part) for part in np.split(is_first, np.cumsum(sizes)[:-1])], sizes


def _asked_at(path: Path) -> str:
    provenance = chunks.read(path, [chunks.PROVENANCE])[chunks.PROVENANCE]
    try:
        return str(chunks.provenance_of(provenance[0].as_py()).get("asked_at", "")) if len(provenance) else ""
    except (ValueError, TypeError) as error:
        raise chunks.Damaged(path, f"the provenance of an answer: {error}") from error


def _groups(files: Sequence[int], kept: Sequence[np.ndarray], limit: int) -> Iterator[list[int]]:
    """``files`` in consecutive groups that together keep at most ``limit`` answers."""
    group: list[int] = []
    total = 0
    for at in files:
        if group and total + len(kept[at]) > limit:
            yield group
            group, total = [], 0
        group.append(at)
        total += len(kept[at])
    if group:
        yield group


def _replace(folder: Path, rows: Mapping[str, np.ndarray]) -> None:
    """Replace several files by one that holds the given rows of each, in this order."""
    table = pa.concat_tables([check_file(folder / name).take(pa.array(kept)) for name, kept in rows.items()])
    made = f"{chunks.COMPACTED}{chunks.table_key(table)}.parquet"
    if len(table) and made not in rows:
        chunks.write(folder / made, table)
        chunks.sync(folder)
    for name in rows:
        if name != made:
            (folder / name).unlink(missing_ok=True)


def _counts(column: pa.ChunkedArray) -> Iterator[tuple[str, int]]:
    """Each value of a column and how often it occurs."""
    for item in pc.value_counts(column).to_pylist():
        yield item["values"], item["counts"]


@contextlib.contextmanager
def _told(lines: list[str]) -> Iterator[None]:
    """Turn a ``UserError`` within the block into a line."""
    try:
        yield
    except UserError as error:
        lines.append(str(error))
