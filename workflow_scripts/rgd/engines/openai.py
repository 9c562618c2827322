"""Text generation and embedding with any server that speaks the OpenAI protocol: a provider's, or your own vLLM server."""

import contextlib
import os
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from rgd.artifacts import address
from rgd.engines import replies
from rgd.engines.base import EngineSettings, GivenUp, Request, Sampling, TooLong
from rgd.engines.refusals import Refusal, parsed
from rgd.engines.remote import (
    Adapted,
    Blocked,
    Refused,
    RemoteEngine,
    Reply,
    TryAgain,
    Unsupported,
    retry_after,
)
from rgd.errors import UserError
from rgd.seeds import derive_seed

TEXTS_PER_CALL = 64
# Of a text that an embedding server refuses as too long, this share is kept and sent again, until the server takes it.
KEPT_SHARE = 0.8
LIMITS = ("max_tokens", "max_completion_tokens")
# What the client takes as arguments; everything else is sent as it is.
_ARGUMENTS = (
    *LIMITS,
    "temperature",
    "top_p",
    "seed",
    "logprobs",
    "presence_penalty",
    "frequency_penalty",
    "stream",
    "stream_options",
)
# A server that fails on every request for log-probabilities answers so. Others say that it is starting or overloaded.
_FAILING = (500, 501, 502)
_FAILURES_BEFORE_TRIAL = 2


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

        given = self.api.base_url or os.environ.get("OPENAI_BASE_URL", "").strip()
        where = address.split(given, "api.base_url" if self.api.base_url else "OPENAI_BASE_URL") if given else None
        # The client requires a key; a server that needs none ignores it.
        self.client = openai.AsyncOpenAI(
            api_key=self.key or "none",
            base_url=where.shown if where else None,
            default_headers=where.headers if where else None,
            default_query=where.query if where else None,
            timeout=self.api.timeout_s,
            max_retries=0,
        )
        self.address = str(self.client.base_url).rstrip("/")
        self.secrets += where.secrets if where else []
        self.streams = self.api.stream
        self.has_answered = self.gives_logprobs = self.answers_without_logprobs = False
        self.failures: Counter[tuple[str, int]] = Counter()

    @property
    def provenance(self) -> dict[str, Any]:  # type: ignore[override]
        """The model, its server, the client, the parameters that the server refused, and whether it streams."""
        return super().provenance | ({"stream": True} if self.streams else {})

    async def disconnect(self) -> None:
        """Close the connections."""
        await self.client.close()

    async def reply(self, request: Request, sampling: Sampling) -> Reply:
        """Send one attempt to the chat endpoint, with log-probabilities of the sampled tokens if the server returns them.

        A final assistant turn is continued, which only vLLM and compatible servers support.
        """
        messages = self._messages(request)
        name = (request.query_key, request.draw)
        # A copy for this request: another one may meanwhile find that the server refuses a parameter.
        parameters = self.parameters(request, sampling, on_trial=self.failures[name] >= self._failures_before_trial)
        is_confirming = self.answers_without_logprobs
        try:
            with self.errors(parameters):
                reading = replies.read_chat(replies.parsed(await self._send(messages, parameters, request)))
        except Unsupported as error:
            self._adapt(error.name, str(error))
            raise Adapted(str(error), perhaps_billed=False) from None
        except Blocked:
            return self.blocked(self.longest_prompt(request))
        except TryAgain as error:
            if "logprobs" in parameters and error.status in _FAILING and not self.gives_logprobs:
                self.failures[name] += 1
                if is_confirming or "logprobs" in self.dropped:
                    self.drop("logprobs", str(error))
                    raise Adapted(str(error), perhaps_billed=error.perhaps_billed) from None
            raise
        self.has_answered = True
        if "logprobs" in parameters:
            self.gives_logprobs = True
        elif name in self.failures:
            # Another request has to fail with them, after this success, before they are dropped for all.
            self.answers_without_logprobs = True
        return self.answered(reading)

    @property
    def _failures_before_trial(self) -> int:
        return min(_FAILURES_BEFORE_TRIAL, max(1, self.api.attempts - 1))

    def parameters(self, request: Request, sampling: Sampling, *, on_trial: bool = False) -> dict[str, Any]:
        """What ``request`` is sent with; on trial, without log-probabilities."""
        limit: str = self.api.token_limit
        if limit in self.dropped:
            limit = next(name for name in LIMITS if name != limit)
        parameters = {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            limit: sampling.max_tokens,
            "seed": derive_seed(sampling.seed, request.query_key, request.draw),
            "logprobs": True,
            **self.api.neutral,
            **({"stream": True, "stream_options": {"include_usage": True}} if self.streams else {}),
        }
        left_out = {*self.api.omit, *self.dropped, *(["logprobs"] if on_trial and not self.gives_logprobs else [])}
        return {name: value for name, value in parameters.items() if name not in left_out}

    def body(self, request: Request, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The whole content of a request to the chat endpoint, as plain JSON types.

        Raises:
            UserError: the prompt has no turns.
        """
        arguments, further = self._arguments(parameters, request)
        return {"model": self.api.model, "messages": self._messages(request), **arguments, **further}

    def _messages(self, request: Request) -> list[dict[str, str]]:
        return [{"role": role, "content": text} for role, text in self.turns(request)]

    def _arguments(self, parameters: Mapping[str, Any], request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
        """What is sent besides the model and the messages: what the client takes as arguments, and everything else."""
        arguments = {name: value for name, value in parameters.items() if name in _ARGUMENTS}
        body = {name: value for name, value in parameters.items() if name not in _ARGUMENTS}
        chat = dict(self.settings.chat)
        if "reasoning_effort" in chat:
            arguments["reasoning_effort"] = chat.pop("reasoning_effort")
        if chat:
            body["chat_template_kwargs"] = chat
        if request.messages[-1].role == "assistant":
            body |= {"add_generation_prompt": False, "continue_final_message": True}
        return arguments, body

    def _adapt(self, name: str, reason: str) -> None:
        """Send later requests as the server wants them. What another request has found meanwhile is not said again."""
        if name != "stream":
            self.drop(name, reason)
        elif not self.streams:
            self.streams = True
            print(f"warning: {self.address} answers only as a stream: {reason}", file=sys.stderr, flush=True)

    async def _send(self, messages: list[dict[str, str]], parameters: Mapping[str, Any], request: Request) -> bytes:
        """The bytes of the server's reply, which is read here: the client's own types fail on some replies."""
        arguments, body = self._arguments(parameters, request)
        asked: Any = self.client.chat.completions.with_streaming_response.create
        async with asked(model=self.api.model, messages=messages, **arguments, extra_body=body) as response:
            content: bytes = await response.read()
        self._refuse_page(content)
        return content

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Embed ``texts`` with /v1/embeddings: (n, d) float32, rows of length 1.

        A text that the server refuses as too long loses its end, as it would in the job. Texts that it refuses together, as
        too many or too long, are sent in halves.

        Raises:
            UserError: the server refuses, does not answer, or returns vectors of length 0 or of several lengths.
        """
        kept = list(texts)
        rows: dict[int, np.ndarray] = {}
        waiting = [
            range(start, min(start + TEXTS_PER_CALL, len(kept))) for start in range(0, len(kept), TEXTS_PER_CALL)
        ]
        shortened: set[int] = set()
        while waiting:
            parts = [[kept[index] for index in part] for part in waiting]
            outcomes = self.ask_all(
                parts,
                lambda part: self.safely(self._embed(part)),
                lambda part: self.price(sum(len(text.encode()) for text in part), 0),
            )
            if self.failure is not None:
                raise self.failure
            refused = [part for place, part in enumerate(waiting) if outcomes[place].value is None]
            for place, part in enumerate(waiting):
                if outcomes[place].value is not None:
                    rows |= zip(part, outcomes[place].value, strict=True)
            for part in refused:
                if len(part) == 1:
                    shortened.add(part[0])
                    kept[part[0]] = self._shorter(kept[part[0]])
            waiting = [half for part in refused for half in _halves(part)]
        if shortened:
            print(
                f"warning: {len(shortened)} of {len(kept)} texts were too long for {self.api.model} at {self.address} and lost "
                "their ends",
                file=sys.stderr,
                flush=True,
            )
        if len({len(row) for row in rows.values()}) > 1:
            raise UserError(f"{self.address} returned vectors of several lengths for {self.api.model}.")
        vectors = np.array([rows[index] for index in range(len(kept))], dtype=np.float32)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not (lengths > 0).all():
            raise UserError(
                f"{self.address} returned vectors of length 0 for {self.api.model}: set api.model to an embedding model."
            )
        return vectors / lengths

    def _shorter(self, text: str) -> str:
        if len(text) == 1:
            raise UserError(
                f"{self.address} refuses even a single character as too long for {self.api.model}: check api.model and "
                "api.base_url in the embedder's file."
            )
        return text[: max(1, int(len(text) * KEPT_SHARE))]

    async def _embed(self, texts: Sequence[str]) -> Reply:
        """The vectors of ``texts``, (n, d) float32; None if the server refuses one as too long, or several together."""
        asked: Any = self.client.embeddings.with_streaming_response.create
        try:
            with self.errors():
                async with asked(model=self.api.model, input=list(texts), encoding_format="float") as response:
                    content = await response.read()
                self._refuse_page(content)
                vectors, tokens = replies.read_embeddings(replies.parsed(content), len(texts))
        except TooLong:
            # A refusal costs next to nothing; a reply without tokens is charged at its most.
            return Reply(None, 1, 0)
        except Refused:
            # Servers differ in how many texts a call may have, and in the words for it.
            if len(texts) == 1:
                raise
            return Reply(None, 1, 0)
        except Blocked as error:
            raise GivenUp(f"{self.address} refuses to embed a text: {error}") from None
        self.has_answered = True
        return Reply(vectors, tokens or 0, 0)

    def _refuse_page(self, content: bytes) -> None:
        """Refuse a web page in the place of the first reply: the address is wrong. Later, a proxy may have sent it."""
        if not self.has_answered and content.lstrip().startswith(b"<"):
            raise UserError(
                f"{self.address} answers, but not as an OpenAI-compatible server: "
                f"{self.quoted(content[:200].decode('utf-8', 'replace'))} Check api.base_url, which usually ends in /v1."
            )

    @contextlib.contextmanager
    def errors(self, sent: Collection[str] = ()) -> Iterator[None]:
        """Turn the client's errors into this engine's; ``sent`` are the parameters of the request."""
        import httpx2
        import openai

        try:
            yield
        except openai.APIConnectionError as error:
            cause = error.__cause__ or error
            raise (self.unreachable if isinstance(cause, httpx2.ConnectError) else self.broken)(cause) from None
        except openai.APIStatusError as error:
            refusal = Refusal.read(error.status_code, parsed(error.response.text))
            raise self.refused(refusal, retry_after(error.response.headers), sent) from None
        except httpx2.TransportError as error:
            raise self.broken(error) from None
        except replies.ErrorReply as error:
            raise self.refused(Refusal.read(200, error.body), None, sent) from None
        except replies.Unreadable as error:
            raise self.unread(error) from None

    def refused(self, refusal: Refusal, wait_s: float | None, sent: Collection[str]) -> Exception:
        """The error for what the server refuses; see :meth:`RemoteEngine.refusal`."""
        if refusal.status in (200, 400, 405, 422) and sent and "stream" not in sent and refusal.needs_stream:
            return Unsupported("stream", self.quoted(refusal.message))
        return self.refusal(refusal, wait_s, [name for name in sent if self._may_drop(name)])

    def _may_drop(self, name: str) -> bool:
        """Whether requests can do without a parameter. One of the two names of the limit remains, as answers cost money."""
        if name in LIMITS:
            return not any(other in self.dropped for other in LIMITS if other != name)
        return name != "stream"


def _halves(part: range) -> list[range]:
    middle = (len(part) + 1) // 2
    return [half for half in (part[:middle], part[middle:]) if half]
