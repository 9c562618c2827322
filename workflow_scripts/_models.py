"""Models in scripts: their weights or server, and their engine."""

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rgd.engines import Engine, EngineSettings, lazy_engine
from rgd.engines.opening import engine_settings
from rgd.errors import UserError
from rgd.store.ledger import Ledger


@contextlib.contextmanager
def model_of_job(snakemake: Any, kind: str, settings: Mapping[str, Any]) -> Iterator[Callable[[], Engine]]:
    """A function that returns the engine of the job's model; its first call loads the model.

    Args:
        snakemake: the job; its resources say where to find the weights, or how to ask the server, and name the store, beside
            which the ledger records what a model costs.
        kind: the kind of engine.
        settings: weights (the model's identity), dtype, chat (further arguments of the chat template) and, for an embedder,
            pooling.
    """
    resources = snakemake.resources
    api = json.loads(resources.get("api", "null"))
    model = {
        "max_model_len": resources.max_model_len,
        "dtype": settings["dtype"],
        "chat": settings.get("chat", {}),
        "pooling": settings.get("pooling"),
        "api": api,
        "weights": json.loads(resources.get("weights", "null")),
        "gpus": resources.get("gpu", 0),
    }
    is_paid = api is not None and bool(api.get("price_prompt") or api.get("price_completion"))
    opened: list[EngineSettings] = []

    def opening() -> EngineSettings:
        found = engine_settings(
            model,
            resources.get("cache", ""),
            threads=snakemake.threads,
            use_hub=bool(resources.get("use_hub", False)),
            account=Ledger(resources["store"], settings["weights"]).account() if is_paid else None,
        )
        opened.append(found)
        return found

    with lazy_engine(kind, opening) as engine:
        yield engine if api is not None else _told(engine, lambda: Path(str(opened[0].weights)).name)


def embed(engine: Engine, texts: Sequence[str], dimension: int) -> np.ndarray:
    """The vectors of ``texts``: (n, dimension) float32.

    Raises:
        UserError: the model's vectors have another length.
    """
    vectors = engine.embed(texts)
    if len(vectors) and vectors.shape[1] != dimension:
        raise UserError(
            f"the embedder's vectors have {vectors.shape[1]} numbers, but its file says dimension: {dimension}. Correct the "
            "dimension, or check which model the file names."
        )
    return vectors


def _told(engine: Callable[[], Engine], name: Callable[[], str]) -> Callable[[], Engine]:
    """``engine`` with a log line about its first call, which loads the model and may be a job's longest wait."""
    loaded: list[Engine] = []

    def get() -> Engine:
        if not loaded:
            started = time.monotonic()
            loaded.append(engine())
            print(f"loaded {name()} in {time.monotonic() - started:.1f} s", file=sys.stderr, flush=True)
        return loaded[0]

    return get
