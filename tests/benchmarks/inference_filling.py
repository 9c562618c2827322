"""What both kinds of engine have in common in the inference bench: an empty store, filled and read."""

import tempfile
import time
from typing import Any

# As the site of a cluster has it.
CHUNK_SIZE = 128


def fill_empty_store(engine: Any, requests: list[Any], sampling: Any) -> dict[str, float]:
    """Fill an empty store; the store's time is what remains of the filling without the engine."""
    from rgd.store.answers import AnswerSettings, Store
    from rgd.store.fill import fill

    settings = AnswerSettings("0" * 64, "generate", "made up", None, sampling=sampling)
    in_engine = 0.0

    def timed(work: Any) -> Any:
        def run(*given: Any) -> Any:
            nonlocal in_engine
            began = time.perf_counter()
            try:
                return work(*given)
            finally:
                in_engine += time.perf_counter() - began

        return run

    engine.add, engine.step = timed(engine.add), timed(engine.step)
    with tempfile.TemporaryDirectory(prefix="rgd-bench-") as place:
        store, started, worked = Store(place), time.perf_counter(), time.process_time()
        fill(store, settings, requests, lambda: engine, CHUNK_SIZE, lambda _: None)
        seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - worked
        kept = store.read(settings, [request.query_key for request in requests])
    return {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "store_seconds": seconds - in_engine,
        "tokens": sum(kept["completion_tokens"].to_pylist()),
        "letters": sum(map(len, kept["text"].to_pylist())),
    }
