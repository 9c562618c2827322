"""Opening a model: from its description in plain types to the settings of its engine, with its weights in place.

The location of weights and the access to a server do not affect answers, so fingerprints do not follow this module
(:data:`rgd.artifacts.fingerprint.DECIDES_NOTHING`).
"""

import contextlib
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rgd.config.schema.models import Weights
from rgd.engines import Engine, EngineSettings, open_engine
from rgd.engines.budget import Account
from rgd.weights.cache import ensure_weights


def engine_settings(
    model: Mapping[str, Any],
    cache: str | Path,
    *,
    threads: int,
    use_hub: bool,
    account: Account | None = None,
    is_foreign: bool = False,
) -> EngineSettings:
    """The settings of the engine that runs ``model``; fetches the weights if they are not in the cache.

    Args:
        model: weights or api (the other is None), max_model_len and dtype; optionally chat, pooling and gpus.
        cache: folder that keeps weights.
        threads: CPU threads.
        use_hub: False never contacts the model hub.
        account: where spending on a server is recorded; None: for this job alone.
        is_foreign: whether somebody else may have described the weights, as in a bundle.

    Raises:
        UserError: the description of the weights is invalid, or they cannot be fetched.
    """
    weights = None
    if model["api"] is None:
        spec = Weights.read(model["weights"], "weights")
        weights = ensure_weights(spec, cache, use_hub=use_hub, is_foreign=is_foreign)
    return EngineSettings(
        weights,
        model["max_model_len"],
        dtype=model["dtype"],
        threads=threads,
        chat=model.get("chat", {}),
        gpus=model.get("gpus", 0),
        pooling=model.get("pooling"),
        api=model["api"] or {},
        account=account,
    )


@contextlib.contextmanager
def opened(model: Mapping[str, Any], cache: str | Path, threads: int, use_hub: bool) -> Iterator[Engine]:
    """The loaded engine of a model that a bundle describes.

    Args:
        model: as for :func:`engine_settings`, plus engine; from :meth:`rgd.tool.places.Places.of`.
        cache: folder that keeps weights.
        threads: CPU threads.
        use_hub: False never contacts the model hub.

    Raises:
        UserError: the weights cannot be fetched, or the model cannot be loaded.
    """
    settings = engine_settings(model, cache, threads=threads, use_hub=use_hub, is_foreign=True)
    with open_engine(model["engine"], settings) as engine:
        yield engine


def close_at_exit(owner: object, stack: contextlib.ExitStack) -> None:
    """Close ``stack`` when ``owner`` is no longer used, at the latest when the process begins to end.

    A model that is closed later, with the last objects, fails: nothing can be imported by then. Call this after a model was
    opened, so that it is closed before what its libraries close at the end of the process.
    """
    weakref.finalize(owner, _close, stack)


def _close(stack: contextlib.ExitStack) -> None:
    # A process that ends starts no threads, which closing the connections to a server may need; the end closes them too.
    with contextlib.suppress(RuntimeError):
        stack.close()
