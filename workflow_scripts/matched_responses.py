"""Give equal answers of a pool the same text."""

import pyarrow as pa

from _job import running
from rgd.answers.equality import renamed
from rgd.artifacts import schemas
from rgd.artifacts.files import read_table, write_table

with running(snakemake):
    responses = read_table(snakemake.input.responses)
    answers = renamed(
        responses["query_id"].to_pylist(), responses["answer"].to_pylist(), read_table(snakemake.input.equal)
    )
    place = responses.column_names.index("answer")
    table = responses.set_column(place, "answer", pa.array(answers, pa.string()))
    write_table(snakemake.output.responses, table, schemas.RESPONSES)
