"""Benchmarks: one adapter a module, loaded by its name."""

import importlib
from types import ModuleType

from rgd.errors import UserError


def load(adapter: str) -> ModuleType:
    """The adapter's module; it has ``questions(settings, folder) -> list[Question]``.

    Raises:
        UserError: there is no adapter of this name.
    """
    name = f"{__name__}.{adapter}"
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise UserError(
            f"dataset adapter {adapter!r}: there is no module {name}; correct `adapter` in the dataset's file"
        ) from None
    if not hasattr(module, "questions"):
        raise UserError(f"dataset adapter {adapter!r}: module {name} has no function `questions`, so it is no adapter")
    return module
