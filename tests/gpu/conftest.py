"""What runs here needs a GPU and the CUDA builds (`make gpu-smoke`); elsewhere it is left out, with a word about it."""

import os
import subprocess
from pathlib import Path

import pytest

# Looking for a GPU must not initialise it: the engine core of vLLM is then forked, as in a job.
os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"


# First what leaves the GPU to an engine core in a process of its own, which it cannot once this process has used the GPU.
ORDER = ("test_vllm_on_gpu.py", "test_vllm_in_turn_on_gpu.py", "test_transformers_on_gpu.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and not item.get_closest_marker("slow"):
            item.add_marker("slow")
    items.sort(key=lambda item: ORDER.index(item.path.name) if item.path.parent == here else -1)


def nvidia_smi(query: str) -> list[str]:
    """A property of each GPU, asked for without initialising any."""
    command = ["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader,nounits"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.fixture(scope="session", autouse=True)
def gpu() -> str:
    """The GPU's name."""
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no GPU here: torch.cuda is not available (make gpu-smoke runs these tests where one is)")
    return nvidia_smi("name")[0]
