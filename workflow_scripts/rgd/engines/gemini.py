"""Text generation with Google's Gemini models through Google's client."""

import contextlib
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from rgd.engines.base import Answer, EngineSettings, Request, Sampling
from rgd.engines.remote import RemoteEngine, Reply, retry_after
from rgd.errors import UserError
from rgd.seeds import derive_seed

ADDRESS = "https://generativelanguage.googleapis.com"
CHAT_KEYS = ("thinking_budget",)
_FINISHED = {"STOP": "stop", "MAX_TOKENS": "length"}
# Finish reasons that are not a block and explain nothing: the reply counts as finished, or as empty if it has no text.
_UNEXPLAINED = ("", "FINISH_REASON_UNSPECIFIED", "OTHER", "MALFORMED_RESPONSE")


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

        turns = list(self.turns(request))
        if turns[-1][0] == "assistant":
            raise UserError(
                "the engine gemini cannot continue a begun [assistant] turn: end the prompt with its [user] turn."
            )
        thinking = self.settings.chat.get("thinking_budget")
        config = types.GenerateContentConfig(
            system_instruction="\n\n".join(text for role, text in turns if role == "system") or None,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            max_output_tokens=sampling.max_tokens,
            seed=derive_seed(sampling.seed, request.query_key, request.draw),
            thinking_config=None if thinking is None else types.ThinkingConfig(thinking_budget=thinking),
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        )
        contents: Any = [
            types.Content(role="model" if role == "assistant" else "user", parts=[types.Part(text=text)])
            for role, text in turns
            if role != "system"
        ]
        with self._errors():
            reply = await self.client.aio.models.generate_content(
                model=self.api.model, contents=contents, config=config
            )
        return self._read(reply)

    def _read(self, reply: Any) -> Reply:
        usage = reply.usage_metadata
        prompt = (usage.prompt_token_count or 0) if usage else 0
        # Thoughts are billed as output and count towards its limit.
        written = (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0) if usage else 0
        text, confidence, reason = "", math.nan, "empty"
        if reply.candidates:
            candidate = reply.candidates[0]
            parts = (candidate.content and candidate.content.parts) or []
            text = "".join(part.text for part in parts if part.text and not part.thought)
            ended = candidate.finish_reason.name if candidate.finish_reason else ""
            reason = _FINISHED.get(ended) or ("stop" if ended in _UNEXPLAINED else "blocked")
            if reason == "stop" and not text:
                reason = "empty"
            if candidate.avg_logprobs is not None and text:
                confidence = candidate.avg_logprobs
        elif reply.prompt_feedback and reply.prompt_feedback.block_reason:
            reason = "blocked"
        answer = Answer(text, confidence, None, prompt, written, reason, False, served_model=reply.model_version or "")
        return Reply(answer, prompt, written)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        import httpx2
        import pydantic
        from google.genai import errors

        malformed = (errors.UnknownApiResponseError, pydantic.ValidationError, json.JSONDecodeError, UnicodeDecodeError)
        try:
            yield
        except errors.APIError as error:
            details = error.details if isinstance(error.details, dict) else {}
            headers = getattr(error.response, "headers", {})
            wait = retry_delay(details)
            raise self.refusal(
                error.code, error.message or str(error.status), retry_after(headers) if wait is None else wait
            ) from None
        except malformed as error:
            raise self.broken(error) from None
        except httpx2.ConnectError as error:
            raise self.unreachable(error) from None
        except httpx2.TransportError as error:
            raise self.broken(error) from None


def retry_delay(details: Mapping[str, Any]) -> float | None:
    """Seconds to wait according to an API error (google.rpc.RetryInfo, such as ``17s``); None if it gives none."""
    error = details.get("error", details)
    for item in (error.get("details") or []) if isinstance(error, dict) else []:
        if isinstance(item, dict) and str(item.get("@type", "")).endswith("google.rpc.RetryInfo"):
            with contextlib.suppress(ValueError):
                return float(str(item.get("retryDelay", "")).removesuffix("s"))
    return None
