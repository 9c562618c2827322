"""Chat replies in the form of OpenAI's API: whole, or the chunks of a stream."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

from rgd.engines.base import Answer

_REASONS = {"length": "length", "blocked": "content_filter"}


def completion(text: str, reason: str, prompt_tokens: int, completion_tokens: int) -> dict[str, Any]:
    """A whole reply, without its id and its model."""
    message = {"role": "assistant", "content": text, "refusal": None}
    return {
        "object": "chat.completion",
        "created": int(time.time()),
        "choices": [{"index": 0, "message": message, "finish_reason": reason, "logprobs": None}],
        "usage": _usage(prompt_tokens, completion_tokens),
    }


def completion_of(answer: Answer) -> dict[str, Any]:
    """The whole reply of a member that has written ``answer``."""
    return completion(answer.text, finish_reason(answer), answer.prompt_tokens, answer.completion_tokens)


def finish_reason(answer: Answer) -> str:
    """Why a text ended, in OpenAI's words."""
    return _REASONS.get(answer.finish_reason, "stop")


def chunk(delta: Mapping[str, Any], reason: str | None = None) -> dict[str, Any]:
    """A chunk of a stream, without its id and its model; the last one of a text gives the ``reason`` of its end."""
    choice = {"index": 0, "delta": dict(delta), "finish_reason": reason, "logprobs": None}
    return {"object": "chat.completion.chunk", "created": int(time.time()), "choices": [choice]}


def usage_chunk(prompt_tokens: int, completion_tokens: int) -> dict[str, Any]:
    """The chunk after the last one of the text, which has the numbers of tokens."""
    usage = _usage(prompt_tokens, completion_tokens)
    return {"object": "chat.completion.chunk", "created": int(time.time()), "choices": [], "usage": usage}


def chunks_of(reply: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The chunks of a reply that is complete; its text comes in one piece."""
    choice, usage = reply["choices"][0], reply["usage"]
    yield chunk({"role": "assistant", "content": choice["message"]["content"]})
    yield chunk({}, choice["finish_reason"])
    yield usage_chunk(usage["prompt_tokens"], usage["completion_tokens"])


def _usage(prompt: int, written: int) -> dict[str, int]:
    return {"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written}
