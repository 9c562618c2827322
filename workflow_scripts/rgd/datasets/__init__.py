"""Benchmarks: one adapter per module, loaded by name.

An adapter is a module of this package with a function ``questions(settings, folder) -> list[Question]``.
"""

import importlib
import re
from pathlib import Path
from types import ModuleType

from rgd.errors import UserError

_ADAPTER = re.compile(r"^def questions\(", re.MULTILINE)


def adapters() -> list[str]:
    """The names of all adapters, sorted; none is imported."""
    modules = (path for folder in __path__ for path in Path(folder).glob("*.py"))
    return sorted(path.stem for path in modules if _ADAPTER.search(path.read_text(encoding="utf-8")))


def load(adapter: str) -> ModuleType:
    """The module of an adapter; imports that one module alone.

    Raises:
        UserError: there is no adapter of this name.
    """
    if adapter not in adapters():
        raise UserError(
            f"there is no adapter {adapter}; the adapters are {', '.join(adapters())}: correct `adapter` in the dataset's file."
        )
    return importlib.import_module(f"{__name__}.{adapter}")
