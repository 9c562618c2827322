"""Moving answers between stores: export of a store, or of some of its settings, to one file or folder, and its import.

An export is a tar file or a folder with the settings' folders as they are: KEY/settings.json and KEY/NAME.parquet. The
same answers give the same bytes. An import is checked as a whole before anything is added, and runs no code: JSON and
Parquet hold only data. It adds the answers that the store lacks and leaves the store's own answers unchanged.
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rgd.artifacts.files import replacing
from rgd.errors import UserError
from rgd.store import chunks
from rgd.store.answers import Store
from rgd.store.leases import Leases, compacting
from rgd.store.ledger import Ledger
from rgd.store.listing import Listing, joined
from rgd.store.upkeep import UNPACKED, check_file, folders, read_settings

# Limits of an imported file. A store's own files have at most 65,536 answers.
MOST_ROWS = 1024 * 1024
MOST_BYTES = 2 * 1024**3
LONGEST_TEXT = 16 * 1024**2
LONGEST_NAME = 300
ROWS_AT_A_TIME = 64
_READ_HEADERS = """
import contextlib, sys
import pyarrow.parquet as pq
for path in sys.stdin.read().split("\\0"):
    print(flush=True)
    with contextlib.suppress(Exception):
        header = pq.read_metadata(path)
        for group in map(header.row_group, range(header.num_row_groups)):
            for column in map(group.column, range(group.num_columns)):
                column.num_values
"""
"""Prints a line before it reads the header of each file."""
FINISH_REASONS = {
    *("stop", "length", "scored", "blocked", "empty", "refused"),
    # What servers have reported, as kept by earlier versions.
    *(
        "content_filter",
        "tool_calls",
        "function_call",
        "eos",
        "eos_token",
        "stop_sequence",
        "abort",
        "error",
        "unknown",
    ),
}
"""The finish reasons that an import accepts."""
_MEMBER = re.compile(rf"{chunks.FOLDER_NAME.pattern}/(?:settings\.json|{chunks.FILE_NAME.pattern})")


@dataclass(frozen=True)
class Exported:
    """The size of an export."""

    settings: int
    files: int


@dataclass(frozen=True)
class Imported:
    """The result of an import: the numbers of settings, of new answers, and of answers that the store already had."""

    settings: int
    added: int
    known: int


def export_answers(root: Path, target: Path, keys: Sequence[str] = ()) -> Exported:
    """Write the answers under ``root`` to ``target``, a tar file if its name ends in .tar, else a new folder.

    Args:
        root: the store.
        target: the file or folder to write; must not exist.
        keys: prefixes of the settings' keys; default: all.

    Raises:
        UserError: the target exists, a file of the store is damaged, or the disk is full.
    """
    if target.exists():
        raise UserError(f"{target} already exists: give a new name, or remove it first.")
    with contextlib.ExitStack() as stack:
        # No file may be replaced between listing and copying.
        found = [(folder, stack.enter_context(_still(folder))) for folder in folders(root, keys)]
        files = [folder / name for folder, names in found for name in names]
        for folder, _ in found:
            read_settings(folder)
        for path in files:
            check_file(path)
        both = [folder / chunks.SETTINGS_FILE for folder, _ in found] + files
        members = sorted(both, key=lambda path: f"{path.parent.name}/{path.name}")
        if target.suffix == ".tar":
            with replacing(target) as temporary, tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as archive:
                for path in members:
                    _add(archive, path)
        else:
            _copy(members, target)
    return Exported(len(found), len(files))


def import_answers(root: Path, source: Path) -> Imported:
    """Add the answers of an export that the store under ``root`` lacks.

    Args:
        root: the store; created if there is none.
        source: a tar file or a folder that :func:`export_answers` wrote.

    Raises:
        UserError: there is no such export; it holds a foreign or damaged file, and nothing was imported; or the store cannot be written.
            Files imported before that are complete, and the same command resumes.
    """
    if not source.exists():
        raise UserError(f"{source} is missing. Correct its name.")
    with _unpacked(root, source) as unpacked:
        incoming = folders(unpacked)
        _check_headers(source, [folder / name for folder in incoming for name in chunks.names(folder)])
        for folder in incoming:
            with _refused(source, f"{folder.name}/{chunks.SETTINGS_FILE}"):
                read_settings(folder)
            for name in chunks.names(folder):
                with _refused(source, f"{folder.name}/{name}"):
                    _check_foreign(folder / name)
        counts = [_merge(Store(root), folder) for folder in incoming]
    return Imported(len(incoming), sum(added for added, _ in counts), sum(known for _, known in counts))


def _check_headers(source: Path, paths: Sequence[Path]) -> None:
    """Refuse a file whose header makes Arrow end the process, which happens in another process here.

    Arrow 26 does that if the header's statistics of a column contradict each other. All other faults are found later.

    Raises:
        UserError: such a file.
    """
    command = [sys.executable, "-c", _READ_HEADERS]
    said = "\0".join(map(str, paths))
    done = subprocess.run(command, input=said, capture_output=True, text=True, check=False)
    if done.returncode < 0:
        path = paths[done.stdout.count("\n") - 1]
        with _refused(source, f"{path.parent.name}/{path.name}"):
            raise chunks.Damaged(path, "its header contradicts itself")


def _merge(store: Store, folder: Path) -> tuple[int, int]:
    """Import one settings' folder; returns the numbers of new answers and of answers that the store had."""
    settings = read_settings(folder)
    target = store.prepare(settings)
    listing, leases = Listing(target), Leases(target)
    added = known = 0
    for name in chunks.names(folder):
        table = _check_foreign(folder / name)
        if pc.any(pc.greater(table["cost"], 0)).as_py():
            # What others have paid does not count as spent here: a ledger begins with the costs before the import.
            Ledger(store.root, settings.weights).begin()
        # No other import may add the same answers between the check and the write.
        with leases.claiming():
            listing.refresh()
            rows = listing.find(table["query_key"].combine_chunks(), table["draw"].combine_chunks())
            new = table.filter(rows.is_null())
            added, known = added + len(new), known + len(table) - len(new)
            if len(new) == len(table):
                chunks.write(target / name, new)
            elif len(new):
                chunks.write(target / f"{chunks.table_key(new)}.parquet", new)
    return added, known


def _check_foreign(path: Path) -> pa.Table:
    """Read a file of answers from elsewhere; refuse one that no store has written, or that would fill the memory.

    Raises:
        UserError: see :func:`rgd.store.upkeep.check_file`; or the file holds too much, or a value that no job writes.
    """
    _check_size(path)
    table = check_file(path)
    reasons = set(pc.unique(table["finish_reason"]).to_pylist())
    names = pc.unique(table["served_model"]).to_pylist()
    confidences = table["confidence"].drop_null()
    reason = None
    if unknown := sorted(reasons - FINISH_REASONS):
        reason = f"{unknown[0]!r} is no finish reason"
    elif not all(name.isprintable() and len(name) <= LONGEST_NAME for name in names):
        reason = "the name of a served model is too long or contains control characters"
    elif not pc.all(pc.is_finite(confidences), min_count=0).as_py():
        reason = "a confidence is no finite number"
    elif pc.any(pc.is_nan(pc.list_flatten(table["scores"]))).as_py():
        reason = "a score is no number"
    elif len(pc.unique(joined(table["query_key"], table["draw"]))) < len(table):
        reason = "an answer occurs twice"
    if reason is not None:
        raise chunks.Damaged(path, reason)
    return table


def _check_size(path: Path) -> None:
    """Refuse a file that holds more than any store's file, before it is in memory; a few bytes may stand for terabytes.

    What the file says about its size may be wrong, so it is also read, some rows at a time.
    """

    def content() -> None:
        with pq.ParquetFile(path) as file:
            schema, metadata = file.schema_arrow, file.metadata
        for field in schema:
            # Of another type, a value can become larger when it is converted.
            if field.name not in chunks.FILE_SCHEMA.names or field.type != chunks.FILE_SCHEMA.field(field.name).type:
                raise pa.ArrowInvalid(f"its column {field.name} of type {field.type}")
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
        values = [group.column(number).num_values for group in groups for number in range(group.num_columns)]
        if (
            metadata.num_rows > MOST_ROWS
            or sum(group.total_byte_size for group in groups) > MOST_BYTES
            or sum(values) * 4 > MOST_BYTES
        ):
            raise _TooLarge
        texts = [field.name for field in schema if pa.types.is_string(field.type)]
        size = 0
        # As dictionaries, so that a text that is repeated takes up its room once.
        with pq.ParquetFile(path, read_dictionary=texts, page_checksum_verification=True) as file:
            for batch in file.iter_batches(ROWS_AT_A_TIME, use_threads=False):
                for column in batch.columns:
                    size += column.nbytes
                    if pa.types.is_dictionary(column.type):
                        lengths = pc.binary_length(column.dictionary)
                        if (pc.max(lengths).as_py() or 0) > LONGEST_TEXT:
                            raise _TooLarge
                        size += pc.sum(pc.cast(lengths.take(column.indices), pa.int64()), min_count=0).as_py()
                        size -= column.dictionary.nbytes
                if size > MOST_BYTES:
                    raise _TooLarge

    try:
        chunks.opened(path, content)
    except _TooLarge:
        raise chunks.Damaged(
            path, f"it holds more than {MOST_ROWS:,} answers, {MOST_BYTES:,} bytes, or {LONGEST_TEXT:,} in a text"
        ) from None


class _TooLarge(Exception):
    """A file exceeds the limits of an import."""


@contextlib.contextmanager
def _refused(source: Path, name: str) -> Iterator[None]:
    """Say of an error within the block that it is one of the file ``name`` of an export, and that nothing was imported."""
    try:
        yield
    except UserError as error:
        reason = error.reason if isinstance(error, chunks.Damaged) else (error.__cause__ or error)
        raise UserError(
            f"{name} in {source} is no file that `rgd store export` writes ({reason}), so nothing was imported. Export it again "
            "from the store that it comes from."
        ) from error


@contextlib.contextmanager
def _still(folder: Path) -> Iterator[list[str]]:
    """The files of ``folder``, none of which is replaced while the block runs; a read-only store does not change."""
    with compacting(folder) if os.access(folder, os.W_OK) else contextlib.nullcontext():
        yield chunks.names(folder)


def _add(archive: tarfile.TarFile, path: Path) -> None:
    """Add a file under its folder's name, without metadata that differs between machines."""
    entry = tarfile.TarInfo(f"{path.parent.name}/{path.name}")
    entry.size, entry.mode = path.stat().st_size, 0o644
    with path.open("rb") as file:
        archive.addfile(entry, file)


def _copy(members: Sequence[Path], target: Path) -> None:
    """Copy files into a new folder, which appears only when it is complete."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with _temporary_folder(target.parent) as made:
        for path in members:
            (made / path.parent.name).mkdir(exist_ok=True)
            shutil.copyfile(path, made / path.parent.name / path.name)
        # Some file systems have no permissions of their own.
        with contextlib.suppress(OSError):
            made.chmod(0o755)
        made.rename(target)


@contextlib.contextmanager
def _unpacked(root: Path, source: Path) -> Iterator[Path]:
    """A folder with the export's files, of which only names and kinds have been checked.

    Raises:
        UserError: the source cannot be read, or holds something that is not a file of a store.
    """
    if source.is_dir():
        for path in sorted(source.rglob("*")):
            name = path.relative_to(source).as_posix()
            is_folder = path.is_dir() and chunks.FOLDER_NAME.fullmatch(name)
            if path.is_symlink() or not (is_folder or (path.is_file() and _MEMBER.fullmatch(name))):
                raise _foreign(source, name)
        yield source
        return
    root.mkdir(parents=True, exist_ok=True)
    with _temporary_folder(root) as folder:
        try:
            with tarfile.open(source, "r:") as archive:
                for entry in archive:
                    if not entry.isreg() or entry.issparse() or not _MEMBER.fullmatch(entry.name):
                        raise _foreign(source, entry.name)
                    _extract(archive, entry, folder / entry.name)
        except (tarfile.TarError, EOFError) as error:
            raise UserError(
                f"{source} is not an export of a store, or is incomplete ({error}): copy it again."
            ) from error
        except OSError as error:
            raise UserError(
                f"{source} cannot be unpacked in {root} ({error}): check that it exists and that the disk has space, then "
                "run the same command again."
            ) from error
        yield folder


def _extract(archive: tarfile.TarFile, entry: tarfile.TarInfo, path: Path) -> None:
    """Copy one file's bytes from the archive, without its owner and mode."""
    path.parent.mkdir(exist_ok=True)
    content = archive.extractfile(entry)
    if path.exists() or content is None:
        raise tarfile.ReadError(f"it contains {entry.name} twice")
    with path.open("xb") as place:
        shutil.copyfileobj(content, place)


@contextlib.contextmanager
def _temporary_folder(parent: Path) -> Iterator[Path]:
    """A folder in ``parent`` that is removed when the block ends, unless it was renamed."""
    folder = Path(tempfile.mkdtemp(prefix=UNPACKED, dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _foreign(source: Path, name: str) -> UserError:
    return UserError(
        f"{source} contains {name!r}, which is not a file of a store (KEY/settings.json, KEY/NAME.parquet), so nothing was "
        "imported. Import only what `rgd store export` wrote."
    )
