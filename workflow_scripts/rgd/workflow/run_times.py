"""Time and memory to request from a cluster for a job that runs a model; neither affects a result."""

import functools
import math
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rgd.config.schema import Embedder, Model

MINUTES_TO_START = 10.0
"""Time to load Python, its libraries and a small model; each billion parameters adds MINUTES_PER_BILLION."""
MINUTES_PER_BILLION = 0.1
SECONDS_OF_AN_ANSWER = 0.2
"""For a model of a billion parameters on a CPU whose file gives no rate; GPUs are GPU_FACTOR times faster."""
GPU_FACTOR = 5.0
SECONDS_OF_A_REQUEST = 5.0
"""Duration of one request to a server; several are in flight at a time."""
SIZE_UNKNOWN = 10.0
"""Assumed billions of parameters of a model of unknown size."""
TEXTS_PER_MINUTE = 300.0
"""Assumed rate of an embedder whose file gives none."""
QUERIES_UNKNOWN = 5000
"""Assumed size of a query set that has not been made yet: that of the paper's generated sets."""


def answers_per_minute(model: "Model") -> float:
    """The rate in the model's file, or a cautious guess."""
    if model.answers_per_minute is not None:
        return model.answers_per_minute
    if model.api is not None:
        rate = 60 / SECONDS_OF_A_REQUEST * model.api.concurrency
        return min(rate, model.api.requests_per_minute or rate)
    seconds = SECONDS_OF_AN_ANSWER * (model.parameters_billion or SIZE_UNKNOWN)
    return 60 / seconds * (GPU_FACTOR if model.gpus else 1.0)


def to_answer(model: "Model", texts: int) -> int:
    """Minutes that a model needs to start and write ``texts`` answers or queries."""
    size = 0.0 if model.api is not None else model.parameters_billion or SIZE_UNKNOWN
    return math.ceil(MINUTES_TO_START + MINUTES_PER_BILLION * size + texts / answers_per_minute(model))


def to_embed(embedder: "Embedder", texts: int) -> int:
    """Minutes that an embedder needs to start and embed ``texts`` texts."""
    return math.ceil(MINUTES_TO_START + texts / (embedder.texts_per_minute or TEXTS_PER_MINUTE))


def within(own: int, together: int, attempt: int, longest: int) -> int:
    """Minutes for the ``attempt``-th try of a job, such that jobs needing ``together`` minutes get at most ``longest``.

    Each retry requests as much again; unfinished work is resumed by the next try.
    """
    return max(1, min(own * attempt, own * longest // together))


def raised(memory_mb: int, attempt: int, largest: int | None) -> int:
    """Memory for the ``attempt``-th try: each retry adds half of ``memory_mb``, up to ``largest`` but never below it."""
    more = memory_mb * (1 + attempt) // 2
    return more if largest is None else max(memory_mb, min(more, largest))


def count_rows(path: str) -> int:
    """Rows of a question file; QUERIES_UNKNOWN if it does not exist yet or cannot be read."""
    try:
        changed = Path(path).stat().st_mtime_ns
    except OSError:
        return QUERIES_UNKNOWN
    return _rows(path, changed)


@functools.cache
def _rows(path: str, changed: int) -> int:
    import pyarrow.parquet as pq
    from pyarrow import ArrowException

    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, ArrowException):
        return QUERIES_UNKNOWN
