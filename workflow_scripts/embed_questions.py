"""Embed the texts of a query set's questions, without options or instruction."""

import json

import pyarrow as pa

from _job import running
from _models import embed, model_of_job
from rgd.artifacts import schemas
from rgd.artifacts.files import from_matrix, read_table, write_table

with running(snakemake, libraries=("torch", "transformers")):
    settings = json.loads(snakemake.params.slice)
    questions = read_table(snakemake.input.questions, ["query_id", "question"])
    with model_of_job(snakemake, snakemake.resources.engine, settings) as engine:
        vectors = embed(engine(), questions["question"].to_pylist(), settings["dimension"])
    table = pa.table({"query_id": questions["query_id"], "embedding": from_matrix(vectors)})
    write_table(snakemake.output.embeddings, table, schemas.embeddings(settings["dimension"]))
