"""Clients that go away before their whole reply is there: what was asked for them is given up."""

import contextlib
import http.client
import json
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest

from rgd.tool.bundle import Content
from rgd.tool.routing import Bundle
from tests.faulty_server import Asked, FaultyServer, Play
from tests.unit.tool.test_serving import QUESTION, ask, behind, served, usual
from tests.unit.tool.test_serving_streams import GEMINI, Endless
from tests.unit.tool.tool_world import Rules, engines, member, world

ASKED = {"prompt": "[user]\n{question}\n{options}"}


def slow() -> Endless:
    """A reply that never ends, of blanks before a JSON text."""
    return Endless(b" ", b" ")


@contextlib.contextmanager
def asking(address: str, content: str, model: str = "router", **more: Any) -> Iterator[http.client.HTTPConnection]:
    """A connection on which a reply has been asked for; it is closed with the block."""
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=30)
    body = {"model": model, "messages": [{"role": "user", "content": content}], **more}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
    with contextlib.closing(connection):
        yield connection


def figures(address: str) -> str:
    with urllib.request.urlopen(f"{address}/metrics") as reply:
        return reply.read().decode()


def soon(is_so: Callable[[], bool]) -> bool:
    end = time.monotonic() + 10
    while not is_so() and time.monotonic() < end:
        time.sleep(0.02)
    return is_so()


@pytest.mark.parametrize("more", [None, GEMINI], ids=["relayed", "gemini"])
def test_the_one_member_that_writes_is_given_up(more: dict[str, Any] | None) -> None:
    reply = slow()
    with FaultyServer(lambda _: Play(reply)) as models, behind(models, more) as (_, address):
        with asking(address, "hello"):
            assert reply.has_begun.wait(10)
            assert not reply.is_closed.is_set()
        assert reply.is_closed.wait(10)
        assert soon(lambda: "rgd_requests_in_progress 1.0" in figures(address))  # This one.
        assert 'status="499"' in figures(address)
        assert len(models.asked) == 1


@pytest.mark.parametrize("streamed", [False, True])
def test_a_vote_asks_no_further_member(streamed: bool) -> None:
    reply = slow()
    with FaultyServer(lambda _: Play(reply)) as models, behind(models, ASKED) as (_, address):
        with asking(address, QUESTION, "router-top3", stream=streamed):
            assert reply.has_begun.wait(10)
        assert reply.is_closed.wait(10)
        assert soon(lambda: 'status="499"' in figures(address))
        assert len(models.asked) == 1


def test_a_vote_whose_second_member_is_slow_is_given_up() -> None:
    reply = slow()

    def replies(asked: Asked) -> Play:
        return Play(reply) if len(models.asked) > 1 else usual(asked)

    with FaultyServer(replies) as models, behind(models, ASKED) as (_, address):
        with asking(address, QUESTION, "router-top3"):
            assert reply.has_begun.wait(10)
        assert reply.is_closed.wait(10)
        assert len(models.asked) == 2


# Members that only choose are asked for no text.
@pytest.mark.parametrize(("content", "way"), [("hello", "generate"), (QUESTION, "generate"), (QUESTION, "likelihood")])
def test_a_model_in_this_process_stops(monkeypatch: pytest.MonkeyPatch, content: str, way: str) -> None:
    begun, closed = threading.Event(), threading.Event()
    usual_steps = Rules.steps

    def steps(self: Rules, *arguments: Any) -> Iterator[Any]:
        if begun.is_set():
            yield from usual_steps(self, *arguments)
            return
        begun.set()
        try:
            while True:
                time.sleep(0.01)
                yield []
        finally:
            closed.set()

    monkeypatch.setattr(Rules, "steps", steps)
    opened, _ = engines()
    monkeypatch.setattr("rgd.engines.opening.opened", opened)
    monkeypatch.setattr("rgd.tool.answering.opened", opened)
    members = [member(f"m{i}", way) for i in range(6)]
    with served(Bundle(Content(**{**vars(world()[0]), "members": members}))) as address:
        with asking(address, content, "router-top3"):
            assert begun.wait(10)
        assert closed.wait(10)
        assert soon(lambda: 'status="499"' in figures(address))
        with openai.OpenAI(base_url=f"{address}/v1", api_key="none") as client:
            assert ask(client, content).choices[0].message.content


def test_others_get_their_replies() -> None:
    reply = slow()

    def replies(asked: Asked) -> Play:
        return Play(reply) if "slow" in json.dumps(asked.body) else usual(asked)

    with FaultyServer(replies) as models, behind(models) as (client, address):
        with asking(address, "slow"):
            assert reply.has_begun.wait(10)
            before = ask(client, "hello").choices[0].message.content
        assert reply.is_closed.wait(10)
        assert before
        assert ask(client, "hello").choices[0].message.content == before
