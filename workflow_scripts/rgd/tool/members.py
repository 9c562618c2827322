"""The members of a bundle in a server: asked from its event loop, many requests at once.

Members behind servers are asked side by side. Members that run in this process share its cores, so one is asked at a time.
"""

import asyncio
import contextlib
import json
import re
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from rgd.answers.thoughts import after_reasoning
from rgd.engines import replies
from rgd.engines.base import Answer, Engine, Request, Sampling, TooLong
from rgd.engines.events import read_events
from rgd.engines.openai import LIMITS, OpenAiEngine
from rgd.engines.refusals import Refusal, parsed
from rgd.engines.remote import RemoteEngine, TryAgain, retry_after
from rgd.errors import UserError
from rgd.tool.answering import Answering, OnlyRecorded
from rgd.tool.chat_replies import chunk, completion_of, finish_reason, usage_chunk
from rgd.tool.chat_requests import ChatRequest
from rgd.tool.faults import BAD_GATEWAY, OVERLOADED, Fault

Found = TypeVar("Found")

_NOT_TAKEN = (409, 425, 503, 529)
_REFUSED = (400, 422)
# What this server decides itself.
_OWN = ("logprobs", "stream", "stream_options", *LIMITS)
# Words with which a thought may begin; other marks begin with a sign.
_WORDS = ("here is my thought", "thinking...", "analysis")
_OPENING = re.compile(rf"\s*(?:<|\[|◁|{'|'.join(map(re.escape, _WORDS))})", re.IGNORECASE)
_LONGEST_MARK = 40


class Members:
    """Asks the members of ``answering`` from an event loop.

    Args:
        answering: has the members; its engines are used by nobody else.
    """

    def __init__(self, answering: Answering) -> None:
        self.answering = answering
        self._here = ThreadPoolExecutor(1, "members")
        self._opening = asyncio.Lock()
        self._at_once: dict[int, asyncio.Semaphore] = {}
        # Members whose replies close a thought that they never open.
        self._thinks_unopened: set[str] = set()

    async def close(self) -> None:
        """Close the connections to servers, and wait for the model that is at work."""
        for engine in self.answering.engines.values():
            if isinstance(engine, RemoteEngine):
                await engine.disconnect()
        await asyncio.get_running_loop().run_in_executor(None, self._here.shutdown)

    async def engine(self, member: str) -> Engine:
        """The engine of a member, which the first call opens.

        Raises:
            Fault: it cannot be opened.
        """
        async with self._opening:
            with faults():
                if self.answering.spec(member)["api"] is None:
                    # In the thread that will ask it: the number of threads of a model's products is a thread's own.
                    return await self._run(lambda: self.answering.engine(member))
                return await asyncio.to_thread(self.answering.engine, member)

    async def ask(self, member: str, request: Request, sampling: Sampling | None) -> Answer:
        """A member's answer: a text, or without ``sampling`` the most likely option.

        Raises:
            Fault: the member's server fails or refuses, or the prompt is longer than the model takes.
        """
        engine = await self.engine(member)
        with faults():
            if isinstance(engine, RemoteEngine) and sampling is not None:
                async with self._place(engine):
                    answer = await engine.ask_once(request, sampling)
            else:
                answer = await self._answer_here(engine, request, sampling)
        if answer.trimmed:
            raise Fault(
                413,
                f"the prompt is longer than {member} takes. Shorten it.",
                param="messages",
                code="context_length_exceeded",
            )
        return answer

    async def whole(self, member: str, asked: ChatRequest, sampling: Sampling) -> dict[str, Any]:
        """A member's reply to a conversation, in the form of OpenAI's API, without thoughts.

        A member behind an OpenAI-compatible server is passed the request's parameters as they are, and its reply is relayed.
        Others write by ``sampling`` alone.

        Raises:
            Fault: the member fails or refuses.
        """
        engine = await self.engine(member)
        if isinstance(engine, OpenAiEngine):
            async with self._place(engine), self._accepted(engine, asked, sampling) as response:
                with _failures(engine, member, asked):
                    content = replies.parsed(await response.read())
            if not isinstance(content, dict) or not content.get("choices"):
                raise Fault(BAD_GATEWAY, f"{member} gave no reply that can be read.")
        else:
            content = completion_of(await self.ask(member, _prompt(asked), sampling))
        for choice in content["choices"]:
            self._without_thoughts(member, choice)
        return content

    async def stream(self, member: str, asked: ChatRequest, sampling: Sampling) -> AsyncGenerator[dict[str, Any], None]:
        """As :meth:`whole`, but the reply's chunks as the member writes them; see :func:`rgd.tool.chat_replies.chunk`.

        It has begun: the member has accepted the request. Closing it gives the request up: a server's connection is closed,
        and a model in this process stops.

        Raises:
            Fault: the member fails or refuses; after the first chunk, when the next one is awaited.
        """
        engine = await self.engine(member)
        if isinstance(engine, OpenAiEngine):
            chunks = self._relayed(engine, member, asked, sampling)
        else:
            chunks = self._written(engine, member, asked, sampling)
        # The first one is empty.
        await anext(chunks)
        return chunks

    @contextlib.asynccontextmanager
    async def _accepted(self, engine: OpenAiEngine, asked: ChatRequest, sampling: Sampling) -> AsyncIterator[Any]:
        """The server's response, of which the status is known and the body is not read yet."""
        async with contextlib.AsyncExitStack() as stack:
            yield await self._begun(engine, asked, sampling, stack)

    async def _begun(
        self, engine: OpenAiEngine, asked: ChatRequest, sampling: Sampling, stack: contextlib.AsyncExitStack
    ) -> Any:
        query = Request((), asked.query)
        while True:
            own = {
                name: value
                for name, value in engine.parameters(query, sampling).items()
                if name not in asked.parameters
            }
            limit = next((name for name in LIMITS if name in own), None)
            own = {name: value for name, value in own.items() if name not in _OWN}
            if limit is not None and not any(name in asked.parameters for name in LIMITS):
                own[limit] = sampling.max_tokens
            body = {**own, **asked.parameters, "messages": list(asked.messages)}
            for name in LIMITS:
                if limit is not None and name in asked.parameters and name != limit:
                    body[limit] = body.pop(name)
            if asked.is_streamed:
                body |= {"stream": True, "stream_options": {"include_usage": True}}
            body |= {name: value for name, value in _chat(engine).items() if name not in body}
            await engine.pace.turn()
            try:
                with _failures(engine, engine.api.model, asked, own):
                    return await stack.enter_async_context(_posted(engine, body))
            except _Unknown as unknown:
                engine.drop(unknown.name, str(unknown))

    async def _relayed(
        self, engine: OpenAiEngine, member: str, asked: ChatRequest, sampling: Sampling
    ) -> AsyncGenerator[dict[str, Any], None]:
        """The chunks of the member's server, with all that they have besides the text."""
        seen: dict[int, _Visible] = {}
        has_ended = False
        async with self._place(engine), self._accepted(engine, asked, sampling) as response:
            yield {}
            with _failures(engine, member, asked):
                async for data in read_events(response.iter_bytes()):
                    given = replies.parsed(data)
                    if not isinstance(given, dict):
                        continue
                    if given.get("error"):
                        raise Fault(BAD_GATEWAY, f"{member}: {engine.quoted(json.dumps(given['error']))}")
                    for choice in given.get("choices") or []:
                        place = int(choice.get("index") or 0)
                        visible = seen.setdefault(place, self._visible(member))
                        delta = choice.get("delta") or {}
                        if isinstance(delta.get("content"), str):
                            delta["content"] = visible.more(delta["content"])
                        if choice.get("finish_reason"):
                            has_ended = True
                            rest = self._rest(member, visible)
                            if rest:
                                choice["delta"] = {**delta, "content": (delta.get("content") or "") + rest}
                    yield given
        if not has_ended:
            raise Fault(BAD_GATEWAY, f"{member}: its server ended the stream before the text was complete.")

    async def _written(
        self, engine: Engine, member: str, asked: ChatRequest, sampling: Sampling
    ) -> AsyncGenerator[dict[str, Any], None]:
        """The chunks of what any other member writes."""
        visible = self._visible(member)
        request = _prompt(asked)
        if isinstance(engine, RemoteEngine):
            pieces = self._pieces_there(engine, request, sampling)
        else:
            pieces = self._pieces_here(engine, request, sampling)
        with faults():
            async with contextlib.aclosing(pieces):
                # The first piece is empty.
                await anext(pieces)
                yield {}
                yield chunk({"role": "assistant", "content": ""})
                async for piece in pieces:
                    if isinstance(piece, str):
                        if text := visible.more(piece):
                            yield chunk({"content": text})
                        continue
                    if rest := self._rest(member, visible):
                        yield chunk({"content": rest})
                    yield chunk({}, finish_reason(piece))
                    yield usage_chunk(piece.prompt_tokens, piece.completion_tokens)

    async def _pieces_there(
        self, engine: RemoteEngine, request: Request, sampling: Sampling
    ) -> AsyncGenerator[str | Answer, None]:
        async with self._place(engine), contextlib.aclosing(engine.ask_in_pieces(request, sampling)) as pieces:
            async for piece in pieces:
                yield piece

    async def _answer_here(self, engine: Engine, request: Request, sampling: Sampling | None) -> Answer:
        """The answer of a model in this process, which stops between two steps if nobody waits for it any more."""
        is_given_up = threading.Event()

        def work() -> Answer:
            answers: list[Answer] = []
            with contextlib.closing(engine.steps([request], sampling)) as steps:
                for ended in steps:
                    answers += [answer for _, answer in ended]
                    if is_given_up.is_set() and not answers:
                        raise UserError("nobody waits for this answer.")
            return answers[0]

        try:
            return await self._run(work)
        finally:
            is_given_up.set()

    async def _pieces_here(
        self, engine: Engine, request: Request, sampling: Sampling
    ) -> AsyncGenerator[str | Answer, None]:
        """What a model in this process writes; it goes on at its own speed, however slowly the pieces are taken."""
        loop = asyncio.get_running_loop()
        waiting: asyncio.Queue[str | Answer | None] = asyncio.Queue()
        is_given_up = threading.Event()

        def write() -> None:
            with contextlib.closing(engine.pieces(request, sampling)) as pieces:
                for piece in pieces:
                    if is_given_up.is_set():
                        return
                    loop.call_soon_threadsafe(waiting.put_nowait, piece)

        writing = loop.run_in_executor(self._here, write)
        writing.add_done_callback(lambda _: waiting.put_nowait(None))
        try:
            while (piece := await waiting.get()) is not None:
                yield piece
            await writing
        finally:
            is_given_up.set()
            # Whoever waits for their turn no longer gets one.
            writing.cancel()

    def _visible(self, member: str) -> "_Visible":
        return _Visible(waits=member in self._thinks_unopened)

    def _rest(self, member: str, visible: "_Visible") -> str:
        """What is still held back of a member's text, which has ended."""
        rest = visible.rest()
        if visible.closes_unopened:
            self._thinks_unopened.add(member)
        return rest

    def _without_thoughts(self, member: str, choice: Any) -> None:
        message = choice.get("message") if isinstance(choice, dict) else None
        if isinstance(message, dict) and isinstance(message.get("content"), str):
            visible = after_reasoning(message["content"])
            if visible != message["content"].strip() and not _OPENING.match(message["content"]):
                self._thinks_unopened.add(member)
            message["content"] = visible

    @contextlib.asynccontextmanager
    async def _place(self, engine: RemoteEngine) -> AsyncIterator[None]:
        """A place among the requests that the server works on at once."""
        async with self._at_once.setdefault(id(engine), asyncio.Semaphore(engine.at_once)):
            yield

    async def _run(self, work: Callable[[], Found]) -> Found:
        return await asyncio.get_running_loop().run_in_executor(self._here, work)


class _Visible:
    """The part of a text, as it comes, that is no thought. A text that opens a thought is held back until it is closed."""

    def __init__(self, *, waits: bool) -> None:
        self.text, self.shown, self.waits = "", "", waits
        self.is_open = False
        self.closes_unopened = False

    def more(self, text: str) -> str:
        self.text += text
        if self.is_open:
            self.shown += text
            return text
        begins = self.text.lstrip().lower()
        may_be_thought = not begins[:1].isalnum() or any(
            word.startswith(begins) or begins.startswith(word) for word in _WORDS
        )
        if not self.waits and not may_be_thought:
            return self._show(self.text)
        visible = after_reasoning(self.text)
        if len(begins) < _LONGEST_MARK or not visible:
            return ""
        if visible == self.text.strip():
            return "" if self.waits else self._show(self.text)
        return self._show(visible)

    def rest(self) -> str:
        """What is still held back when the text has ended."""
        self.closes_unopened = not _OPENING.match(self.text) and after_reasoning(self.text) != self.text.strip()
        return "" if self.is_open else self._show(after_reasoning(self.text))

    def _show(self, text: str) -> str:
        self.is_open, self.shown = True, text
        return text


def _prompt(asked: ChatRequest) -> Request:
    return Request(asked.turns, asked.turns[-1].content)


class _Unknown(Exception):
    """The server does not accept one of the member's own parameters."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(reason)
        self.name = name


@contextlib.asynccontextmanager
async def _posted(engine: OpenAiEngine, body: Mapping[str, Any]) -> AsyncIterator[Any]:
    further = {name: value for name, value in body.items() if name != "messages"}
    create: Any = engine.client.chat.completions.with_streaming_response.create
    async with create(model=engine.api.model, messages=body["messages"], extra_body=further) as response:
        yield response


def _chat(engine: OpenAiEngine) -> dict[str, Any]:
    """The member's own arguments of the chat template, as a server takes them."""
    chat = dict(engine.settings.chat)
    effort = chat.pop("reasoning_effort", None)
    return ({"chat_template_kwargs": chat} if chat else {}) | ({} if effort is None else {"reasoning_effort": effort})


@contextlib.contextmanager
def faults() -> Iterator[None]:
    """Turn what goes wrong when a member is asked into what a client is told.

    Raises:
        Fault: in the place of any other error.
    """
    try:
        yield
    except TooLong as error:
        raise Fault(413, str(error), param="messages", code="context_length_exceeded") from None
    except TryAgain as error:
        raise _of_status(error.status, str(error), error.wait_s) from None
    except OnlyRecorded as error:
        # Another attempt would fail as well, and clients make one after 502.
        raise Fault(400, str(error)) from None
    except UserError as error:
        raise Fault(BAD_GATEWAY, str(error)) from None


@contextlib.contextmanager
def _failures(
    engine: OpenAiEngine, member: str, asked: ChatRequest, own: Mapping[str, Any] | Sequence[str] = ()
) -> Iterator[None]:
    """Turn the client's errors into what this server's client is told.

    Args:
        engine: asks the member's server.
        member: its name.
        asked: the request.
        own: the parameters that the member would do without.
    """
    import httpx2
    import openai

    try:
        yield
    except openai.APIStatusError as error:
        refusal = Refusal.read(error.status_code, parsed(error.response.text))
        said = f"{member}: {engine.quoted(refusal.message)}"
        if refusal.is_too_long:
            raise Fault(413, said, param="messages", code="context_length_exceeded") from None
        if refusal.is_block:
            raise Fault(400, said, code="content_filter") from None
        if refusal.status in _REFUSED:
            name = refusal.parameter([*own], engine.api.model)
            if name is not None and name not in asked.parameters:
                raise _Unknown(name, said) from None
            raise Fault(
                400,
                said,
                param=refusal.parameter(list(asked.parameters), engine.api.model) or refusal.param or None,
                code=refusal.code or None,
            ) from None
        raise _of_status(error.status_code, said, retry_after(error.response.headers)) from None
    except (openai.APIConnectionError, httpx2.TransportError) as error:
        raise Fault(BAD_GATEWAY, f"{member}: no reply from its server ({type(error).__name__}).") from None
    except replies.Unreadable as error:
        raise Fault(BAD_GATEWAY, f"{member}: {engine.quoted(str(error))}") from None


def _of_status(status: int | None, said: str, wait_s: float | None) -> Fault:
    """What a client is told of a status of a member's server; a fault of this server's own access to it is a bad gateway."""
    if status == 429:
        return Fault(429, said, retry_after=wait_s)
    if status in _NOT_TAKEN:
        return Fault(OVERLOADED, said, retry_after=wait_s)
    return Fault(BAD_GATEWAY, said, retry_after=wait_s)
