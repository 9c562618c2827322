"""The small project, run once for all workflow tests."""

from pathlib import Path

import pytest

from tests.workflow import tiny_models
from tests.workflow.project import Project, make

WHOLE_RUNS = ("test_firewall.py", "test_own_data.py")
"""Small whole runs that are part of `make test`: with models, and with recorded answers."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever starts the workflow takes minutes: it is slow; CI runs it unless its file marks it slow itself."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and not item.get_closest_marker("slow"):
            item.add_marker("slow")
            item.add_marker("ci")
            if item.path.name in WHOLE_RUNS:
                item.add_marker("whole")


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
