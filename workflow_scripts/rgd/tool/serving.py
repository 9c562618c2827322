"""A bundle as an OpenAI-compatible server on this machine: the model ``router`` routes each conversation to a member."""

import json
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

from rgd.answers.thoughts import after_reasoning
from rgd.engines.base import Message
from rgd.errors import UserError
from rgd.tool.answering import Answering, split_options
from rgd.tool.routing import Bundle

LOOPBACK = "127.0.0.1"
MODEL = "router"
_HOSTS = ["127.0.0.1", "localhost"]
_ROLES = ("system", "developer", "user", "assistant")
# Sampling parameters that are passed on; not every engine supports the others that clients may send.
_SAMPLING = {"temperature": (float, 0, 5), "top_p": (float, 0, 1), "max_tokens": (int, 1, None), "seed": (int, 0, None)}


def serve(bundle: Bundle, port: int) -> None:
    """Serve ``bundle`` on this machine until the process is terminated.

    Raises:
        UserError: the port is taken.
    """
    import uvicorn

    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
    except OSError as error:
        raise UserError(f"--port {port}: {error.strerror}. Give another port; 0 takes a free one.") from None
    with listener:
        print(
            f"http://{LOOPBACK}:{listener.getsockname()[1]}/v1 serves the model {MODEL}. Press Ctrl-C to stop.",
            flush=True,
        )
        server = uvicorn.Server(uvicorn.Config(application(bundle), log_level="warning"))
        server.run(sockets=[listener])


def application(bundle: Bundle) -> Any:
    """The server as an ASGI application.

    The model ``router`` uses the router's first variant, ``router-VARIANT`` that one. A question that lists its options
    as lines ``A. …`` goes to all members that the variant asks, and they vote. Any other conversation goes to the
    highest-ranked member that writes text. The reply's field ``router`` has the decision.
    """
    from fastapi import FastAPI, Request
    from fastapi.concurrency import run_in_threadpool
    from fastapi.middleware.trustedhost import TrustedHostMiddleware
    from fastapi.responses import JSONResponse, StreamingResponse

    app = FastAPI(title="rgd router", docs_url=None, redoc_url=None, openapi_url=None)
    # A web page whose own host name resolves to this machine's address reaches nothing (DNS rebinding).
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=_HOSTS)
    answering = Answering(bundle)
    bundle.stack.callback(answering.close)
    # Engines get one request at a time because the models in this process share its cores.
    turn = threading.Lock()
    models = {MODEL: bundle.variants[0], **{f"{MODEL}-{name}": name for name in bundle.variants}}

    @app.get("/v1/models")
    def list_models() -> dict[str, Any]:
        listed = [{"id": name, "object": "model", "created": 0, "owned_by": "rgd"} for name in models]
        return {"object": "list", "data": listed}

    def complete(body: dict[str, Any]) -> dict[str, Any]:
        messages = read_messages(body)
        variant = models.get(body.get("model", ""))
        if variant is None:
            raise UserError(f"model {body.get('model')!r}: this server has {', '.join(models)}.")
        with turn:
            return completion(answering, variant, messages, read_sampling(body), body["model"])

    @app.post("/v1/chat/completions")
    async def chat_completions(request: Request) -> Any:
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return JSONResponse(_fault("the body must be application/json."), 415)
        try:
            body = await request.json()
            if not isinstance(body, dict):
                raise UserError("the body is not a JSON object.")
            reply = await run_in_threadpool(complete, body)
        except ValueError:
            return JSONResponse(_fault("the body is not JSON."), 400)
        except UserError as error:
            return JSONResponse(_fault(str(error)), 400)
        if body.get("stream"):
            return StreamingResponse(streamed(reply), media_type="text/event-stream")
        return JSONResponse(reply)

    return app


def read_messages(body: dict[str, Any]) -> list[Message]:
    """The conversation of a request.

    Raises:
        UserError: there is no conversation, a turn has no text, or the last turn is not the user's.
    """
    turns = body.get("messages")
    if not isinstance(turns, list) or not turns:
        raise UserError("messages is empty. Send a conversation that ends with the user's message.")
    messages = []
    for number, each in enumerate(turns):
        role = each.get("role") if isinstance(each, dict) else None
        if role not in _ROLES:
            raise UserError(f"messages.{number}.role = {role!r}. Give one of {', '.join(_ROLES)}.")
        content = each.get("content")
        if isinstance(content, list):
            told = [part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text"]
            texts = [text for text in told if isinstance(text, str)]
            if len(texts) < len(content):
                raise UserError(f"messages.{number}.content has a part that is not text. Send only text parts.")
            content = "\n".join(texts)
        if not isinstance(content, str):
            raise UserError(f"messages.{number}.content is not text.")
        messages.append(Message("system" if role == "developer" else role, content))
    if messages[-1].role != "user" or not messages[-1].content.strip():
        raise UserError(
            f"messages.{len(messages) - 1} is empty or not the user's. End the conversation with the user's message."
        )
    return messages


def read_sampling(body: dict[str, Any]) -> dict[str, Any]:
    """The sampling parameters of a request.

    Raises:
        UserError: a value is out of range, or more than one choice is requested.
    """
    if body.get("n") not in (None, 1):
        raise UserError(f"n = {body['n']}: this server gives one choice per conversation. Leave n out, or set it to 1.")
    wanted: dict[str, Any] = {}
    given = {**body, "max_tokens": body.get("max_completion_tokens", body.get("max_tokens"))}
    for name, (kind, low, high) in _SAMPLING.items():
        value = given.get(name)
        if value is None:
            continue
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or kind(value) != value or value < low or (high is not None and value > high):
            raise UserError(f"{name} = {value!r}. Give {'a whole number' if kind is int else 'a number'} from {low}.")
        wanted[name] = kind(value)
    return wanted


def completion(
    answering: Answering, variant: str, messages: list[Message], sampling: dict[str, Any], model: str
) -> dict[str, Any]:
    """A conversation's reply as a chat completion, with the decision in its field ``router``."""
    question, options = split_options(messages[-1].content)
    if options:
        reply = answering.answer(question, options, variant)
        text = f"The answer is ({reply.letter}). {reply.text}" if reply.letter else "No model gave a readable answer."
        decision, asked, reason = reply.decision, [each.member for each in reply.given], "stop"
        prompt, written = (
            sum(getattr(each, name) for each in reply.given) for name in ("prompt_tokens", "completion_tokens")
        )
    else:
        decision = answering.bundle.route(question)
        member, answer = answering.chat(decision, messages, sampling)
        text, asked, reason = (
            after_reasoning(answer.text),
            [member],
            "length" if answer.finish_reason == "length" else "stop",
        )
        prompt, written = answer.prompt_tokens, answer.completion_tokens
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, "refusal": None},
                "finish_reason": reason,
                "logprobs": None,
            }
        ],
        "usage": {"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written},
        "router": {"variant": variant, "answered_by": asked, **decision.content()},
    }


def streamed(reply: dict[str, Any]) -> Iterator[str]:
    """A complete reply in the form of a stream, whose one chunk of text comes at once."""
    common = {key: reply[key] for key in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
    choice = reply["choices"][0]
    parts: list[tuple[dict[str, Any], str | None]] = [
        ({"role": "assistant", "content": choice["message"]["content"]}, None),
        ({}, choice["finish_reason"]),
    ]
    for delta, reason in parts:
        chunk = {**common, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}
        yield f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n"
    yield "data: [DONE]\n\n"


def _fault(message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}}
