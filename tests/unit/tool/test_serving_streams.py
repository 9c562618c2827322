"""Streams of members that are not behind an OpenAI-compatible server, read by OpenAI's own client."""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest

from rgd.engines.base import Answer, Engine, Request, Sampling, TooLong
from rgd.errors import UserError
from rgd.tool.routing import Bundle
from tests import tiny_models
from tests.faulty_server import Asked, FaultyServer, Play
from tests.unit.tool.test_serving import ask, behind, events, refusal, served
from tests.unit.tool.tool_world import Rules, engines, world

GEMINI = {"engine": "gemini"}
USAGE = {"promptTokenCount": 9, "candidatesTokenCount": 4, "thoughtsTokenCount": 2}


def event(text: str | None = None, *, reason: str | None = None, thought: bool = False, **more: Any) -> bytes:
    """An event of Gemini's stream."""
    candidate: dict[str, Any] = {} if reason is None else {"finishReason": reason}
    if text is not None:
        part = {"text": text} | ({"thought": True} if thought else {})
        candidate["content"] = {"role": "model", "parts": [part]}
    return b"data: " + json.dumps({"candidates": [candidate], **more}, ensure_ascii=False).encode() + b"\r\n\r\n"


LAST = event(reason="STOP", usageMetadata=USAGE)


def plays(*content: bytes) -> Callable[[Asked], Play]:
    return lambda _: Play(lambda: iter_of(content))


def iter_of(content: tuple[bytes, ...]) -> Iterator[bytes]:
    yield from content


def texts(chunks: list[Any]) -> list[str]:
    return [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]


def reasons(chunks: list[Any]) -> list[str]:
    return [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices and chunk.choices[0].finish_reason]


def test_a_gemini_member_streams_without_its_thoughts() -> None:
    content = (
        event("Is it one?", thought=True),
        event("One "),
        event("two ", usageMetadata={"promptTokenCount": 9}),
        LAST,
    )
    with FaultyServer(plays(*content)) as models, behind(models, GEMINI) as (client, _):
        turns = [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "1?"},
            {"role": "assistant", "content": "One."},
            {"role": "user", "content": "2?"},
        ]
        plain = list(client.chat.completions.create(model="router", messages=turns, stream=True, max_tokens=7))
        counted = list(ask(client, "count", stream=True, stream_options={"include_usage": True}))
        sent = models.asked[0]
    assert texts(plain) == texts(counted) == ["One ", "two "]
    assert reasons(plain) == reasons(counted) == ["stop"]
    assert plain[0].choices[0].delta.role == "assistant"
    assert plain[0].router["answered_by"]
    assert len({chunk.id for chunk in plain}) == 1
    assert all(chunk.usage is None for chunk in plain)
    assert (counted[-1].usage.prompt_tokens, counted[-1].usage.completion_tokens) == (9, 6)
    assert ":streamGenerateContent" in sent.path
    assert "alt=sse" in sent.path
    assert sent.body["systemInstruction"]["parts"] == [{"text": "Be brief."}]
    assert [turn["role"] for turn in sent.body["contents"]] == ["user", "model", "user"]
    assert sent.body["generationConfig"]["maxOutputTokens"] == 7


def test_a_stream_of_gemini_is_the_text_of_a_whole_reply() -> None:
    """Both ways are asked alike, and the numbers of tokens agree."""

    def usual(asked: Asked) -> Play:
        if "stream" in asked.path:
            return Play(lambda: iter_of((event("One "), event("two.", reason="STOP", usageMetadata=USAGE))))
        part = {"content": {"parts": [{"text": "One two."}]}, "finishReason": "STOP"}
        return Play({"candidates": [part], "usageMetadata": USAGE})

    with FaultyServer(usual) as models, behind(models, GEMINI) as (client, _):
        chunks = list(ask(client, "count", stream=True, stream_options={"include_usage": True}, temperature=0.5))
        whole = ask(client, "count", temperature=0.5)
        streamed, plain = (asked.body for asked in models.asked)
    assert "".join(texts(chunks)) == whole.choices[0].message.content
    assert chunks[-1].usage == whole.usage
    assert streamed == plain


@pytest.mark.parametrize(
    ("content", "said", "reason"),
    [
        ((event("One "), event(reason="MAX_TOKENS", usageMetadata=USAGE)), "One ", "length"),
        ((event("One "), event(reason="SAFETY")), "One ", "content_filter"),
        ((event("One "), event(reason="RECITATION")), "One ", "content_filter"),
        ((b'data: {"promptFeedback": {"blockReason": "SAFETY"}}\n\n',), "", "content_filter"),
        ((event("One "), b'data: {"promptFeedback": {"blockReason": "OTHER"}}\n\n'), "One ", "content_filter"),
        ((event(reason="STOP"),), "", "stop"),
        ((event("<thi"), event("nk>Two?</think>"), event("\n\nOne"), LAST), "One", "stop"),
        ((event("a\u2028b\x85c\u2029"), LAST), "a\u2028b\x85c\u2029", "stop"),
        # Without alt=sse a proxy gives a list.
        ((b"[" + event("One ")[6:-4] + b"," + LAST[6:-4] + b"]",), "One ", "stop"),
    ],
)
def test_how_a_stream_of_gemini_ends(content: tuple[bytes, ...], said: str, reason: str) -> None:
    with FaultyServer(plays(*content)) as models, behind(models, GEMINI) as (client, _):
        chunks = list(ask(client, "count", stream=True))
    assert ("".join(texts(chunks)), reasons(chunks)) == (said, [reason])


OVERLOADED = {"error": {"code": 503, "status": "UNAVAILABLE", "message": "The model is overloaded."}}


@pytest.mark.parametrize(
    "end",
    [
        b"",
        b"data: " + json.dumps(OVERLOADED).encode() + b"\r\n\r\n",
        # As Google's servers write it, outside of the form of events.
        json.dumps(OVERLOADED, indent=2).encode(),
        LAST + json.dumps(OVERLOADED, indent=2).encode(),
        b'data: {"error": "odd"}\n\n',
        b"data: {]\n\n",
        b"data: 7\n\n",
        event("two", reason="NOBODY_KNOWS"),
        b'data: {"candidates": "odd"}\n\n',
        b'data: {"candidates": [{"content": {"parts": "odd"}}]}\n\n',
    ],
)
def test_a_stream_of_gemini_that_breaks_ends_with_an_error(end: bytes) -> None:
    chunks = []
    with FaultyServer(plays(event("One "), end)) as models, behind(models, GEMINI) as (client, _):
        with pytest.raises(openai.APIError) as told:
            chunks.extend(ask(client, "count", stream=True))
        assert told.value.body["message"]
    assert texts(chunks)[0] == "One "
    assert reasons(chunks) == []


@pytest.mark.parametrize(
    ("play", "status"),
    [
        (Play(drop=True), 502),
        (refusal(500), 502),
        (refusal(401), 502),
        (refusal(404), 502),
        (refusal(503), 503),
        (refusal(429, **{"Retry-After": "7"}), 429),
        (refusal(400, "The input token count (9) exceeds the maximum number of tokens allowed (8)."), 413),
        (Play("<html>Bad gateway</html>", status=502), 502),
        (Play([OVERLOADED], status=503), 503),
    ],
)
def test_a_refusal_of_gemini_has_the_right_class(play: Play, status: int) -> None:
    with FaultyServer(plays(event("One "), LAST), [play]) as models, behind(models, GEMINI) as (client, _):
        with pytest.raises(openai.APIStatusError) as told:
            ask(client, "count", stream=True)
        assert told.value.status_code == status
        assert told.value.response.headers.get("retry-after") == play.headers.get("Retry-After")
        assert texts(list(ask(client, "count", stream=True))) == ["One "]


def test_a_parameter_that_gemini_refuses_is_dropped_and_a_block_is_an_answer() -> None:
    refused = refusal(400, "Unsupported parameter: seed is not supported for this model")
    blocked = refusal(400, "The prompt was blocked by the content filter: prohibited content")
    with FaultyServer(plays(event("One "), LAST), [refused]) as models, behind(models, GEMINI) as (client, _):
        assert texts(list(ask(client, "count", stream=True))) == ["One "]
        assert ["seed" in asked.body["generationConfig"] for asked in models.asked] == [True, False]
        models.script.append(blocked)
        chunks = list(ask(client, "count", stream=True))
        assert (texts(chunks), reasons(chunks)) == ([], ["content_filter"])


class Endless:
    """A stream that goes on until its client goes away.

    Attributes:
        has_begun: the client has been sent ``first``.
        is_closed: the client has gone away.
    """

    def __init__(self, first: bytes, more: bytes) -> None:
        self.first, self.more = first, more
        self.has_begun, self.is_closed = threading.Event(), threading.Event()

    def __call__(self) -> Iterator[bytes]:
        try:
            yield self.first
            self.has_begun.set()
            for _ in range(2000):
                yield self.more
                time.sleep(0.01)
        finally:
            self.is_closed.set()


@pytest.mark.parametrize(
    ("more", "first", "rest"),
    [
        (GEMINI, event("One "), event("and ")),
        (GEMINI, event("One "), b": still here\n\n"),
        (None, events("One ").split(b"\n\n")[0] + b"\n\n", b": still here\n\n"),
    ],
    ids=["gemini", "gemini-silent", "relayed"],
)
def test_a_client_that_goes_away_closes_the_connection(more: dict | None, first: bytes, rest: bytes) -> None:
    endless = Endless(first, rest)
    with FaultyServer(lambda _: Play(endless)) as models, behind(models, more) as (client, _):
        stream = ask(client, "count", stream=True)
        arrived = next(text for chunk in stream if (text := chunk.choices[0].delta.content))
        assert arrived == "One "
        assert not endless.is_closed.is_set()
        stream.close()
        assert endless.is_closed.wait(10)


@pytest.mark.parametrize("more", [GEMINI, None], ids=["gemini", "relayed"])
def test_a_client_that_goes_away_while_nothing_is_written_closes_the_connection(more: dict | None) -> None:
    """A model may think for minutes."""
    endless = Endless(b": thinking\n\n", b": thinking\n\n")
    with FaultyServer(lambda _: Play(endless)) as models, behind(models, more) as (client, _):
        stream = ask(client, "count", stream=True)
        assert endless.has_begun.wait(10)
        stream.close()
        assert endless.is_closed.wait(10)


def test_a_relayed_stream_keeps_separators_that_end_no_line() -> None:
    content = json.dumps({"choices": [{"index": 0, "delta": {"content": "a\u2028b\x85c"}}]}, ensure_ascii=False)
    content = f"data: {content}\n\n".encode() + events("")
    with FaultyServer(lambda _: Play(content)) as models, behind(models) as (client, _):
        assert "".join(texts(list(ask(client, "count", stream=True)))) == "a\u2028b\x85c"


@pytest.mark.parametrize("stream", [False, True])
def test_half_of_a_surrogate_pair_of_a_member_is_served(stream: bool) -> None:
    said = {"role": "assistant", "content": "a\ud83d"}
    whole = {"choices": [{"index": 0, "message": said, "finish_reason": "stop"}]}
    content = b'data: {"choices": [{"index": 0, "delta": {"content": "a\\ud83d"}}]}\n\n' + events("")
    with FaultyServer(lambda _: Play(content if stream else whole)) as models, behind(models) as (client, _):
        reply = ask(client, "count", stream=stream)
        text = "".join(texts(list(reply))) if stream else reply.choices[0].message.content
    assert text.startswith("a")


def test_members_of_gemini_stream_side_by_side() -> None:
    """None of four streams goes on before all four have begun."""
    begun = threading.Barrier(4, timeout=20)

    def content() -> Iterator[bytes]:
        yield event("One ")
        begun.wait()
        yield LAST

    with FaultyServer(lambda _: Play(content)) as models, behind(models, GEMINI) as (client, _):
        streams = [ask(client, "count", stream=True) for _ in range(4)]
        assert [texts(list(stream)) for stream in streams] == [["One "]] * 4


@contextlib.contextmanager
def here(pieces: Callable[..., Iterator[str | Answer]]) -> Iterator[openai.OpenAI]:
    """A client of a server whose members run in its process and write ``pieces``."""
    opened, _ = engines()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rgd.engines.opening.opened", opened)
        patch.setattr("rgd.tool.answering.opened", opened)
        patch.setattr(Rules, "pieces", lambda _, request, sampling: pieces(request, sampling))
        with (
            served(Bundle(world()[0])) as address,
            openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client,
        ):
            yield client


def answer(text: str, reason: str = "stop") -> Answer:
    return Answer(text, -0.5, None, 7, 3, reason, False)


def test_a_member_in_this_process_streams_as_it_writes() -> None:
    arrived = threading.Event()

    def pieces(request: Request, sampling: Sampling) -> Iterator[str | Answer]:
        assert (request.messages[-1].content, sampling.max_tokens) == ("count", 5)
        yield ""
        yield "One "
        assert arrived.wait(20)
        yield "two"
        yield answer("One two", "length")

    with here(pieces) as client:
        stream = ask(client, "count", stream=True, max_tokens=5, stream_options={"include_usage": True})
        chunks = [next(stream), next(stream)]
        assert chunks[0].choices[0].delta.role == "assistant"
        assert chunks[0].router["answered_by"]
        assert texts(chunks) == ["One "]
        arrived.set()
        chunks += stream
    assert texts(chunks) == ["One ", "two"]
    assert reasons(chunks) == ["length"]
    assert chunks[-1].usage.total_tokens == 10


def test_members_in_this_process_write_one_after_the_other() -> None:
    at_work: list[str] = []

    def pieces(request: Request, sampling: Sampling) -> Iterator[str | Answer]:
        yield ""
        at_work.append(request.question)
        for _ in range(5):
            yield "word "
            time.sleep(0.01)
            assert at_work == [request.question]
        at_work.remove(request.question)
        yield answer("word " * 5)

    with here(pieces) as client, ThreadPoolExecutor(3) as pool:
        found = pool.map(lambda number: list(ask(client, f"number {number}", stream=True)), range(3))
        assert ["".join(texts(chunks)) for chunks in found] == ["word " * 5] * 3


def test_a_client_that_goes_away_stops_a_member_in_this_process() -> None:
    """Whoever left while waiting for their turn is not written for, and the next one is served."""
    closed, questions = threading.Event(), []

    def pieces(request: Request, sampling: Sampling) -> Iterator[str | Answer]:
        questions.append(request.question)
        if request.question == "last":
            yield ""
            yield answer("")
            return
        try:
            yield ""
            for _ in range(2000):
                yield "word "
                time.sleep(0.01)
        finally:
            closed.set()

    with here(pieces) as client:
        stream = ask(client, "endless", stream=True)
        next(stream)
        stream.close()
        assert closed.wait(10)
        assert reasons(list(ask(client, "last", stream=True))) == ["stop"]
    assert questions == ["endless", "last"]


@pytest.mark.parametrize("error", [UserError("the memory ran out"), RuntimeError("odd"), ValueError("odd")])
@pytest.mark.parametrize("has_begun", [False, True])
def test_a_member_in_this_process_that_fails_is_told(error: Exception, has_begun: bool) -> None:
    def pieces(request: Request, sampling: Sampling) -> Iterator[str | Answer]:
        if has_begun:
            yield ""
            yield "One "
        raise error

    with here(pieces) as client:
        with pytest.raises(openai.APIError) as told:
            list(ask(client, "count", stream=True))
        assert str(error) in told.value.body["message"]
        assert has_begun or told.value.status_code == (502 if isinstance(error, UserError) else 500)


def test_a_prompt_too_long_for_a_member_in_this_process_is_refused() -> None:
    def pieces(request: Request, sampling: Sampling) -> Iterator[str | Answer]:
        raise TooLong("the prompt is longer than the model takes.")
        yield ""

    with here(pieces) as client, pytest.raises(openai.APIStatusError) as told:
        ask(client, "count", stream=True)
    assert told.value.status_code == 413
    assert told.value.code == "context_length_exceeded"


@pytest.mark.parametrize(
    "pieces",
    [
        ["<thi", "nk>", "Is it C?", " No.</think>", "\n\n", "It is ", "B."],
        ["It is ", "B."],
        ["It is B."],
        [],
    ],
)
def test_thoughts_of_a_member_in_this_process_are_not_streamed(pieces: Sequence[str]) -> None:
    def written(request: Request, sampling: Sampling) -> Iterator[str | Answer]:
        yield from ("", *pieces, answer("".join(pieces)))

    with here(written) as client:
        chunks = list(ask(client, "which", stream=True))
    assert "".join(texts(chunks)).strip() == ("It is B." if pieces else "")
    assert reasons(chunks) == ["stop"]


def test_a_thought_that_is_never_opened_is_held_back_from_the_second_time_on() -> None:
    pieces = ["Is it C?", " No.</think>", "It is ", "B."]

    def written(request: Request, sampling: Sampling) -> Iterator[str | Answer]:
        yield from ("", *pieces, answer("".join(pieces)))

    with here(written) as client:
        first, second = (list(ask(client, "which", stream=True)) for _ in range(2))
    assert "</think>" in "".join(texts(first))
    assert "".join(texts(second)) == "It is B."


@pytest.mark.slow
def test_vllm_in_this_process_streams_what_it_writes_at_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    pytest.importorskip("vllm")
    from rgd.engines import EngineSettings, open_engine

    folder = tiny_models.build(tmp_path_factory.mktemp("model"))
    opened, _ = engines()
    made: list[Engine] = []

    @contextlib.contextmanager
    def model(*_: object) -> Iterator[Engine]:
        if not made:
            made.append(stack.enter_context(open_engine("vllm", EngineSettings(folder, 256, "float32", memory_gb=1))))
        yield made[0]

    with contextlib.ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.setattr("rgd.engines.opening.opened", opened)
        patch.setattr("rgd.tool.answering.opened", model)
        wanted = {"max_tokens": 40, "temperature": 0.9, "seed": 3}
        with (
            served(Bundle(world()[0])) as address,
            openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client,
        ):
            chunks = list(ask(client, "count", stream=True, stream_options={"include_usage": True}, **wanted))
            whole = ask(client, "count", **wanted)
            assert "".join(texts(chunks)) == whole.choices[0].message.content
            assert len(texts(chunks)) > 10
            assert reasons(chunks) == [whole.choices[0].finish_reason]
            assert chunks[-1].usage == whole.usage
            with pytest.raises(openai.APIStatusError) as told:
                ask(client, "many words " * 200, stream=True, **wanted)
            assert told.value.status_code == 413
            stream = ask(client, "count", stream=True, **wanted | {"max_tokens": 200, "temperature": 2})
            next(stream)
            stream.close()
            assert ask(client, "count", **wanted).choices == whole.choices
            assert made[0].in_flight == 0
