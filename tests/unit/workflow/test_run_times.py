"""What a job that runs a model asks a cluster for, and how near the guessed rates are to known ones."""

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rgd.config import load, slices
from rgd.config.schema import Api, Embedder, Model
from rgd.engines.base import Sampling
from rgd.store.answers import AnswerSettings
from rgd.store.rates import Rate
from rgd.workflow import run_times
from rgd.workflow.run_times import Lengths, Texts
from tests import ROOT

GIVEN: dict[str, Any] = {"title": "M", "licence": "none", "weights": {"path": "/nowhere"}, "max_model_len": 16384}
ASKS = {"default": {"way": "generate", "prompt": "p"}}


def model(billion: float | None, **changes: Any) -> Model:
    content = GIVEN | {"engine": "vllm", "parameters_billion": billion, "asks": ASKS}
    return Model.model_validate(content | changes)


def settings(way: str = "generate", max_tokens: int = 4096, **changes: Any) -> AnswerSettings:
    sampling = Sampling(0.7, 1.0, max_tokens, 0) if way == "generate" else None
    return AnswerSettings("a" * 64, way, "{question}", 16384, sampling=sampling, **changes)


class Known(NamedTuple):
    """A rate that somebody measured: tokens per second written, or read and written.

    Attributes:
        billion: parameters, and those of them that are active.
        bits: of a weight.
        read: tokens of a prompt.
        written: tokens of an answer.
    """

    name: str
    billion: float
    active: float | None
    bits: float
    gpus: int
    read: int
    written: int
    per_s: float
    counts: str


# ShareGPT's conversations in vLLM's benchmark: about as many tokens read as written.
SHAREGPT = (215, 200)
GPUSTACK = "https://docs.gpustack.ai/latest/performance-lab"
NVIDIA = "https://github.com/NVIDIA/TensorRT-LLM, docs/source/performance/perf-overview.md"
H100 = [
    # Measured with vLLM 0.32 and this project: ../shared/facts.md, "vLLM 0.32 on an H100".
    Known("Qwen3-8B's shape", 8.19, None, 16, 1, 494, 990, 9200, "written"),
    Known("Qwen3-8B's shape, core in the same process", 8.19, None, 16, 1, 494, 990, 6340, "written"),
    # Published, in facts.md too.
    Known("Llama-3.1-8B", 8.03, None, 16, 1, *SHAREGPT, 13_000, "both"),
    Known(f"Qwen3-14B, {GPUSTACK}", 14.8, None, 16, 1, *SHAREGPT, 6600, "both"),
    Known(f"Qwen3-32B, {GPUSTACK}", 32.8, None, 16, 1, *SHAREGPT, 2350, "both"),
    Known(f"Qwen3-32B FP8, {GPUSTACK}", 32.8, None, 8, 1, *SHAREGPT, 4300, "both"),
    Known(f"gpt-oss-120b, {GPUSTACK}", 116.8, 5.1, 4.5, 1, *SHAREGPT, 6100, "both"),
    Known(f"gpt-oss-120b, {GPUSTACK}", 116.8, 5.1, 4.5, 2, *SHAREGPT, 2 * 8000, "both"),
    Known(f"Llama-3.3-70B FP8, {NVIDIA}", 70.6, None, 8, 2, 5000, 500, 920, "written"),
    # Further rows of the same tables: other lengths, and a larger mixture.
    Known(f"Llama-3.3-70B FP8, {NVIDIA}", 70.6, None, 8, 2, 1000, 1000, 4205, "written"),
    Known(f"Llama-3.3-70B FP8, {NVIDIA}", 70.6, None, 8, 2, 128, 2048, 6651, "written"),
    Known(f"Llama-3.1-8B FP8, {NVIDIA}", 8.03, None, 8, 1, 1000, 1000, 15_220, "written"),
    Known(f"Llama-3.1-8B FP8, {NVIDIA}", 8.03, None, 8, 1, 5000, 500, 3459, "written"),
    Known(f"Llama-3.1-405B FP8, {NVIDIA}", 405, None, 8, 8, 1000, 1000, 2919, "written"),
    Known(f"Qwen3-235B-A22B FP8, {NVIDIA}", 235, 22, 8, 8, 1000, 1000, 14_898, "written"),
]


@pytest.mark.parametrize("known", H100, ids=lambda known: f"{known.name}-{known.gpus}-{known.read}-{known.written}")
def test_a_guess_is_within_a_factor_of_two_of_what_an_h100_wrote(known: Known) -> None:
    asked = model(
        known.billion,
        parameters_active_billion=known.active,
        weight_bits=None if known.bits == 16 else known.bits,
        gpus=known.gpus,
    )
    seconds = run_times.answer_s(asked, "generate", Lengths(known.read, known.written))
    tokens = known.written + (known.read if known.counts == "both" else 0)
    assert 1 / 2 <= tokens / seconds / known.per_s <= 2


def test_a_guess_is_within_a_factor_of_two_of_what_an_h100_embedded() -> None:
    content = GIVEN | {"engine": "vllm", "dimension": 4096, "dtype": "bfloat16", "gpus": 1, "pooling": "last"}
    embedder = Embedder.model_validate(content | {"parameters_billion": 8.19})
    # facts.md: 199 texts of 176 tokens per second.
    assert 1 / 2 <= 1 / run_times.text_s(embedder, 176) / 199 <= 2


def test_a_guess_is_within_a_factor_of_two_of_what_transformers_scored_on_an_h100() -> None:
    small = model(0.135, engine="transformers", gpus=1)
    assert 1 / 2 <= 1 / run_times.answer_s(small, "likelihood", Lengths(350, 40)) / 10 <= 2


# facts.md, "What they cost on 2 idle cores": billions of parameters, tokens per second of written text. Draws of a task share
# their prompt, which was read once.
@pytest.mark.parametrize(("billion", "per_s"), [(0.135, 210), (0.494, 139), (1.54, 48)])
def test_a_guess_is_within_a_factor_of_two_of_what_a_cpu_wrote(billion: float, per_s: float) -> None:
    assert 1 / 2 <= 50 / run_times.answer_s(model(billion), "generate", Lengths(0, 50)) / per_s <= 2


def test_transformers_writes_several_times_slower() -> None:
    slow = run_times.answer_s(model(0.135, engine="transformers"), "generate", Lengths(0, 50))
    assert 1 / 2 <= 50 / slow / 60 <= 2
    assert slow == run_times.answer_s(model(0.135), "generate", Lengths(0, 50), engine="transformers")


# Seconds per hundred questions of the quickstart, which have 64 to 72 tokens with the prompt and 11 in the options.
@pytest.mark.parametrize(
    ("billion", "engine", "seconds"),
    [
        (0.135, "transformers", 2.6),
        (0.494, "transformers", 6.4),
        (1.54, "transformers", 17.8),
        (0.494, "vllm", 25.6),
        (1.54, "vllm", 52.6),
    ],
)
def test_a_guess_is_within_a_factor_of_two_of_what_a_cpu_scored(billion: float, engine: str, seconds: float) -> None:
    asked = model(billion, engine=engine, threads=2)
    assert 1 / 2 <= 100 * run_times.answer_s(asked, "likelihood", Lengths(64, 11)) / seconds <= 2


def test_an_idle_machines_second_thread_helps_as_measured() -> None:
    one, two = (run_times.answer_s(model(1.5, threads=n), "likelihood", Lengths(350, 40)) for n in (1, 2))
    assert 1.5 <= one / two <= 2.1


def test_a_rate_in_the_file_goes_before_a_guess() -> None:
    assert run_times.answer_s(model(8, answers_per_minute=50), "generate", Lengths(9, 9)) == 60 / 50
    content = GIVEN | {"engine": "vllm", "dimension": 4, "texts_per_minute": 30.0}
    assert run_times.text_s(Embedder.model_validate(content)) == 2.0


def test_measured_seconds_go_before_all_and_measured_lengths_before_assumed_ones() -> None:
    asked, under = model(8, gpus=1, answers_per_minute=50), settings()
    assert run_times.seconds_of_one(asked, under, Rate(0.25, 10, 10, 0.0)) == 0.25
    assert run_times.seconds_of_one(asked, under, Rate(None, 10, 10, 0.0)) == 60 / 50
    unrated = model(8, gpus=1)
    short, long = (run_times.seconds_of_one(unrated, under, Rate(None, 100, n, 0.0)) for n in (50, 5000))
    assert long > 20 * short
    assert run_times.seconds_of_one(unrated, under, Rate(None, 5000, 50, 0.0), shares_prompts=True) < short


@pytest.mark.parametrize(
    ("changes", "slower"),
    [
        ({"parameters_billion": 16.0}, True),
        ({"parameters_billion": None}, True),
        ({"gpus": 2}, False),
        ({"weight_bits": 8}, False),
        ({"dtype": "float32"}, True),
        ({"parameters_active_billion": 1.0}, False),
        ({"gpus": 0}, True),
        ({"engine": "transformers"}, True),
    ],
)
def test_what_makes_a_model_slower(changes: dict[str, Any], slower: bool) -> None:
    before, after = (
        run_times.answer_s(model(8, **{"gpus": 1, **each}), "generate", Lengths(350, 500)) for each in ({}, changes)
    )
    assert (after > before, after < before) == (slower, not slower)


@pytest.mark.parametrize(
    ("chat", "max_tokens", "expected"),
    [
        ({}, 8192, False),
        ({"enable_thinking": False}, 8192, False),
        ({"enable_thinking": False}, 32768, False),
        ({"enable_thinking": True}, 8192, True),
        ({"thinking_budget": 0}, 65536, False),
        ({"thinking_budget": -1}, 8192, True),
        ({"thinking_budget": 512}, 8192, True),
        ({"reasoning_effort": "low"}, 8192, False),
        ({"reasoning_effort": "high"}, 8192, True),
        ({}, 32768, True),
    ],
)
def test_models_that_think_write_long(chat: dict[str, Any], max_tokens: int, expected: bool) -> None:
    written = run_times.lengths(settings(max_tokens=max_tokens, chat=chat), None).written
    assert written == (run_times.THOUGHT_TOKENS if expected else run_times.ANSWER_TOKENS)


def test_no_answer_is_assumed_to_be_longer_than_allowed() -> None:
    assert run_times.lengths(settings(max_tokens=96), None).written == 96
    assert run_times.lengths(settings(max_tokens=1000, chat={"thinking": True}), None).written == 1000


OPTIONS = Texts(20, 8)


@pytest.mark.parametrize(
    ("prompt", "way", "expected"),
    [
        ("{question}", "generate", (20 + 10 / 4, 100)),
        ("{question}\n{options}", "generate", (28 + 20 / 4, 100)),
        ("{question}\n{option_texts}", "generate", (28 + 25 / 4, 100)),
        ("{question}", "likelihood", (20 + 10 / 4, 8)),
        ("A question" + 20 * "." + "{question}", "likelihood", (30, 8)),
    ],
)
def test_a_prompt_is_as_long_as_its_file_and_what_is_filled_in(prompt: str, way: str, expected: tuple) -> None:
    under = replace(settings(way, max_tokens=100), prompt=prompt)
    assert run_times.lengths(under, None, OPTIONS) == expected
    assert run_times.lengths(under, Rate(None, 7, 5, 0.0), OPTIONS) == (7, 5)


# The mean tokens of a prompt and of all options, as the models' own tokenizers counted them on the quickstart's questions.
@pytest.mark.parametrize(
    ("member", "prompt", "options"),
    [
        ("smollm2-135m-examples", 72, 11),
        ("smollm2-135m-statement", 47, 11),
        ("qwen2.5-coder-1.5b-examples", 64, 11),
        ("qwen2.5-coder-1.5b-statement", 44, 11),
    ],
)
def test_what_is_assumed_of_the_quickstart_before_it_has_questions_is_near_what_it_has(
    member: str, prompt: int, options: int
) -> None:
    config = load(ROOT / "config")
    under = AnswerSettings.from_mapping(slices.answering(config, ROOT / "config", member))
    assumed = run_times.lengths(under, None, run_times.texts_of(config.dataset["quickstart"].question_tokens))
    assert assumed == (pytest.approx(prompt, rel=0.3), pytest.approx(options, rel=0.3))


def test_an_api_is_as_fast_as_its_pace_lets_it() -> None:
    def served(**api: Any) -> Model:
        return model(None, engine="openai", weights=None, api=Api(model="m", **api))

    def rate(asked: Model, written: int = 500) -> float:
        return 60 / run_times.answer_s(asked, "generate", Lengths(350, written))

    assert rate(served(concurrency=8)) == 2 * rate(served(concurrency=4))
    assert rate(served(concurrency=4)) > 3 * rate(served(concurrency=4), 4000)
    assert rate(served(concurrency=4, requests_per_minute=6.0)) == 6.0


def test_loading_takes_as_long_as_measured_and_longer_for_more_bytes() -> None:
    # facts.md: 71 to 135 s for weights made up in memory, so that nothing was read.
    nothing_read = run_times.loading_s(model(8.19, gpus=1)) - 8.19 * 2 / run_times.READ_GB_PER_S
    assert 71 <= nothing_read <= 135
    assert run_times.loading_s(model(70)) > run_times.loading_s(model(8))
    assert run_times.loading_s(model(70, weight_bits=8)) < run_times.loading_s(model(70))


def test_more_time_is_requested_than_expected() -> None:
    assert run_times.requested(0) == run_times.SPARE_MINUTES
    assert run_times.requested(3600) == run_times.SPARE_MINUTES + 60 * run_times.MARGIN


@pytest.mark.parametrize(("wait_s", "seconds"), [(None, 86_400), (0, 0), (600, 600), (10**7, 86_400)])
def test_a_job_with_a_batch_takes_as_long_as_it_waits(wait_s: float | None, seconds: float) -> None:
    api = Api(model="m", batch=True, batch_wait_s=wait_s)
    assert run_times.waiting_s(model(None, engine="openai", weights=None, api=api)) == seconds
    direct = api.model_copy(update={"batch": False})
    assert run_times.waiting_s(model(None, engine="openai", weights=None, api=direct)) is None


def test_jobs_that_share_a_job_of_the_cluster_get_no_more_than_its_longest_time() -> None:
    own = [20, 40, 60]
    for attempt in (1, 2, 3, 9):
        shares = [run_times.within(minutes, sum(own), attempt, 300) for minutes in own]
        assert sum(shares) <= 300
        assert shares == [min(minutes * attempt, minutes * 300 // 120) for minutes in own]
    assert run_times.within(30, 30, 2, 1440) == 60
    assert run_times.within(5000, 5000, 1, 1440) == 1440
    assert run_times.within(1, 10_000, 1, 60) == 1


def test_further_tries_get_more_memory_up_to_the_largest_node() -> None:
    assert [run_times.raised(1000, attempt, None) for attempt in (1, 2, 3)] == [1000, 1500, 2000]
    assert [run_times.raised(1000, attempt, 1200) for attempt in (1, 2, 3)] == [1000, 1200, 1200]
    # What the model's file says is never cut: SLURM refuses it, and says so.
    assert run_times.raised(1000, 2, 800) == 1000


def test_rows_are_counted_where_there_is_a_file(tmp_path: Path) -> None:
    file = tmp_path / "questions.parquet"
    assert run_times.count_rows(str(file)) == run_times.QUERIES_UNKNOWN
    pq.write_table(pa.table({"query_id": ["a", "b", "c"]}), file)
    assert run_times.count_rows(str(file)) == 3
    file.write_bytes(b"no Parquet")
    assert run_times.count_rows(str(file)) == run_times.QUERIES_UNKNOWN


@pytest.mark.parametrize(
    ("questions", "options", "expected"),
    [
        (["abcd", "abcdefgh" * 2], [["a" * 4, "b" * 4], ["a" * 4]], (2.5, 3)),
        (["ж" * 4], [[]], (2, 0)),
        (["abcd"], [None], (1, 0)),
        ([], [], (0, 0)),
    ],
)
def test_the_lengths_of_questions_are_counted_where_there_is_a_file(
    tmp_path: Path, questions: list[str], options: list, expected: tuple[float, float]
) -> None:
    file = tmp_path / "questions.parquet"
    assert run_times.count_tokens(str(file)) is None
    types = {"question": pa.string(), "options": pa.list_(pa.string())}
    pq.write_table(pa.table({"question": questions, "options": options}, pa.schema(types)), file)
    assert run_times.count_tokens(str(file)) == expected
    file.write_bytes(b"no Parquet")
    assert run_times.count_tokens(str(file)) is None
