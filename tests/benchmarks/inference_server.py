"""The two sides of the inference bench that ask a server: the engine openai with the store, and an asyncio client by hand.

The server answers after a time that hangs on the request alone, with as many tokens as it says it has written.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.benchmarks.inference_work import CONCURRENCY, SECONDS_PER_TOKEN, SEED, Work, asked, lengths

ROOT = Path(__file__).parents[2]
TEMPERATURE, TOP_P = 0.7, 0.95
SECONDS_TO_START = 60


@contextmanager
def serving() -> Iterator[str]:
    """The address of a server in a process of its own.

    Raises:
        TimeoutError: it does not start.
    """
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-m", "tests.benchmarks.inference_server", str(port)], cwd=ROOT)
    try:
        until = time.monotonic() + SECONDS_TO_START
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > until:
                    raise TimeoutError("the bench's server does not start") from None
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait()


def serve(port: int) -> None:
    """Answer chat completions: a request of at most n tokens gets n tokens after n times the seconds of a token."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    async def complete(request: Request) -> Response:
        given = await request.json()
        count = int(given["messages"][-1]["content"].split()[1])
        await asyncio.sleep(count * SECONDS_PER_TOKEN)
        written = [{"token": "word ", "logprob": -0.5, "bytes": None, "top_logprobs": []}] * count
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": " ".join(["word"] * count)},
            "finish_reason": "stop",
            "logprobs": {"content": written},
        }
        usage = {"prompt_tokens": 10, "completion_tokens": count, "total_tokens": 10 + count}
        reply = {"id": "1", "object": "chat.completion", "created": 0, "model": given["model"], "choices": [choice]}
        return Response(json.dumps(reply | {"usage": usage}), media_type="application/json")

    app = Starlette(routes=[Route("/v1/chat/completions", complete, methods=["POST"])])
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", access_log=False)


def requests_of(work: Work) -> list[Any]:
    """The requests; each tells the server how many tokens to write."""
    from rgd.engines.base import Message, Request

    return [
        Request((Message("user", f"Write {length} words. {request.question}"),), request.question)
        for request, length in zip(asked(work), lengths(work), strict=True)
    ]


def answer_with_engine(work: Work) -> dict[str, float]:
    """Fill an empty store."""
    from rgd.engines import EngineSettings, Sampling, open_engine
    from tests.benchmarks.inference_filling import fill_empty_store

    api = {"model": "made-up", "base_url": work.address, "concurrency": CONCURRENCY}
    with open_engine("openai", EngineSettings(None, work.max_model_len, api=api)) as engine:
        return fill_empty_store(engine, requests_of(work), Sampling(TEMPERATURE, TOP_P, work.max_tokens, SEED))


def answer_by_hand(work: Work) -> dict[str, float]:
    """An asyncio client of as many requests at a time."""
    import openai

    from rgd.seeds import derive_seed

    async def ask_all() -> list[Any]:
        client = openai.AsyncOpenAI(base_url=work.address, api_key="none", max_retries=0)
        places = asyncio.Semaphore(CONCURRENCY)

        async def ask(request: Any) -> Any:
            async with places:
                return await client.chat.completions.create(
                    model="made-up",
                    messages=[{"role": "user", "content": request.messages[0].content}],
                    temperature=TEMPERATURE,
                    top_p=TOP_P,
                    max_tokens=work.max_tokens,
                    seed=derive_seed(SEED, request.query_key, request.draw),
                    logprobs=True,
                )

        try:
            return await asyncio.gather(*map(ask, requests))
        finally:
            await client.close()

    requests = requests_of(work)
    started, worked = time.perf_counter(), time.process_time()
    replies = asyncio.run(ask_all())
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - worked
    return {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "tokens": sum(reply.usage.completion_tokens for reply in replies),
        "letters": sum(len(reply.choices[0].message.content) for reply in replies),
    }


if __name__ == "__main__":
    serve(int(sys.argv[1]))
