"""A chat request in the form of OpenAI's API: what is asked, and what of it a member can keep."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rgd.engines.base import Message
from rgd.tool.choices import split_options
from rgd.tool.faults import Fault

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
PLAIN = ("system", "user", "assistant")
"""The roles that every member knows."""
SAMPLING = ("temperature", "top_p", "max_tokens", "seed")
"""The parameters that every member that writes keeps."""
LIMITS = ("max_completion_tokens", "max_tokens")
# Name: the type, and the range with its ends; a number above 0 has 0 excluded.
_NUMBERS: Mapping[str, tuple[type, float, float | None, bool]] = {
    "temperature": (float, 0, 2, False),
    "top_p": (float, 0, 1, True),
    "max_tokens": (int, 1, None, False),
    "max_completion_tokens": (int, 1, None, False),
    "seed": (int, -(2**63), 2**63 - 1, False),
    "n": (int, 1, 128, False),
    "presence_penalty": (float, -2, 2, False),
    "frequency_penalty": (float, -2, 2, False),
    "top_logprobs": (int, 0, 20, False),
}
# What a member behind a server is passed, with the values that ask for nothing.
_PASSED: Mapping[str, tuple[Any, ...]] = {
    "n": (1,),
    "stop": ([],),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "logit_bias": ({},),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "response_format": ({"type": "text"},),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "parallel_tool_calls": (True, False),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "reasoning_effort": (),
    "verbosity": (),
    "prediction": (),
}
# These tell a provider about the caller and change no answer.
_ABOUT_THE_CALLER = (
    "user",
    "metadata",
    "store",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "service_tier",
)
SHOWN = 8
"""How many of a request's parameters a message names."""
_READ_HERE = ("model", "messages", "stream", "stream_options")


@dataclass(frozen=True)
class ChatRequest:
    """A request to ``/v1/chat/completions``.

    Attributes:
        model: the model's name, which names the router's variant.
        messages: the conversation as it came, and as turns of text where it is that.
        query: the user's last message, which is routed.
        parameters: what the members are passed: everything that asks for something.
        is_streamed: whether the reply is a stream.
        wants_usage: whether the stream ends with the numbers of tokens.
        question, options: the last message, if it is plainly a question with options; else no options.
    """

    model: str
    messages: tuple[Mapping[str, Any], ...]
    query: str
    parameters: Mapping[str, Any]
    is_streamed: bool
    wants_usage: bool
    question: str
    options: tuple[str, ...]

    @property
    def sampling(self) -> dict[str, Any]:
        """The parameters that every member keeps, by the names of :class:`rgd.engines.base.Sampling`."""
        found = {name: self.parameters[name] for name in SAMPLING if name in self.parameters}
        for name in LIMITS:
            if name in self.parameters:
                return found | {"max_tokens": self.parameters[name]}
        return found

    @property
    def not_plain(self) -> str | None:
        """What only a member behind a server can keep: a parameter, or the place of a message; None if all can."""
        for name in self.parameters:
            if name not in (*SAMPLING, *LIMITS):
                return name
        return next(
            (
                f"messages.{number}"
                for number, each in enumerate(self.messages)
                if _role(each) not in PLAIN or not isinstance(_text(each), str)
            ),
            None,
        )

    @property
    def turns(self) -> tuple[Message, ...]:
        """The conversation as turns of text.

        Raises:
            Fault: a message holds something else.
        """
        if self.not_plain and self.not_plain.startswith("messages"):
            raise Fault(400, f"{self.not_plain} is not a turn of text, which this model needs.", param=self.not_plain)
        return tuple(Message(_role(each), str(_text(each))) for each in self.messages)


def read_request(body: Any) -> ChatRequest:
    """The request in ``body``, the JSON of a request's body.

    Raises:
        Fault: a part is missing, wrong, or unknown.
    """
    if not isinstance(body, dict):
        raise Fault(400, "the body is not a JSON object.")
    _check_text(body)
    model = body.get("model")
    if not isinstance(model, str):
        raise Fault(400, f"model = {model!r}. Give the name of a model; /v1/models lists them.", param="model")
    if "messages" not in body:
        given = ", ".join(name[:40] for name in list(body)[:SHOWN])
        raise Fault(400, f"messages is missing. The request has {given}.", param="messages")
    messages = _messages(body["messages"])
    is_streamed, wants_usage = _stream(body)
    parameters = _parameters(body)
    query = next((_shown(each) for each in reversed(messages) if each["role"] == "user"), "")
    if not query.strip():
        raise Fault(400, "messages has no text of the user, which is what is routed.", param="messages")
    asks_a_tool = any(name not in (*SAMPLING, *LIMITS) for name in parameters)
    is_last = messages[-1]["role"] == "user"
    question, options = split_options(query) if is_last and not asks_a_tool else (query.strip(), [])
    return ChatRequest(model, tuple(messages), query, parameters, is_streamed, wants_usage, question, tuple(options))


def _messages(given: Any) -> list[dict[str, Any]]:
    if not isinstance(given, list) or not given:
        raise Fault(400, "messages is empty. Send a conversation that ends with the user's message.", param="messages")
    for number, each in enumerate(given):
        at = f"messages.{number}"
        role = each.get("role") if isinstance(each, dict) else None
        if role not in ROLES:
            raise Fault(400, f"{at}.role = {role!r}. Give one of {', '.join(ROLES)}.", param=f"{at}.role")
        content = each.get("content")
        if content is None and role == "assistant" and (each.get("tool_calls") or each.get("function_call")):
            continue
        if isinstance(content, list):
            if not all(isinstance(part, dict) and isinstance(part.get("text"), str) for part in content):
                raise Fault(
                    400, f"{at}.content has a part that is not text. Send only text parts.", param=f"{at}.content"
                )
        elif not isinstance(content, str):
            raise Fault(400, f"{at}.content is not text.", param=f"{at}.content")
    last = given[-1]
    if last["role"] not in ("user", "tool", "function") or (last["role"] == "user" and not _shown(last).strip()):
        at = f"messages.{len(given) - 1}"
        raise Fault(400, f"{at} is empty or not the user's. End the conversation with the user's message.", param=at)
    return given


def _stream(body: Mapping[str, Any]) -> tuple[bool, bool]:
    stream, options = body.get("stream"), body.get("stream_options")
    if stream not in (None, True, False):
        raise Fault(400, f"stream = {stream!r}. Give true or false.", param="stream")
    if options is None:
        return bool(stream), False
    if not stream or not isinstance(options, dict):
        raise Fault(400, "stream_options belongs to stream: true, and is an object.", param="stream_options")
    return True, bool(options.get("include_usage"))


def _parameters(body: Mapping[str, Any]) -> dict[str, Any]:
    """What asks for something; values that ask for nothing are left out."""
    found: dict[str, Any] = {}
    for name, value in body.items():
        if name in _READ_HERE or value is None:
            continue
        if name in _NUMBERS:
            value = _number(name, value)
        if name in SAMPLING or name in LIMITS:
            found[name] = value
        elif name in _PASSED:
            if value not in _PASSED[name]:
                found[name] = value
        elif name not in _ABOUT_THE_CALLER:
            raise Fault(
                400, f"{name} is not a parameter of this server. Leave it out.", param=name, code="unknown_parameter"
            )
    if all(name in found for name in LIMITS):
        raise Fault(400, f"give {LIMITS[0]} or {LIMITS[1]}, not both.", param=LIMITS[1])
    # What offers no tool cannot force one.
    if "tools" not in found and found.get("tool_choice") == "required":
        raise Fault(400, "tool_choice = 'required' needs tools.", param="tool_choice")
    return found


def _number(name: str, value: Any) -> float | int:
    kind, low, high, is_open = _NUMBERS[name]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = is_number and value == value and abs(value) != float("inf") and kind(value) == value
    if not fits or value < low or (is_open and value == low) or (high is not None and value > high):
        span = f"{'above' if is_open else 'from'} {low:g}" + ("" if high is None else f" to {high:g}")
        raise Fault(
            400, f"{name} = {value!r}. Give {'a whole number' if kind is int else 'a number'} {span}.", param=name
        )
    return kind(value)


def _role(message: Mapping[str, Any]) -> str:
    return "system" if message["role"] == "developer" else str(message["role"])


def _text(message: Mapping[str, Any]) -> str | None:
    """The text of a message; None if it has none, or calls a tool besides."""
    if message.get("tool_calls") or message.get("function_call") or message.get("content") is None:
        return None
    return _shown(message)


def _shown(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, list):
        return "\n".join(part["text"] for part in content)
    return content if isinstance(content, str) else ""


def _check_text(value: Any, at: str = "") -> None:
    """Refuse half of a surrogate pair, which no text in UTF-8 holds."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise Fault(
                400, f"{at or 'the body'} holds half of a surrogate pair ({value[error.start]!a}).", param=at or None
            ) from None
    elif isinstance(value, dict):
        for key, each in value.items():
            _check_text(key, at)
            _check_text(each, f"{at}.{key}" if at else key)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            _check_text(each, f"{at}.{number}")


def with_conversation(turns: Sequence[Message], rendered: Sequence[Message]) -> tuple[Message, ...]:
    """A member's prompt for a question, after the turns of the conversation that came before it.

    What is said by the system stands first, in one turn, since chat templates know no other. A prompt without turns gets the
    conversation as text before it.
    """
    if not turns:
        return tuple(rendered)
    if rendered[0].role == "text":
        before = "\n\n".join(turn.content for turn in turns)
        return (Message("text", f"{before}\n\n{rendered[0].content}"), *rendered[1:])
    said = [turn.content for turn in (*turns, *rendered) if turn.role == "system"]
    others = [turn for turn in (*turns, *rendered) if turn.role != "system"]
    return (*([Message("system", "\n\n".join(said))] if said else []), *others)
