"""Whatever a server sends for one request, the answers to the others are kept."""

import contextlib
import json
import math
import os
from collections.abc import Iterator
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rgd.engines import EngineSettings, Sampling, gemini, open_engine, replies
from rgd.engines.base import Answer, Request
from rgd.engines.prompts import render
from rgd.errors import UserError
from rgd.store import chunks
from rgd.store.answers import AnswerSettings, Store
from rgd.store.fill import fill
from tests.faulty_server import Asked, FaultyServer, Play
from tests.streams import Stopped, answers_of

SAMPLING = Sampling(temperature=0.7, top_p=0.9, max_tokens=20, seed=3)
TEMPLATE = "[user]\n{question}\n{options}"
N, ODD = 5, 2
REASONS = ("stop", "blocked", "length", "empty")

odd_texts = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        ["\ud83d", "a\udc00b", "\0", "a\0b", "﻿", "The answer is (A)", "stop", "error", "x" * 10_000, "\x1b[2J"]
    ),
)
odd_numbers = st.one_of(
    st.integers(-3, 3),
    st.sampled_from(
        [2**31, 2**63, 10**400, -(2**40), 7, 0.5, -0.25, 1e308, -1e308, math.nan, math.inf, -math.inf, 3.0]
    ),
)
leaves = st.one_of(st.none(), st.booleans(), odd_numbers, odd_texts)
NAMES = [
    "choices",
    "message",
    "content",
    "finish_reason",
    "logprobs",
    "logprob",
    "usage",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "error",
    "code",
    "completion_tokens_details",
    "reasoning_tokens",
    "model",
    "text",
    "type",
    "refusal",
    "reasoning_content",
    "index",
    "data",
    "embedding",
    "candidates",
    "parts",
    "usageMetadata",
    "promptTokenCount",
    "finishReason",
    "thought",
    "delta",
    "base_resp",
    "status_code",
]
anything = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.sampled_from(NAMES), st.text(max_size=4)), inner, max_size=4),
    ),
    max_leaves=8,
)


def chat(text: Any = "fine") -> dict[str, Any]:
    return {
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, "reasoning_content": None, "refusal": None},
                "finish_reason": "stop",
                "logprobs": {"content": [{"token": "t", "logprob": -0.5}]},
            }
        ],
        "usage": {
            "prompt_tokens": 11,
            "completion_tokens": 5,
            "total_tokens": 16,
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
    }


def gemini_reply(text: Any = "fine") -> dict[str, Any]:
    candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP", "avgLogprobs": -0.5}
    usage = {"promptTokenCount": 9, "candidatesTokenCount": 4, "thoughtsTokenCount": 2, "totalTokenCount": 15}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "m"}


def embedded(count: int = 1) -> dict[str, Any]:
    data = [{"index": index, "embedding": [1.0, 2.0]} for index in range(count)]
    return {"data": data, "model": "m", "usage": {"prompt_tokens": 9, "total_tokens": 9}}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every path in a JSON value."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """``value`` with ``new`` at ``path``; the value itself is left as it is."""
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(copy[path[0]], path[1:], new)
    return copy


def found(value: Any, path: tuple[Any, ...]) -> Any:
    """What stands at ``path``."""
    for key in path:
        value = value[key]
    return value


def odd(good: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Any JSON: mostly a good reply in which one or two places hold something else."""
    at = list(places(good))
    # A place that holds a value, where one odd value is likelier to be read than a whole odd object.
    held = [path for path in at if path and not isinstance(found(good, path), dict | list)]
    value = st.builds(lambda path, new: changed(good, path, new), st.sampled_from(held), leaves)
    two = st.builds(lambda once, path, new: changed(once, path, new), value, st.sampled_from(held), leaves)
    part = st.builds(lambda path, new: changed(good, path, new), st.sampled_from(at[1:]), anything)
    more = st.builds(
        lambda other: good | other, st.dictionaries(st.sampled_from(NAMES), anything, min_size=1, max_size=3)
    )
    return st.one_of(value, value, two, part, more, anything)


def is_storable(answer: Answer) -> bool:
    """Whether the answer has the types and ranges of the store's columns."""
    answer.text.encode()
    answer.served_model.encode()
    counts = (answer.prompt_tokens, answer.completion_tokens)
    return (
        "\0" not in answer.text
        and all(isinstance(count, int) and 0 <= count < 2**31 for count in counts)
        and answer.finish_reason in REASONS
        and (answer.finish_reason != "blocked" or not answer.text)
        and (math.isnan(answer.confidence) or math.isfinite(np.float32(answer.confidence)))
    )


def requests() -> list[Request]:
    return [render(TEMPLATE, f"q{index} ?", ["a", "b"]) for index in range(N)]


def answered(engine: Any) -> list[tuple[Request, Answer]]:
    """The requests that got an answer, and the answers, whether or not the job ended early."""
    try:
        return list(zip(requests(), answers_of(engine, requests(), SAMPLING), strict=True))
    except Stopped as stop:
        return stop.answered


class World:
    """A server of each protocol that answers one request with what ``odd`` holds, and an engine for it."""

    def __init__(self, kind: str) -> None:
        self.kind, self.odd = kind, b""

        def usual(asked: Asked) -> Play:
            body = asked.body
            text = json.dumps(body)
            if f"q{ODD} ?" in text:
                return Play(self.odd, headers={"Content-Type": "application/json"})
            if "input" in body:
                return Play(embedded(len(body["input"])))
            return Play(chat() if "messages" in body else gemini_reply())

        self.server = FaultyServer(usual)
        self.api = {"model": "m", "backoff_s": 0.001, "attempts": 2, "concurrency": 1}

    def settings(self) -> EngineSettings:
        path = "/v1" if self.kind == "openai" else ""
        return EngineSettings(None, 4096, api=self.api | {"base_url": self.server.address + path})


@pytest.fixture(scope="module", params=["openai", "gemini"])
def world(request: pytest.FixtureRequest) -> Iterator[tuple[World, Any]]:
    made = World(request.param)
    with (
        mock.patch.dict(os.environ, {"OPENAI_API_KEY": "k-none", "GEMINI_API_KEY": "k-none"}),
        made.server,
        open_engine(made.kind, made.settings()) as engine,
    ):
        yield made, engine


SLOW = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@SLOW
@given(data=st.data())
def test_any_json_for_one_request_leaves_the_others(world: tuple[World, Any], data: st.DataObject) -> None:
    made, engine = world
    good = chat() if made.kind == "openai" else gemini_reply()
    made.odd = json.dumps(data.draw(odd(good))).encode("utf-8", "surrogatepass")
    came = answered(engine)
    assert len(came) >= N - 1
    assert all(is_storable(answer) for _, answer in came)
    texts = {request.question: answer.text for request, answer in came}
    assert all(texts[f"q{index} ?"] == "fine" for index in range(N) if index != ODD)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(content=st.one_of(st.binary(max_size=60), st.binary(max_size=20).map(lambda end: b'{"choices": [' + end)))
def test_any_bytes_for_one_request_leave_the_others(world: tuple[World, Any], content: bytes) -> None:
    made, engine = world
    made.odd = content
    assert len(answered(engine)) >= N - 1


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    body=odd({"error": {"message": "bad request", "type": "t", "code": "c", "param": "p"}}),
    status=st.sampled_from([400, 403, 422, 500, 599]),
)
def test_any_refusal_of_one_request_keeps_what_came(body: Any, status: int) -> None:
    """A refusal may end the job, as it may concern every request; what came before is kept."""
    refused = json.dumps(body)
    with FaultyServer(
        lambda asked: Play(refused, status) if f"q{ODD} ?" in str(asked.body) else Play(chat())
    ) as server:
        api = {"model": "m", "base_url": f"{server.address}/v1", "backoff_s": 0.001, "attempts": 2, "concurrency": 1}
        with (
            mock.patch.dict(os.environ, {"OPENAI_API_KEY": "k-none"}),
            open_engine("openai", EngineSettings(None, 4096, api=api)) as engine,
        ):
            assert len(answered(engine)) >= ODD


@settings(max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck))
@given(reply=st.one_of(odd(chat()), odd(gemini_reply())))
def test_a_reply_is_read_or_unreadable_and_nothing_else(reply: Any) -> None:
    for read, given_reply in ((replies.read_chat, reply), (gemini.read, reply)):
        try:
            reading = read(given_reply)
        except replies.Unreadable:
            continue
        answer = Answer(
            reading.text,
            reading.confidence,
            None,
            reading.prompt_tokens or 0,
            reading.completion_tokens or 0,
            reading.finish_reason,
            False,
            served_model=reading.served_model,
        )
        assert is_storable(answer)


@SLOW
@given(
    events=st.lists(odd({"choices": [{"delta": {"content": "a"}, "finish_reason": "stop"}], "usage": None}), max_size=4)
)
def test_a_stream_is_read_or_unreadable_and_nothing_else(events: list[Any]) -> None:
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
    with contextlib.suppress(replies.Unreadable):
        replies.read_chat(replies.parsed(body.encode()))


@SLOW
@given(reply=odd(embedded(2)))
def test_vectors_are_read_or_unreadable_and_nothing_else(reply: Any) -> None:
    try:
        vectors, tokens = replies.read_embeddings(reply, 2)
    except replies.Unreadable:
        return
    assert vectors.shape[0] == 2
    assert np.isfinite(vectors).all()
    assert tokens is None or 0 <= tokens < 2**31


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_came_is_in_the_store(
    world: tuple[World, Any], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    made, engine = world
    good = chat() if made.kind == "openai" else gemini_reply()
    made.odd = json.dumps(data.draw(odd(good))).encode("utf-8", "surrogatepass")
    store = Store(tmp_path_factory.mktemp("store") / "store")
    under = AnswerSettings("openai:m", "generate", TEMPLATE, None, "served", sampling=SAMPLING)
    with contextlib.suppress(UserError):
        fill(store, under, requests(), lambda: engine, N, lambda _: None)
    stored = store.answered(under, [request.query_key for request in requests()])
    assert stored.sum() >= N - 1
    kept = [request.query_key for request, has in zip(requests(), stored, strict=True) if has]
    table = store.read(under, kept)
    assert table.schema.equals(chunks.SCHEMA)
    assert table["text"].to_pylist().count("fine") >= N - 1
