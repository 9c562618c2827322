"""Text generation with Google's Gemini models through Google's client."""

import contextlib
import json
import math
from collections.abc import AsyncGenerator, Collection, Iterator, Mapping
from typing import Any

from rgd.engines import replies
from rgd.engines.base import EngineSettings, Request, Sampling
from rgd.engines.events import read_events
from rgd.engines.refusals import Refusal
from rgd.engines.remote import Adapted, Blocked, RemoteEngine, Reply, Unsupported, retry_after
from rgd.errors import UserError
from rgd.seeds import derive_seed

ADDRESS = "https://generativelanguage.googleapis.com"
CHAT_KEYS = ("thinking_budget",)
_DROPPABLE = ("temperature", "top_p", "seed")
_SPELLED = {"top_p": "topP"}
# Reasons that explain nothing: the reply counts as finished, or as empty if it has no text.
_FINISHED = ("STOP", "FINISH_REASON_UNSPECIFIED", "OTHER", "MALFORMED_RESPONSE", "MALFORMED_FUNCTION_CALL")
_BLOCKED = (
    "SAFETY",
    "RECITATION",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "MODEL_ARMOR",
    "LANGUAGE",
)


def load(settings: EngineSettings) -> "GeminiEngine":
    """The engine with a client for the API of ``settings``."""
    return GeminiEngine(settings)


class GeminiEngine(RemoteEngine):
    """A Gemini model. ``chat`` may set ``thinking_budget``, in tokens: 0 is off, -1 leaves it to the model."""

    kind = "gemini"
    package = "google-genai"
    key_variable = "GEMINI_API_KEY"

    def __init__(self, settings: EngineSettings) -> None:
        super().__init__(settings)
        if unknown := sorted(set(settings.chat) - set(CHAT_KEYS)):
            raise UserError(f"the engine gemini does not support chat.{unknown[0]}: set only {', '.join(CHAT_KEYS)}.")
        import httpx2
        from google import genai

        self.address = (self.api.base_url or ADDRESS).rstrip("/")
        # A separate transport switches off the client's implicit retries and leaves one family of errors to handle.
        self.transport = httpx2.AsyncClient(limits=httpx2.Limits(max_connections=self.api.concurrency))
        options = genai.types.HttpOptions(
            base_url=self.address,
            httpx_async_client=self.transport,
            retry_options=genai.types.HttpRetryOptions(attempts=1),
        )
        self.client = genai.Client(vertexai=False, api_key=self.key or "none", http_options=options)

    async def disconnect(self) -> None:
        """Close the connections."""
        await self.transport.aclose()
        self.client.close()

    async def reply(self, request: Request, sampling: Sampling) -> Reply:
        """Send one attempt. A blocked or empty reply is an answer too: asking again would give the same."""
        from google.genai import types

        instruction, turns = self._prompt(request)
        parameters = self.parameters(request, sampling)
        thinking = self.settings.chat.get("thinking_budget")
        config = types.GenerateContentConfig(
            system_instruction=instruction,
            temperature=parameters.get("temperature"),
            top_p=parameters.get("topP"),
            max_output_tokens=sampling.max_tokens,
            seed=parameters.get("seed"),
            thinking_config=None if thinking is None else types.ThinkingConfig(thinking_budget=thinking),
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
            # The client's own types fail on some replies, so the reply is read here.
            should_return_http_response=True,
        )
        contents: Any = [types.Content(role=role, parts=[types.Part(text=text)]) for role, text in turns]
        try:
            with self.errors(self.droppable(parameters)):
                reply = await self.client.aio.models.generate_content(
                    model=self.api.model, contents=contents, config=config
                )
                content = (reply.sdk_http_response and reply.sdk_http_response.body) or ""
                reading = read(replies.parsed(content.encode("utf-8", "surrogatepass")))
        except Unsupported as error:
            self.drop(error.name, str(error))
            raise Adapted(str(error), perhaps_billed=False) from None
        except Blocked:
            return self.blocked(self.longest_prompt(request))
        return self.answered(reading)

    async def reply_in_pieces(self, request: Request, sampling: Sampling) -> AsyncGenerator[str | Reply, None]:
        """See :meth:`rgd.engines.remote.RemoteEngine.reply_in_pieces`; the client's own stream fails on some replies."""
        from google.genai import errors

        parameters = self.parameters(request, sampling)
        model = self.api.model if self.api.model.startswith(("models/", "tunedModels/")) else f"models/{self.api.model}"
        joined = _Joined()
        try:
            with self.errors(self.droppable(parameters)):
                async with self.transport.stream(
                    "POST",
                    f"{self.address}/v1beta/{model}:streamGenerateContent",
                    params={"alt": "sse"},
                    headers={"x-goog-api-key": self.key or "none"},
                    json=self.body(request, parameters),
                    timeout=self.api.timeout_s,
                ) as response:
                    await errors.APIError.raise_for_async_response(response)
                    yield ""
                    async for data in read_events(response.aiter_bytes()):
                        found = replies.parsed(data)
                        for event in found if isinstance(found, list) else [found]:
                            yield joined.add(event)
                reading = read(joined.reply())
        except Unsupported as error:
            if joined.text:
                raise
            self.drop(error.name, str(error))
            raise Adapted(str(error), perhaps_billed=False) from None
        except Blocked:
            yield ""
            yield self.blocked(self.longest_prompt(request))
            return
        yield self.answered(reading)

    def _prompt(self, request: Request) -> tuple[str | None, list[tuple[str, str]]]:
        """The system instruction, and Gemini's name of the role and the text of every other turn.

        Raises:
            UserError: the prompt has no turns, or ends with the model's.
        """
        turns = list(self.turns(request))
        if turns[-1][0] == "assistant":
            raise UserError(
                "the engine gemini cannot continue a begun [assistant] turn: end the prompt with its [user] turn."
            )
        instruction = "\n\n".join(text for role, text in turns if role == "system") or None
        return instruction, [
            ("model" if role == "assistant" else "user", text) for role, text in turns if role != "system"
        ]

    def parameters(self, request: Request, sampling: Sampling) -> dict[str, Any]:
        """The sampling parameters that ``request`` is sent with, under the API's names."""
        parameters = {
            "temperature": sampling.temperature,
            "topP": sampling.top_p,
            "maxOutputTokens": sampling.max_tokens,
            "seed": derive_seed(sampling.seed, request.query_key, request.draw),
        }
        left_out = {_SPELLED.get(name, name) for name in (*self.api.omit, *self.dropped)}
        return {name: value for name, value in parameters.items() if name not in left_out}

    def droppable(self, parameters: Collection[str]) -> list[str]:
        """The names of ``parameters`` that may be left out, as ``api.omit`` spells them."""
        return [name for name in _DROPPABLE if _SPELLED.get(name, name) in parameters]

    def body(self, request: Request, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The whole content of a request to generateContent, as plain JSON types.

        Raises:
            UserError: see :meth:`reply`.
        """
        instruction, turns = self._prompt(request)
        thinking = self.settings.chat.get("thinking_budget")
        config = dict(parameters) | ({} if thinking is None else {"thinkingConfig": {"thinkingBudget": thinking}})
        body: dict[str, Any] = {
            "contents": [{"role": role, "parts": [{"text": text}]} for role, text in turns],
            "generationConfig": config,
        }
        return body if instruction is None else body | {"systemInstruction": {"parts": [{"text": instruction}]}}

    @contextlib.contextmanager
    def errors(self, sent: Collection[str] = ()) -> Iterator[None]:
        """Turn the client's errors into this engine's.

        Args:
            sent: parameters of the request that may be left out.
        """
        import httpx2
        from google.genai import errors

        try:
            yield
        except errors.APIError as error:
            details = error.details if isinstance(error.details, dict) else {}
            headers = getattr(error.response, "headers", {})
            wait = retry_delay(details)
            refusal = Refusal.read(error.code, details or str(error.message or error.status))
            raise self.refusal(refusal, retry_after(headers) if wait is None else wait, sent) from None
        except replies.Unreadable as error:
            raise self.unread(error) from None
        except (errors.UnknownApiResponseError, json.JSONDecodeError, UnicodeDecodeError) as error:
            raise self.broken(error) from None
        except httpx2.ConnectError as error:
            raise self.unreachable(error) from None
        except httpx2.TransportError as error:
            raise self.broken(error) from None


def read(reply: Any) -> replies.Reading:
    """What a reply of generateContent holds. A blocked or empty reply is an answer too: asking again would give the same.

    Raises:
        replies.Unreadable: it is no such reply.
    """
    if not isinstance(reply, dict) or reply.get("error"):
        raise replies.Unreadable(f"the reply is of type {type(reply).__name__}, or reports an error")
    usage, feedback = mapping(reply.get("usageMetadata")), mapping(reply.get("promptFeedback"))
    prompt = replies.count(usage.get("promptTokenCount"))
    written = replies.count(usage.get("candidatesTokenCount", 0))
    thoughts = replies.count(usage.get("thoughtsTokenCount", 0))
    # Thoughts are billed as output and count towards its limit.
    output = None if written is None or thoughts is None else replies.count(written + thoughts)
    output = replies.billed_output(prompt, output, replies.count(usage.get("totalTokenCount")), None)
    served = reply.get("modelVersion")
    model = replies.clean(served)[: replies.LONGEST_NAME] if isinstance(served, str) else ""
    candidate = _candidate(reply)
    if candidate is None:
        reason = "blocked" if feedback.get("blockReason") else "empty"
        return replies.Reading("", math.nan, prompt, output, reason, model)
    text = _said(candidate)
    reason = _finished(candidate.get("finishReason"), text)
    confidence = replies.mean_logprob([candidate["avgLogprobs"]]) if "avgLogprobs" in candidate else math.nan
    if reason == "blocked":
        return replies.Reading("", math.nan, prompt, output, reason, model)
    return replies.Reading(text, confidence if text else math.nan, prompt, output, reason, model)


class _Joined:
    """The reply whose pieces a stream's events are.

    Attributes:
        text: what has been written so far.
    """

    def __init__(self) -> None:
        self.text = ""
        self._ended: Any = None
        self._usage: dict[str, Any] = {}
        self._further: dict[str, Any] = {}

    def add(self, event: Any) -> str:
        """The text of the next event.

        Raises:
            google.genai.errors.APIError: it reports an error.
            replies.Unreadable: it is no piece of a reply.
        """
        from google.genai import errors

        if not isinstance(event, dict):
            raise replies.Unreadable("an event of the stream is no object")
        if event.get("error"):
            # Google's servers report an error under status 200 once the stream has begun.
            raise errors.APIError(replies.count(mapping(event["error"]).get("code")) or 500, event)
        self._usage |= mapping(event.get("usageMetadata"))
        self._further |= {name: event[name] for name in ("modelVersion", "promptFeedback") if event.get(name)}
        candidate = _candidate(event)
        if candidate is None:
            return ""
        self._ended = candidate.get("finishReason") or self._ended
        piece = _said(candidate)
        self.text += piece
        return piece

    def reply(self) -> dict[str, Any]:
        """The whole reply.

        Raises:
            replies.Unreadable: the stream ended before the answer.
        """
        is_blocked = mapping(self._further.get("promptFeedback")).get("blockReason")
        if not self._ended and not is_blocked:
            raise replies.Unreadable("the stream ended before the answer was complete")
        candidate = {"content": {"parts": [{"text": self.text}]}, "finishReason": self._ended}
        return self._further | {"usageMetadata": self._usage, "candidates": [candidate] if self._ended else []}


def _candidate(reply: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The one candidate of a reply; None if it has none."""
    candidates = reply.get("candidates") or []
    if not candidates:
        return None
    if not isinstance(candidates, list) or not isinstance(candidates[0], dict):
        raise replies.Unreadable("the candidates are no list of objects")
    return candidates[0]


def _said(candidate: Mapping[str, Any]) -> str:
    """A candidate's text without its thoughts."""
    parts = mapping(candidate.get("content")).get("parts") or []
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise replies.Unreadable("the candidate's parts are no list of objects")
    said = [part.get("text") for part in parts if not part.get("thought")]
    return replies.clean("".join(part for part in said if isinstance(part, str)))


def _finished(ended: Any, text: str) -> str:
    """The store's word for a finish reason.

    Raises:
        replies.Unreadable: the reason is unknown.
    """
    if ended is not None and not isinstance(ended, str):
        raise replies.Unreadable(f"finishReason is of type {type(ended).__name__}")
    if ended == "MAX_TOKENS":
        return "length"
    if ended in _BLOCKED:
        return "blocked"
    if ended in _FINISHED or not ended:
        return "stop" if text.strip() else "empty"
    raise replies.Unreadable(f"finishReason = {ended[: replies.LONGEST_NAME]}")


def mapping(value: Any) -> Mapping[str, Any]:
    """``value`` if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def retry_delay(details: Mapping[str, Any]) -> float | None:
    """Seconds to wait according to an API error (google.rpc.RetryInfo, such as ``17s``); None if it gives none."""
    error = details.get("error", details)
    for item in (error.get("details") or []) if isinstance(error, dict) else []:
        if isinstance(item, dict) and str(item.get("@type", "")).endswith("google.rpc.RetryInfo"):
            with contextlib.suppress(ValueError):
                return float(str(item.get("retryDelay", "")).removesuffix("s"))
    return None
