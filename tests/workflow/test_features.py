"""An LLM's features of queries, from the model to the router that uses them, in the small project."""

import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.workflow import tiny_writer
from tests.workflow.project import Project

pytestmark = pytest.mark.slow

CELLS = [f"results/cells/tiny/{scenario}/tiny/llmrank.parquet" for scenario in ("real", "tiny-writer")]
QUERY_SETS = {"benchmark": 24, "tiny-writer": 12}


@pytest.fixture(scope="module")
def described(finished: Project, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The small project, run to the cells of the router llmrank."""
    tiny_writer.make(models / "describer", tiny_writer.descriptions())
    project = finished.copy(tmp_path_factory.mktemp("described") / "project")
    done = project.run(*CELLS)
    assert done.returncode == 0, done.stdout + done.stderr
    return project


def test_every_query_has_features_and_their_vectors(described: Project) -> None:
    for query_set, count in QUERY_SETS.items():
        features, vectors, questions = (
            pq.read_table(described.folder / f"results/{kind}/tiny/{query_set}{name}.parquet")
            for kind, name in (
                ("features", "/tiny-describer"),
                ("feature_embeddings", "/tiny-describer"),
                ("questions", ""),
            )
        )
        assert features.num_rows == count
        assert features["query_id"].equals(questions["query_id"])
        assert vectors["query_id"].equals(questions["query_id"])
        assert vectors.schema.field("embedding").type.list_size == 2 * 64
        assert sum(features["parsed"].to_pylist()) > count / 2


def test_the_router_that_uses_them_has_its_cells(described: Project) -> None:
    for cell in CELLS:
        table = pq.read_table(described.folder / cell)
        assert set(table["variant"].to_pylist()) == {"top1", "top3"}
        assert set(table["seed"].to_pylist()) == {0, 1}


def test_another_prompt_asks_and_fits_anew_and_nothing_else(described: Project, tmp_path: Path) -> None:
    project = described.copy(tmp_path / "copy")
    assert project.pending(*CELLS) == set()
    path = project.folder / "config/prompts/features_of_question.txt"
    path.write_text(path.read_text() + "Be brief.\n")
    made = (
        r"(asked/features|features|feature_embeddings)/tiny/(benchmark|tiny-writer)/tiny-describer\.(json|parquet)"
        r"|(routers|routes|cells|outcomes|choices)/tiny/(real|tiny-writer)/tiny/llmrank\.parquet"
    )
    pending = project.pending(*CELLS)
    assert all(re.fullmatch(made, output) for output in pending), pending
    assert {output.split("/")[0] for output in pending} >= {"asked", "features", "feature_embeddings", "cells"}
    assert len([output for output in pending if output.startswith("asked/features/")]) == len(QUERY_SETS)


def test_a_parameter_of_the_network_fits_anew_and_asks_nothing(described: Project) -> None:
    pending = described.pending(*CELLS, "--config", 'overrides=["router.llmrank.hidden_units=8"]')
    assert {output.split("/")[0] for output in pending} >= {"routers", "routes", "cells"}
    assert not [output for output in pending if "feature" in output or "embeddings" in output]
