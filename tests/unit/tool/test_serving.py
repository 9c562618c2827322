"""The server, asked by OpenAI's own client over a real connection."""

import asyncio
import contextlib
import dataclasses
import errno
import json
import os
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import openai
import pytest
from threadpoolctl import threadpool_info

from rgd.errors import UserError
from rgd.tool.batching import Batcher
from rgd.tool.bundle import Content
from rgd.tool.places import EVERY, Places
from rgd.tool.routing import Bundle
from rgd.tool.serving import LOOPBACK, application, serve
from tests.faulty_server import Asked, FaultyServer, Play
from tests.unit.tool.tool_world import DIMENSION, engines, member, think, world

QUESTION = "Which is it?\nA. red\nB. green\nC. blue"


@contextlib.contextmanager
def served(bundle: Bundle, **options: object) -> Iterator[str]:
    """The address of a server of this bundle in a thread."""
    import uvicorn

    listener = socket.socket()
    listener.bind((LOOPBACK, 0))
    server = uvicorn.Server(uvicorn.Config(application(bundle, **options), log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield f"http://{LOOPBACK}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        bundle.close()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        opened, _ = engines(dict.fromkeys([f"m{i}" for i in range(6)], "B"))
        patch.setattr("rgd.engines.opening.opened", opened)
        patch.setattr("rgd.tool.answering.opened", opened)
        with served(Bundle(world()[0])) as found:
            yield found


@pytest.fixture
def client(address: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as made:
        yield made


def ask(client: openai.OpenAI, content: object, model: str = "router", **more: object):
    return client.chat.completions.create(model=model, messages=[{"role": "user", "content": content}], **more)


def test_the_models_are_the_router_and_its_variants(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["router", "router-top1", "router-top3"]


def test_a_question_with_options_is_voted_on(client: openai.OpenAI) -> None:
    reply = ask(client, QUESTION, "router-top3")
    assert reply.choices[0].message.content == "The answer is (B). green"
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens == 30
    decided = reply.router
    assert decided["query"] == "Which is it?"
    assert decided["answered_by"] == [each["member"] for each in decided["ranking"][:3]]
    assert len(ask(client, QUESTION).router["answered_by"]) == 1


def test_any_other_conversation_goes_to_the_best_member(client: openai.OpenAI) -> None:
    reply = ask(client, "Tell me something.", temperature=0.2, max_tokens=5)
    (member,) = reply.router["answered_by"]
    assert member == reply.router["ranking"][0]["member"]
    assert reply.choices[0].message.content == f"{member} says hello"
    parts = [{"type": "text", "text": "Tell me something."}]
    assert ask(client, parts).choices[0].message.content == f"{member} says hello"


def test_thoughts_are_not_served(client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    think(monkeypatch)
    reply = ask(client, "Tell me something.")
    (member,) = reply.router["answered_by"]
    assert reply.choices[0].message.content == f"{member} says hello"
    assert ask(client, QUESTION, "router-top3").choices[0].message.content == "The answer is (B). green"


def test_a_stream_is_the_same_text(client: openai.OpenAI) -> None:
    chunks = list(ask(client, QUESTION, stream=True))
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert said == "The answer is (B). green"
    assert chunks[-1].choices[0].finish_reason == "stop"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"messages": []}, r"\bmessages\b"),
        ({"messages": [{"role": "user", "content": " "}]}, r"\bmessages\.0 .*user"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, r"\bmessages\.0 .*user"),
        ({"messages": [{"role": "robot", "content": "x"}]}, r"messages\.0\.role = 'robot'.*\bassistant\b"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, r"messages\.0\.content"),
        ({"n": 2}, r"\bn = 2\b"),
        ({"temperature": -1}, r"temperature = -1\b.* 0\b"),
        ({"max_tokens": 0}, r"max_tokens = 0\b.* 1\b"),
    ],
)
def test_a_request_that_cannot_be_answered_is_told_why(client: openai.OpenAI, arguments: dict, words: str) -> None:
    whole = {"model": "router", "messages": [{"role": "user", "content": "x"}], **arguments}
    with pytest.raises(openai.BadRequestError, match=words):
        client.chat.completions.create(**whole)


def test_a_request_without_messages_is_told_what_it_has(address: str) -> None:
    body = json.dumps({"model": "router", "message": [{"role": "user", "content": "x"}]}).encode()
    sent = urllib.request.Request(f"{address}/v1/chat/completions", body, {"Content-Type": "application/json"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(sent)
    said = json.loads(refused.value.read())["error"]
    assert (refused.value.code, said["param"]) == (400, "messages")
    assert "model, message." in said["message"]


def test_a_model_that_is_not_there_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match=r"'gpt'.* router, router-top1, router-top3"):
        ask(client, "x", "gpt")
    with pytest.raises(openai.NotFoundError, match="'gpt'"):
        client.models.retrieve("gpt")
    assert client.models.retrieve("router-top3").id == "router-top3"


@pytest.mark.parametrize(
    ("headers", "body", "code"),
    [
        ({"Content-Type": "text/plain"}, b"{}", 415),
        ({"Content-Type": "application/json"}, b"{", 400),
        ({"Content-Type": "application/json"}, b"[]", 400),
        ({"Content-Type": "application/json", "Host": "evil.example"}, b"{}", 400),
    ],
)
def test_a_page_of_a_browser_and_nonsense_reach_nothing(address: str, headers: dict, body: bytes, code: int) -> None:
    request = urllib.request.Request(f"{address}/v1/chat/completions", body, headers)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    assert refused.value.code == code
    with contextlib.suppress(ValueError):
        assert "Traceback" not in json.dumps(json.loads(refused.value.read()))


def test_a_port_that_is_taken_is_told() -> None:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=rf"--port {port}: {os.strerror(errno.EADDRINUSE)}"):
            serve(Bundle(world()[0]), port)


def usual(asked: Asked) -> Play:
    """A model that repeats what it heard last."""
    said = f"{asked.body['model']} heard {asked.body['messages'][-1]['content']}"
    choice = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 2, "completion_tokens": 1, "total_tokens": 3}
    return Play(
        {"id": "x", "object": "chat.completion", "model": asked.body["model"], "choices": [choice], "usage": usage}
    )


def events(*pieces: str, reason: str = "stop", end: bytes = b"data: [DONE]\n\n") -> bytes:
    """A stream of these pieces of text, with its usage."""
    chunk = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    chunks = [
        {**chunk, "choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]} for piece in pieces
    ]
    chunks.append({**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
    usage = {"prompt_tokens": 5, "completion_tokens": len(pieces), "total_tokens": 5 + len(pieces)}
    chunks.append({**chunk, "choices": [], "usage": usage})
    return b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in chunks) + end


@contextlib.contextmanager
def behind(models: FaultyServer, more: dict | None = None, **options: object) -> Iterator[tuple[openai.OpenAI, str]]:
    """A client of a server whose members are models of the server ``models``, and the server's address."""
    with pytest.MonkeyPatch.context() as patch:
        opened, _ = engines()
        patch.setattr("rgd.engines.opening.opened", opened)
        patch.setattr("rgd.tool.answering.opened", opened)
        content, _, _ = world()
        members = [
            {
                **each,
                "asked": {
                    **each["asked"],
                    "engine": "openai",
                    "weights": None,
                    "api": {"model": each["key"]},
                    **(more or {}),
                },
            }
            for each in content.members
        ]
        places = Places(servers={EVERY: f"{models.address}/v1"})
        routed = Bundle(Content(**{**vars(content), "members": members}), places=places)
        with (
            served(routed, **options) as address,
            openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client,
        ):
            yield client, address


def test_members_behind_a_server_are_asked_through_it() -> None:
    with FaultyServer(usual) as models, behind(models) as (client, _):
        for words in ("hello", "again"):
            reply = ask(client, words)
            (member,) = reply.router["answered_by"]
            assert reply.choices[0].message.content == f"{member} heard {words}"
            assert (reply.model, reply.usage.total_tokens) == ("router", 3)
        assert len(models.asked) == 2


def test_requests_to_servers_are_under_way_together() -> None:
    """None of eight requests is answered before all eight have arrived."""

    def held(asked: Asked) -> Play:
        is_first = asked.body["messages"][-1]["content"] == "first"
        return dataclasses.replace(usual(asked), hold=lambda: is_first or models.most_at_once == 8)

    with FaultyServer(held) as models, behind(models) as (client, _), ThreadPoolExecutor(8) as pool:
        ask(client, "first")
        replies = list(pool.map(lambda number: ask(client, f"number {number}"), range(8)))
        assert models.most_at_once == 8
        assert sorted(reply.choices[0].message.content[-1] for reply in replies) == list("01234567")


def test_the_whole_conversation_and_every_parameter_reach_the_member() -> None:
    given = {
        "temperature": 0.3,
        "top_p": 0.8,
        "max_completion_tokens": 7,
        "seed": 5,
        "stop": ["."],
        "presence_penalty": 0.5,
        "frequency_penalty": -0.5,
        "response_format": {"type": "json_object"},
        "logit_bias": {"5": 1},
        "n": 2,
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
        "tool_choice": "required",
        "logprobs": True,
        "top_logprobs": 2,
    }
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Call it."},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "3"},
    ]
    with FaultyServer(usual) as models, behind(models) as (client, _):
        reply = client.chat.completions.create(model="router", messages=turns, **given)
        sent = models.asked[-1].body
    assert sent["messages"] == turns
    passed = {**given, "max_tokens": given["max_completion_tokens"]}
    del passed["max_completion_tokens"]
    assert {name: sent[name] for name in passed} == passed
    assert reply.router["query"] == "Call it."


def test_the_members_own_parameters_fill_in_the_rest_and_those_it_refuses_are_dropped() -> None:
    refused = Play(
        {"error": {"message": "Unsupported parameter: 'top_p' is not supported", "param": "top_p"}}, status=400
    )
    with FaultyServer(usual, [refused]) as models, behind(models) as (client, _):
        ask(client, "hello", max_tokens=3)
        first, second = (each.body for each in models.asked)
        assert (first["max_tokens"], first["temperature"], first["top_p"]) == (3, 0.0, 1.0)
        assert "top_p" not in second
        models.script.append(refused)
        with pytest.raises(openai.BadRequestError) as told:
            ask(client, "hello", top_p=0.5)
        assert told.value.param == "top_p"


def test_a_text_streams_as_its_member_writes_it() -> None:
    with FaultyServer(lambda _: Play(events("One ", "two ", "three."))) as models, behind(models) as (client, _):
        plain = list(ask(client, "count", stream=True))
        counted = list(ask(client, "count", stream=True, stream_options={"include_usage": True}))
    assert [each.choices[0].delta.content for each in plain] == ["One ", "two ", "three.", None]
    assert {each.id for each in plain} == {plain[0].id}
    assert plain[0].router["answered_by"]
    assert all(each.usage is None for each in plain)
    assert counted[-1].choices == []
    assert counted[-1].usage.completion_tokens == 3


def test_the_first_piece_is_here_before_the_last_is_written() -> None:
    """The member's server sends a piece and then waits until the client has it."""
    arrived = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.end_headers()
            whole = events("first", "second").split(b"\n\n")
            self.wfile.write(whole[0] + b"\n\n")
            self.wfile.flush()
            self.wfile.write(b"\n\n".join(whole[1:]) if arrived.wait(20) else b"")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    class Address:
        address = f"http://127.0.0.1:{server.server_address[1]}"

    with behind(Address) as (client, _):  # type: ignore[arg-type]
        stream = iter(ask(client, "count", stream=True))
        assert next(stream).choices[0].delta.content == "first"
        arrived.set()
        assert [each.choices[0].delta.content for each in stream] == ["second", None]
    server.shutdown()


@pytest.mark.parametrize(
    "pieces",
    [
        ["<thi", "nk>", "Is it C?", " No.</think>", "\n\n", "It is ", "B."],
        ["<think>Is it C?</think>It is B."],
        ["It is ", "B."],
        ["", "  ", "It ", "is B."],
    ],
)
def test_thoughts_are_not_streamed(pieces: list[str]) -> None:
    with FaultyServer(lambda _: Play(events(*pieces))) as models, behind(models) as (client, _):
        said = "".join(each.choices[0].delta.content or "" for each in ask(client, "which", stream=True))
    assert said.strip() == "It is B."


def test_a_text_that_begins_like_a_thought_is_whole() -> None:
    page = "<html><body>" + "word " * 20 + "</body></html>"
    pieces = [page[start : start + 7] for start in range(0, len(page), 7)]
    with FaultyServer(lambda _: Play(events(*pieces))) as models, behind(models) as (client, _):
        said = "".join(each.choices[0].delta.content or "" for each in ask(client, "which", stream=True))
    assert said == page


def test_earlier_turns_and_sampling_reach_the_members_of_a_vote() -> None:
    turns = [
        {"role": "system", "content": "Answer from the passage alone."},
        {"role": "user", "content": "Passage: the ferry leaves at 7."},
        {"role": "assistant", "content": "Noted."},
        {"role": "user", "content": "When does it leave?\nA. 6\nB. 7\nC. 8"},
    ]

    def chosen(asked: Asked) -> Play:
        return Play(
            {**usual(asked).body, "choices": [{"index": 0, "message": {"content": "B"}, "finish_reason": "stop"}]}
        )

    with FaultyServer(chosen) as models, behind(models, {"prompt": "[user]\n{question}\n{options}\n"}) as (client, _):
        reply = client.chat.completions.create(model="router-top3", messages=turns, temperature=0.4)
        assert reply.choices[0].message.content == "The answer is (B). 7"
        assert len(models.asked) == 3
        for asked in models.asked:
            assert [each["content"] for each in asked.body["messages"]] == [each["content"] for each in turns]
            assert asked.body["temperature"] == 0.4


def refusal(status: int, message: str = "no", **headers: str) -> Play:
    return Play({"error": {"message": message, "type": "t"}}, status=status, headers=headers)


@pytest.mark.parametrize(
    ("play", "error", "status"),
    [
        (Play(drop=True), openai.InternalServerError, 502),
        (refusal(500), openai.InternalServerError, 502),
        (refusal(401), openai.InternalServerError, 502),
        (refusal(404), openai.InternalServerError, 502),
        (Play("<html>"), openai.APIError, 502),
        (refusal(503), openai.InternalServerError, 503),
        (refusal(429, **{"Retry-After": "7"}), openai.RateLimitError, 429),
        (refusal(400, "This model's maximum context length is 8 tokens"), openai.APIStatusError, 413),
        (refusal(400, "tools are odd"), openai.BadRequestError, 400),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_members_failure_has_the_right_class(play: Play, error: type, status: int, stream: bool) -> None:
    with FaultyServer(usual, [play]) as models, behind(models) as (client, _):
        with pytest.raises(error) as told:
            list(ask(client, "hello", stream=True)) if stream else ask(client, "hello")
        if play.status == 200 and not play.drop:
            # The member's server has begun a reply, and so has this one.
            assert stream or told.value.status_code == status
        else:
            assert told.value.status_code == status
            assert told.value.response.headers.get("retry-after") == play.headers.get("Retry-After")
        assert told.value.body["message"]
        assert ask(client, "hello").choices[0].message.content.endswith("heard hello")


def test_a_client_tries_again_as_it_does_with_openai() -> None:
    with FaultyServer(usual, [refusal(503), refusal(500)]) as models, behind(models) as (client, _):
        reply = ask(client.with_options(max_retries=2), "hello")
        assert reply.choices[0].message.content.endswith("heard hello")
        assert len(models.asked) == 3
        raw = client.chat.completions.with_raw_response.create(
            model="router", messages=[{"role": "user", "content": "hello"}]
        )
        assert raw.headers["x-request-id"]
        assert raw.parse().choices[0].message.content.endswith("heard hello")


def test_a_server_that_is_gone_is_a_bad_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultyServer(usual, dies_after=0) as models, behind(models) as (client, _):
        for _ in range(2):
            with pytest.raises(openai.InternalServerError) as told:
                ask(client, "hello")
            assert told.value.status_code == 502


@pytest.mark.parametrize(
    "content",
    [
        events("One ", "two ")[:-120],
        b"\n\n".join(events("One ", "two ").split(b"\n\n")[:2]) + b"\n\n",
        events("One ", "two ").replace(b'"finish_reason": "stop"', b'"finish_reason": null'),
        events("One ", "two ", end=b'data: {"error": {"message": "worker died"}}\n\n'),
    ],
)
def test_a_stream_that_breaks_ends_with_an_error(content: bytes) -> None:
    said = []
    with FaultyServer(lambda _: Play(content)) as models, behind(models) as (client, _):
        with pytest.raises(openai.APIError) as told:
            said.extend(each.choices[0].delta.content for each in ask(client, "hello", stream=True))
        assert told.value.message
    assert said[:2] == ["One ", "two "] or not said


@pytest.mark.parametrize(
    "body",
    [
        {"tool_choice": "required"},
        {"top_p": 0},
        {"max_tokens": 5, "max_completion_tokens": 6},
        {"stream": "yes"},
        {"stream_options": {"include_usage": True}},
        {"temperature": float("nan")},
        {"top_k": 5},
        {"messages": [{"role": "user", "content": "half \ud83d"}]},
        {"tools": [{"name": "\ud83d"}]},
        {"tools": [{"type": "function"}]},
        {"response_format": {"type": "json_object"}},
        {"stop": "x"},
        {"logprobs": True},
    ],
)
def test_what_cannot_be_kept_is_refused_by_name(address: str, body: dict) -> None:
    """The pool's members run in the process, and keep temperature, top_p, max_tokens and seed."""
    whole = {"model": "router", "messages": [{"role": "user", "content": "x"}], **body}
    code, reply = post(address, "/v1/chat/completions", whole)
    assert code == 400
    assert reply["error"]["type"] == "invalid_request_error"
    assert reply["error"]["param"].partition(".")[0] in body


def test_what_asks_for_nothing_is_not_refused(client: openai.OpenAI) -> None:
    nothing = {
        "n": 1,
        "stop": None,
        "presence_penalty": 0,
        "frequency_penalty": 0.0,
        "response_format": {"type": "text"},
        "tool_choice": "none",
        "logprobs": False,
        "user": "me",
        "metadata": {"a": "b"},
        "max_completion_tokens": None,
    }
    assert ask(client, "hello", extra_body={**nothing, "max_tokens": 5}).choices[0].message.content


def post(address: str, path: str, body: object, **headers: str) -> tuple[int, dict]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(f"{address}{path}", content, {"Content-Type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request) as reply:
            return reply.status, json.loads(reply.read())
    except urllib.error.HTTPError as refused:
        return refused.code, json.loads(refused.read())


def test_a_decision_is_given_without_an_answer(address: str) -> None:
    code, found = post(address, "/v1/decision", {"query": "Which?", "model": "router-top3", "neighbours": 2})
    assert code == 200
    assert found["variant"] == "top3"
    assert found["asks"] == [each["member"] for each in found["ranking"][:3]]
    assert len(found["nearest"]) == 2
    assert set(found["panels"]) == {"top3"}
    assert {"likeness", "doubts", "why"} <= set(found)
    same = post(address, "/v1/decision", {"messages": [{"role": "user", "content": "Which?"}]})[1]
    assert same["ranking"] == found["ranking"]
    for wrong, name in (({"query": ""}, "messages"), ({"query": "x", "neighbours": -1}, "neighbours"), ({"q": 1}, "q")):
        code, told = post(address, "/v1/decision", wrong)
        assert code == 400
        assert told["error"]["param"].startswith(name)


def test_health_and_figures(address: str, client: openai.OpenAI) -> None:
    ask(client, "hello")
    with urllib.request.urlopen(f"{address}/health") as reply:
        assert json.loads(reply.read())["status"] == "ok"
    with urllib.request.urlopen(f"{address}/metrics") as reply:
        text = reply.read().decode()
    assert 'rgd_requests_total{endpoint="/v1/chat/completions",status="200"}' in text
    assert "rgd_answers_total{" in text
    assert "rgd_decision_seconds_bucket" in text
    code, told = post(address, "/v1/nothing", {})
    assert (code, set(told["error"])) == (404, {"message", "type", "param", "code"})


def test_other_machines_need_the_token() -> None:
    opened, _ = engines()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rgd.engines.opening.opened", opened)
        patch.setattr("rgd.tool.answering.opened", opened)
        with served(Bundle(world()[0]), token="secret", hosts=None, largest_body=2000) as address:
            body = {"model": "router", "messages": [{"role": "user", "content": "hello"}]}
            for path in ("/v1/chat/completions", "/v1/decision"):
                code, told = post(address, path, body)
                assert (code, told["error"]["code"]) == (401, "invalid_api_key")
                assert post(address, path, body, Authorization="Bearer secreT")[0] == 401
            with openai.OpenAI(base_url=f"{address}/v1", api_key="secret", max_retries=0) as client:
                assert ask(client, "hello").choices[0].message.content
                with pytest.raises(openai.APIStatusError) as told:
                    ask(client, "x" * 3000)
                assert told.value.status_code == 413
    with pytest.raises(UserError, match="--token"):
        serve(Bundle(world()[0]), 0, "0.0.0.0")


def test_a_fault_of_a_member_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: object, requests: object, sampling: object) -> None:
        raise ValueError("the weights are odd")

    opened, _ = engines()
    monkeypatch.setattr("rgd.engines.opening.opened", opened)
    monkeypatch.setattr("rgd.tool.answering.opened", opened)
    with served(Bundle(world()[0])) as address:
        monkeypatch.setattr("tests.unit.tool.tool_world.Rules.generate", fail)
        code, told = post(
            address, "/v1/chat/completions", {"model": "router", "messages": [{"role": "user", "content": "x"}]}
        )
    assert (code, told["error"]["type"]) == (500, "server_error")
    assert "the weights are odd" in told["error"]["message"]


def test_nested_nonsense_is_no_json(address: str) -> None:
    assert post(address, "/v1/chat/completions", b"[" * 100_000)[0] == 400


def test_queries_that_come_together_are_embedded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []

    def embed(self: object, texts: list[str]) -> np.ndarray:
        sizes.append(len(texts))
        time.sleep(0.1)
        return np.eye(DIMENSION, dtype=np.float32)[[len(text) % 4 for text in texts]]

    opened, _ = engines()
    monkeypatch.setattr("rgd.engines.opening.opened", opened)
    monkeypatch.setattr("rgd.tool.answering.opened", opened)
    monkeypatch.setattr("tests.unit.tool.tool_world.Rules.embed", embed)
    with served(Bundle(world()[0])) as address, ThreadPoolExecutor(16) as pool:
        queries = ["a" * (1 + number % 4) for number in range(16)]
        found = list(pool.map(lambda query: post(address, "/v1/decision", {"query": query})[1], queries))
        alone = {query: post(address, "/v1/decision", {"query": query})[1] for query in set(queries)}
    assert [each["ranking"] for each in found] == [alone[query]["ranking"] for query in queries]
    assert max(sizes) > 4


def test_decisions_take_one_thread_of_blas(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(Bundle, "embed", lambda *_: np.eye(DIMENSION, dtype=np.float32)[:1])
    route = Bundle.route_vectors

    def watched(self: Bundle, *arguments: object) -> object:
        seen.extend(each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas")
        return route(self, *arguments)

    monkeypatch.setattr(Bundle, "route_vectors", watched)
    batcher = Batcher(Bundle(world()[0]))
    asyncio.run(batcher.route("Which?"))
    batcher.close()
    assert set(seen) == {1}


@pytest.mark.parametrize("more", [{}, {"stream": True}, {"tools": [{"type": "function", "function": {"name": "f"}}]}])
def test_a_message_without_options_to_members_that_choose_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, more: dict
) -> None:
    opened, _ = engines(dict.fromkeys([f"m{i}" for i in range(6)], "B"))
    monkeypatch.setattr("rgd.engines.opening.opened", opened)
    monkeypatch.setattr("rgd.tool.answering.opened", opened)
    content = Content(**{**vars(world()[0]), "members": [member(f"m{i}", "likelihood") for i in range(6)]})
    with served(Bundle(content)) as address, openai.OpenAI(base_url=f"{address}/v1", api_key="none") as client:
        for words in ("hello", "Which is it?\nA. red", "Translate:\nA. red\nB. green"):
            with pytest.raises(openai.BadRequestError) as caught:
                ask(client, words, **more)
            assert (caught.value.param, caught.value.code) == ("messages", "no_options")
            assert "way: generate" in str(caught.value)
            assert "--option" not in str(caught.value)
        assert ask(client, QUESTION).choices[0].message.content == "The answer is (B). green"


def test_members_of_recorded_answers_alone_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    opened, _ = engines()
    monkeypatch.setattr("rgd.engines.opening.opened", opened)
    members = [{**member(f"m{i}"), "asked": None} for i in range(6)]
    content = Content(**{**vars(world()[0]), "members": members})
    with served(Bundle(content)) as address, openai.OpenAI(base_url=f"{address}/v1", api_key="none") as client:
        for words in ("hello", QUESTION):
            with pytest.raises(openai.BadRequestError, match="recorded answers"):
                ask(client, words)
