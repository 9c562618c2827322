"""Bundles of routers fitted on a synthetic pool, and models that answer by rule."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from rgd.engines import opening
from rgd.engines.base import Answer, Request, Sampling
from rgd.routers import make, save
from rgd.routers.base import TestQueries, TrainingSet
from rgd.tool import bundle
from tests.unit.routing_worlds import niches

DIMENSION = 16
REAL = opening.opened


def member(key: str, way: str = "generate") -> dict[str, Any]:
    return {
        "key": key,
        "title": key.upper(),
        "asked": {
            "engine": "transformers",
            "weights": {"hub": {"repo": f"tiny/{key}", "revision": "0" * 40}},
            "api": None,
            "max_model_len": 128,
            "dtype": "float32",
            "chat": {},
            "gpus": 0,
            "way": way,
            "prompt": "{question}\n{options}",
            "sampling": {"temperature": 0.0, "top_p": 1.0, "max_tokens": 16, "seed": 0},
        },
    }


def embedder() -> dict[str, Any]:
    asked = member("embedder")["asked"]
    run = {name: asked[name] for name in ("engine", "weights", "api", "max_model_len", "dtype", "gpus")}
    return {**run, "pooling": "mean", "dimension": DIMENSION}


def world(
    method: str = "cascal", parameters: Mapping[str, Any] | None = None, seed: int = 0
) -> tuple[bundle.Content, TrainingSet, TestQueries]:
    """A fitted router as a bundle's content, what it was fitted on, and queries to route."""
    train, queries, *_ = niches(seed)
    router = make(method, parameters).fit(train)
    content = bundle.Content(
        routing={
            "method": method,
            "parameters": dict(parameters or {}),
            "variants": {},
            "aggregate": router.aggregate,
            "cell": {"dataset": "d", "scenario": "real", "pool": "p", "router": method},
            "seed": seed,
            "neighbours": 64,
            "titles": {"dataset": "D", "scenario": "real queries", "pool": "P"},
            "embedder": embedder(),
            "descriptions": {},
        },
        members=[member(key) for key in train.members],
        made_from={},
        learned=save({seed: router}),
        training=pa.table(
            {
                "query_id": train.query_ids.tolist(),
                "task": train.tasks.tolist(),
                "question": [f"question {query_id}" for query_id in train.query_ids.tolist()],
            }
        ),
        embeddings=train.embeddings,
    )
    return content, train, queries


def written(folder: Path, *arguments: Any, **more: Any) -> Path:
    """The folder of a bundle of :func:`world`."""
    bundle.write(folder, world(*arguments, **more)[0])
    return folder


class Rules:
    """An engine whose vectors follow from a text's length and whose answers from the member's name."""

    provenance: Mapping[str, Any] = {}

    def __init__(self, name: str, letters: Mapping[str, str]) -> None:
        self.name, self.letters = name, letters
        self.asked: list[Request] = []

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        vectors = np.eye(DIMENSION, dtype=np.float32)[[len(text) % 4 for text in texts]]
        return np.ascontiguousarray(vectors)

    def steps(self, requests: Sequence[Request], sampling: Sampling | None) -> Iterator[list[tuple[Request, Answer]]]:
        answers = self.score(requests) if sampling is None else self.generate(requests, sampling)
        yield []
        yield list(zip(requests, answers, strict=True))

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Answer]:
        self.asked += requests
        letter = self.letters.get(self.name, "A")
        said = f"The answer is ({letter})." if requests[0].options else f"{self.name} says hello"
        return [Answer(said, -0.5, None, 7, 3, "stop", False) for _ in requests]

    def pieces(self, request: Request, sampling: Sampling) -> Iterator[str | Answer]:
        (answer,) = self.generate([request], sampling)
        yield ""
        yield from answer.text.partition(" ")
        yield answer

    def score(self, requests: Sequence[Request]) -> list[Answer]:
        best = ord(self.letters.get(self.name, "A")) - ord("A")
        return [
            Answer(
                request.options[best],
                -1.0,
                tuple(-1.0 if place == best else -2.0 for place in range(len(request.options))),
                7,
                3,
                "scored",
                False,
            )
            for request in requests
        ]

    def close(self) -> None:
        pass


def engines(letters: Mapping[str, str] | None = None) -> tuple[Any, dict[str, Rules]]:
    """A stand-in for ``rgd.engines.opening.opened`` and the engines that it has opened."""
    made: dict[str, Rules] = {}

    # Models behind a server are asked for real.
    @contextmanager
    def opened(spec: Mapping[str, Any], *more: Any) -> Iterator[Any]:
        if spec["api"] is not None:
            with REAL(spec, *more) as engine:
                yield engine
            return
        name = spec["weights"]["hub"]["repo"].removeprefix("tiny/")
        assert name not in made, f"{name} was loaded twice"
        made[name] = Rules(name, letters or {})
        yield made[name]

    return opened, made


def think(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every model thinks before it answers, of another answer and without the opening mark."""
    answered = Rules.generate

    def generate(self: Rules, requests: Sequence[Request], sampling: Sampling) -> list[Answer]:
        found = answered(self, requests, sampling)
        return [replace(answer, text=f"The answer is (C)?\n</think>\n\n{answer.text}") for answer in found]

    monkeypatch.setattr(Rules, "generate", generate)
