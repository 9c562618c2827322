"""The maker of the quickstart's questions, where the libraries that it needs are installed."""

from importlib import metadata
from types import ModuleType

import pytest

from tests import ROOT


def maker() -> ModuleType:
    """``dev.quickstart_questions``; without its libraries, in the versions that made the file, the test or module skips."""
    for line in (ROOT / "dev/requirements.txt").read_text().splitlines():
        name, sign, version = line.partition("==")
        if sign and _installed(name) != version:
            pytest.skip(f"{line} is not installed: pip install -r dev/requirements.txt", allow_module_level=True)
    from dev import quickstart_questions

    return quickstart_questions


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
