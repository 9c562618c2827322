"""How long a job that runs a model may take, and with how much memory: what a cluster is asked for, never what decides a result."""

import functools
import math
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rgd.config.schema import Embedder, Model

MINUTES_TO_START = 10.0
"""Of Python, its libraries and a small model; a large one takes MINUTES_PER_BILLION more for each billion parameters."""
MINUTES_PER_BILLION = 0.1
SECONDS_OF_AN_ANSWER = 0.2
"""Of a model with a billion parameters on a CPU whose file gives no rate; on GPUs it takes GPU_FACTOR times less."""
GPU_FACTOR = 5.0
SECONDS_OF_A_REQUEST = 5.0
"""Of a server, of which several are under way at a time."""
SIZE_UNKNOWN = 10.0
"""Billions of parameters that a model is taken to have whose size is not known."""
TEXTS_PER_MINUTE = 300.0
"""Of an embedder whose file gives no rate."""
QUERIES_UNKNOWN = 5000
"""Queries that a set is taken to have before it has been made: as many as the paper's generated ones."""


def answers_per_minute(model: "Model") -> float:
    """What the model's file says, or a cautious guess."""
    if model.answers_per_minute is not None:
        return model.answers_per_minute
    if model.api is not None:
        rate = 60 / SECONDS_OF_A_REQUEST * model.api.concurrency
        return min(rate, model.api.requests_per_minute or rate)
    seconds = SECONDS_OF_AN_ANSWER * (model.parameters_billion or SIZE_UNKNOWN)
    return 60 / seconds * (GPU_FACTOR if model.gpus else 1.0)


def to_answer(model: "Model", texts: int) -> int:
    """Minutes in which a model starts and writes ``texts`` answers, or queries."""
    size = 0.0 if model.api is not None else model.parameters_billion or SIZE_UNKNOWN
    return math.ceil(MINUTES_TO_START + MINUTES_PER_BILLION * size + texts / answers_per_minute(model))


def to_embed(embedder: "Embedder", texts: int) -> int:
    """Minutes in which an embedder starts and embeds ``texts`` texts."""
    return math.ceil(MINUTES_TO_START + texts / (embedder.texts_per_minute or TEXTS_PER_MINUTE))


def within(own: int, together: int, attempt: int, longest: int) -> int:
    """Minutes for the ``attempt``-th try of a job, so that jobs which need ``together`` minutes get no more than ``longest``.

    Each further try asks for as much again; what does not come to its end goes on in the next one.
    """
    return max(1, min(own * attempt, own * longest // together))


def raised(memory_mb: int, attempt: int, largest: int | None) -> int:
    """Memory for the ``attempt``-th try: half of it more for each further one, up to ``largest``, but never less than it."""
    more = memory_mb * (1 + attempt) // 2
    return more if largest is None else max(memory_mb, min(more, largest))


def count_rows(path: str) -> int:
    """Rows of a file of questions; QUERIES_UNKNOWN where there is no such file yet, or none that can be read."""
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
