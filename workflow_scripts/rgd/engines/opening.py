"""A model put to work: from a description in plain types to the settings of its engine, with its weights in place.

Where weights lie and how a server is asked decide no answer, so fingerprints do not follow this module
(:data:`rgd.artifacts.fingerprint.DECIDES_NOTHING`).
"""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rgd.config.schema.models import Weights
from rgd.engines import Engine, EngineSettings, open_engine
from rgd.weights.cache import ensure_weights


def engine_settings(
    model: Mapping[str, Any], cache: str | Path, *, threads: int, use_hub: bool, spent_dollars: float = 0.0
) -> EngineSettings:
    """The settings of the engine that runs ``model``, whose weights are fetched if they are not in the cache.

    Args:
        model: weights or api (the other one None), max_model_len, dtype; chat or pooling, and gpus, where they are given.
        cache: where weights are kept.
        threads: CPU threads.
        use_hub: False never contacts the model hub.
        spent_dollars: what the model's answers have cost before.

    Raises:
        UserError: the weights are described wrongly, or cannot be had.
    """
    weights = None
    if model["api"] is None:
        weights = ensure_weights(Weights.read(model["weights"], "weights"), cache, use_hub=use_hub)
    return EngineSettings(
        weights,
        model["max_model_len"],
        dtype=model["dtype"],
        threads=threads,
        chat=model.get("chat", {}),
        gpus=model.get("gpus", 0),
        pooling=model.get("pooling"),
        api=model["api"] or {},
        spent_dollars=spent_dollars,
    )


@contextlib.contextmanager
def opened(model: Mapping[str, Any], cache: str | Path, threads: int, use_hub: bool) -> Iterator[Engine]:
    """The engine of a model that a bundle describes, loaded.

    Args:
        model: as for :func:`engine_settings`, and engine.
        cache: where weights are kept.
        threads: CPU threads.
        use_hub: False never contacts the model hub.

    Raises:
        UserError: the weights cannot be had, or the model cannot be loaded.
    """
    with open_engine(model["engine"], engine_settings(model, cache, threads=threads, use_hub=use_hub)) as engine:
        yield engine
