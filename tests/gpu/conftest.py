"""What runs here needs a GPU and the CUDA builds (`make gpu-smoke`); elsewhere it is left out, with a word about it."""

from pathlib import Path

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and not item.get_closest_marker("slow"):
            item.add_marker("slow")


@pytest.fixture(scope="session", autouse=True)
def gpu() -> str:
    """The GPU's name."""
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no GPU here: torch.cuda is not available (make gpu-smoke runs these tests where one is)")
    return torch.cuda.get_device_name()
