"""Made-up questions and engines that count what they are asked, for the tests of the store; runs as a job of its own.

``python -m tests.store_world STORE COUNTER FIRST LAST CHUNK_SIZE SECONDS [long-tailed]`` asks for the questions FIRST to LAST - 1 with an
engine that takes SECONDS for a step of CHUNK_SIZE and writes to the file COUNTER what it is asked, before it answers.
"""

import dataclasses
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rgd.engines.base import Answer, Engine, Request, Sampling
from rgd.engines.prompts import render
from rgd.errors import UserError
from rgd.store.answers import AnswerSettings, Store
from rgd.store.fill import FillCount, fill

ROOT = Path(__file__).parents[1]
SETTINGS = AnswerSettings(weights="0" * 64, way="likelihood", prompt="{question}", max_model_len=128)
WRITING = dataclasses.replace(SETTINGS, way="generate", sampling=Sampling(0.7, 0.95, 16, 0))


class CountingEngine(Engine):
    """Answers up to ``size`` requests in a step, each with its own text, keeps what each step was asked, and can be
    interrupted before a step."""

    def __init__(
        self, interrupt_at: int | None = None, text: Callable[[Request], str] | None = None, size: int = 4
    ) -> None:
        self.calls: list[list[Request]] = []
        self.interrupt_at = interrupt_at
        self.text = text or (lambda request: f"to {request.question} {request.draw}")
        self.provenance = {"engine": "counting", "version": "1"}
        self.at_once = self.window = size
        self.added: list[Request] = []

    @property
    def in_flight(self) -> int:
        return len(self.added)

    def add(self, request: Request, sampling: Sampling | None) -> None:
        self.added.append(request)

    def step(self) -> list[tuple[Request, Answer]]:
        if len(self.calls) == self.interrupt_at:
            raise KeyboardInterrupt
        asked, self.added = self.added[: self.at_once], self.added[self.at_once :]
        self.calls.append(asked)
        return [(request, answer(request, self.text(request))) for request in asked]

    def abandon(self) -> None:
        self.added.clear()

    def close(self) -> None:
        self.abandon()

    def asked(self) -> list[str]:
        """The names of all requests, in the order of asking."""
        return [name(request) for call in self.calls for request in call]


class RecordingEngine(CountingEngine):
    """Writes what it is asked to a file that outlives it: a line for each step, the process and the requests' names."""

    def __init__(self, counter: Path, seconds: float, size: int = 4) -> None:
        super().__init__(size=size)
        self.counter, self.seconds = counter, seconds

    def write(self, requests: Sequence[Request]) -> None:
        line = " ".join([str(os.getpid()), *map(name, requests)])
        number = os.open(self.counter, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(number, f"{line}\n".encode())
        os.close(number)

    def step(self) -> list[tuple[Request, Answer]]:
        self.write(self.added[: self.at_once])
        time.sleep(self.seconds)
        return super().step()


class LongTailedEngine(RecordingEngine):
    """Each request takes a number of steps of its own, a few of them many; what is asked is written as it is added."""

    def __init__(self, counter: Path, seconds: float, size: int = 4) -> None:
        super().__init__(counter, seconds, size)
        self.left: dict[Request, int] = {}

    @property
    def in_flight(self) -> int:
        return len(self.left)

    def add(self, request: Request, sampling: Sampling | None) -> None:
        draw = int(request.query_key[:8], 16) % 16
        self.left[request] = 12 if draw == 0 else 1 + draw % 3
        self.write([request])

    def step(self) -> list[tuple[Request, Answer]]:
        time.sleep(self.seconds)
        self.left = {request: steps - 1 for request, steps in self.left.items()}
        done = [request for request, steps in self.left.items() if steps == 0]
        for request in done:
            del self.left[request]
        return [(request, answer(request, self.text(request))) for request in done]

    def abandon(self) -> None:
        self.left.clear()


def name(request: Request) -> str:
    return f"{request.query_key}:{request.draw}"


def answer(request: Request, text: str | None = None) -> Answer:
    return Answer(
        text or f"to {request.question} {request.draw}", -0.5, (-0.5, -1.5), 7, 3, "scored", request.question == "q3"
    )


def questions(count: int, draws: int = 1, first: int = 0) -> list[Request]:
    return [
        render("{question}", f"q{i}", ["a", "b"], draw=draw)
        for i, draw in itertools.product(range(first, count), range(draws))
    ]


def ask(
    store: Store,
    requests: Sequence[Request],
    engine: Any,
    settings: AnswerSettings = SETTINGS,
    chunk_size: int = 4,
    lines: list[str] | None = None,
) -> FillCount:
    return fill(store, settings, requests, lambda: engine, chunk_size, (lines if lines is not None else []).append)


def texts(store: Store, requests: Sequence[Request], settings: AnswerSettings = SETTINGS) -> list[str]:
    table = store.read(settings, [request.query_key for request in requests], [request.draw for request in requests])
    return table["text"].to_pylist()


def job(
    store: Path,
    counter: Path,
    last: int,
    *,
    first: int = 0,
    chunk_size: int = 4,
    seconds: float = 0.0,
    long_tailed: bool = False,
    under: Sequence[str] = (),
) -> Any:
    """Start a job of its own, in a process group of its own; ``under`` is the beginning of its command."""
    command = [*under, sys.executable, "-m", "tests.store_world", store, counter, first, last, chunk_size, seconds]
    command += ["long-tailed"] if long_tailed else []
    return subprocess.Popen(
        [str(part) for part in command],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'workflow_scripts'}{os.pathsep}{ROOT}", "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def calls(counter: Path) -> Iterator[tuple[int, list[str]]]:
    """What was asked so far: the process, and the names of a call's requests."""
    for line in counter.read_text().splitlines() if counter.exists() else ():
        process, *names = line.split()
        yield int(process), names


if __name__ == "__main__":
    folder, counter_file, *numbers = sys.argv[1:]
    begin, end, size = map(int, numbers[:3])
    try:
        ask(
            Store(folder),
            questions(end, first=begin),
            (LongTailedEngine if numbers[4:] else RecordingEngine)(Path(counter_file), float(numbers[3]), size),
            chunk_size=size,
        )
    except UserError as error:
        sys.exit(str(error))
