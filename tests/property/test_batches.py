"""Whatever stands in the output of a batch, the answers to other lines are read, and nothing else is made an answer."""

import contextlib
import json
import os
from collections.abc import Iterator
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rgd.engines import EngineSettings, open_engine
from rgd.engines.batches import Batches, batches_of
from rgd.engines.remote import Blocked, RemoteEngine, Reply, TryAgain
from rgd.errors import UserError
from tests.property.test_replies import anything

N, ODD = 5, 2
SENT = ["temperature", "top_p", "seed"]
NAMES = ["key", "custom_id", "response", "error", "status_code", "body", "status", "code", "message", "metadata"]
WRAPPED = {
    "openai": lambda name, reply, status: {
        "custom_id": name,
        "response": {"status_code": status, "body": reply},
        "error": None,
    },
    "gemini": lambda name, reply, status: {"key": name, "response": reply},
}
GOOD = {
    "openai": {
        "choices": [{"message": {"content": "good"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2},
    },
    "gemini": {
        "candidates": [{"content": {"parts": [{"text": "good"}]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2},
    },
}


@contextlib.contextmanager
def batches(kind: str) -> Iterator[Batches]:
    with mock.patch.dict(os.environ, {"OPENAI_API_KEY": "none", "GEMINI_API_KEY": "none"}):
        api = {"model": "m", "base_url": "http://127.0.0.1:1"}
        with open_engine(kind, EngineSettings(None, 64, api=api)) as engine:
            assert isinstance(engine, RemoteEngine)
            yield batches_of(engine)


@pytest.fixture(scope="module", params=sorted(GOOD))
def server(request: pytest.FixtureRequest) -> Iterator[tuple[str, Batches]]:
    with batches(request.param) as found:
        yield request.param, found


# What stands in the place of a line's reply, or of the line.
lines = st.dictionaries(st.one_of(st.sampled_from(NAMES), st.text(max_size=3)), anything, max_size=5)
raw = st.one_of(st.binary(max_size=40), st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass")))


def written(line: object) -> bytes:
    return json.dumps(line).encode().replace(b"\n", b" ")


@given(
    odd=anything,
    status=st.one_of(st.just(200), st.sampled_from([400, 404, 429, 451, 500]), anything),
    order=st.permutations(range(N)),
)
def test_an_odd_reply_costs_no_other_answer(
    server: tuple[str, Batches], odd: object, status: object, order: list[int]
) -> None:
    kind, found = server
    content = [
        written(
            WRAPPED[kind](f"l-{number}", odd, status)
            if number == ODD
            else WRAPPED[kind](f"l-{number}", GOOD[kind], 200)
        )
        for number in order
    ]
    read = dict(found.read(content, SENT))
    for number in set(range(N)) - {ODD}:
        reply = read[f"l-{number}"]
        assert isinstance(reply, Reply)
        assert (reply.value.text, reply.prompt_tokens, reply.completion_tokens) == ("good", 3, 2)
    assert isinstance(read.get(f"l-{ODD}"), Reply | TryAgain | Blocked | UserError)


@given(odd=st.lists(st.one_of(lines.map(written), raw), max_size=4), before=st.booleans())
def test_an_odd_line_costs_no_other_answer(server: tuple[str, Batches], odd: list[bytes], before: bool) -> None:
    kind, found = server
    good = [written(WRAPPED[kind]("l-1", GOOD[kind], 200))]
    content = [line.replace(b"\n", b" ") for line in odd]
    read = list(found.read(content + good if before else good + content, SENT))
    assert "good" in [outcome.value.text for name, outcome in read if name == "l-1" and isinstance(outcome, Reply)]
    assert all(isinstance(name, str) for name, _ in read)


@given(cut=st.integers(1, 200))
def test_a_line_that_was_cut_off_is_no_answer(server: tuple[str, Batches], cut: int) -> None:
    kind, found = server
    line = written(WRAPPED[kind]("l-1", GOOD[kind], 200))
    assert list(found.read([line[: max(0, len(line) - cut)]], SENT)) == []
