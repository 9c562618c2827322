"""Text generation and embedding with any server that speaks the OpenAI protocol: a provider's, or your own vLLM server."""

import contextlib
import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from rgd.engines.base import Answer, EngineSettings, Request, Sampling
from rgd.engines.remote import RemoteEngine, Reply, TryAgain, retry_after
from rgd.errors import UserError
from rgd.seeds import derive_seed

TEXTS_PER_CALL = 64


def load(settings: EngineSettings) -> "OpenAiEngine":
    """The engine with a client for the server of ``settings``."""
    return OpenAiEngine(settings)


class OpenAiEngine(RemoteEngine):
    """A model behind /v1/chat/completions or /v1/embeddings."""

    kind = "openai"
    package = "openai"
    key_variable = "OPENAI_API_KEY"

    def __init__(self, settings: EngineSettings) -> None:
        super().__init__(settings)
        import openai

        # The client requires a key; a server that needs none ignores it.
        self.client = openai.AsyncOpenAI(
            api_key=self.key or "none", base_url=self.api.base_url, timeout=self.api.timeout_s, max_retries=0
        )
        self.address = str(self.client.base_url).rstrip("/")
        self.gives_logprobs = True

    async def disconnect(self) -> None:
        """Close the connections."""
        await self.client.close()

    async def reply(self, request: Request, sampling: Sampling) -> Reply:
        """Send one attempt to the chat endpoint, with log-probabilities of the sampled tokens if the server returns them.

        A final assistant turn is continued, which only vLLM and compatible servers support.
        """
        arguments: dict[str, Any] = {
            "model": self.api.model,
            "messages": [{"role": role, "content": text} for role, text in self.turns(request)],
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
            "seed": derive_seed(sampling.seed, request.query_key, request.draw),
        }
        chat = dict(self.settings.chat)
        if "reasoning_effort" in chat:
            arguments["reasoning_effort"] = chat.pop("reasoning_effort")
        body: dict[str, Any] = {"chat_template_kwargs": chat} if chat else {}
        if request.messages[-1].role == "assistant":
            body |= {"add_generation_prompt": False, "continue_final_message": True}
        # A copy for this request: another one may meanwhile find that the server refuses log-probabilities.
        with_logprobs = self.gives_logprobs
        if with_logprobs:
            arguments["logprobs"] = True
        try:
            with self._errors():
                reply = await self.client.chat.completions.create(**arguments, extra_body=body)
        except UserError as error:
            if with_logprobs and "logprobs" in str(error):
                self.gives_logprobs = False
                return await self.reply(request, sampling)
            raise
        return self._read(reply)

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Embed ``texts`` with /v1/embeddings: (n, d) float32, rows of length 1.

        Raises:
            UserError: the server refuses, does not answer, or returns vectors of length 0.
        """
        parts = [texts[start : start + TEXTS_PER_CALL] for start in range(0, len(texts), TEXTS_PER_CALL)]
        outcomes = self.ask_all(
            parts, self._embed, lambda part: self.price(sum(len(text.encode()) for text in part), 0)
        )
        if self.failure is not None:
            raise self.failure
        vectors = np.concatenate([outcomes[index].value for index in range(len(parts))])
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not (lengths > 0).all():
            raise UserError(
                f"{self.address} returned vectors of length 0 for {self.api.model}: set api.model to an embedding model."
            )
        return vectors / lengths

    async def _embed(self, texts: Sequence[str]) -> Reply:
        with self._errors():
            reply = await self.client.embeddings.create(
                model=self.api.model, input=list(texts), encoding_format="float"
            )
        self._check(reply)
        items = sorted(reply.data or [], key=lambda item: item.index)
        if len(items) != len(texts):
            raise TryAgain(f"{len(items)} vectors for {len(texts)} texts")
        tokens = reply.usage.prompt_tokens if reply.usage else 0
        return Reply(np.array([item.embedding for item in items], dtype=np.float32), tokens, 0)

    def _read(self, reply: Any) -> Reply:
        self._check(reply)
        if reply.choices is None:
            fault = getattr(reply, "error", None) or "no choices"
            raise TryAgain(f"the reply contains no answer: {self.quoted(str(fault))}")
        prompt, written = (reply.usage.prompt_tokens, reply.usage.completion_tokens) if reply.usage else (0, 0)
        text, confidence, reason = "", math.nan, "empty"
        if reply.choices:
            choice = reply.choices[0]
            text = choice.message.content or ""
            blocked = choice.finish_reason == "content_filter" or choice.message.refusal
            reason = "blocked" if blocked else choice.finish_reason or "empty"
            sampled = (choice.logprobs and choice.logprobs.content) or []
            if sampled:
                confidence = sum(token.logprob for token in sampled) / len(sampled)
        answer = Answer(text, confidence, None, prompt, written, reason, False, served_model=reply.model or "")
        return Reply(answer, prompt, written)

    def _check(self, reply: Any) -> None:
        """Refuse plain text, which the client returns for a reply that is not JSON, such as a web page."""
        if isinstance(reply, str):
            raise UserError(
                f"{self.address} answers, but not as an OpenAI-compatible server: {self.quoted(reply[:200])} "
                "Check api.base_url, which usually ends in /v1."
            )

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        import httpx2
        import openai

        try:
            yield
        except openai.APITimeoutError as error:
            raise self.broken(error) from None
        except openai.APIConnectionError as error:
            cause = error.__cause__ or error
            raise (self.unreachable if isinstance(cause, httpx2.ConnectError) else self.broken)(cause) from None
        except openai.APIStatusError as error:
            told = error.body if isinstance(error.body, dict) else {}
            message = f"{told.get('message') or error.response.text} {told.get('code') or ''}".strip()
            raise self.refusal(error.status_code, message, retry_after(error.response.headers)) from None
        except (json.JSONDecodeError, UnicodeDecodeError, openai.APIResponseValidationError) as error:
            raise self.broken(error) from None
