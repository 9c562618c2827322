"""The tests of several models of vLLM's in turn once more, on a GPU, whose memory holds one of them at a time."""

import time

from rgd.engines import EngineSettings, open_engine
from tests import tiny_models
from tests.gpu.conftest import nvidia_smi
from tests.unit.engines.test_vllm_in_turn import *  # noqa: F403

# What this process, once it has used the GPU, keeps without a model.
CONTEXT_MB = 2000
SECONDS_TO_FREE = 30


def used_mb() -> int:
    return sum(map(int, nvidia_smi("memory.used")))


def test_closing_gives_the_gpus_memory_back(tmp_path):
    folder, before = tiny_models.build(tmp_path / "model"), used_mb()
    with open_engine("vllm", EngineSettings(folder, 256, "float32")):
        assert used_mb() > before + 2 * CONTEXT_MB
    until = time.monotonic() + SECONDS_TO_FREE
    while used_mb() > before + CONTEXT_MB and time.monotonic() < until:
        time.sleep(0.5)
    assert used_mb() <= before + CONTEXT_MB
