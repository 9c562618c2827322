"""The types that engines share: requests, answers, settings, and the interface of an engine."""

import abc
import dataclasses
import hashlib
import json
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from rgd.engines.budget import Account
from rgd.errors import UserError


class GivenUp(UserError):
    """One request gets no answer, through no fault of the model's or its server's: the others are still asked."""


class TooLong(GivenUp):
    """A prompt or a text that is longer than the model accepts."""


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


class Engine(abc.ABC):
    """A loaded model, which is asked as a stream: requests are added, and answers come as they end, in any order.

    A backend implements :meth:`add` and :meth:`step`. What it does not support raises ``UserError``.

    Attributes:
        provenance: what computes the answers (kind, version, device, threads); recorded with them, but not part of their
            key.
        at_once: how many requests it works on at once.
        window: how many requests in flight keep it full; at least ``at_once``.
        failure: why requests added since :meth:`begin` got no answer; None if all did.
        is_stopped: it takes no further requests, because of ``failure``; those in flight still end.
    """

    provenance: Mapping[str, Any]
    at_once: int
    window: int
    failure: UserError | None = None
    is_stopped = False

    @property
    @abc.abstractmethod
    def in_flight(self) -> int:
        """How many added requests have not ended."""

    def begin(self) -> None:
        """Begin a new stream: what an earlier one asked, or why it failed, has no effect on it."""
        self.failure, self.is_stopped = None, False

    @abc.abstractmethod
    def add(self, request: Request, sampling: Sampling | None) -> None:
        """Take a request, to generate text with ``sampling``, or with None to score its options.

        Raises:
            UserError: the request cannot be answered, such as a prompt that does not fit the model.
        """

    @abc.abstractmethod
    def step(self) -> list[tuple[Request, Answer]]:
        """Work for a moment (at most about a second where the backend allows) and return what has ended; maybe nothing.

        A request that gets no answer ends all the same, with the reason in ``failure``.
        """

    @abc.abstractmethod
    def abandon(self) -> None:
        """Give up the requests in flight."""

    def steps(
        self, requests: Iterable[Request | None], sampling: Sampling | None, window: int | None = None
    ) -> Generator[list[tuple[Request, Answer]], None, None]:
        """What has ended since the last time, again and again, until ``requests`` is exhausted and all have ended.

        A request is taken from ``requests`` whenever fewer than ``window`` are in flight, so what is asked together depends
        on what has ended, never on the clock.

        Args:
            requests: yields None if it has none at the moment.
            sampling: None scores the options.
            window: requests in flight; default: the engine's own.

        Raises:
            UserError: why requests got no answer, after all others ended.
        """
        source, is_exhausted = iter(requests), False
        self.begin()
        try:
            while True:
                while not is_exhausted and not self.is_stopped and self.in_flight < (window or self.window):
                    try:
                        request = next(source)
                    except StopIteration:
                        is_exhausted = True
                        break
                    if request is None:
                        break
                    self.add(request, sampling)
                if self.in_flight:
                    yield self.step()
                elif is_exhausted or self.is_stopped:
                    break
                else:
                    yield []
        finally:
            if self.in_flight:
                self.abandon()
        if self.failure is not None:
            raise self.failure

    def stream(self, requests: Iterable[Request], sampling: Sampling | None = None) -> Iterator[tuple[Request, Answer]]:
        """Each request with its answer, as the answers end; see :meth:`steps`."""
        for ended in self.steps(requests, sampling):
            yield from ended

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Answer]:
        """Answer by generating text: the answers in the order of ``requests``.

        Raises:
            UserError: a request got no answer.
        """
        return self._in_order(requests, sampling)

    def score(self, requests: Sequence[Request]) -> list[Answer]:
        """Answer by the likelihood of each option's text: the answers in the order of ``requests``.

        Raises:
            UserError: a request has no options or does not fit, or the engine cannot score.
        """
        return self._in_order(requests, None)

    def pieces(self, request: Request, sampling: Sampling) -> Generator[str | Answer, None, None]:
        """Answer one request by generating text: the text as it is written, piece by piece, then the answer with all of it.

        The first piece is empty and says that the request was accepted. An engine that writes in no pieces gives its text in
        one. Closing the generator gives the request up.

        Raises:
            UserError: the request gets no answer, or its prompt would have to be shortened.
        """
        (answer,) = self.generate([request], sampling)
        if answer.trimmed:
            raise TooLong("the prompt is longer than the model takes.")
        yield ""
        yield answer.text
        yield answer

    def _in_order(self, requests: Sequence[Request], sampling: Sampling | None) -> list[Answer]:
        # Equal requests may be in the list twice, so they are told apart by identity.
        own = [dataclasses.replace(request) for request in requests]
        answers = {id(request): answer for request, answer in self.stream(own, sampling)}
        return [answers[id(request)] for request in own]

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Embed ``texts``: (n, d) float32, rows of length 1.

        Raises:
            UserError: the engine cannot embed.
        """
        raise UserError(
            f"the engine {self.provenance['engine']} cannot embed ({len(texts)} texts): set engine: transformers in the "
            "embedder's file."
        )

    @abc.abstractmethod
    def close(self) -> None:
        """Free the model's memory."""
