"""Give equal answers of a pool one name."""

import pyarrow as pa

from job import running
from rgd import schemas
from rgd.artifacts import read_table, write_table
from rgd.equality import renamed

with running(snakemake):
    responses = read_table(snakemake.input.responses)
    answers = renamed(
        responses["query_id"].to_pylist(), responses["answer"].to_pylist(), read_table(snakemake.input.equal)
    )
    place = responses.column_names.index("answer")
    table = responses.set_column(place, "answer", pa.array(answers, pa.string()))
    write_table(snakemake.output.responses, table, schemas.RESPONSES)
