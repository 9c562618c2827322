"""A model put to work by a script: its weights or its server, and its engine."""

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from rgd.engines import Engine, EngineSettings, lazy_engine
from rgd.errors import UserError
from rgd.weights.cache import ensure_weights


@contextlib.contextmanager
def model_of_job(
    snakemake: Any, kind: str, settings: Mapping[str, Any], spent: Callable[[], float] | None = None
) -> Iterator[Callable[[], Engine]]:
    """A function that gives the engine of the job's model, which is loaded when it is first called.

    Args:
        snakemake: the job; its resources say where the weights are found, or how the server is asked.
        kind: of the engine.
        settings: max_model_len and dtype, further arguments of the chat template in chat, and of an embedder pooling.
        spent: what the model has cost before, in US dollars; asked only of a model with a budget.
    """
    resources = snakemake.resources
    api = json.loads(resources.get("api", "null"))
    weights = None
    if api is None:
        weights = ensure_weights(json.loads(resources.weights), resources.cache, use_hub=bool(resources.use_hub))
    elif spent is not None and api["budget_dollars"] is not None:
        api["spent_dollars"] = spent()
    engine_settings = EngineSettings(
        weights,
        settings["max_model_len"],
        dtype=settings["dtype"],
        threads=snakemake.threads,
        chat=settings.get("chat", {}),
        gpus=resources.get("gpu", 0),
        pooling=settings.get("pooling"),
        api=api or {},
    )
    with lazy_engine(kind, engine_settings) as engine:
        yield engine if weights is None else _told(engine, weights.name)


def embed(engine: Engine, texts: Sequence[str], dimension: int) -> np.ndarray:
    """The vectors of ``texts``: (n, dimension) float32.

    Raises:
        UserError: the model's vectors have another length.
    """
    vectors = engine.embed(texts)
    if len(vectors) and vectors.shape[1] != dimension:
        raise UserError(
            f"the embedder gives vectors of {vectors.shape[1]} numbers, its file says dimension: {dimension}. Put the right "
            "number there, or check which model it names."
        )
    return vectors


def _told(engine: Callable[[], Engine], name: str) -> Callable[[], Engine]:
    """``engine`` with a line about its first call, the one that loads: what a log has to show of a job's longest wait."""
    loaded: list[Engine] = []

    def get() -> Engine:
        if not loaded:
            started = time.monotonic()
            loaded.append(engine())
            print(f"loaded {name} in {time.monotonic() - started:.1f} s", file=sys.stderr, flush=True)
        return loaded[0]

    return get
