"""What every engine takes and gives: requests, answers, settings, and the shape of an engine."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from rgd.errors import UserError


@dataclass(frozen=True)
class Message:
    """One turn of a prompt; ``role`` is ``system``, ``user``, ``assistant``, or ``text`` for a prompt without turns."""

    role: str
    content: str


@dataclass(frozen=True)
class Request:
    """One thing to ask.

    Attributes:
        messages: the whole prompt (see :func:`rgd.engines.prompts.render`). A final ``assistant`` turn is continued.
        question: the question as it stands in the messages: the part that may lose text when the prompt is too long.
        options: the options' texts, in order; needed by likelihood answering.
        draw: number of the draw; draws of one query have seeds of their own.
    """

    messages: tuple[Message, ...]
    question: str = ""
    options: tuple[str, ...] = ()
    draw: int = 0

    @cached_property
    def query_key(self) -> str:
        """SHA-256 (64 hexadecimal digits) of what is asked: question, options and messages, not the draw."""
        asked = [self.question, list(self.options), [[turn.role, turn.content] for turn in self.messages]]
        return hashlib.sha256(json.dumps(asked, ensure_ascii=False).encode()).hexdigest()


@dataclass(frozen=True)
class Answer:
    """What came back for one request.

    Attributes:
        text: the text written, or the chosen option's text.
        confidence: mean log-probability of the sampled tokens, or the chosen option's score; NaN when nothing was written,
            or where a server gives no log-probabilities.
        scores: likelihood answering only: per option, the sum of its tokens' log-probabilities over its length in bytes.
        prompt_tokens: tokens of the prompt, after trimming.
        completion_tokens: tokens written, or tokens of all options that were scored.
        finish_reason: ``stop``, ``length``, or ``scored``; of an API also ``blocked`` (its filters) or ``empty``.
        trimmed: whether the question lost text because the prompt was too long.
        attempts: how often it was sent, the last time included, until it was answered.
        cost: price in US dollars; 0 where nothing is charged or the engine knows no price.
        served_model: the model that the server says answered; empty where the model runs in the job.
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
    """How text is sampled; ``seed`` is the model's own, each request derives its seed from it."""

    temperature: float
    top_p: float
    max_tokens: int
    seed: int


@dataclass(frozen=True)
class EngineSettings:
    """One loaded model, or one that a server runs.

    Attributes:
        weights: folder in Hugging Face format (see :func:`rgd.weights.cache.ensure_weights`); None where a server has them.
        max_model_len: most tokens of prompt and answer together.
        dtype: ``bfloat16``, ``float16`` or ``float32``.
        threads: CPU threads.
        chat: further arguments of the model's chat template, such as ``enable_thinking: false``.
        memory_gb: room for the attention cache, where the engine reserves it (vLLM on a CPU).
        batch_tokens: tokens that are computed in one pass; decides speed and memory, not answers.
        gpus: GPUs over which the model is spread; 0 and 1 are one where there is one, else the CPU.
        pooling: of a model that embeds: ``mean`` over a text's tokens or the ``last`` one; None for one that answers.
        api: how the server is asked (:class:`rgd.config.schema.Api`); empty where the model runs in the job.
        spent_dollars: what the model's answers in the store have cost, which counts towards the API's budget.
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
    spent_dollars: float = 0.0


class Interrupted(UserError):
    """A server stopped answering within a chunk: the answers that came, which are paid for, and what gave them.

    Attributes:
        answered: each answered request with its answer.
        provenance: of the engine.
    """

    def __init__(self, message: str, answered: Sequence[tuple[Request, Answer]], provenance: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.answered, self.provenance = answered, provenance


class Engine(Protocol):
    """A loaded model. Each method keeps the order of its input; an engine that lacks a way raises ``UserError``."""

    provenance: Mapping[str, Any]
    """What computes (kind, version, device, threads): kept beside the answers, decides none of them."""

    def score(self, requests: Sequence[Request]) -> list[Answer]:
        """Answer by the likelihood of each option's text as the continuation of the prompt."""

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Answer]:
        """Answer by writing text."""

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Embed ``texts``: (n, d) float32, rows of length 1."""

    def close(self) -> None:
        """Free the model's memory."""
