"""Reading what a server sends for one request, from plain JSON of any shape.

The clients' own types are not used: they check little, and fail in the middle of a reply on what a server should not
send. A reply that is odd but readable becomes an answer; any other raises :class:`Unreadable`, and nothing else.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

LARGEST = float(np.finfo(np.float32).max)
MOST_TOKENS = int(np.iinfo(np.int32).max)
LONGEST_NAME = 200
# Where servers put a text that they take for a thought.
_THOUGHTS = ("reasoning_content", "reasoning", "thinking")
_STARTS_OF_EVENTS = ("data:", "event:", "id:", "retry:", ":")

_FINAL = {
    "stop": ("stop", "eos", "eos_token", "end_turn", "end", "stop_sequence", "stop_token", "complete", "completed"),
    "length": (
        "length",
        "max_length",
        "max_tokens",
        "max_output_tokens",
        "max_completion_tokens",
        "model_length",
        "token_limit",
        "model_context_window_exceeded",
    ),
    "blocked": (
        "content_filter",
        "content_filtered",
        "safety",
        "sensitive",
        "refusal",
        "recitation",
        "blocklist",
        "prohibited_content",
        "spii",
        "moderation",
        "guardrail_intervened",
        "censorship_blocked",
    ),
    # No tool was offered: what the model has written besides is its answer.
    "tool": ("tool_calls", "tool_call", "tool_use", "function_call"),
}
_MEANING = {word: meaning for meaning, words in _FINAL.items() for word in words}


class Unreadable(Exception):
    """A reply that holds no answer; asking again may give one."""


class ErrorReply(Unreadable):
    """A reply with status 200 that reports an error.

    Attributes:
        body: the reply or the choice that holds the error.
    """

    def __init__(self, body: Mapping[str, Any]) -> None:
        super().__init__("the reply reports an error")
        self.body = body


@dataclass(frozen=True)
class Reading:
    """What a reply holds.

    Attributes:
        text: the generated text, as every file format can hold it; empty if blocked.
        confidence: mean log-probability of the sampled tokens; NaN if not given.
        prompt_tokens: None if not given.
        completion_tokens: all that is billed as output, thoughts included; None if not given.
        finish_reason: ``stop``, ``length``, ``blocked`` or ``empty``.
        served_model: the model that the server reports; empty if it reports none.
    """

    text: str
    confidence: float
    prompt_tokens: int | None
    completion_tokens: int | None
    finish_reason: str
    served_model: str


def clean(text: str) -> str:
    """``text`` without what UTF-8, Parquet or CSV cannot hold: lone surrogates become U+FFFD, and NUL is removed."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").replace("\0", "")


def count(value: Any) -> int | None:
    """A number of tokens; None for what is no whole number from 0 to 2^31 - 1."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_TOKENS:
        return None
    return value


def billed_output(prompt: int | None, written: int | None, total: int | None, thoughts: int | None) -> int | None:
    """The tokens billed as output.

    Servers count thoughts within ``written`` or beside it. What the total has beyond prompt and output was written too;
    without a total, thoughts that outnumber the output cannot be part of it.
    """
    if written is None:
        return None
    if total is not None and prompt is not None and total - prompt > written:
        return total - prompt
    if thoughts is not None and thoughts > written:
        return count(written + thoughts)
    return written


def mean_logprob(values: Iterable[Any]) -> float:
    """The mean of the tokens' log-probabilities; NaN if there are none, or one is no finite number."""
    numbers = list(values)
    if not numbers or not all(map(_is_number, numbers)):
        return math.nan
    try:
        mean = math.fsum(numbers) / len(numbers)
    except (OverflowError, ValueError):
        return math.nan
    return mean if abs(mean) <= LARGEST else math.nan


def finished(reason: Any, text: str) -> str:
    """The store's word for a server's finish reason: ``stop``, ``length``, ``blocked`` or ``empty``.

    Raises:
        Unreadable: the reason is an error, or unknown, so that nobody knows whether the text is whole.
    """
    # Gemini's OpenAI-compatible server sends "content_filter: SAFETY".
    word = reason.partition(":")[0].strip().lower() if isinstance(reason, str) else reason
    meaning = "stop" if word is None or word == "" else _MEANING.get(word) if isinstance(word, str) else None
    if meaning is None:
        raise Unreadable(f"finish_reason = {str(reason)[:LONGEST_NAME]}")
    if meaning in ("stop", "tool"):
        return "stop" if text.strip() else "empty"
    return meaning


def parsed(content: bytes) -> Any:
    """The JSON of a reply's bytes; the events of a stream are joined into the reply that they are the pieces of.

    Raises:
        Unreadable: the bytes are no JSON.
    """
    # Bytes that are not UTF-8 spoil a character, not the reply.
    text = content.decode("utf-8-sig", "replace").strip()
    try:
        if text.startswith(_STARTS_OF_EVENTS):
            return joined(_events(text))
        return json.loads(text)
    # ValueError: also for a number with thousands of digits.
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"no JSON ({type(error).__name__})") from None


def _events(text: str) -> Iterable[Any]:
    for block in re.split(r"(?:\r\n|\n|\r){2,}", text):
        lines = re.split(r"\r\n|\n|\r", block)
        data = "\n".join(line.removeprefix("data:").removeprefix(" ") for line in lines if line.startswith("data:"))
        if data.strip() and data.strip() != "[DONE]":
            yield json.loads(data)


def joined(events: Iterable[Any]) -> dict[str, Any]:
    """The reply whose pieces a stream's ``events`` are.

    Raises:
        Unreadable: the stream ended before the answer, or an event is no object.
        ErrorReply: an event reports an error.
    """
    whole: dict[str, Any] = {}
    message: dict[str, str] = {}
    sampled: list[Any] = []
    ended: Any = None
    for event in events:
        if not isinstance(event, dict):
            raise Unreadable("an event of the stream is no object")
        if _reports_error(event):
            raise ErrorReply(event)
        whole |= {key: event[key] for key in ("model", "usage") if event.get(key)}
        if not (choices := event.get("choices")):
            continue
        choice = _first(choices)
        piece = _mapping(choice.get("delta") or choice.get("message"))
        for name in ("content", "refusal", *_THOUGHTS):
            if said := text_of(piece.get(name)):
                message[name] = message.get(name, "") + said
        sampled += _tokens_of(choice)
        ended = choice.get("finish_reason") or ended
    if not ended:
        raise Unreadable("the stream ended before the answer was complete")
    return whole | {
        "choices": [{"message": message, "finish_reason": ended, "logprobs": {"content": sampled}}],
    }


def text_of(content: Any) -> str:
    """The text of a message's content, which is a text or a list of parts; thoughts among the parts are left out.

    Raises:
        Unreadable: it is something else.
    """
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(text_of(part) for part in content)
    if isinstance(content, dict):
        kind = content.get("type")
        if isinstance(kind, str) and kind not in ("text", "output_text"):
            return ""
        if "text" in content:
            said = content["text"]
            return text_of(said.get("value") if isinstance(said, dict) else said)
    raise Unreadable(f"the message's content is of type {type(content).__name__}")


def read_chat(reply: Any) -> Reading:
    """What a reply of /v1/chat/completions holds.

    Raises:
        ErrorReply: it reports an error.
        Unreadable: it holds no answer.
    """
    if not isinstance(reply, dict):
        raise Unreadable(f"the reply is of type {type(reply).__name__}")
    if _reports_error(reply):
        raise ErrorReply(reply)
    usage = _mapping(reply.get("usage"))
    details = _mapping(usage.get("completion_tokens_details"))
    prompt = count(usage.get("prompt_tokens"))
    written = billed_output(
        prompt,
        count(usage.get("completion_tokens")),
        count(usage.get("total_tokens")),
        count(details.get("reasoning_tokens")),
    )
    served = reply.get("model")
    model = clean(served)[:LONGEST_NAME] if isinstance(served, str) else ""
    choices = reply.get("choices")
    if choices == []:
        return Reading("", math.nan, prompt, written, "empty", model)
    choice = _first(choices)
    if _reports_error(choice):
        raise ErrorReply(choice)
    message = choice.get("message")
    if message is not None and not isinstance(message, dict):
        raise Unreadable(f"the message is of type {type(message).__name__}")
    message = message or {}
    text, reason = _said(message, choice.get("finish_reason"))
    sampled = [token.get("logprob") if isinstance(token, dict) else None for token in _tokens_of(choice)]
    confidence = math.nan if reason == "blocked" else mean_logprob(sampled)
    return Reading(text, confidence, prompt, written, reason, model)


def _said(message: Mapping[str, Any], ended: Any) -> tuple[str, str]:
    """The text and the store's word for why it ended."""
    text = clean(text_of(message.get("content")))
    reason = finished(ended, text)
    if reason == "blocked" or (isinstance(message.get("refusal"), str) and message["refusal"].strip()):
        return "", "blocked"
    if reason == "empty":
        # Some servers take the whole answer for a thought. A thought that was cut off has no answer yet.
        thoughts = (message.get(name) for name in _THOUGHTS)
        text = clean(next((thought for thought in thoughts if isinstance(thought, str) and thought.strip()), text))
        reason = finished(ended, text)
    return text, reason


def _first(choices: Any) -> Mapping[str, Any]:
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise Unreadable("the reply has no choices")
    return choices[0]


def _tokens_of(choice: Mapping[str, Any]) -> list[Any]:
    tokens = _mapping(choice.get("logprobs")).get("content")
    return tokens if isinstance(tokens, list) else []


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _reports_error(reply: Mapping[str, Any]) -> bool:
    """Whether a reply or a choice reports an error; some servers send an empty one with every reply."""
    error = reply.get("error")
    # MiniMax reports errors in base_resp, where 0 is success.
    told = _mapping(reply.get("base_resp")).get("status_code")
    return bool(any(error.values()) if isinstance(error, dict) else error) or bool(told)


def read_embeddings(reply: Any, texts: int) -> tuple[np.ndarray, int | None]:
    """The vectors in a reply of /v1/embeddings, (n, d) float32 in the texts' order, and the tokens; None if not given.

    Args:
        reply: the reply.
        texts: how many vectors it must have.

    Raises:
        ErrorReply: it reports an error.
        Unreadable: it has other vectors than one of finite numbers for each text.
    """
    if not isinstance(reply, dict):
        raise Unreadable(f"the reply is of type {type(reply).__name__}")
    if _reports_error(reply):
        raise ErrorReply(reply)
    items = reply.get("data")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise Unreadable("the reply has no vectors")
    places = [count(item.get("index", place)) for place, item in enumerate(items)]
    if sorted(place for place in places if place is not None) != list(range(texts)) or len(items) != texts:
        raise Unreadable(f"{len(items)} vectors for {texts} texts")
    rows = [item.get("embedding") for _, item in sorted(zip(places, items, strict=True), key=lambda pair: pair[0] or 0)]
    if not all(isinstance(row, list) and row and all(map(_is_number, row)) for row in rows):
        raise Unreadable("a vector is no list of numbers")
    if len({len(row) for row in rows}) > 1:
        raise Unreadable("the vectors differ in length")
    vectors = np.array(rows, dtype=np.float64)
    if not (np.abs(vectors) <= LARGEST).all():
        raise Unreadable("a vector has numbers that are not finite")
    usage = _mapping(reply.get("usage"))
    return vectors.astype(np.float32), count(usage.get("prompt_tokens", usage.get("total_tokens")))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
