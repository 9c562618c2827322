"""vLLM's engine where the memory does not suffice, a file is damaged or a model says nothing: with a stand-in for vLLM."""

import json
import os
import re
import sys
import types
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from rgd.answers.responses import response_rows
from rgd.engines import EngineSettings, open_engine
from rgd.engines.base import Engine
from rgd.engines.prompts import render
from rgd.errors import UserError
from rgd.store.answers import Store
from rgd.store.fill import fill
from rgd.weights.cache import MANIFEST
from tests.store_world import WRITING

OUT_OF_MEMORY = "CUDA out of memory. Tried to allocate 2.00 GiB"


class Tokenizer:
    """A token a letter, no chat template."""

    chat_template = None

    def __call__(self, text: str, **_: Any) -> dict[str, list[int]]:
        return {"input_ids": [ord(letter) for letter in text]}

    def decode(self, ids: list[int], **_: Any) -> str:
        return "".join(map(chr, ids))

    def get_added_vocab(self) -> dict[str, int]:
        return {}


class World:
    """What is loaded with which options, and what fails: a list for each, used up in order (None: nothing fails)."""

    def __init__(self) -> None:
        self.loads: list[dict[str, Any]] = []
        self.load_failures: list[Exception | None] = []
        self.run_failures: list[Exception | None] = []
        self.freed = 0
        self.tokens = [1, 2]

    def free(self) -> None:
        self.freed += 1


class Process:
    """A process that never ends."""

    exitcode = None
    sentinel = os.pipe()[0]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """vLLM replaced by a stand-in at the edge: LLM, SamplingParams and what frees its memory."""
    made = World()

    class Core:
        """The part of vLLM's engine that an engine drives: each step answers all requests."""

        def __init__(self, options: dict[str, Any]) -> None:
            self.added: list[str] = []
            taken = types.SimpleNamespace(
                max_num_seqs=options["max_num_seqs"] or 1024,
                max_num_batched_tokens=options["max_num_batched_tokens"] or 16384,
            )
            self.vllm_config = types.SimpleNamespace(scheduler_config=taken)
            resources = types.SimpleNamespace(engine_manager=types.SimpleNamespace(processes=[Process()]))
            self.engine_core = types.SimpleNamespace(shutdown=lambda: None, resources=resources)

        def add_request(self, name: str, _prompt: Any, _params: Any) -> None:
            self.added.append(name)

        def abort_request(self, names: list[str]) -> None:
            self.added = [name for name in self.added if name not in names]

        def step(self) -> list[Any]:
            if made.run_failures and (failure := made.run_failures.pop(0)) is not None:
                raise failure
            written = types.SimpleNamespace(token_ids=made.tokens, cumulative_logprob=-1.0, finish_reason="length")
            ended, self.added = self.added, []
            return [types.SimpleNamespace(request_id=name, outputs=[written]) for name in ended]

    class LLM:
        def __init__(self, folder: str, **options: Any) -> None:
            made.loads.append(options)
            if made.load_failures and (failure := made.load_failures.pop(0)) is not None:
                raise failure
            self.llm_engine = Core(options)

        def get_tokenizer(self) -> Tokenizer:
            return Tokenizer()

        def reset_prefix_cache(self) -> bool:
            return True

    vllm = types.ModuleType("vllm")
    vllm.LLM, vllm.SamplingParams, vllm.__version__ = LLM, lambda **given: given, "0"  # type: ignore[attr-defined]
    sampling = types.ModuleType("vllm.sampling_params")
    sampling.RequestOutputKind = types.SimpleNamespace(FINAL_ONLY=2)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vllm.sampling_params", sampling)
    distributed = types.ModuleType("vllm.distributed")
    distributed.cleanup_dist_env_and_memory = made.free  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vllm", vllm)
    monkeypatch.setitem(sys.modules, "vllm.distributed", distributed)
    return made


def settings(folder: Path, **changes: Any) -> EngineSettings:
    return EngineSettings(folder, 128, "float32", **changes)


def test_a_load_that_does_not_fit_is_tried_with_smaller_batches(world: World, tmp_path: Path, capsys: Any) -> None:
    world.load_failures = [
        RuntimeError(OUT_OF_MEMORY),
        ValueError("No available memory for the cache blocks."),
        MemoryError(),
    ]
    with open_engine("vllm", settings(tmp_path)) as engine:
        tried = [(options["max_num_seqs"], options["max_num_batched_tokens"]) for options in world.loads]
        assert tried == [(256, 8192), (128, 4096), (64, 2048), (32, 1024)]
        assert (engine.provenance["batch_requests"], engine.provenance["batch_tokens"]) == (32, 1024)
    assert world.freed == 4
    told = [line for line in capsys.readouterr().err.splitlines() if "out of memory" in line]
    assert [re.findall(r"\d+", line) for line in told] == [["128", "4096"], ["64", "2048"], ["32", "1024"]]


def test_after_three_smaller_batches_the_user_is_told(world: World, tmp_path: Path) -> None:
    world.load_failures = [RuntimeError(OUT_OF_MEMORY)] * 9
    with pytest.raises(UserError, match="memory") as told, open_engine("vllm", settings(tmp_path)):
        pass
    assert len(world.loads) == 4
    for part in (str(tmp_path), "32 requests", OUT_OF_MEMORY, "max_model_len (now 128)", "gpus (now 0)"):
        assert part in str(told.value)


def test_a_batch_is_never_too_small_for_the_longest_prompt(world: World, tmp_path: Path) -> None:
    world.load_failures = [RuntimeError(OUT_OF_MEMORY)] * 3
    with open_engine("vllm", EngineSettings(tmp_path, 3000, "float32")):
        pass
    assert [options["max_num_batched_tokens"] for options in world.loads] == [8192, 4096, 3000, 3000]


def requests(count: int = 3) -> list[Any]:
    return [render("{question}", f"question {number}", ["x", "y"]) for number in range(count)]


def test_what_does_not_fit_while_it_answers_is_asked_again_in_smaller_batches(world: World, tmp_path: Path) -> None:
    world.run_failures = [None, RuntimeError(OUT_OF_MEMORY), None]
    with open_engine("vllm", settings(tmp_path)) as engine:
        assert WRITING.sampling is not None
        first = engine.generate(requests(), WRITING.sampling)
        assert engine.generate(requests(), WRITING.sampling) == first
    assert [options["max_num_seqs"] for options in world.loads] == [256, 128]


def test_other_errors_while_it_answers_are_not_taken_for_a_lack_of_memory(world: World, tmp_path: Path) -> None:
    world.run_failures = [RuntimeError("illegal instruction")]
    assert WRITING.sampling is not None
    with pytest.raises(RuntimeError, match="illegal"), open_engine("vllm", settings(tmp_path)) as engine:
        engine.generate(requests(), WRITING.sampling)
    assert len(world.loads) == 1


class SafetensorError(Exception):
    """As the one of the package safetensors, which is a plain exception too."""


@pytest.mark.parametrize("cached", [True, False])
def test_a_damaged_file_is_told_with_the_folder_and_what_to_do(world: World, tmp_path: Path, cached: bool) -> None:
    if cached:
        (tmp_path / MANIFEST).write_text(json.dumps({}))
    world.load_failures = [SafetensorError("header too small")]
    with pytest.raises(UserError, match=r"vLLM.*header too small") as told:
        open_engine("vllm", settings(tmp_path)).__enter__()
    assert str(tmp_path) in str(told.value)
    assert ("weights.path" in str(told.value)) == (not cached)
    assert len(world.loads) == 1


def test_gpus_spread_the_model_only_where_there_are_some(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    with open_engine("vllm", settings(tmp_path, gpus=4)) as engine:
        assert "tensor_parallel_size" not in world.loads[0]
        assert engine.provenance["gpus"] == 0
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with open_engine("vllm", settings(tmp_path, gpus=4)) as engine:
        assert world.loads[1]["tensor_parallel_size"] == 4
        assert "enforce_eager" not in world.loads[1]
        assert engine.provenance["gpus"] == 4
        assert engine.window > engine.at_once


def test_on_a_gpu_vllm_chooses_the_batch_and_its_core_has_a_process_of_its_own(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with open_engine("vllm", settings(tmp_path)) as engine:
        assert os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] == "1"
        assert [world.loads[0][name] for name in ("max_num_seqs", "max_num_batched_tokens")] == [None, None]
        assert (engine.provenance["batch_requests"], engine.provenance["batch_tokens"]) == (1024, 16384)


def test_a_core_that_fails_elsewhere_is_loaded_here_where_its_error_can_be_read(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    failed = RuntimeError("Engine core initialization failed. See root cause above.")
    world.load_failures = [failed, RuntimeError(OUT_OF_MEMORY)]
    with open_engine("vllm", settings(tmp_path)) as engine:
        assert os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] == "0"
        assert engine.at_once == 128
    assert [options["max_num_seqs"] for options in world.loads] == [None, None, 128]
    world.load_failures = [failed, SafetensorError("header too small")]
    with pytest.raises(UserError, match="header too small"):
        open_engine("vllm", settings(tmp_path)).__enter__()


def test_a_prompt_with_turns_needs_a_chat_template(world: World, tmp_path: Path) -> None:
    assert WRITING.sampling is not None
    with (
        pytest.raises(UserError, match=r"chat template.*\[user\]"),
        open_engine("vllm", settings(tmp_path)) as engine,
    ):
        engine.generate([render("[user]\n{question}", "Which?")], WRITING.sampling)


def test_a_model_that_answers_nothing_is_missing_and_not_asked_again(world: World, tmp_path: Path) -> None:
    world.tokens = []
    store, loads = Store(tmp_path / "store"), []

    def fill_once(engine: Engine) -> int:
        def opened() -> Engine:
            loads.append(engine)
            return engine

        return fill(store, WRITING, requests(), opened, 2, report=lambda _: None).asked

    with open_engine("vllm", settings(tmp_path)) as engine:
        assert fill_once(engine) == 3
        assert fill_once(engine) == 0
    assert len(loads) == 1
    questions = pa.table({"query_id": ["0", "1", "2"], "options": [["x", "y"]] * 3, "answer_kind": ["letter"] * 3})
    answers = store.read(WRITING, [request.query_key for request in requests()]).to_pylist()
    rows = response_rows(questions, answers, "generate")
    assert rows["answer"].null_count == rows["confidence"].null_count == 3
    assert rows["text"].to_pylist() == ["", "", ""]
