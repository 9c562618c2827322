"""Embed what a featurizer wrote about each query: the vectors of its keywords and its step back, concatenated."""

import json

import pyarrow as pa

from _job import running
from _models import embed, model_of_job
from rgd.answers.features import feature_vectors
from rgd.artifacts import schemas
from rgd.artifacts.files import from_matrix, read_table, write_table

with running(snakemake, libraries=("torch", "transformers")):
    settings = json.loads(snakemake.params.slice)
    features = read_table(snakemake.input.features)
    with model_of_job(snakemake, snakemake.resources.engine, settings) as engine:
        dimension = settings["dimension"]
        vectors = feature_vectors(features, lambda texts: embed(engine(), texts, dimension), dimension)
    table = pa.table({"query_id": features["query_id"], "embedding": from_matrix(vectors)})
    write_table(snakemake.output.embeddings, table, schemas.embeddings(vectors.shape[1]))
