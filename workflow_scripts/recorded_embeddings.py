"""Take the embeddings of a benchmark's questions from the user's file."""

from pathlib import Path

import pyarrow.parquet as pq

from _job import running
from rgd.answers.formats.recorded import read_embeddings
from rgd.artifacts import schemas
from rgd.artifacts.files import read_table, write_table

with running(snakemake):
    dimension = snakemake.params.dimension
    query_ids = read_table(snakemake.input.questions, ["query_id"])["query_id"]
    table = read_embeddings(Path(snakemake.resources.data_root) / snakemake.params.file, query_ids, dimension)
    write_table(snakemake.output.embeddings, table, schemas.embeddings(dimension))
    further = pq.read_metadata(Path(snakemake.resources.data_root) / snakemake.params.file).num_rows - table.num_rows
    print(f"{table.num_rows} embeddings; {further} rows of the file belong to no question")
