"""The server, asked by OpenAI's own client over a real connection."""

import contextlib
import errno
import json
import os
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import openai
import pytest

from rgd.errors import UserError
from rgd.tool.bundle import Content
from rgd.tool.places import EVERY, Places
from rgd.tool.routing import Bundle
from rgd.tool.serving import LOOPBACK, application, serve
from tests.faulty_server import Asked, FaultyServer, Play
from tests.unit.tool.tool_world import engines, think, world

QUESTION = "Which is it?\nA. red\nB. green\nC. blue"


@contextlib.contextmanager
def served(bundle: Bundle) -> Iterator[str]:
    """The address of a server of this bundle in a thread."""
    import uvicorn

    listener = socket.socket()
    listener.bind((LOOPBACK, 0))
    server = uvicorn.Server(uvicorn.Config(application(bundle), log_level="warning"))
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
        ({"model": "gpt"}, r"'gpt'.* router, router-top1, router-top3"),
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


def test_members_behind_a_server_are_asked_through_it() -> None:
    """Two requests one after the other, each in a thread of its own, to members that are another server's models."""

    def usual(asked: Asked) -> Play:
        said = f"{asked.body['model']} heard {asked.body['messages'][-1]['content']}"
        choice = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 2, "completion_tokens": 1, "total_tokens": 3}
        return Play(
            {"id": "x", "object": "chat.completion", "model": asked.body["model"], "choices": [choice], "usage": usage}
        )

    with FaultyServer(usual) as models, pytest.MonkeyPatch.context() as patch:
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
                },
            }
            for each in content.members
        ]
        places = Places(servers={EVERY: f"{models.address}/v1"})
        routed = Bundle(Content(**{**vars(content), "members": members}), places=places)
        with (
            served(routed) as address,
            openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client,
        ):
            for words in ("hello", "again"):
                reply = ask(client, words)
                (member,) = reply.router["answered_by"]
                assert reply.choices[0].message.content == f"{member} heard {words}"
        assert len(models.asked) == 2
