"""Take a member's answers from the user's file."""

from pathlib import Path

import pyarrow.parquet as pq

from _job import running
from rgd.answers.formats.recorded import read_responses
from rgd.answers.formats.recorded_scores import read_scores
from rgd.answers.responses import UNMEASURED
from rgd.artifacts import schemas
from rgd.artifacts.files import read_table, write_table
from rgd.routing.training import has_scores

with running(snakemake):
    questions = read_table(snakemake.input.questions, ["query_id", "options", "answer_kind"])
    path = Path(snakemake.resources.data_root) / snakemake.params.file
    outside = 0
    if has_scores(questions):
        table, absent = read_scores(path, questions)
    else:
        table, absent, outside = read_responses(path, questions)
    write_table(snakemake.output.responses, table, schemas.RESPONSES)
    missing = table["answer"].null_count
    unmeasured = table["confidence_kind"].to_pylist().count(UNMEASURED)
    unknown = pq.read_metadata(path).num_rows - (table.num_rows - absent)
    print(
        f"{table.num_rows - missing} answers, {missing} missing ({absent} without a row, {outside} no option of their question); "
        f"{unknown} rows of the file belong to no question, {unmeasured} confidences dropped ({UNMEASURED})"
    )
