"""The models that a bundle names, put to work: its embedder, and the members when they are asked."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rgd.engines import Engine, EngineSettings, open_engine


@contextmanager
def opened(spec: Mapping[str, Any], cache: str | Path, threads: int, use_hub: bool) -> Iterator[Engine]:
    """The engine of a model that a bundle describes, loaded.

    Args:
        spec: engine, weights or api, max_model_len, dtype, and chat or pooling; of an embedder its dimension as well.
        cache: where weights are kept.
        threads: CPU threads.
        use_hub: False never contacts the model hub.

    Raises:
        UserError: the weights cannot be had, or the model cannot be loaded.
    """
    folder = None
    if spec["api"] is None:
        from rgd.weights.cache import ensure_weights

        folder = ensure_weights(spec["weights"], cache, use_hub=use_hub)
    settings = EngineSettings(
        folder,
        spec["max_model_len"],
        dtype=spec["dtype"],
        threads=threads,
        chat=spec.get("chat", {}),
        gpus=spec.get("gpus", 0),
        pooling=spec.get("pooling"),
        api=spec["api"] or {},
    )
    with open_engine(spec["engine"], settings) as engine:
        yield engine
