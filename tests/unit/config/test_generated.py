"""Sets of several sizes by one generator: the smaller one begins the larger one, and they share their draws."""

from pathlib import Path

import pytest

from rgd.engines.base import Request
from rgd.generation.drawing import accept
from rgd.generation.scenario import draw_until_enough, read_draws, requests_for, wanted_per_task
from rgd.seeds import generator
from rgd.store.answers import Store
from tests.store_world import WRITING, CountingEngine, ask

TASKS = {"sums": "About sums.", "words": "About words.", "birds": "About birds."}
CAP = 200


def written(request: Request) -> str:
    """A block, the same whenever this draw is asked; of some draws a repeated question or no block at all."""
    source = generator(0, request.messages[-1].content, request.draw)
    kind, number = source.integers(4), source.integers(60)
    if kind == 0:
        return "I cannot."
    lines = [f"[OPTION {letter}] {number + place}" for place, letter in enumerate("ABCD")]
    return "\n".join([f"[QUESTION] What is {number} + 0?", *lines, "[ANSWER] A"])


def make(store: Store, engine: CountingEngine, queries: int) -> dict[str, list]:
    """The queries of a set of this size, by task, drawn and read as the workflow's jobs do."""
    wanted = wanted_per_task(queries, list(TASKS))

    def drawn(pairs):
        requests = requests_for(TASKS, "Write one.", [], pairs)
        ask(store, requests, engine, WRITING, chunk_size=7)
        return read_draws(store, WRITING, requests)

    counts = draw_until_enough(wanted, CAP, frozenset(), 5, drawn)
    kept = {}
    for task, count in counts.items():
        requests = requests_for(TASKS, "Write one.", [], [(task, number) for number in range(count)])
        kept[task], _ = accept(task, read_draws(store, WRITING, requests), wanted[task], frozenset(), 5)
        assert len(kept[task]) == wanted[task]
    return kept


@pytest.mark.parametrize("sizes", [(20, 75), (75, 20)])
def test_the_smaller_set_begins_the_larger_and_no_draw_is_asked_twice(tmp_path: Path, sizes: tuple[int, int]) -> None:
    engine = CountingEngine(text=written)
    store = Store(tmp_path)
    first, second = (make(store, engine, size) for size in sizes)
    small, large = (first, second) if sizes[0] < sizes[1] else (second, first)
    for task in TASKS:
        assert small[task] == large[task][: len(small[task])]
        assert 0 < len(small[task]) < len(large[task])
    asked = engine.asked()
    assert len(asked) == len(set(asked))


def test_after_the_larger_set_the_smaller_one_asks_nothing(tmp_path: Path) -> None:
    engine = CountingEngine(text=written)
    make(Store(tmp_path), engine, 75)
    calls = len(engine.calls)
    make(Store(tmp_path), engine, 20)
    assert len(engine.calls) == calls
