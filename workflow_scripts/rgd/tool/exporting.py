"""Making a bundle from a fitted router and the data it was fitted on."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from rgd.artifacts.columns import rows_in, texts, vectors_of
from rgd.artifacts.files import read_table
from rgd.artifacts.provenance import known_digest, name_under
from rgd.datasets.given_labels import asked_of
from rgd.errors import UserError
from rgd.routing.training import training_ids
from rgd.tool import bundle

INPUTS = ("router", "training", "questions", "embeddings")


def export(
    folder: str | Path,
    paths: Mapping[str, str | Path],
    routing: Mapping[str, Any],
    members: Sequence[Mapping[str, Any]],
    root: str | Path,
) -> None:
    """Write the bundle of a fitted router to ``folder``, which is created if absent; the rest as :func:`content_of`."""
    bundle.write(folder, content_of(paths, routing, members, root))


def content_of(
    paths: Mapping[str, str | Path],
    routing: Mapping[str, Any],
    members: Sequence[Mapping[str, Any]],
    root: str | Path,
) -> bundle.Content:
    """The content of a fitted router's bundle.

    Args:
        paths: router, training (sets), questions and embeddings of the router's cell, and descriptions and to_label if there are any.
        routing: from :func:`rgd.tool.settings.routing`.
        members: from :func:`rgd.tool.settings.asking`.
        root: the results' folder; the bundle names its sources by path relative to it.

    Raises:
        UserError: an artifact is missing, the router was not fitted with this seed, or its method needs more than a bundle.
    """
    seed = routing["seed"]
    learned = read_table(paths["router"])
    seeds = learned["seed"].unique().to_pylist()
    if seed not in seeds:
        raise UserError(f"{paths['router']} has no router of seed {seed}. Name one of its seeds: {seeds}.")
    ids = training_ids(read_table(paths["training"], ["seed", "query_id", "member"]))[seed]
    questions = read_table(paths["questions"])
    rows = rows_in(texts(questions["query_id"]), ids)
    descriptions = {}
    if paths.get("descriptions"):
        table = read_table(paths["descriptions"])
        descriptions = dict(zip(table["task"].to_pylist(), table["description"].to_pylist(), strict=True))
    to_label = []
    if paths.get("to_label"):
        asked = read_table(paths["to_label"])
        wanted, known = texts(asked.filter(asked["seed"].to_numpy() == seed)["query_id"]), asked_of(questions)
        to_label = [{**known[query]._asdict(), "options": list(known[query].options)} for query in wanted.tolist()]
    embeddings = vectors_of(paths["embeddings"], ids)
    embedder = routing["embedder"]
    return bundle.Content(
        routing={
            **routing,
            "descriptions": descriptions,
            # Vectors given with a dataset may come from another model than the one its file names.
            "embedder": embedder if embedder and embedder["dimension"] == embeddings.shape[1] else None,
        },
        members=[dict(member) for member in members],
        made_from={name_under(root, paths[name]): known_digest(paths[name]) for name in INPUTS},
        learned=learned.filter(learned["seed"].to_numpy() == seed),
        training=questions.select(["query_id", "task", "question"]).take(pa.array(rows)),
        embeddings=np.asarray(embeddings),
        to_label=to_label,
    )


def check_routes_alone(name: str, router: Any) -> None:
    """Refuse a router that needs more than a query's vector.

    Args:
        name: the router's key.
        router: the unfitted router with the parameters of its file.

    Raises:
        UserError: the router is transductive, or reads queries' tasks or what an LLM writes about them.
    """
    if router.transductive:
        raise UserError(
            f"the router {name} ranks a query together with all others in its batch, so it cannot be exported. Export another "
            "router, such as cascal or knn."
        )
    if router.needs_test_tasks:
        raise UserError(
            f"the router {name} reads the task of each query, which a bundle does not get. Export another router, such as cascal or knn."
        )
    if router.use_features:
        raise UserError(
            f"the router {name} reads what an LLM writes about each query, which a bundle does not get. Export a router without "
            "features, such as llmrank_query_only."
        )
