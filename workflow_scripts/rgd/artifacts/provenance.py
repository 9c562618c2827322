"""The provenance of an artifact, written beside it: inputs, outputs, parameters, code, versions, time.

Files are named by their path under the results' folder, so a copy of the folder says the same elsewhere.
"""

import json
import platform
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import rgd
from rgd.artifacts.digests import digest
from rgd.artifacts.files import write_json

SUFFIX = ".provenance.json"
CODE_FOLDER = "code"
"""Folder under the results with the definitions behind each fingerprint: ``FINGERPRINT.json`` has the hash of each."""


def beside(path: str | Path) -> Path:
    """The path of the provenance of the artifact at ``path``."""
    return Path(f"{path}{SUFFIX}")


def read_provenance(path: str | Path) -> dict[str, Any] | None:
    """The provenance of the artifact at ``path``; None if it is missing or unreadable."""
    try:
        content = json.loads(beside(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def known_digest(path: str | Path) -> str:
    """As :func:`digest`, but taken from the provenance beside the artifact unless that is older than the artifact.

    A file of vectors is then read once when it is made, and not again by each of its readers.
    """
    try:
        is_current = beside(path).stat().st_mtime_ns >= Path(path).stat().st_mtime_ns
    except OSError:
        is_current = False
    found = (read_provenance(path) or {}).get("sha256") if is_current else None
    return found if isinstance(found, str) else digest(path)


def carriers(outputs: Iterable[str]) -> list[str]:
    """The outputs of a job that have a provenance beside them: the Parquet files, or the first output if there are none."""
    outputs = list(outputs)
    return [path for path in outputs if path.endswith(".parquet")] or outputs[:1]


def name_under(root: str | Path, path: str | Path) -> str:
    """The name of the file at ``path`` in provenance: its path under ``root``; for a file elsewhere only its last part."""
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
        inputs: files they were made from, recorded with their SHA-256.
        outputs: all files that the job made.
        parameters: the slice of configuration and the code's fingerprint.
        versions: versions of the libraries involved.
    """
    outputs = list(outputs)
    digests = {path: digest(path) for path in outputs}
    inputs = [item for item in inputs if Path(item).is_file()]
    names = [name_under(root, item) for item in inputs]
    again = [name for number, name in enumerate(names) if name in names[:number]]
    content = {
        "rule": rule,
        "inputs": {name: known_digest(item) for name, item in dict(zip(names, inputs, strict=True)).items()},
        # A rule may use one file as two inputs, and Snakemake counts both.
        **({"inputs_again": again} if again else {}),
        "outputs": {name_under(root, item): value for item, value in digests.items()},
        "parameters": dict(parameters),
        "versions": {"rgd": rgd.__version__, "python": platform.python_version(), **(versions or {})},
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    for path in carriers(outputs):
        write_json(beside(path), {"artifact": Path(path).name, "sha256": digests[path], **content})


def write_definitions(root: str | Path, fingerprint: str, definitions: Mapping[str, Mapping[str, str]]) -> None:
    """Record the definitions behind a fingerprint, so that a later one can be compared function by function."""
    write_json(definitions_file(root, fingerprint), definitions)


def definitions_file(root: str | Path, fingerprint: str) -> Path:
    """The path of the file that :func:`write_definitions` writes."""
    return Path(root) / CODE_FOLDER / f"{fingerprint}.json"


def read_definitions(root: str | Path, fingerprint: str) -> dict[str, dict[str, str]] | None:
    """What :func:`write_definitions` recorded; None if there is nothing."""
    try:
        content = json.loads(definitions_file(root, fingerprint).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
