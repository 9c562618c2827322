"""Servers that refuse parameters, fail on them, or only stream: nothing is lost, and what is not sent is said once."""

import json
import math

import pytest

from rgd.config.schema.models import NEUTRAL
from rgd.engines import EngineSettings, Sampling, open_engine
from rgd.engines.prompts import render
from rgd.errors import UserError
from tests.faulty_server import FaultyServer, Play

SAMPLING = Sampling(temperature=0.7, top_p=0.9, max_tokens=20, seed=3)
LIMITS = ("max_tokens", "max_completion_tokens")


@pytest.fixture(autouse=True)
def _key(monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    monkeypatch.setenv("GEMINI_API_KEY", "sk-none")
    monkeypatch.chdir(tmp_path)


def questions(count):
    return [render("[user]\n{question}", f"q{index} ?") for index in range(count)]


def chat(text="fine", logprob=-0.5):
    scored = None if logprob is None else {"content": [{"token": "t", "logprob": logprob}]}
    choice = {"message": {"content": text}, "finish_reason": "stop", "logprobs": scored}
    return {
        "model": "m",
        "choices": [choice],
        "usage": {"prompt_tokens": 11, "completion_tokens": 5, "total_tokens": 16},
    }


def refusal(message, status=400, **more):
    return Play(
        {"error": {"message": message, "type": "invalid_request_error", "code": None, "param": None} | more}, status
    )


def like(*refused, delay_s=0.0, status=400):
    """A server that refuses the first of ``refused`` that a request has, by name."""

    def usual(asked):
        found = next((name for name in refused if name in asked.body), None)
        if found is None:
            return Play(chat(logprob=-0.5 if "logprobs" in asked.body else None), delay_s=delay_s)
        return Play(refusal(f"{found} is not supported by this model", status).body, status, delay_s=delay_s)

    return usual


def asked_of(usual, count=8, kind="openai", script=None, requests=None, **api):
    """The server, the answers, and the engine's provenance."""
    with FaultyServer(usual, script) as server:
        api = {"model": "m", "base_url": server.address + "/v1", "backoff_s": 0.01, "attempts": 3} | api
        with open_engine(kind, EngineSettings(None, 4096, api=api)) as engine:
            answers = engine.generate(requests or questions(count), SAMPLING)
            return server, answers, engine.provenance


@pytest.mark.parametrize("concurrency", [1, 4])
@pytest.mark.parametrize(
    "refused",
    [
        ("temperature",),
        ("seed",),
        ("max_tokens",),
        ("logprobs",),
        ("top_k", "min_p"),
        ("max_tokens", "temperature", "top_p", "seed", "logprobs", *NEUTRAL),
    ],
)
def test_what_is_refused_by_name_is_dropped_once_and_said_once(capfd, refused, concurrency):
    server, answers, provenance = asked_of(like(*refused, delay_s=0.005), 12, concurrency=concurrency, attempts=1)
    assert [answer.text for answer in answers] == ["fine"] * 12
    assert provenance["dropped"] == sorted(refused)
    assert sum(answer.attempts for answer in answers) == len(server.asked) <= 12 + len(refused) * concurrency
    last = server.asked[-1].body
    assert not set(refused) & set(last)
    assert set(last) >= {"model", "messages", *({*NEUTRAL, "temperature", "top_p", "seed", "logprobs"} - set(refused))}
    assert len(set(LIMITS) & set(last)) == 1
    told = capfd.readouterr().err
    assert all(told.count(f"accept {name} for") == 1 for name in refused)


def test_fields_refused_by_422_are_dropped():
    def usual(asked):
        unknown = [name for name in ("seed", *NEUTRAL) if name in asked.body]
        if not unknown:
            return Play(chat())
        errors = [
            {
                "type": "extra_forbidden",
                "loc": ["body", name],
                "msg": "Extra inputs are not permitted",
                "input": asked.body[name],
            }
            for name in unknown
        ]
        return Play({"object": "error", "message": {"detail": errors}}, 422)

    _, answers, provenance = asked_of(usual)
    assert [answer.finish_reason for answer in answers] == ["stop"] * 8
    assert provenance["dropped"] == sorted(["seed", *NEUTRAL])


def test_a_refusal_inside_a_reply_is_one():
    def usual(asked):
        return refusal("top_k is not supported", 200) if "top_k" in asked.body else Play(chat())

    _, answers, provenance = asked_of(usual, attempts=1)
    assert [answer.text for answer in answers] == ["fine"] * 8
    assert provenance["dropped"] == ["top_k"]


def test_an_answers_length_is_always_limited():
    with pytest.raises(UserError, match="max_completion_tokens"):
        asked_of(like("max_tokens", "max_completion_tokens"))


def test_what_the_chat_template_is_given_is_never_dropped():
    def usual(asked):
        return (
            refusal("chat_template_kwargs is not supported") if "chat_template_kwargs" in asked.body else Play(chat())
        )

    with FaultyServer(usual) as server:
        settings = EngineSettings(
            None, 4096, chat={"enable_thinking": False}, api={"model": "m", "base_url": server.address + "/v1"}
        )
        with open_engine("openai", settings) as engine, pytest.raises(UserError, match="chat_template_kwargs"):
            engine.generate(questions(1), SAMPLING)
    assert len(server.asked) == 1


def test_a_wrong_value_is_not_dropped_but_said():
    server_says = refusal("temperature must be between 0 and 0.5, got 0.7", param="temperature")
    with pytest.raises(UserError, match=r"between 0 and 0\.5"):
        asked_of(lambda _: server_says)


@pytest.mark.parametrize("concurrency", [1, 4])
@pytest.mark.parametrize("attempts", [2, 3, 6])
def test_a_server_that_fails_on_logprobs_is_asked_without(capfd, concurrency, attempts):
    def usual(asked):
        return Play({"error": {"message": "internal"}}, 500) if "logprobs" in asked.body else Play(chat(logprob=None))

    server, answers, provenance = asked_of(usual, 12, concurrency=concurrency, attempts=attempts)
    assert [answer.text for answer in answers] == ["fine"] * 12
    assert all(math.isnan(answer.confidence) for answer in answers)
    assert provenance["dropped"] == ["logprobs"]
    assert "logprobs" not in server.asked[-1].body
    assert len(server.asked) <= 12 + 4 * concurrency
    assert capfd.readouterr().err.count("accept logprobs") == 1


def test_a_failure_that_passes_drops_no_logprobs():
    failure = Play({"error": {"message": "restarting"}}, 500)
    _, answers, provenance = asked_of(like(), 6, script=[failure] * 2, concurrency=1)
    assert "dropped" not in provenance
    assert [answer.confidence for answer in answers[1:]] == [-0.5] * 5
    _, answers, provenance = asked_of(like(), 6, script=[Play(chat()), *[failure] * 2], concurrency=1)
    assert "dropped" not in provenance
    assert [answer.confidence for answer in answers] == [-0.5] * 6


def stream(*pieces, usage=True, end="stop", done=True):
    """The events of a streamed reply."""
    events = [{"model": "m", "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}]
    for piece in pieces:
        delta = {"content": piece} if isinstance(piece, str) else piece
        scored = {"content": [{"token": "t", "logprob": -0.5}]}
        events.append({"model": "m", "choices": [{"index": 0, "delta": delta, "logprobs": scored}]})
    if end:
        events.append({"model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": end}]})
    if usage:
        events.append(
            {"model": "m", "choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 5, "total_tokens": 16}}
        )
    text = (
        ": keep-alive\n\n" + "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n" * done
    )
    return Play(text.encode(), headers={"Content-Type": "text/event-stream"})


STREAMED = stream("The answer", " is \ud83d", "\ude00 (A)")


def only_streams(asked):
    if asked.body.get("stream"):
        assert asked.body["stream_options"] == {"include_usage": True}
        return STREAMED
    return refusal("This model only support stream mode, please enable the stream parameter to access the model. ")


@pytest.mark.parametrize("api", [{}, {"stream": True}])
def test_a_server_that_only_streams_is_read(capfd, api):
    server, answers, provenance = asked_of(only_streams, concurrency=2, attempts=1, **api)
    assert {answer.text for answer in answers} == {"The answer is 😀 (A)"}
    assert {answer.finish_reason for answer in answers} == {"stop"}
    assert {(answer.prompt_tokens, answer.completion_tokens, answer.confidence) for answer in answers} == {
        (11, 5, -0.5)
    }
    assert provenance["stream"] is True
    assert len(server.asked) <= 8 + (0 if api else 2)
    assert capfd.readouterr().err.count("only as a stream") == (0 if api else 1)


def test_a_server_that_streams_unasked_is_read():
    _, answers, provenance = asked_of(lambda _: STREAMED)
    assert {answer.text for answer in answers} == {"The answer is 😀 (A)"}
    assert "stream" not in provenance


def test_a_server_that_knows_no_stream_options_is_read():
    def usual(asked):
        return refusal("Unknown field: stream_options") if "stream_options" in asked.body else STREAMED

    _, answers, provenance = asked_of(usual, stream=True)
    assert len(answers) == 8
    assert provenance["dropped"] == ["stream_options"]


@pytest.mark.parametrize(
    "fault",
    [
        stream("half", end=None, usage=False, done=False),
        stream("half", end=None),
        Play(stream("half").body[:-150], headers={"Content-Type": "text/event-stream"}),
        Play(b'data: {"error": {"message": "overloaded", "code": 502}}\n\n'),
        Play(b"data: {not json\n\n"),
        stream("half", end="error"),
        Play(stream("cut").body, cut=40),
    ],
)
def test_a_stream_that_ends_early_is_asked_again(fault):
    _, (answer,), _ = asked_of(lambda _: STREAMED, 1, script=[fault], stream=True)
    assert (answer.text, answer.attempts) == ("The answer is 😀 (A)", 2)


def test_a_stream_without_usage_is_charged_at_its_most():
    prices = {"price_prompt": 1000.0, "price_completion": 10_000.0}
    _, (answer,), _ = asked_of(lambda _: stream("fine", usage=False), 1, stream=True, **prices)
    assert (answer.text, answer.completion_tokens) == ("fine", 0)
    assert answer.cost > 20 * 10_000 / 1e6


def test_what_the_models_file_says_is_sent():
    server, _, provenance = asked_of(
        like(), 1, token_limit="max_completion_tokens", omit=["temperature", "top_k", "logprobs", "seed"]
    )
    body = server.asked[0].body
    assert body["max_completion_tokens"] == SAMPLING.max_tokens
    assert set(body) == {"model", "messages", "max_completion_tokens", "top_p", *NEUTRAL} - {"top_k"}
    assert "dropped" not in provenance


def test_a_providers_own_address_is_sent_no_neutral_parameters(monkeypatch):
    with FaultyServer(like()) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.address + "/v1")
        with open_engine("openai", EngineSettings(None, 4096, api={"model": "m"})) as engine:
            engine.generate(questions(1), SAMPLING)
    assert not set(NEUTRAL) & set(server.asked[0].body)


def gemini_reply(asked):
    candidate = {"content": {"parts": [{"text": "fine"}]}, "finishReason": "STOP"}
    return Play({"candidates": [candidate], "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 4}})


def test_gemini_drops_what_is_refused_by_name():
    def usual(asked):
        config = asked.body["generationConfig"]
        if "seed" in config:
            return Play(
                {
                    "error": {
                        "code": 400,
                        "status": "INVALID_ARGUMENT",
                        "message": "Unable to submit request: seed is not supported",
                    }
                },
                400,
            )
        return gemini_reply(asked)

    server, answers, provenance = asked_of(usual, kind="gemini", concurrency=1)
    assert [answer.text for answer in answers] == ["fine"] * 8
    assert provenance["dropped"] == ["seed"]
    assert len(server.asked) == 9
    server, _, _ = asked_of(gemini_reply, 1, kind="gemini", omit=["temperature", "seed"])
    assert set(server.asked[0].body["generationConfig"]) == {"topP", "maxOutputTokens"}
