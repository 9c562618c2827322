"""Language models behind one small interface; each backend is one file of this package."""

import contextlib
import importlib
from collections.abc import Callable, Iterator

from rgd.engines.base import Answer, Engine, EngineSettings, Message, Request, Sampling
from rgd.errors import UserError

KINDS = ("transformers", "vllm", "openai", "gemini")

__all__ = [
    "KINDS",
    "Answer",
    "Engine",
    "EngineSettings",
    "Message",
    "Request",
    "Sampling",
    "lazy_engine",
    "open_engine",
]


@contextlib.contextmanager
def open_engine(kind: str, settings: EngineSettings) -> Iterator[Engine]:
    """The engine ``kind`` with its model loaded; freed when the block ends.

    Raises:
        UserError: the kind is unknown or the model cannot be loaded.
    """
    if kind not in KINDS:
        raise UserError(f"unknown engine {kind!r}; the engines are {', '.join(KINDS)}.")
    engine: Engine = importlib.import_module(f"rgd.engines.{kind}").load(settings)
    try:
        yield engine
    finally:
        engine.close()


@contextlib.contextmanager
def lazy_engine(kind: str, settings: Callable[[], EngineSettings]) -> Iterator[Callable[[], Engine]]:
    """A function that loads the engine on its first call and returns the same one afterwards; freed when the block ends.

    A job whose answers are all in the store then fetches and loads nothing, and a job with several query sets loads once.

    Args:
        kind: one of :data:`KINDS`.
        settings: gives the engine's settings, with its weights in place; called before the first load.
    """
    with contextlib.ExitStack() as stack:
        opened: list[Engine] = []

        def get() -> Engine:
            if not opened:
                opened.append(stack.enter_context(open_engine(kind, settings())))
            return opened[0]

        yield get
