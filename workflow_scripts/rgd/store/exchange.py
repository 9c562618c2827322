"""Handing answers on: the store, or some of its settings, as one file or folder that another store takes in.

An export is a tar file (or a folder) of the settings' folders as they are: KEY/settings.json and KEY/NAME.parquet. The
same answers give the same bytes. What is taken in is checked first, all of it, and is never run: JSON and Parquet hold
data alone. A store's own answers stay as they are; an import adds those that it lacks.
"""

import contextlib
import os
import re
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rgd.artifacts.files import replacing
from rgd.errors import UserError
from rgd.store import chunks
from rgd.store.answers import Store
from rgd.store.leases import Leases, compacting
from rgd.store.listing import Listing
from rgd.store.upkeep import UNPACKED, check_file, folders, read_settings

_MEMBER = re.compile(rf"{chunks.FOLDER_NAME.pattern}/(?:settings\.json|{chunks.FILE_NAME.pattern})")


@dataclass(frozen=True)
class Exported:
    """How much an export holds."""

    settings: int
    files: int


@dataclass(frozen=True)
class Imported:
    """What an import did: answers that were new, and those that the store had already."""

    settings: int
    added: int
    known: int


def export_answers(root: Path, target: Path, keys: Sequence[str] = ()) -> Exported:
    """Write the answers under ``root`` to ``target``, a tar file if its name ends in .tar, else a new folder.

    Args:
        root: the store.
        target: where to; nothing may be there yet.
        keys: beginnings of the settings' keys; default: all.

    Raises:
        UserError: the target exists, a file of the store is damaged, or the disk is full.
    """
    if target.exists():
        raise UserError(f"{target} exists already: give a new name, or remove it first.")
    with contextlib.ExitStack() as stack:
        # So that no file is replaced between listing and copying.
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
    """Add the answers of an export that the store under ``root`` lacks; what it has stays.

    Args:
        root: the store; made if there is none.
        source: a tar file or a folder that :func:`export_answers` made.

    Raises:
        UserError: the export holds anything but a store's files, or a damaged one: nothing is taken in then. Or the store
            cannot be written: what was taken in until then is whole, and the same command goes on.
    """
    with _unpacked(root, source) as unpacked:
        incoming = folders(unpacked)
        for folder in incoming:
            read_settings(folder)
            for name in chunks.names(folder):
                check_file(folder / name)
        counts = [_merge(Store(root), folder) for folder in incoming]
    return Imported(len(incoming), sum(added for added, _ in counts), sum(known for _, known in counts))


def _merge(store: Store, folder: Path) -> tuple[int, int]:
    """Take in one settings' folder; the number of answers that were new, and of those that were not."""
    target = store.prepare(read_settings(folder))
    listing, leases = Listing(target), Leases(target)
    added = known = 0
    for name in chunks.names(folder):
        table = check_file(folder / name)
        # No other import adds the same between looking and writing.
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


@contextlib.contextmanager
def _still(folder: Path) -> Iterator[list[str]]:
    """The files of ``folder``, none of which is replaced while the block runs; a store that is read-only is still."""
    with compacting(folder) if os.access(folder, os.W_OK) else contextlib.nullcontext():
        yield chunks.names(folder)


def _add(archive: tarfile.TarFile, path: Path) -> None:
    """Add a file under its folder's name, with nothing about it that differs between machines."""
    entry = tarfile.TarInfo(f"{path.parent.name}/{path.name}")
    entry.size, entry.mode = path.stat().st_size, 0o644
    with path.open("rb") as file:
        archive.addfile(entry, file)


def _copy(members: Sequence[Path], target: Path) -> None:
    """Copy files into a new folder, which appears when it is whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with _temporary_folder(target.parent) as made:
        for path in members:
            (made / path.parent.name).mkdir(exist_ok=True)
            shutil.copyfile(path, made / path.parent.name / path.name)
        made.chmod(0o755)
        made.rename(target)


@contextlib.contextmanager
def _unpacked(root: Path, source: Path) -> Iterator[Path]:
    """A folder with the export's files, of which only names and kinds have been checked.

    Raises:
        UserError: the source cannot be read, or holds something that is none of a store's files.
    """
    if source.is_dir():
        for path in sorted(source.rglob("*")):
            name = path.relative_to(source).as_posix()
            if path.is_symlink() or not (path.is_dir() or _MEMBER.fullmatch(name)):
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
            raise UserError(f"{source} is no export of a store, or was cut short ({error}): fetch it again.") from error
        except OSError as error:
            raise UserError(
                f"{source} cannot be unpacked in {root} ({error}): check that it is there, and the free space, then run "
                "the same command again."
            ) from error
        yield folder


def _extract(archive: tarfile.TarFile, entry: tarfile.TarInfo, path: Path) -> None:
    """Copy one file's bytes out of the archive; neither its owner nor its mode."""
    path.parent.mkdir(exist_ok=True)
    content = archive.extractfile(entry)
    if path.exists() or content is None:
        raise tarfile.ReadError(f"{entry.name} stands in it twice")
    with path.open("xb") as place:
        shutil.copyfileobj(content, place)


@contextlib.contextmanager
def _temporary_folder(parent: Path) -> Iterator[Path]:
    """A folder in ``parent`` that is gone when the block ends, unless it has been renamed."""
    folder = Path(tempfile.mkdtemp(prefix=UNPACKED, dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _foreign(source: Path, name: str) -> UserError:
    return UserError(
        f"{source} holds {name!r}, which is no file of a store (KEY/settings.json, KEY/NAME.parquet): nothing of it was "
        "taken in. Ask whoever made it for what `rgd store export` writes."
    )
