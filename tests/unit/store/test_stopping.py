"""SIGTERM while something is being finished."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rgd.engines.base import Request
from rgd.store.answers import Store
from rgd.store.stopping import stoppable
from tests.store_world import SETTINGS, CountingEngine, ask, name, questions


class Told(Exception):
    """What the signal's own handler raises in these tests."""


@pytest.fixture(autouse=True)
def raising() -> Iterator[None]:
    def handler(*_: object) -> None:
        raise Told

    before = signal.signal(signal.SIGTERM, handler)
    yield
    signal.signal(signal.SIGTERM, before)


def tell() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def finish(*steps: Callable[[], object]) -> None:
    with stoppable(60):
        for step in steps:
            step()


def test_the_signal_waits_for_the_end_of_the_block() -> None:
    done: list[str] = []
    with pytest.raises(Told):
        finish(tell, lambda: done.append("work"))
    assert done == ["work"]
    with pytest.raises(Told):
        tell()


def test_a_second_signal_does_not_wait() -> None:
    done: list[str] = []
    with pytest.raises(Told):
        finish(tell, lambda: done.append("work"), tell, lambda: done.append("more"))
    assert done == ["work"]


def test_without_a_signal_nothing_changes() -> None:
    handler = signal.getsignal(signal.SIGTERM)
    with stoppable(60):
        pass
    assert signal.getsignal(signal.SIGTERM) is handler


def test_an_error_in_the_block_does_not_hide_the_signal() -> None:
    """Work that breaks because its helpers were told to stop as well."""
    with pytest.raises(Told):
        finish(tell, lambda: 1 / 0)


def test_in_another_thread_the_block_just_runs() -> None:
    done = []

    def work() -> None:
        with stoppable(60):
            done.append("work")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == ["work"]


def test_without_a_handler_the_process_ends_after_the_block() -> None:
    script = """
        import os, signal
        from rgd.store.stopping import stoppable
        with stoppable(60):
            os.kill(os.getpid(), signal.SIGTERM)
            print("work", flush=True)
        print("never")
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("work\n", -signal.SIGTERM)


def test_the_chunk_that_is_asked_is_committed(tmp_path: Path) -> None:
    store, requests = Store(tmp_path / "store"), questions(12)
    asked: list[int] = []

    def text(request: Request) -> str:
        asked.append(len(asked))
        if len(asked) == 6:
            tell()
        return f"to {request.question}"

    with pytest.raises(Told):
        ask(store, requests, CountingEngine(text=text), chunk_size=4)
    assert len(asked) == 8
    listed = store.read(SETTINGS, [request.query_key for request in requests[:8]])
    assert len(listed) == 8
    engine = CountingEngine()
    ask(store, requests, engine, chunk_size=4)
    assert engine.asked() == [name(request) for request in requests[8:]]
