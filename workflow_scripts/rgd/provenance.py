"""What made an artifact, written beside it: inputs, parameters, code, versions, time."""

import hashlib
import platform
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import rgd
from rgd.artifacts import write_json


def digest(path: str | Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_provenance(
    path: str | Path,
    *,
    rule: str,
    inputs: Iterable[str | Path],
    parameters: Mapping[str, Any],
    libraries: Iterable[str],
) -> None:
    """Write ``PATH.provenance.json`` for the artifact at ``path``.

    Args:
        path: the artifact, already written.
        rule: the rule that made it.
        inputs: files it was made from, named by path and SHA-256.
        parameters: the slice of configuration and the code's fingerprint.
        libraries: distributions whose versions decide the numbers.
    """
    write_json(
        f"{path}.provenance.json",
        {
            "artifact": Path(path).name,
            "sha256": digest(path),
            "rule": rule,
            "inputs": {str(item): digest(item) for item in inputs if not Path(item).is_absolute()},
            "parameters": dict(parameters),
            "versions": {"rgd": rgd.__version__, "python": platform.python_version()}
            | {name: metadata.version(name) for name in sorted(libraries)},
            "made": datetime.now(UTC).isoformat(timespec="seconds"),
        },
    )
