"""Embed the descriptions of a dataset's tasks, for the leak check."""

import json

import pyarrow as pa

from _job import running
from _models import embed, model_of_job
from rgd.artifacts import schemas
from rgd.artifacts.files import from_matrix, read_table, write_table

LIBRARIES = ("torch", "transformers")

with running(snakemake, LIBRARIES):
    settings = json.loads(snakemake.params.slice)
    descriptions = read_table(snakemake.input.descriptions, ["task", "description"])
    with model_of_job(snakemake, snakemake.resources.engine, settings) as engine:
        vectors = embed(engine(), descriptions["description"].to_pylist(), settings["dimension"])
    table = pa.table({"query_id": descriptions["task"], "embedding": from_matrix(vectors)})
    write_table(snakemake.output.embeddings, table, schemas.embeddings(settings["dimension"]))
