"""The small project, run once for all workflow tests."""

from pathlib import Path

import pytest

from tests.workflow import tiny_models
from tests.workflow.project import Project, make


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever starts the workflow takes minutes: it is slow, and what no file marks so is part of `make test`."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and not item.get_closest_marker("slow"):
            item.add_marker("slow")
            item.add_marker("ci")


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of tiny models: a, b, embedder, writer."""
    return tiny_models.make_all(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def finished(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project after a complete run with real vLLM and transformers; tests must leave it as they found it."""
    project = make(tmp_path_factory.mktemp("finished") / "project", models)
    done = project.run(timeout=1800)
    assert done.returncode == 0, done.stdout + done.stderr
    return project
