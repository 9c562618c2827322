"""A bundle as an OpenAI-compatible server: the model ``router`` routes each conversation to a member."""

import asyncio
import contextlib
import hmac
import json
import socket
import traceback
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from rgd.artifacts.address import masked
from rgd.errors import UserError
from rgd.tool.answering import Answering, Reply
from rgd.tool.batching import Batcher, Routed
from rgd.tool.chat_replies import chunks_of, completion
from rgd.tool.chat_requests import ChatRequest, read_request
from rgd.tool.decision_log import DecisionLog
from rgd.tool.faults import CLIENT_GONE, Fault
from rgd.tool.members import Members, faults
from rgd.tool.metrics import Metrics
from rgd.tool.routing import Bundle

Found = TypeVar("Found")

LOOPBACK = "127.0.0.1"
MODEL = "router"
LARGEST_BODY = 4 * 1024 * 1024
_HOSTS = ["127.0.0.1", "localhost"]
_RELAYED = "openai"
"""The engine of members whose server takes every parameter and streams."""

_OPTIONS = "End the message with at least two options, each on a line such as 'A. red'"


def serve(
    bundle: Bundle, port: int, host: str = LOOPBACK, token: str | None = None, log: DecisionLog | None = None
) -> None:
    """Serve ``bundle`` until the process is terminated.

    Args:
        bundle: the router.
        port: 0 takes a free one.
        host: the address to listen on; other machines reach any but the loopback one.
        token: what clients must send as their API key; None: nothing.
        log: takes every decision.

    Raises:
        UserError: the port or the address is taken or wrong, or other machines could use the server without a token.
    """
    import uvicorn

    if token is None and not _is_loopback(host):
        raise UserError(
            f"--host {host}: other machines could use this server. Set a token with --token VARIABLE, the name of an environment "
            f"variable, or leave --host out to serve this machine alone."
        )
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        # Whoever reads the address below can connect at once.
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise UserError(f"--port {port}: {error.strerror}. Give another port; 0 takes a free one.") from None
    with listener:
        shown = f"[{host}]" if ":" in host else host
        print(
            f"http://{shown}:{listener.getsockname()[1]}/v1 serves the model {MODEL}. The first requests wait until "
            "its models are loaded. Press Ctrl-C to stop.",
            flush=True,
        )
        config = uvicorn.Config(application(bundle, token=token, hosts=_HOSTS if _is_loopback(host) else None, log=log))
        config.log_level = "warning"
        config.configure_logging()
        # Longer than clients keep idle connections, so that none is closed while a request is on its way.
        config.timeout_keep_alive = 75
        uvicorn.Server(config).run(sockets=[listener])


def _is_loopback(host: str) -> bool:
    return host in (*_HOSTS, "::1") or host.startswith("127.")


@dataclass(frozen=True)
class _Parts:
    """What the endpoints work with."""

    answering: Answering
    batcher: Batcher
    members: Members
    metrics: Metrics
    models: Mapping[str, str]
    log: DecisionLog | None


def application(
    bundle: Bundle,
    *,
    token: str | None = None,
    hosts: list[str] | None = _HOSTS,
    largest_body: int = LARGEST_BODY,
    log: DecisionLog | None = None,
) -> Any:
    """The server as an ASGI application.

    The model ``router`` uses the router's first variant, ``router-VARIANT`` that one. A message that is plainly a question with
    options goes to all members that the variant asks, and they vote. Any other conversation goes to the highest-ranked member
    that writes text and keeps the request's parameters. The reply's field ``router`` has the decision.

    Args:
        bundle: the router.
        token: what clients must send as their API key; None: nothing.
        hosts: the names of this server that are accepted; None: any.
        largest_body: bytes of the largest request.
        log: takes every decision; it is closed with the server.
    """
    from fastapi import FastAPI, Request
    from fastapi.middleware.trustedhost import TrustedHostMiddleware
    from fastapi.responses import JSONResponse, Response, StreamingResponse
    from starlette.exceptions import HTTPException

    metrics = Metrics()
    answering = Answering(bundle)
    bundle.stack.callback(answering.close)
    parts = _Parts(
        answering,
        Batcher(bundle, metrics.batch.observe),
        Members(answering),
        metrics,
        {MODEL: bundle.variants[0], **{f"{MODEL}-{name}": name for name in bundle.variants}},
        log,
    )

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await parts.members.close()
        parts.batcher.close()
        if log is not None:
            log.close()

    app = FastAPI(title="rgd router", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    if hosts is not None:
        # A web page whose own host name resolves to this machine's address reaches nothing (DNS rebinding).
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=hosts)

    def answer(fault: Fault) -> Response:
        return JSONResponse(fault.body, fault.status, headers=dict(fault.headers))

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> Response:
        return answer(Fault(error.status_code, f"{request.method} {request.url.path}: {error.detail}."))

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception) -> Response:
        # uvicorn prints the traceback.
        metrics.requests.labels(request.url.path, 500).inc()
        return answer(Fault(500, f"{type(error).__name__}: {masked(str(error))}"))

    def admit(request: Request) -> None:
        given = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
        if token is not None and not hmac.compare_digest(given.encode(), token.encode()):
            raise Fault(401, "the API key is missing or wrong.", code="invalid_api_key")

    async def guarded(request: Request, work: Callable[[], Awaitable[Response]]) -> Response:
        endpoint = request.scope["route"].path
        metrics.in_progress.inc()
        try:
            admit(request)
            response = await work()
        except Fault as fault:
            response = answer(fault)
        except UserError as error:
            response = answer(Fault(400, str(error)))
        finally:
            metrics.in_progress.dec()
        metrics.requests.labels(endpoint, response.status_code).inc()
        response.headers.setdefault("x-request-id", uuid.uuid4().hex)
        return response

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/metrics")
    async def figures(request: Request) -> Response:
        async def work() -> Response:
            content, kind = metrics.text()
            return Response(content, media_type=kind)

        return await guarded(request, work)

    def described(name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": 0, "owned_by": "rgd"}

    @app.get("/v1/models")
    async def list_models(request: Request) -> Response:
        async def work() -> Response:
            return JSONResponse({"object": "list", "data": [described(name) for name in parts.models]})

        return await guarded(request, work)

    @app.get("/v1/models/{name:path}")
    async def one_model(request: Request, name: str) -> Response:
        async def work() -> Response:
            _variant(parts.models, name)
            return JSONResponse(described(name))

        return await guarded(request, work)

    @app.post("/v1/decision")
    async def decide(request: Request) -> Response:
        async def work() -> Response:
            query, variant, neighbours = _read_decision(await _read(request, largest_body), parts.models)
            routed = await _wanted(request, _routed(parts, query, variant, neighbours))
            asks = routed.decision.asked[variant]
            return JSONResponse({"variant": variant, "asks": asks, **routed.decision.content()})

        return await guarded(request, work)

    @app.post("/v1/chat/completions")
    async def chat_completions(request: Request) -> Response:
        async def work() -> Response:
            asked = read_request(await _read(request, largest_body))
            reply = await _wanted(request, _reply(parts, asked, _variant(parts.models, asked.model)))
            if isinstance(reply, dict):
                # In ASCII: a member's server may send half of a surrogate pair, which UTF-8 cannot hold.
                return Response(json.dumps(reply), media_type="application/json")
            return StreamingResponse(_events(reply), media_type="text/event-stream")

        return await guarded(request, work)

    return app


def _variant(models: Mapping[str, str], name: str) -> str:
    if name not in models:
        raise Fault(404, f"model {name!r}: this server has {', '.join(models)}.", param="model", code="model_not_found")
    return models[name]


async def _read(request: Any, largest: int) -> Any:
    """The JSON of a request's body.

    Raises:
        Fault: it is too large, of another type, or no JSON.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Fault(415, "the body must be application/json.")
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > largest:
            raise Fault(413, f"the body is larger than {largest:,} bytes.")
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise Fault(400, "the body is not JSON.") from None


async def _wanted(request: Any, work: Coroutine[Any, Any, Found]) -> Found:
    """What ``work`` returns; it is cancelled, with what it asks of members, as soon as the client has gone.

    Args:
        request: its body has been read.
        work: makes the reply.

    Raises:
        Fault: the client has gone, so that nobody reads this.
    """
    making, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait([making, leaving], return_when=asyncio.FIRST_COMPLETED)
        if making.done():
            return making.result()
        raise Fault(CLIENT_GONE, "the client has closed its connection.")
    finally:
        for task in (making, leaving):
            task.cancel()
        await asyncio.gather(making, leaving, return_exceptions=True)


async def _left(request: Any) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _read_decision(body: Any, models: Mapping[str, str]) -> tuple[str, str, int]:
    """The query, the variant and the number of neighbours of a request for a decision."""
    if not isinstance(body, dict):
        raise Fault(400, "the body is not a JSON object.")
    if unknown := set(body) - {"query", "messages", "model", "neighbours"}:
        name = sorted(unknown)[0]
        raise Fault(400, f"{name} is not a parameter of this endpoint.", param=name, code="unknown_parameter")
    neighbours = body.get("neighbours", 3)
    if not isinstance(neighbours, int) or isinstance(neighbours, bool) or not 0 <= neighbours <= 100:
        raise Fault(400, f"neighbours = {neighbours!r}. Give a whole number from 0 to 100.", param="neighbours")
    model = body.get("model", MODEL)
    query = body.get("query")
    # A conversation is read as for a reply, and so is a text alone.
    messages = body.get("messages") if query is None else [{"role": "user", "content": query}]
    asked = read_request({"model": model, "messages": messages})
    return asked.question, _variant(models, asked.model), neighbours


async def _routed(parts: _Parts, query: str, variant: str, neighbours: int = 3) -> Routed:
    with parts.metrics.decision_seconds.time(), faults():
        routed = await parts.batcher.route(query, neighbours)
    if parts.log is not None:
        lost = parts.log.lost
        parts.log.add(routed.decision, routed.vector, variant)
        parts.metrics.unlogged.inc(parts.log.lost - lost)
    return routed


async def _reply(
    parts: _Parts, asked: ChatRequest, variant: str
) -> dict[str, Any] | AsyncGenerator[dict[str, Any], None]:
    """A chat completion, or if a stream is asked for, its chunks."""
    routed = await _routed(parts, asked.question, variant)
    if asked.options:
        reply = await _vote(parts, asked, routed, variant)
        text = f"The answer is ({reply.letter}). {reply.text}" if reply.letter else "No model gave a readable answer."
        prompt, written = (
            sum(getattr(each, name) for each in reply.given) for name in ("prompt_tokens", "completion_tokens")
        )
        given = completion(text, "stop", prompt, written)
        frame = _frame(asked, _decided(routed, variant, [each.member for each in reply.given]))
        # What the members vote for is only known when all have answered.
        return _framed(_each(chunks_of(given)), asked, frame) if asked.is_streamed else {**given, **frame}
    member = _writer(parts.answering, asked, routed)
    frame = _frame(asked, _decided(routed, variant, [member]))
    sampling = parts.answering.sampling(member, asked.sampling)
    assert sampling is not None
    with parts.metrics.answer_seconds.labels(member).time():
        if asked.is_streamed:
            chunks = await parts.members.stream(member, asked, sampling)
            return _framed(_counted(parts.metrics, member, chunks), asked, frame)
        given = await parts.members.whole(member, asked, sampling)
    _count(parts.metrics, member, given)
    return {**given, **frame}


async def _vote(parts: _Parts, asked: ChatRequest, routed: Routed, variant: str) -> Reply:
    """The answer of the members that the variant asks to a question with options; each sees the whole conversation."""
    answering, before = parts.answering, asked.turns[:-1]
    turns = answering.in_turn(asked.question, asked.options, routed.vector, variant)
    member = await parts.batcher.run(lambda: next(turns, None))
    ended: Any = (None, [])
    while member is not None:
        with faults():
            request = answering.question(member, asked.question, asked.options, before)
            sampling = answering.sampling(member, asked.sampling)
        with parts.metrics.answer_seconds.labels(member).time():
            answer = await parts.members.ask(member, request, sampling)
        parts.metrics.used(member, answer.prompt_tokens, answer.completion_tokens)
        given = answering.given(member, asked.options, answer)

        def following(now: Any = given) -> tuple[str | None, Any]:
            try:
                return turns.send(now), None
            except StopIteration as end:
                return None, end.value

        member, ended = await parts.batcher.run(following)
    return answering.voted(ended, asked.options, variant, routed.decision)


def _is_relayed(answering: Answering, member: str) -> bool:
    return bool(answering.spec(member)["engine"] == _RELAYED)


def _writer(answering: Answering, asked: ChatRequest, routed: Routed) -> str:
    """The highest-ranked member that writes text and keeps everything that the request asks for."""
    try:
        writers = answering.writers(routed.decision, _OPTIONS)
    except UserError as error:
        raise Fault(400, str(error), param="messages", code="no_options") from None
    needed = asked.not_plain
    if needed is None:
        return writers[0]
    for member in writers:
        if _is_relayed(answering, member):
            return member
    given = f" = {asked.parameters[needed]!r}" if needed in asked.parameters else ""
    raise Fault(
        400,
        f"no model of this router takes {needed}{given}: only models behind an OpenAI-compatible server do.",
        param=needed,
    )


def _decided(routed: Routed, variant: str, members: list[str]) -> dict[str, Any]:
    return {"variant": variant, "answered_by": members, **routed.decision.content()}


def _frame(asked: ChatRequest, decided: dict[str, Any]) -> dict[str, Any]:
    """What this server writes into every reply."""
    return {"id": f"chatcmpl-{uuid.uuid4().hex}", "model": asked.model, "router": decided}


def _count(metrics: Metrics, member: str, reply: Mapping[str, Any]) -> None:
    usage = reply.get("usage")
    counts = [usage.get(name) if isinstance(usage, dict) else 0 for name in ("prompt_tokens", "completion_tokens")]
    prompt, written = (count if isinstance(count, int) and count >= 0 else 0 for count in counts)
    metrics.used(member, prompt, written)


async def _counted(
    metrics: Metrics, member: str, chunks: AsyncGenerator[dict[str, Any], None]
) -> AsyncGenerator[dict[str, Any], None]:
    used: dict[str, Any] = {}
    async with contextlib.aclosing(chunks):
        async for chunk in chunks:
            if isinstance(chunk.get("usage"), dict):
                used = chunk
            yield chunk
    _count(metrics, member, used)


async def _each(chunks: Iterable[dict[str, Any]]) -> AsyncGenerator[dict[str, Any], None]:
    for chunk in chunks:
        yield chunk


async def _framed(
    chunks: AsyncGenerator[dict[str, Any], None], asked: ChatRequest, frame: dict[str, Any]
) -> AsyncGenerator[dict[str, Any], None]:
    """The chunks as this server's own: the first one has the decision, and usage is told if it is asked for."""
    async with contextlib.aclosing(chunks):
        async for chunk in chunks:
            if not chunk.get("choices") and not asked.wants_usage:
                continue
            whole = {**chunk, **frame}
            if not asked.wants_usage:
                whole.pop("usage", None)
            yield whole
            frame = {name: value for name, value in frame.items() if name != "router"}


async def _events(chunks: AsyncGenerator[dict[str, Any], None]) -> AsyncGenerator[str, None]:
    """Chunks as server-sent events. A fault after the first one is the last event, since the status has been sent."""
    try:
        async with contextlib.aclosing(chunks):
            async for chunk in chunks:
                yield f"data: {json.dumps(chunk)}\n\n"
    except Fault as fault:
        yield f"data: {json.dumps(fault.body)}\n\n"
        return
    except Exception as error:  # noqa: BLE001 - a model in this process may fail in any way
        traceback.print_exc()
        shown = Fault(500, f"{type(error).__name__}: {masked(str(error))}")
        yield f"data: {json.dumps(shown.body)}\n\n"
        return
    yield "data: [DONE]\n\n"
