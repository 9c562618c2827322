"""Embed what a featurizer wrote about each query: its keywords and its step back, one vector beside the other."""

import json

import pyarrow as pa

from job import running
from rgd import schemas
from rgd.artifacts import from_matrix, read_table, write_table
from rgd.engines import EngineSettings, lazy_engine
from rgd.engines.weights import ensure_weights
from rgd.features import feature_vectors

with running(snakemake, libraries=("torch", "transformers")):
    settings = json.loads(snakemake.params.slice)
    features = read_table(snakemake.input.features)
    weights = ensure_weights(
        json.loads(snakemake.resources.weights), snakemake.resources.cache, use_hub=bool(snakemake.resources.use_hub)
    )
    with lazy_engine(
        "transformers",
        EngineSettings(weights, settings["max_model_len"], settings["dtype"], threads=snakemake.threads),
    ) as engine:
        vectors = feature_vectors(features, lambda texts: engine().embed(texts), settings["dimension"])
    table = pa.table({"query_id": features["query_id"], "embedding": from_matrix(vectors)})
    write_table(snakemake.output.embeddings, table, schemas.embeddings(vectors.shape[1]))
