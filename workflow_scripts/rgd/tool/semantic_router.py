"""A router's clusters as the k-means artifact of vLLM Semantic Router (github.com/vllm-project/semantic-router).

That artifact has a centroid and the name of one model for each cluster, and takes the model of the centroid that is nearest
by Euclidean distance (``ml-binding/src/kmeans.rs``, ``pkg/modelselection/kmeans.go``). A query is the vector of its text,
followed by 14 numbers, of which the one of its category is 1. This project has no such categories: its centroids are 0
there, which adds the same to every distance and decides nothing.
"""

from pathlib import Path
from typing import Any

import numpy as np

from rgd.artifacts.files import write_json
from rgd.errors import UserError
from rgd.routers import contract
from rgd.tool.routing import Bundle

FILE = "kmeans_model.json"
CATEGORIES = 14


def write_artifact(folder: Path, bundle: Bundle) -> float:
    """Write the artifact of a bundle's router to ``folder``.

    Returns:
        The share of training queries for which the artifact takes the member that the router ranks first.

    Raises:
        UserError: the router does not rank by clusters, or the folder cannot be written.
    """
    found = artifact(bundle)
    centroids = np.array(found["centroids"])[:, :-CATEGORIES]
    vectors = bundle.content.embeddings.astype(np.float64)
    distance = (centroids**2).sum(axis=1) - 2 * vectors @ centroids.T
    taken = [found["cluster_models"][place] for place in distance.argmin(axis=1).tolist()]
    own = [decision.best for decision in bundle.route_vectors(bundle.content.embeddings, neighbours=0)]
    write_json(folder / FILE, found)
    return float(np.mean([one == other for one, other in zip(taken, own, strict=True)]))


def artifact(bundle: Bundle) -> dict[str, Any]:
    """The artifact's content.

    Raises:
        UserError: the router does not rank by clusters.
    """
    found = contract.centroids(bundle.router)
    if found is None:
        raise UserError(
            f"the router {bundle.content.routing['cell']['router']} does not rank by the nearest centroid, and the k-means artifact of "
            "vLLM Semantic Router holds nothing else. Export avengers, or cascal or cascal_gt with selection: nearest."
        )
    centroids, rankings = found
    padded = np.pad(centroids.astype(np.float64), ((0, 0), (0, CATEGORIES)))
    return {
        "algorithm": "kmeans",
        "trained": True,
        "num_clusters": len(padded),
        "centroids": padded.tolist(),
        "cluster_models": [bundle.keys[member] for member in rankings[:, 0].tolist()],
        "model_names": list(bundle.keys),
        "feature_dim": padded.shape[1],
    }
