"""A model that writes as gpt-oss does, reasoning and answer in channels of their own, in vLLM."""

from pathlib import Path

import pytest

from rgd.answers.extraction import after_reasoning, extract
from rgd.engines import EngineSettings, Sampling, open_engine
from rgd.engines.prompts import render
from tests.workflow import tiny_writer

pytest.importorskip("vllm")

SPECIAL = ("<|channel|>", "<|message|>", "<|end|>", "<|start|>")
TEXT = (
    "<|channel|>analysis<|message|>Could the answer be (C)? No.<|end|>"
    "<|start|>assistant<|channel|>final<|message|>The answer is (B)"
)


@pytest.mark.slow
def test_the_channels_are_kept_and_the_last_one_is_read(tmp_path: Path) -> None:
    folder = tiny_writer.make(tmp_path / "model", [TEXT], SPECIAL)
    with open_engine("vllm", EngineSettings(folder, 256, "float32", memory_gb=1)) as engine:
        (answer,) = engine.generate([render("[user]\n{question}", "Which one?")], Sampling(0.0, 1.0, 120, 0))
    assert answer.text == TEXT
    assert answer.finish_reason == "stop"
    assert extract(after_reasoning(answer.text), "ABCD").answer == "B"
