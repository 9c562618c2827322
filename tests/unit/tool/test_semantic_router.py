"""The k-means artifact of vLLM Semantic Router, read by the rule that its own loader documents."""

import json
from pathlib import Path

import numpy as np
import pytest

from rgd.errors import UserError
from rgd.tool.routing import Bundle
from rgd.tool.semantic_router import CATEGORIES, FILE, write_artifact
from tests.unit.tool.tool_world import world


def taken(artifact: dict, vector: np.ndarray, category: int) -> str:
    """The model of the centroid nearest to a vector and a category, the first of equals."""
    query = np.concatenate([vector.astype(np.float64), np.eye(CATEGORIES)[category]])
    distance = [((query - np.array(centroid)) ** 2).sum() for centroid in artifact["centroids"]]
    return artifact["cluster_models"][int(np.argmin(distance))]


@pytest.mark.parametrize(
    ("method", "parameters", "least"),
    [("avengers", {"n_clusters": 8}, 1.0), ("cascal", {}, 0.5), ("cascal_gt", {}, 0.5)],
)
def test_the_artifact_takes_the_routers_first_model(
    method: str, parameters: dict, least: float, tmp_path: Path
) -> None:
    content, train, queries = world(method, parameters)
    bundle = Bundle(content)
    share = write_artifact(tmp_path, bundle)
    artifact = json.loads((tmp_path / FILE).read_text(encoding="utf-8"))
    assert artifact["algorithm"] == "kmeans"
    assert artifact["trained"] is True
    assert len(artifact["centroids"]) == artifact["num_clusters"] == len(artifact["cluster_models"])
    assert {len(centroid) for centroid in artifact["centroids"]} == {artifact["feature_dim"]}
    best = [decision.best for decision in bundle.route_vectors(train.embeddings)]
    same = [taken(artifact, vector, row % CATEGORIES) == best[row] for row, vector in enumerate(train.embeddings)]
    assert share == pytest.approx(np.mean(same), abs=0.01)
    assert share >= least
    if least == 1.0:
        new = [decision.best for decision in bundle.route_vectors(queries.embeddings)]
        assert [taken(artifact, vector, 3) for vector in queries.embeddings] == new


@pytest.mark.parametrize(
    ("method", "parameters"), [("knn", {}), ("latent_truth", {}), ("cascal", {"selection": "mixture"})]
)
def test_a_router_of_another_kind_is_refused(method: str, parameters: dict, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=method):
        write_artifact(tmp_path, Bundle(world(method, parameters)[0]))
    assert not list(tmp_path.iterdir())
