"""The members of a bundle in a server: asked from its event loop, many requests at once.

Members behind servers are asked side by side. Members that run in this process share its cores, so one is asked at a time.
"""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from rgd.answers.thoughts import after_reasoning
from rgd.engines import replies
from rgd.engines.base import Answer, Engine, Request, Sampling
from rgd.engines.openai import LIMITS, OpenAiEngine
from rgd.engines.refusals import Refusal, parsed
from rgd.engines.remote import RemoteEngine, TooLong, TryAgain, retry_after
from rgd.errors import UserError
from rgd.tool.answering import Answering
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
            elif sampling is None:
                (answer,) = await self._run(lambda: engine.score([request]))
            else:
                (answer,) = await self._run(lambda: engine.generate([request], sampling))
        if answer.trimmed:
            raise Fault(
                413,
                f"the prompt is longer than {member} takes. Shorten it.",
                param="messages",
                code="context_length_exceeded",
            )
        return answer

    async def relay(
        self, member: str, asked: ChatRequest, sampling: Sampling
    ) -> tuple[dict[str, Any] | AsyncIterator[dict[str, Any]], contextlib.AsyncExitStack]:
        """A conversation's reply as the member's server gives it: its content, or if a stream is asked for, its chunks.

        The parameters of the request are passed on as they are; those that it lacks are the member's own.

        Returns:
            The reply, and what to close when it has been read.

        Raises:
            Fault: the server fails or refuses.
        """
        engine = await self.engine(member)
        assert isinstance(engine, OpenAiEngine)
        stack = contextlib.AsyncExitStack()
        try:
            await stack.enter_async_context(self._place(engine))
            response = await self._begun(engine, asked, sampling, stack)
            if not asked.is_streamed:
                with _failures(engine, member, asked):
                    content = replies.parsed(await response.read())
                if not isinstance(content, dict) or not content.get("choices"):
                    raise Fault(BAD_GATEWAY, f"{member} gave no reply that can be read.")
                for choice in content["choices"]:
                    self._without_thoughts(member, choice)
                return content, stack
            return self._chunks(engine, member, asked, response), stack
        except BaseException:
            await stack.aclose()
            raise

    async def _begun(
        self, engine: OpenAiEngine, asked: ChatRequest, sampling: Sampling, stack: contextlib.AsyncExitStack
    ) -> Any:
        """The server's response, of which the status is known and the body is not read yet."""
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

    async def _chunks(
        self, engine: OpenAiEngine, member: str, asked: ChatRequest, response: Any
    ) -> AsyncIterator[dict[str, Any]]:
        seen: dict[int, _Visible] = {}
        has_ended = False
        with _failures(engine, member, asked):
            async for line in response.iter_lines():
                if not line.startswith("data:"):
                    continue
                data = line.removeprefix("data:").strip()
                if data == "[DONE]":
                    break
                chunk = replies.parsed(data.encode())
                if not isinstance(chunk, dict):
                    continue
                if chunk.get("error"):
                    raise Fault(BAD_GATEWAY, f"{member}: {engine.quoted(json.dumps(chunk['error']))}")
                for choice in chunk.get("choices") or []:
                    place = int(choice.get("index") or 0)
                    visible = seen.setdefault(place, _Visible(waits=member in self._thinks_unopened))
                    delta = choice.get("delta") or {}
                    if isinstance(delta.get("content"), str):
                        delta["content"] = visible.more(delta["content"])
                    if choice.get("finish_reason"):
                        has_ended = True
                        rest = visible.rest()
                        if rest:
                            choice["delta"] = {**delta, "content": (delta.get("content") or "") + rest}
                        if visible.closes_unopened:
                            self._thinks_unopened.add(member)
                yield chunk
        if not has_ended:
            raise Fault(BAD_GATEWAY, f"{member}: its server ended the stream before the text was complete.")

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
