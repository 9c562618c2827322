"""The engine openai: its real client against a server with faults, and against vLLM's own server."""

import json
import math
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pyarrow as pa
import pytest

from rgd.answers.responses import NO_CONFIDENCE, response_rows
from rgd.config.schema.models import NEUTRAL
from rgd.engines import EngineSettings, Sampling, open_engine
from rgd.engines.base import Message, Request
from rgd.engines.prompts import render
from rgd.engines.remote import retry_after
from rgd.errors import UserError
from rgd.seeds import derive_seed
from rgd.store.answers import AnswerSettings, Store
from rgd.store.fill import fill
from tests import tiny_models
from tests.faulty_server import FaultyServer, Play
from tests.streams import Stopped, answers_of

KEY = "sk-not-for-any-eye-4711"
TEMPLATE = "[system]\nYou are brief.\n[user]\n{question}\n{options}"
SAMPLING = Sampling(temperature=0.7, top_p=0.9, max_tokens=20, seed=3)


def chat(text="The answer is (A)", *, logprobs=(-0.25, -0.75), reason="stop", **more):
    scored = None if logprobs is None else {"content": [{"token": "t", "logprob": one} for one in logprobs]}
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "finish_reason": reason,
        "logprobs": scored,
    }
    usage = {"prompt_tokens": 11, "completion_tokens": 5, "total_tokens": 16}
    return {"id": "x", "object": "chat.completion", "model": "served-7", "choices": [choice], "usage": usage} | more


def error(message, **more):
    return {"error": {"message": message, "type": "t", "code": None} | more}


def echo(asked):
    return Play(chat(f"to {asked.body['messages'][-1]['content'].split()[0]}"))


@pytest.fixture(autouse=True)
def _key(monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def ask():
    """Asks a server that plays ``script``: the server, and the answers to ``requests``."""

    def run(script, requests=None, *, usual=echo, chat_arguments=None, **api):
        with FaultyServer(usual, script) as server:
            settings = EngineSettings(
                None,
                4096,
                chat=chat_arguments or {},
                api={"model": "m", "base_url": server.address + "/v1", "backoff_s": 0.01, "attempts": 3} | api,
            )
            with open_engine("openai", settings) as engine:
                return server, answers_of(engine, requests or questions(1), SAMPLING)

    return run


def questions(count):
    return [render(TEMPLATE, f"q{index} ?", ["a", "b"]) for index in range(count)]


def test_a_reply_becomes_an_answer(ask):
    request = questions(1)[0]
    server, (answer,) = ask(
        [Play(chat())], [request], chat_arguments={"enable_thinking": False, "reasoning_effort": "low"}
    )
    assert (answer.text, answer.finish_reason, answer.attempts) == ("The answer is (A)", "stop", 1)
    assert answer.confidence == pytest.approx(-0.5)
    assert (answer.prompt_tokens, answer.completion_tokens, answer.served_model) == (11, 5, "served-7")
    body = server.asked[0].body
    assert server.asked[0].path == "/v1/chat/completions"
    assert server.asked[0].headers["authorization"] == f"Bearer {KEY}"
    assert body == {
        "model": "m",
        "messages": [{"role": turn.role, "content": turn.content} for turn in request.messages],
        "temperature": 0.7,
        "top_p": 0.9,
        "max_tokens": 20,
        "seed": derive_seed(3, request.query_key, 0),
        "logprobs": True,
        "top_k": -1,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "reasoning_effort": "low",
        "chat_template_kwargs": {"enable_thinking": False},
    }


def test_a_begun_answer_is_continued(ask):
    server, _ = ask([], [render("[user]\n{question}\n[assistant]\nThe answer is", "q0")])
    assert (server.asked[0].body["continue_final_message"], server.asked[0].body["add_generation_prompt"]) == (
        True,
        False,
    )


def test_a_prompt_without_turns_is_refused(ask):
    with pytest.raises(UserError, match=r"openai.*\[user\]"):
        ask([], [Request((Message("text", "Question:"),))])


@pytest.mark.parametrize(
    "script",
    [
        [Play(chat(logprobs=None))],
        [Play(error("logprobs are not supported by this model"), 400)],
    ],
)
def test_without_logprobs_there_is_no_confidence(ask, script):
    _, (answer,) = ask(script, usual=lambda _: Play(chat(logprobs=None)))
    assert math.isnan(answer.confidence)
    query = pa.table({"query_id": ["q"], "options": [["a", "b"]], "answer_kind": ["letter"]})
    row = {
        "text": answer.text,
        "confidence": answer.confidence,
        "prompt_tokens": 1,
        "completion_tokens": 1,
        "finish_reason": "stop",
    }
    (read,) = response_rows(query, [row], "generate").to_pylist()
    assert (read["answer"], read["confidence"], read["confidence_kind"]) == ("A", None, NO_CONFIDENCE)


def test_logprobs_that_are_refused_are_asked_for_once(ask):
    refusal = Play(error("logprobs are not supported by this model"), 400)
    server, _ = ask([refusal], questions(5), concurrency=1)
    assert ["logprobs" in asked.body for asked in server.asked] == [True, *[False] * 5]


@pytest.mark.parametrize(
    ("choice", "reason"),
    [
        (chat(None, reason="content_filter"), "blocked"),
        (chat(choices=[]), "empty"),
        (chat("cut", reason="length"), "length"),
    ],
)
def test_what_is_blocked_empty_or_cut_off_is_an_answer(ask, choice, reason):
    server, (answer,) = ask([Play(choice)])
    assert (answer.finish_reason, len(server.asked)) == (reason, 1)


@pytest.mark.parametrize(
    "fault",
    [
        Play(error("slow down"), 429, {"Retry-After": "0"}),
        Play(error("slow down"), 429),
        Play(error("busy"), 408),
        Play(error("conflict"), 409),
        Play(error("broken"), 500),
        Play("<html>Bad gateway</html>", 502),
        Play(error("overloaded"), 503),
        Play(drop=True),
        Play(chat(), cut=40),
        Play('{"choices": [{"mess'),
        Play({"error": {"message": "upstream"}}),
        Play(chat(), delay_s=4.0),
    ],
    ids=lambda play: f"{play.status}{'-drop' * play.drop}{'-cut' * bool(play.cut)}{'-slow' * bool(play.delay_s)}",
)
def test_what_passes_is_asked_again(ask, fault):
    server, (answer,) = ask([fault], **({"timeout_s": 1.0} if fault.delay_s else {}))
    assert (answer.text, answer.attempts, len(server.asked)) == ("to q0", 2, 2)


def test_retry_after_is_honoured(ask, pauses):
    server, _ = ask([Play(error("slow down"), 429, {"Retry-After": "0.4"})])
    assert server.asked[1].at - server.asked[0].at >= 0.4
    assert pauses == [pytest.approx(0.4, abs=0.01)]


def test_the_header_retry_after():
    assert retry_after({"retry-after": "7"}) == 7
    assert retry_after({"retry-after": "7", "retry-after-ms": "20"}) == pytest.approx(0.02)
    assert retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0
    assert retry_after({"retry-after": "soon"}) is None
    assert retry_after({}) is None


def test_a_long_wait_ends_the_job(ask):
    with pytest.raises(UserError, match=r"7200 s"):
        ask([Play(error("quota"), 429, {"Retry-After": "7200"})])


def test_attempts_are_bounded(ask):
    with pytest.raises(UserError, match=r"3 attempts.*500.*broken"):
        ask([Play(error("broken"), 500)] * 4)


def test_at_most_so_many_requests_at_a_time(ask):
    came = []

    def three_at_once(asked):
        came.append(asked)
        return Play(echo(asked).body, hold=lambda: len(came) >= 3)

    server, answers = ask([], questions(12), concurrency=3, usual=three_at_once)
    assert server.most_at_once == 3
    assert [answer.text for answer in answers] == [f"to q{index}" for index in range(12)]


def test_the_pace_is_kept(ask):
    began = time.monotonic()
    server, _ = ask([], questions(4), requests_per_minute=600)
    # A busy machine delays requests, and brings none forward.
    assert all(asked.at - began >= 0.1 * place for place, asked in enumerate(server.asked))


@pytest.mark.parametrize(
    ("play", "message"),
    [
        (
            Play(error("This model's maximum context length is 512 tokens."), 400),
            r" m .*max_tokens",
        ),
        (Play(error("bad temperature"), 400), r"400.*bad temperature"),
        (Play(error("no such model"), 404), r"'m'.*api\.model.*api\.base_url"),
        (Play(error(f"Incorrect API key provided: {KEY}"), 401), r"401.*OPENAI_API_KEY"),
        (Play(error("forbidden"), 403), r"403.*OPENAI_API_KEY"),
        (Play(error("pay", code="insufficient_quota"), 429), "insufficient_quota"),
        (Play("<html>Welcome</html>"), r"Welcome.*api\.base_url"),
    ],
)
def test_what_does_not_pass_is_asked_once(play, message):
    with FaultyServer(echo, [play]) as server:
        settings = EngineSettings(None, 4096, api={"model": "m", "base_url": server.address + "/v1"})
        with open_engine("openai", settings) as engine, pytest.raises(UserError, match=message) as caught:
            engine.generate(questions(1), SAMPLING)
    assert len(server.asked) == 1
    assert KEY not in str(caught.value)


def test_a_server_that_is_not_there_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        api = {"model": "m", "base_url": address, "attempts": 2, "backoff_s": 0.01}
        with (
            open_engine("openai", EngineSettings(None, 4096, api=api)) as engine,
            pytest.raises(UserError, match=address),
        ):
            engine.generate(questions(1), SAMPLING)


def test_a_missing_key_is_named(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    with (
        pytest.raises(UserError, match="OPENAI_API_KEY"),
        open_engine("openai", EngineSettings(None, 4096, api={"model": "m"})),
    ):
        pass
    own = {"model": "m", "base_url": "http://localhost:1/v1", "key_variable": "MY_KEY"}
    with (
        pytest.raises(UserError, match="MY_KEY"),
        open_engine("openai", EngineSettings(None, 4096, api=own)),
    ):
        pass


def test_a_server_of_ones_own_needs_no_key(ask, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    server, _ = ask([])
    assert server.asked[0].headers["authorization"] == "Bearer none"


def test_the_key_is_read_from_a_file(ask, monkeypatch, tmp_path):
    monkeypatch.delenv("OPENAI_API_KEY")
    (tmp_path / ".env").write_text("OPENAI_API_KEY=from-the-file\n")
    server, _ = ask([])
    assert server.asked[0].headers["authorization"] == "Bearer from-the-file"
    assert "OPENAI_API_KEY" not in os.environ


def test_a_key_with_a_line_break_is_refused_unseen(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY + "\nmore")
    with (
        pytest.raises(UserError, match="OPENAI_API_KEY") as caught,
        open_engine("openai", EngineSettings(None, 4096, api={"model": "m"})),
    ):
        pass
    assert KEY not in str(caught.value)


def test_answers_that_came_before_a_failure_are_kept(ask):
    with pytest.raises(Stopped) as caught:
        ask([Play(chat("one")), Play(chat("two")), Play(error("forbidden"), 403)], questions(6), concurrency=1)
    assert [(request.question, answer.text) for request, answer in caught.value.answered] == [
        ("q0 ?", "one"),
        ("q1 ?", "two"),
    ]


def test_after_a_failure_nothing_more_is_sent():
    with FaultyServer(echo, [Play(error("forbidden"), 403)]) as server:
        api = {"model": "m", "base_url": server.address + "/v1", "requests_per_minute": 60, "concurrency": 4}
        with open_engine("openai", EngineSettings(None, 4096, api=api)) as engine, pytest.raises(UserError):
            engine.generate(questions(8), SAMPLING)
    assert len(server.asked) == 1


def test_a_server_that_dies_in_the_middle_loses_nothing_and_the_next_run_goes_on(tmp_path):
    settings = AnswerSettings(
        weights="openai:m", way="generate", prompt=TEMPLATE, max_model_len=4096, dtype="served", sampling=SAMPLING
    )
    store, requests = Store(tmp_path / "store"), questions(12)
    keys = [request.query_key for request in requests]

    def run(server):
        api = {"model": "m", "base_url": server.address + "/v1", "backoff_s": 0.01, "attempts": 2, "concurrency": 3}
        with open_engine("openai", EngineSettings(None, 4096, api=api)) as engine:
            return fill(store, settings, requests, lambda: engine, 4)

    with FaultyServer(echo, dies_after=6) as first, pytest.raises(UserError, match=r"\b2 attempts"):
        run(first)
    assert len(first.asked) == store.answered(settings, keys).sum() == 6
    with pytest.raises(UserError, match=first.address):
        run(first)
    with FaultyServer(echo, port=first.port) as second:
        assert run(second).asked == 6
    assert len(second.asked) == 6
    texts = store.read(settings, keys)["text"].to_pylist()
    assert texts == [f"to q{index}" for index in range(12)]


def test_a_model_that_was_not_asked_for_is_told_once(ask, capfd):
    ask([], questions(3))
    assert capfd.readouterr().err.count("served-7") == 1
    ask([], questions(1), model="served")
    assert capfd.readouterr().err == ""


def test_the_key_is_in_no_output(tmp_path, capfd):
    """A run that fills the store, with a server that repeats the key in an error: every file and every line is searched."""
    settings = AnswerSettings(
        weights="openai:m", way="generate", prompt=TEMPLATE, max_model_len=4096, dtype="served", sampling=SAMPLING
    )
    store, requests = Store(tmp_path / "store"), questions(4)
    script = [Play(error(f"slow down, {KEY}"), 429), *[Play(chat())] * 2, Play(error(f"the key is {KEY}"), 400)]
    with FaultyServer(echo, script) as server:
        api = {"model": "m", "base_url": server.address + "/v1", "backoff_s": 0.01, "concurrency": 1}
        with open_engine("openai", EngineSettings(None, 4096, api=api)) as engine:
            with pytest.raises(UserError) as caught:
                fill(store, settings, requests, lambda: engine, 2)
            fill(store, settings, requests, lambda: engine, 2)
            shown = f"{engine.provenance}{engine.settings}{engine.api}"
    table = store.read(settings, [request.query_key for request in requests])
    assert table["served_model"].to_pylist() == ["served-7"] * 4
    assert table["attempts"].to_pylist() == [2, 1, 1, 1]
    captured = capfd.readouterr()
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert not any(KEY.encode() in content for content in files)
    assert KEY not in str(caught.value) + captured.out + captured.err + shown
    assert "[key]" in str(caught.value)


def test_embeddings_have_length_one_and_keep_their_order():
    def embed(asked):
        rows = [{"index": i, "embedding": [float(len(text)), 3.0]} for i, text in enumerate(asked.body["input"])]
        return Play({"data": rows[::-1], "model": "m", "usage": {"prompt_tokens": 9, "total_tokens": 9}})

    texts = ["x" * (1 + index % 7) for index in range(150)]
    with FaultyServer(embed, [Play(error("busy"), 503)]) as server:
        api = {"model": "m", "base_url": server.address + "/v1", "backoff_s": 0.01}
        with open_engine("openai", EngineSettings(None, 4096, api=api)) as engine:
            vectors = engine.embed(texts)
    assert (vectors.shape, vectors.dtype) == ((150, 2), np.float32)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(vectors[:, 0] / vectors[:, 1] * 3, [len(text) for text in texts], rtol=1e-5)
    assert {asked.path for asked in server.asked} == {"/v1/embeddings"}


REFUSED = [
    Play(error("Content Exists Risk", code="invalid_request_error"), 400),
    Play(error("no", code="content_filter"), 400),
    Play({"error": {"code": "1301", "message": "no"}}, 400),
    Play({"code": "denied", "error": "Content violates usage guidelines."}, 403),
    Play("Unavailable", 451),
    Play({"error": {"message": "input new_sensitive"}}, 500),
    Play({"error": {"message": "flagged by moderation", "code": 403}}),
    Play({"base_resp": {"status_code": 1026}, "choices": None}),
]


@pytest.mark.parametrize("refused", REFUSED, ids=lambda play: f"{play.status}-{play.body}"[:40])
def test_a_filters_refusal_is_an_answer_of_its_own(tmp_path, refused):
    settings = AnswerSettings("openai:m", "generate", TEMPLATE, None, "served", sampling=SAMPLING)
    store, requests = Store(tmp_path / "store"), questions(6)
    usual = lambda asked: refused if "q2 ?" in str(asked.body) else echo(asked)  # noqa: E731
    with FaultyServer(usual) as server:
        prices = {"price_prompt": 1.0, "price_completion": 100.0}
        api = {"model": "m", "base_url": server.address + "/v1", "concurrency": 2} | prices
        with open_engine("openai", EngineSettings(None, 4096, api=api)) as engine:
            assert fill(store, settings, requests, lambda: engine, 6).asked == 6
            assert fill(store, settings, requests, lambda: engine, 6).asked == 0
    rows = store.read(settings, [request.query_key for request in requests]).to_pylist()
    assert [row["text"] for row in rows] == ["to q0", "to q1", "", "to q3", "to q4", "to q5"]
    assert [row["finish_reason"] == "blocked" for row in rows] == [index == 2 for index in range(6)]
    assert rows[2]["confidence"] is None
    # Some providers charge for the prompt, and none for an answer.
    assert 0 < rows[2]["cost"] < 1e-3 < 20 * 100 / 1e6
    assert len(server.asked) == 6


UNREADABLE = [
    chat(reason="error"),
    chat(reason="insufficient_system_resource"),
    chat(error={"code": 502}),
    chat(choices=[{"message": {"content": "First (B)."}, "finish_reason": "error", "error": {"code": 502}}]),
    {"choices": None},
    [chat()],
]


@pytest.mark.parametrize("odd", UNREADABLE)
def test_an_unreadable_reply_is_asked_again_and_stops_no_other(ask, odd):
    server, (answer,) = ask([Play(odd)])
    assert (answer.text, answer.attempts, len(server.asked)) == ("to q0", 2, 2)
    usual = lambda asked: Play(odd) if "q1 ?" in str(asked.body) else echo(asked)  # noqa: E731
    with pytest.raises(Stopped, match=r"\b3 attempts") as caught:
        ask([], questions(6), usual=usual, concurrency=1)
    assert [answer.text for _, answer in caught.value.answered] == [f"to q{index}" for index in (0, 2, 3, 4, 5)]


def test_a_request_that_gets_no_answer_keeps_no_later_chunk_from_being_asked(tmp_path):
    settings = AnswerSettings("openai:m", "generate", TEMPLATE, None, "served", sampling=SAMPLING)
    store, requests = Store(tmp_path / "store"), questions(9)
    usual = lambda asked: Play(chat(reason="error")) if "q1 ?" in str(asked.body) else echo(asked)  # noqa: E731
    with FaultyServer(usual) as server:
        api = {"model": "m", "base_url": server.address + "/v1", "backoff_s": 0.01, "attempts": 2}
        with open_engine("openai", EngineSettings(None, 4096, api=api)) as engine:
            for _ in range(2):
                with pytest.raises(UserError, match=r"\b2 attempts"):
                    fill(store, settings, requests, lambda: engine, 2)
                stored = store.answered(settings, [request.query_key for request in requests])
                assert stored.tolist() == [index != 1 for index in range(9)]
    assert len(server.asked) == 8 + 2 + 2


def test_a_server_that_sends_nothing_readable_is_not_paid_for_every_request():
    with FaultyServer(lambda _: Play(chat(reason="error"))) as server:
        api = {"model": "m", "base_url": server.address + "/v1", "backoff_s": 0.01, "attempts": 2, "concurrency": 2}
        with open_engine("openai", EngineSettings(None, 4096, api=api)) as engine, pytest.raises(UserError):
            engine.generate(questions(50), SAMPLING)
    assert len(server.asked) <= 2 * (4 + 2)


def test_an_error_that_nobody_foresaw_costs_one_request(ask, monkeypatch):
    from rgd.engines import replies

    whole = replies.read_chat

    def fails(reply):
        if reply["choices"][0]["message"]["content"] == "to q1":
            raise LookupError("unforeseen")
        return whole(reply)

    monkeypatch.setattr(replies, "read_chat", fails)
    with pytest.raises(Stopped, match=r"LookupError.*unforeseen") as caught:
        ask([], questions(5), concurrency=1)
    assert len(caught.value.answered) == 4


def test_a_prompt_that_is_too_long_stops_no_other(ask):
    too_long = Play(error("This model's maximum context length is 512 tokens."), 400)
    usual = lambda asked: too_long if "q1 ?" in str(asked.body) else echo(asked)  # noqa: E731
    with pytest.raises(Stopped, match=r" m .*max_tokens") as caught:
        ask([], questions(5), usual=usual, concurrency=1)
    assert len(caught.value.answered) == 4


def test_a_web_page_after_answers_is_asked_again(ask):
    page = Play("<html>Bad gateway</html>")
    _, answers = ask([Play(chat("one")), page], questions(3), concurrency=1)
    assert [(answer.text, answer.attempts) for answer in answers] == [("one", 1), ("to q1", 2), ("to q2", 1)]


def test_ten_megabytes_are_an_answer(ask):
    _, (answer,) = ask([Play(chat("x" * 10_000_000))])
    assert len(answer.text) == 10_000_000


def test_thoughts_beside_the_output_are_charged(ask):
    usage = {
        "prompt_tokens": 32,
        "completion_tokens": 9,
        "total_tokens": 135,
        "completion_tokens_details": {"reasoning_tokens": 94},
    }
    _, (answer,) = ask([Play(chat(usage=usage))], price_prompt=3.0, price_completion=15.0)
    assert answer.cost == pytest.approx(0.001641)


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        {"prompt_tokens": None, "completion_tokens": 5},
        {"prompt_tokens": 11, "completion_tokens": 2**31},
        {"prompt_tokens": 1, "completion_tokens": -5},
    ],
)
def test_a_reply_without_sound_counts_is_charged_at_its_most(ask, usage):
    _, (answer,) = ask([Play(chat(usage=usage))], price_completion=1000.0)
    assert answer.cost == pytest.approx(20 * 1000 / 1e6)


def test_texts_that_an_embedding_server_refuses_as_too_long_lose_their_ends(capfd):
    def embed(asked):
        if any(len(text) > 100 for text in asked.body["input"]):
            return Play(error("This model's maximum context length is 100 tokens"), 400)
        rows = [{"index": i, "embedding": [float(len(text)), 3.0]} for i, text in enumerate(asked.body["input"])]
        return Play({"data": rows, "usage": {"prompt_tokens": 9, "total_tokens": 9}})

    texts = ["x" * 5, "y" * 1000, "z" * 99, "w" * 101]
    with FaultyServer(embed) as server:
        api = {"model": "m", "base_url": server.address + "/v1", "backoff_s": 0.01}
        with open_engine("openai", EngineSettings(None, 4096, api=api)) as engine:
            vectors = engine.embed(texts)
    lengths = vectors[:, 0] / vectors[:, 1] * 3
    assert lengths[[0, 2]] == pytest.approx([5, 99])
    assert all(75 < length <= 100 for length in lengths[[1, 3]])
    assert " 2 of 4 " in capfd.readouterr().err


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (413, "batch size 64 > maximum allowed batch size 10"),
        (422, "batch size 64 > maximum allowed batch size 10"),
        (400, "batch size is invalid, it should not be larger than 10.: input.contents"),
        (422, "List should have at most 10 items after validation, not 64"),
    ],
)
def test_texts_that_are_too_many_for_a_call_are_sent_in_halves_and_whole(status, message, capfd):
    asked_for = []

    def embed(asked):
        texts = asked.body["input"]
        asked_for.append(len(texts))
        if len(texts) > 10:
            return Play(error(message), status)
        return Play({"data": [{"index": i, "embedding": [float(len(text)), 3.0]} for i, text in enumerate(texts)]})

    with FaultyServer(embed) as server:
        api = {"model": "m", "base_url": server.address + "/v1", "backoff_s": 0.01}
        with open_engine("openai", EngineSettings(None, 4096, api=api)) as engine:
            vectors = engine.embed(["x" * length for length in range(1, 71)])
    assert vectors[:, 0] / vectors[:, 1] * 3 == pytest.approx(range(1, 71))
    assert len(asked_for) == 1 + 2 + 4 + 8 + 1
    assert "warning" not in capfd.readouterr().err


def test_a_text_that_a_local_server_fails_on_as_too_large_loses_its_end():
    def embed(asked):
        (text,) = asked.body["input"]
        if len(text) > 100:
            return Play(error("input (250 tokens) is too large to process. increase the physical batch size"), 500)
        return Play({"data": [{"index": 0, "embedding": [float(len(text)), 3.0]}]})

    with FaultyServer(embed) as server:
        api = {"model": "m", "base_url": server.address + "/v1", "backoff_s": 0.01}
        with open_engine("openai", EngineSettings(None, 4096, api=api)) as engine:
            ((long, width),) = engine.embed(["x" * 250])
    assert 75 < long / width * 3 <= 100


def test_an_embedder_that_refuses_everything_ends():
    with FaultyServer(lambda _: Play(error("no such thing"), 422)) as server:
        api = {"model": "m", "base_url": server.address + "/v1"}
        with (
            open_engine("openai", EngineSettings(None, 4096, api=api)) as engine,
            pytest.raises(UserError, match="no such thing"),
        ):
            engine.embed(["one", "two", "three"])


def test_an_embedder_that_refuses_everything_as_too_long_ends():
    with FaultyServer(lambda _: Play(error("input is too long"), 400)) as server:
        api = {"model": "m", "base_url": server.address + "/v1"}
        with (
            open_engine("openai", EngineSettings(None, 4096, api=api)) as engine,
            pytest.raises(UserError, match=r"api\.model"),
        ):
            engine.embed(["some text"])


@pytest.mark.parametrize(
    "odd",
    [
        {"data": None},
        {"data": []},
        {"data": [{"index": 0, "embedding": None}]},
        {"data": [{"index": 0, "embedding": []}]},
        {"data": [{"index": 0, "embedding": [1.0, None]}]},
        {"data": [{"index": 0, "embedding": [1.0, math.nan]}]},
        {"data": [{"index": 0, "embedding": [1.0, 1e300]}]},
        {"data": [{"index": 7, "embedding": [1.0, 2.0]}]},
        {"data": [{"index": 0, "embedding": "AAAA"}]},
        {"error": {"message": "busy"}},
        [],
    ],
)
def test_odd_vectors_are_asked_for_again(odd):
    good = Play({"data": [{"index": 0, "embedding": [3.0, 4.0]}], "usage": None})
    with FaultyServer(lambda _: good, [Play(odd)]) as server:
        api = {"model": "m", "base_url": server.address + "/v1", "backoff_s": 0.01}
        with open_engine("openai", EngineSettings(None, 4096, api=api)) as engine:
            np.testing.assert_allclose(engine.embed(["text"]), [[0.6, 0.8]], atol=1e-6)
    assert len(server.asked) == 2


SECRET = "hunter2-s3cret"


@pytest.mark.parametrize(
    "given",
    [
        "http://user:{secret}@{host}/v1",
        "http://{host}/v1?api-key={secret}",
        "http://{secret}@{host}/v1/?a=b&token={secret}#{secret}",
    ],
)
def test_credentials_in_an_address_reach_the_server_alone(monkeypatch, tmp_path, capfd, given):
    settings = AnswerSettings("openai:m", "generate", TEMPLATE, None, "served", sampling=SAMPLING)
    store = Store(tmp_path / "store")
    bad = Play(error(f"refused for {SECRET} at http://user:{SECRET}@host/?key={SECRET}"), 400)
    with FaultyServer(echo, [Play(chat()), bad]) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", given.format(secret=SECRET, host=server.address.removeprefix("http://")))
        with open_engine("openai", EngineSettings(None, 4096, api={"model": "m", "concurrency": 1})) as engine:
            assert engine.provenance["address"] == server.address + "/v1"
            with pytest.raises(UserError) as caught:
                fill(store, settings, questions(2), lambda: engine, 2)
    first = server.asked[0]
    assert first.path.startswith("/v1/chat/completions")
    assert SECRET in first.path or "basic " in first.headers["authorization"].lower()
    captured = capfd.readouterr()
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert SECRET not in f"{caught.value}{captured.out}{captured.err}{engine.provenance}{files}"


@pytest.mark.parametrize(
    "given", [f"http://user:{SECRET}@host:{SECRET}/v1", f"user:{SECRET}@host", f"ftp://{SECRET}@host/"]
)
def test_an_address_that_is_none_is_refused_unseen(monkeypatch, given):
    monkeypatch.setenv("OPENAI_BASE_URL", given)
    with (
        pytest.raises(UserError, match="OPENAI_BASE_URL") as caught,
        open_engine("openai", EngineSettings(None, 4096, api={"model": "m"})),
    ):
        pass
    assert SECRET not in str(caught.value)


def test_a_server_that_is_not_there_is_named_without_its_credentials(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://user:{SECRET}@127.0.0.1:9/v1?key={SECRET}")
    with (
        open_engine("openai", EngineSettings(None, 4096, api={"model": "m", "attempts": 1})) as engine,
        pytest.raises(UserError, match=r"127\.0\.0\.1:9") as caught,
    ):
        engine.generate(questions(1), SAMPLING)
    assert SECRET not in str(caught.value)


def test_options_are_not_scored():
    api = {"model": "m", "base_url": "http://localhost:1/v1"}
    with (
        open_engine("openai", EngineSettings(None, 4096, api=api)) as engine,
        pytest.raises(UserError, match=r"openai.*way: generate"),
    ):
        engine.score(questions(1))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The tiny model, whose generation_config.json would decide the sampling of a server that is not told otherwise."""
    built = tiny_models.build(tmp_path_factory.mktemp("model"))
    path = built / "generation_config.json"
    given = json.loads(path.read_text()) if path.exists() else {}
    decided = {"top_k": 1, "min_p": 0.5, "repetition_penalty": 1.8, "presence_penalty": 1.5, "frequency_penalty": 1.5}
    path.write_text(json.dumps(given | decided | {"temperature": 0.1, "top_p": 0.1}))
    return built


@pytest.fixture(scope="module")
def vllm_server(folder):
    """The address of vLLM's own server with the tiny model, on the CPU."""
    pytest.importorskip("vllm")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = f"--port {port} --host 127.0.0.1 --served-model-name tiny --dtype float32 --max-model-len 512 --max-num-batched-tokens 8192"
    options += " --gpu-memory-utilization 0.2 --enforce-eager --block-size 32"
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder), *options.split()]
    environment = os.environ | {
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "OMP_NUM_THREADS": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_LOGGING_LEVEL": "ERROR",
    }
    log = folder / "server.log"
    with log.open("w") as file:
        server = subprocess.Popen(command, env=environment, stdout=file, stderr=file, start_new_session=True)
    try:
        deadline = time.monotonic() + 400
        while True:
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1)
                break
            except OSError:
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        # It has processes of its own, which would outlive it.
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


@pytest.mark.slow
def test_vllms_server_gives_what_vllm_gives_in_the_job(vllm_server, folder):
    templates = ["[user]\n{question}\n{options}", "[user]\n{question}\n[assistant]\nThe answer is"]
    requests = [
        render(template, question, ["one", "two"], draw=draw)
        for template in templates
        for question in ("Which one?", "How many metres?")
        for draw in range(2)
    ]
    sampling = Sampling(temperature=0.9, top_p=0.95, max_tokens=24, seed=5)
    settings = EngineSettings(None, 512, api={"model": "tiny", "base_url": vllm_server, "concurrency": 4})
    with open_engine("openai", settings) as engine:
        served, again = engine.generate(requests, sampling), engine.generate(requests, sampling)
        long = render(templates[0], "Why and how? " * 400, ["a"])
        with pytest.raises(UserError, match=r"tiny.*max_tokens"):
            engine.generate([long], sampling)
    # What decides if a request does not say: the server's generation_config.json.
    silent = EngineSettings(None, 512, api=settings.api | {"omit": list(NEUTRAL)})
    with open_engine("openai", silent) as engine:
        decided_there = engine.generate(requests, sampling)
    with open_engine("vllm", EngineSettings(folder, 512, "float32", memory_gb=1)) as engine:
        offline = engine.generate(requests, sampling)
    assert [answer.text for answer in decided_there] != [answer.text for answer in offline]
    assert [answer.text for answer in served] == [answer.text for answer in again]
    assert len({answer.text for answer in served}) > len(requests) // 2
    for there, here in zip(served, offline, strict=True):
        assert there.text == here.text
        assert there.confidence == pytest.approx(here.confidence, abs=1e-3)
        assert (there.prompt_tokens, there.completion_tokens) == (here.prompt_tokens, here.completion_tokens)
        assert (there.finish_reason, there.served_model) == (here.finish_reason, "tiny")
