"""Copy a filtered set's rows from its parent's file; nothing is computed again."""

import pyarrow as pa
import pyarrow.parquet as pq

from _job import running
from rgd.artifacts.files import read_table, write_table
from rgd.generation.filtering import rows_of_queries

with running(snakemake):
    query_ids = read_table(snakemake.input.questions, ["query_id"])["query_id"]
    schema = pq.read_schema(snakemake.input.rows)
    vectors = next((field.name for field in schema if pa.types.is_fixed_size_list(field.type)), None)
    columns = [name for name in schema.names if name != vectors]
    write_table(snakemake.output.rows, rows_of_queries(snakemake.input.rows, columns, vectors, query_ids), schema)
