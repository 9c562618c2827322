"""Embed the text of a query set's questions, without options or instruction."""

import json

import pyarrow as pa

from job import running
from rgd import schemas
from rgd.artifacts import from_matrix, read_table, write_table
from rgd.engines import EngineSettings, open_engine
from rgd.engines.weights import ensure_weights

with running(snakemake, libraries=("torch", "transformers")):
    settings = json.loads(snakemake.params.slice)
    questions = read_table(snakemake.input.questions, ["query_id", "question"])
    weights = ensure_weights(
        json.loads(snakemake.resources.weights), snakemake.resources.cache, use_hub=bool(snakemake.resources.use_hub)
    )
    with open_engine(
        "transformers",
        EngineSettings(weights, settings["max_model_len"], settings["dtype"], threads=snakemake.threads),
    ) as engine:
        vectors = engine.embed(questions["question"].to_pylist())
    table = pa.table({"query_id": questions["query_id"], "embedding": from_matrix(vectors)})
    write_table(snakemake.output.embeddings, table, schemas.embeddings(settings["dimension"]))
