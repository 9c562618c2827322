"""One SLURM for all tests of this folder. What they run takes minutes: all of it is slow."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.slurm import cluster as slurm
from tests.slurm.cluster import Cluster
from tests.workflow import tiny_models


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker("slow")


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of tiny models: a, b, embedder, writer."""
    return tiny_models.make_all(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def whole_cluster() -> Iterator[Cluster]:
    if slurm.missing():
        try:
            slurm.install()
        except (OSError, subprocess.SubprocessError) as error:
            pytest.skip(f"SLURM is not installed, and apt-get cannot do it here: {error}")
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    try:
        with slurm.cluster(folder) as made:
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def cluster(whole_cluster: Cluster) -> Iterator[Cluster]:
    """The cluster without a job of an earlier test in its queue."""
    yield whole_cluster
    whole_cluster.clear()
