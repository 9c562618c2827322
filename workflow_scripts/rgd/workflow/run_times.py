"""How fast a model answers and loads, and the time and memory to request for it; none of this affects a result.

The rates are a closed formula with the constants below. Reading a prompt takes time in proportion to its tokens and to the
parameters that are active, at about half of what the device computes at most. Writing a token takes longer, since a step of
the model writes only one token for each of the answers in progress. tests/unit/workflow/test_run_times.py compares the
formula with measured and published rates; for a GPU it means one H100 with enough answers in progress to be full.
"""

import functools
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from rgd.config.schema import Embedder, Model
    from rgd.store.answers import AnswerSettings
    from rgd.store.rates import Rate


class Device(NamedTuple):
    """The speed of a GPU, or of one CPU thread, in 16-bit numbers.

    Attributes:
        reads: tokens of prompts or of scored texts per second, times billions of active parameters.
        writes: the same for tokens written.
        written_token_s: what a written token takes besides, whatever the model's size.
        scored_question_s: what the scoring of a question's options takes besides.
    """

    reads: float
    writes: float
    written_token_s: float
    scored_question_s: float


GPU = Device(250_000, 90_000, 20e-6, 0.1)
"""reads: half of an H100's 989 TFLOP/s. writes, written_token_s: vLLM with a model of Qwen3-8B's shape, and the tables of
NVIDIA and GPUStack in the tests. scored_question_s: the engine transformers with a model of 135M parameters."""
CPU = Device(400, 85, 2e-3, 0.01)
"""Measured on an AMD Zen 4 with models of 135M to 1.5B parameters."""
SPEED_OF_THREADS = 0.8
"""n threads are n ** SPEED_OF_THREADS times as fast as one: two were 1.5 to 2.1 times as fast."""
SPEED_OF_8_BITS = 1.8
"""A GPU's gain by weights of 8 bits, as in GPUStack's table for Qwen3-32B. Smaller weights are computed in 16 bits."""
SPEED_OF_FLOAT32 = 0.5
"""Twice the bytes for each number."""
MIXTURE = 3.0
"""An active parameter of a mixture of experts costs as much as three of a dense model, since each expert's weights are read
for a few tokens only: gpt-oss-120b in GPUStack's table, Qwen3-235B-A22B in NVIDIA's."""
WRITING_BY_TRANSFORMERS = 4.0
"""The engine transformers takes 3 to 5 times as long as vllm to write a text."""
SCORING_BY_VLLM = 3.0
"""The engine vllm reads a prompt again for each option, which takes about three times as long in all."""

SIZE_UNKNOWN = 10.0
"""Assumed billions of parameters of a model of unknown size."""
BYTES_OF_A_TOKEN = 4.0
"""Bytes of a text in UTF-8 for each of its tokens: about 4 letters in English, and one and a third in Chinese."""
TEXT_TOKENS = 176
"""Assumed length of a text to embed, that of the texts measured."""
TEXTS_OF_FEATURES = 2
"""Texts that a featurizer writes about a query."""
ANSWER_TOKENS = 500
"""Assumed length of a written answer, with its reasons."""
THOUGHT_TOKENS = 4000
"""Assumed length of an answer with its thoughts, which models write before it if they are told to think."""
MUCH_ROOM = 16_384
"""From this max_tokens on, a model is assumed to think: nothing else needs so long an answer."""

REQUEST_S, SERVED_TOKENS_PER_S = 1.0, 100.0
"""A server's time for a request: a second, and this many tokens written per second. Several requests are in flight."""
BATCH_S = 86_400.0
"""Time within which a server answers a batch."""
SERVED_TEXTS_PER_MINUTE = 300.0
"""Assumed rate of a server that embeds."""

START_S = 30.0
"""Time until Python has loaded its libraries."""
COMPILE_S = 90.0
"""What vLLM takes on a GPU to compile a model for the first time: it loaded one of 8B, without reading it, in 71 to 135 s."""
READ_GB_PER_S = 0.5
"""Assumed rate at which weights are read from a shared disk."""

MARGIN = 2.0
"""A job requests this many times the time that it is expected to take, since the machine or the answers may be other than
assumed; and SPARE_MINUTES more, for a shared disk that is busy."""
SPARE_MINUTES = 10
QUERIES_UNKNOWN = 5000
"""Assumed size of a query set that has not been made yet: that of the paper's generated sets."""


class Lengths(NamedTuple):
    """The mean number of tokens of a prompt, and of the answer (or of all scored options)."""

    prompt: float
    written: float


class Texts(NamedTuple):
    """The mean number of tokens of a question, and of its options together."""

    question: float
    options: float


TEXTS_UNKNOWN = Texts(65, 95)
"""Assumed of questions that have not been made yet: those of MMLU-Pro, 260 letters and nine to ten options of 37."""


def texts_of(tokens: float | None) -> Texts:
    """The assumed lengths of questions that have so many tokens with their options; None if that is unknown."""
    return TEXTS_UNKNOWN if tokens is None else Texts(tokens / 2, tokens / 2)


def thinks(chat: Mapping[str, Any], max_tokens: int) -> bool:
    """Whether a model writes thoughts before its answer, as far as its file tells.

    Args:
        chat: the arguments of the chat template, or a server's.
        max_tokens: the limit on an answer's tokens.
    """
    if any(chat.get(name) is False for name in ("enable_thinking", "thinking")) or chat.get("thinking_budget") == 0:
        return False
    return (
        any(chat.get(name) for name in ("enable_thinking", "thinking", "thinking_budget"))
        or chat.get("reasoning_effort") in ("medium", "high")
        or max_tokens >= MUCH_ROOM
    )


def lengths(settings: "AnswerSettings", rate: "Rate | None", texts: Texts = TEXTS_UNKNOWN) -> Lengths:
    """The lengths to expect of a prompt and its answer: those in the store, else those of the prompt's file and the questions.

    Args:
        settings: the settings under which a model is asked.
        rate: what similar answers took; None if there are none.
        texts: of the questions; where a prompt is for a task's description, a question's length is assumed for it.
    """
    if rate is not None:
        return Lengths(rate.prompt_tokens, rate.completion_tokens)
    listed = texts.options if any(name in settings.prompt for name in ("{options}", "{option_texts}")) else 0.0
    prompt = len(settings.prompt.encode()) / BYTES_OF_A_TOKEN + texts.question + listed
    if settings.sampling is None:
        return Lengths(prompt, texts.options)
    most = settings.sampling.max_tokens
    return Lengths(prompt, min(most, THOUGHT_TOKENS if thinks(settings.chat, most) else ANSWER_TOKENS))


def seconds_of_one(
    model: "Model",
    settings: "AnswerSettings",
    rate: "Rate | None",
    engine: str | None = None,
    shares_prompts: bool = False,
    texts: Texts = TEXTS_UNKNOWN,
) -> float:
    """Seconds per answer of a job that has many to ask: as measured, or else as the model's file or the formula says.

    Args:
        model: the model.
        settings: the settings under which it is asked.
        rate: what similar answers took; None if there are none.
        engine: what runs the model; default: the engine in its file.
        shares_prompts: whether many answers have the same prompt, as the draws of a task do, which is read once.
        texts: of the questions, as for :func:`lengths`.
    """
    if rate is not None and rate.seconds is not None:
        return rate.seconds
    expected = lengths(settings, rate, texts)
    return answer_s(model, settings.way, expected._replace(prompt=0) if shares_prompts else expected, engine)


def answer_s(model: "Model", way: str, lengths: Lengths, engine: str | None = None) -> float:
    """Seconds per answer of a job that has many to ask, from the rate in the model's file or else from the formula.

    Args:
        model: the model.
        way: ``likelihood`` or ``generate``.
        lengths: of prompts and answers.
        engine: what runs the model; default: the engine in its file.
    """
    if model.answers_per_minute is not None:
        return 60 / model.answers_per_minute
    if model.api is not None:
        seconds = (REQUEST_S + lengths.written / SERVED_TOKENS_PER_S) / model.api.concurrency
        return max(seconds, 60 / model.api.requests_per_minute) if model.api.requests_per_minute else seconds
    device, engine = _device(model), engine or model.engine
    cost, power = _cost(model), _power(model)
    if way == "likelihood":
        read = sum(lengths) * cost / (device.reads * power)
        return device.scored_question_s + read * (SCORING_BY_VLLM if engine == "vllm" else 1.0)
    read = lengths.prompt * cost / (device.reads * power)
    written = lengths.written * (cost / (device.writes * power) + device.written_token_s)
    return (read + written) * (WRITING_BY_TRANSFORMERS if engine == "transformers" else 1.0)


def waiting_s(model: "Model") -> float | None:
    """Seconds for which a job waits for its batches; None if it asks its model request by request."""
    if model.api is None or not model.api.batch:
        return None
    return BATCH_S if model.api.batch_wait_s is None else min(model.api.batch_wait_s, BATCH_S)


def text_s(embedder: "Embedder", tokens: float = TEXT_TOKENS) -> float:
    """Seconds per text of a job that has many to embed; ``tokens`` is their mean length."""
    if embedder.texts_per_minute is not None:
        return 60 / embedder.texts_per_minute
    if embedder.api is not None:
        return 60 / SERVED_TEXTS_PER_MINUTE
    return min(tokens, embedder.max_model_len) * _cost(embedder) / (_device(embedder).reads * _power(embedder))


def loading_s(spec: "Model | Embedder") -> float:
    """Seconds until a job's model is ready."""
    if spec.api is not None:
        return START_S
    weights_gb = (spec.parameters_billion or SIZE_UNKNOWN) * spec.bytes_of_a_parameter
    return START_S + weights_gb / READ_GB_PER_S + (COMPILE_S if spec.gpus and spec.engine == "vllm" else 0.0)


def _device(spec: "Model | Embedder") -> Device:
    return GPU if spec.gpus else CPU


def _cost(spec: "Model | Embedder") -> float:
    """Billions of parameters of a dense model that is as fast."""
    size = spec.parameters_billion or SIZE_UNKNOWN
    active = getattr(spec, "parameters_active_billion", None)
    return size if active is None else min(size, MIXTURE * active)


def _power(spec: "Model | Embedder") -> float:
    """How many times as fast as one device with 16-bit numbers a job is."""
    devices = float(spec.gpus) or float(spec.threads) ** SPEED_OF_THREADS
    if spec.gpus and 1 <= spec.bytes_of_a_parameter < 2:
        return devices * SPEED_OF_8_BITS
    return devices * (SPEED_OF_FLOAT32 if spec.dtype == "float32" else 1.0)


def requested(seconds: float) -> int:
    """Minutes to request for a job that is expected to take ``seconds``."""
    return math.ceil(SPARE_MINUTES + MARGIN * seconds / 60)


def within(own: int, together: int, attempt: int, longest: int) -> int:
    """Minutes for the ``attempt``-th try of a job, such that jobs needing ``together`` minutes get at most ``longest``.

    Each retry requests as much again; unfinished work is resumed by the next try.
    """
    return max(1, min(own * attempt, own * longest // together))


def raised(memory_mb: int, attempt: int, largest: int | None) -> int:
    """Memory for the ``attempt``-th try: each retry adds half of ``memory_mb``, up to ``largest`` but never below it."""
    more = memory_mb * (1 + attempt) // 2
    return more if largest is None else max(memory_mb, min(more, largest))


def count_rows(path: str) -> int:
    """Rows of a question file; QUERIES_UNKNOWN if it does not exist yet or cannot be read."""
    changed = _changed(path)
    return QUERIES_UNKNOWN if changed is None else _rows(path, changed)


def count_tokens(path: str) -> Texts | None:
    """The mean lengths of a question file's texts, by their bytes; None if it does not exist yet or cannot be read."""
    changed = _changed(path)
    return None if changed is None else _tokens(path, changed)


def _changed(path: str) -> int | None:
    """When a file was last changed, in nanoseconds; None if it does not exist."""
    try:
        return Path(path).stat().st_mtime_ns
    except OSError:
        return None


@functools.cache
def _rows(path: str, changed: int) -> int:
    import pyarrow.parquet as pq
    from pyarrow import ArrowException

    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, ArrowException):
        return QUERIES_UNKNOWN


@functools.cache
def _tokens(path: str, changed: int) -> Texts | None:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
    from pyarrow import ArrowException

    try:
        table = pq.read_table(path, columns=["question", "options"])
    except (OSError, ArrowException):
        return None
    rows = max(1, table.num_rows)
    options = pc.list_flatten(table["options"])
    # An option ends in a part of a token, which counts as a whole one.
    of_all = [pc.sum(pc.binary_length(texts)).as_py() or 0 for texts in (table["question"], options)]
    return Texts(of_all[0] / BYTES_OF_A_TOKEN / rows, (of_all[1] / BYTES_OF_A_TOKEN + len(options)) / rows)
