"""The types that engines share: requests, answers, settings, and the interface of an engine."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from rgd.engines.budget import Account
from rgd.errors import UserError


@dataclass(frozen=True)
class Message:
    """One turn of a prompt; ``role`` is ``system``, ``user``, ``assistant``, or ``text`` for a prompt without turns."""

    role: str
    content: str


@dataclass(frozen=True)
class Request:
    """One query for a model.

    Attributes:
        messages: the whole prompt (see :func:`rgd.engines.prompts.render`). A final ``assistant`` turn is continued.
        question: the question as it appears in the messages; the only part that is shortened if the prompt is too long.
        options: the options' texts, in order; required for likelihood answering.
        draw: number of the draw; each draw of a query has its own seed.
    """

    messages: tuple[Message, ...]
    question: str = ""
    options: tuple[str, ...] = ()
    draw: int = 0

    @cached_property
    def query_key(self) -> str:
        """SHA-256 (64 hexadecimal digits) of the question, options and messages, without the draw."""
        asked = [self.question, list(self.options), [[turn.role, turn.content] for turn in self.messages]]
        return hashlib.sha256(json.dumps(asked, ensure_ascii=False).encode()).hexdigest()


@dataclass(frozen=True)
class Answer:
    """The answer to one request.

    Attributes:
        text: the generated text, or the chosen option's text.
        confidence: mean log-probability of the sampled tokens, or the chosen option's score; NaN if nothing was generated
            or the server returns no log-probabilities.
        scores: likelihood answering only: per option, the sum of its tokens' log-probabilities divided by its length in bytes.
        prompt_tokens: tokens of the prompt, after trimming.
        completion_tokens: generated tokens, or the scored tokens of all options.
        finish_reason: ``stop``, ``length``, or ``scored``; an API may also give ``blocked`` (by its filters) or ``empty``.
        trimmed: whether the question was shortened because the prompt was too long.
        attempts: how often the request was sent, including the successful attempt.
        cost: price in US dollars; 0 if nothing is charged or the price is unknown.
        served_model: the model that the server reports; empty if the model runs in the job.
    """

    text: str
    confidence: float
    scores: tuple[float, ...] | None
    prompt_tokens: int
    completion_tokens: int
    finish_reason: str
    trimmed: bool
    attempts: int = 1
    cost: float = 0.0
    served_model: str = ""


@dataclass(frozen=True)
class Sampling:
    """Sampling parameters; each request derives its own seed from ``seed``."""

    temperature: float
    top_p: float
    max_tokens: int
    seed: int


@dataclass(frozen=True)
class EngineSettings:
    """Settings of a model that is loaded in the job or runs on a server.

    Attributes:
        weights: folder in Hugging Face format (see :func:`rgd.weights.cache.ensure_weights`); None if a server has them.
        max_model_len: maximum number of tokens of prompt and answer together.
        dtype: ``bfloat16``, ``float16`` or ``float32``.
        threads: CPU threads.
        chat: extra arguments of the model's chat template, such as ``enable_thinking: false``.
        memory_gb: size of the attention cache in GB, if the engine reserves it (vLLM on a CPU).
        batch_tokens: tokens per forward pass; affects speed and memory, not answers.
        gpus: number of GPUs that share the model; 0 and 1 use one GPU if there is one, else the CPU.
        pooling: for an embedding model, ``mean`` over a text's tokens or the ``last`` one; None for a model that answers.
        api: the server and how to call it (:class:`rgd.config.schema.Api`); empty if the model runs in the job.
        account: where spending on a server is recorded, for all jobs that ask the model; None: for this job alone.
    """

    weights: Path | None
    max_model_len: int
    dtype: str = "bfloat16"
    threads: int = 1
    chat: Mapping[str, Any] = field(default_factory=dict)
    memory_gb: int = 2
    batch_tokens: int | None = None
    gpus: int = 0
    pooling: str | None = None
    api: Mapping[str, Any] = field(default_factory=dict)
    account: Account | None = None


class Interrupted(UserError):
    """A server stopped answering in the middle of a chunk. Carries the answers received so far, which are paid for.

    Attributes:
        answered: each answered request with its answer.
        provenance: provenance of the engine.
        is_of_single_requests: only single requests got no answer; others may still be asked.
    """

    def __init__(
        self,
        message: str,
        answered: Sequence[tuple[Request, Answer]],
        provenance: Mapping[str, Any],
        *,
        is_of_single_requests: bool = False,
    ) -> None:
        super().__init__(message)
        self.answered, self.provenance = answered, provenance
        self.is_of_single_requests = is_of_single_requests


class Engine(Protocol):
    """A loaded model. Each method keeps the order of its input; one that the engine does not support raises ``UserError``."""

    provenance: Mapping[str, Any]
    """What computes the answers (kind, version, device, threads); recorded with them, but not part of their key."""

    def score(self, requests: Sequence[Request]) -> list[Answer]:
        """Answer by the likelihood of each option's text as the continuation of the prompt."""

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Answer]:
        """Answer by generating text."""

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Embed ``texts``: (n, d) float32, rows of length 1."""

    def close(self) -> None:
        """Free the model's memory."""
