"""What made an artifact, written beside it: inputs, outputs, parameters, code, versions, time.

Files are named by their place under the results' folder, so that a copy of the folder says the same elsewhere.
"""

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import rgd
from rgd.artifacts.files import write_json

SUFFIX = ".provenance.json"
CODE_FOLDER = "code"
"""Folder under the results of what fingerprints are made of: ``FINGERPRINT.json``, the hash of each definition."""


def digest(path: str | Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def beside(path: str | Path) -> Path:
    """Where the provenance of the artifact at ``path`` lies."""
    return Path(f"{path}{SUFFIX}")


def read_provenance(path: str | Path) -> dict[str, Any] | None:
    """The provenance of the artifact at ``path``; None where there is none, or none that can be read."""
    try:
        content = json.loads(beside(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def known_digest(path: str | Path) -> str:
    """As :func:`digest`; taken from the provenance beside the artifact where that is not older than the artifact.

    So that a file of vectors is read once when it is made, and not again by each of its readers.
    """
    try:
        is_current = beside(path).stat().st_mtime_ns >= Path(path).stat().st_mtime_ns
    except OSError:
        is_current = False
    found = (read_provenance(path) or {}).get("sha256") if is_current else None
    return found if isinstance(found, str) else digest(path)


def carriers(outputs: Iterable[str]) -> list[str]:
    """The outputs of a job that have a provenance beside them: the Parquet files, or the first where there is none."""
    outputs = list(outputs)
    return [path for path in outputs if path.endswith(".parquet")] or outputs[:1]


def name_under(root: str | Path, path: str | Path) -> str:
    """How provenance names the file at ``path``: its place under ``root``; of a file elsewhere its last name alone."""
    path, root = Path(path), Path(root)
    try:
        return path.relative_to(root).as_posix()
    except ValueError:
        return f"elsewhere/{path.name}"


def write_provenance(
    root: str | Path,
    *,
    rule: str,
    inputs: Iterable[str],
    outputs: Iterable[str],
    parameters: Mapping[str, Any],
    versions: Mapping[str, str] | None = None,
) -> None:
    """Write ``PATH.provenance.json`` beside the artifacts of a job, which are already written.

    Args:
        root: the results' folder.
        rule: the rule that made them.
        inputs: files they were made from, which are named with their SHA-256.
        outputs: all that the job made.
        parameters: the slice of configuration and the code's fingerprint.
        versions: of the libraries that had a part in it.
    """
    outputs = list(outputs)
    digests = {path: digest(path) for path in outputs}
    inputs = [item for item in inputs if Path(item).is_file()]
    names = [name_under(root, item) for item in inputs]
    again = [name for number, name in enumerate(names) if name in names[:number]]
    content = {
        "rule": rule,
        "inputs": {name: known_digest(item) for name, item in dict(zip(names, inputs, strict=True)).items()},
        # A rule may take one file in two places, and Snakemake counts both.
        **({"inputs_again": again} if again else {}),
        "outputs": {name_under(root, item): value for item, value in digests.items()},
        "parameters": dict(parameters),
        "versions": {"rgd": rgd.__version__, "python": platform.python_version(), **(versions or {})},
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    for path in carriers(outputs):
        write_json(beside(path), {"artifact": Path(path).name, "sha256": digests[path], **content})


def write_definitions(root: str | Path, fingerprint: str, definitions: Mapping[str, Mapping[str, str]]) -> None:
    """Keep what a fingerprint was made of, so that a later one can be told apart function by function."""
    write_json(definitions_file(root, fingerprint), definitions)


def definitions_file(root: str | Path, fingerprint: str) -> Path:
    """Where :func:`write_definitions` puts what it keeps."""
    return Path(root) / CODE_FOLDER / f"{fingerprint}.json"


def read_definitions(root: str | Path, fingerprint: str) -> dict[str, dict[str, str]] | None:
    """What :func:`write_definitions` has kept; None where it has not."""
    try:
        content = json.loads(definitions_file(root, fingerprint).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
