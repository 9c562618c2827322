"""Take the answers of a member, or of several, from the user's files."""

from pathlib import Path

import pyarrow as pa

from _job import running
from rgd.answers.formats.recorded import read_responses
from rgd.answers.formats.recorded_columns import row_count
from rgd.answers.formats.recorded_scores import read_scores
from rgd.answers.responses import UNMEASURED
from rgd.artifacts import schemas
from rgd.artifacts.files import read_table, write_table
from rgd.routing.training import has_scores


def take(path: Path, questions: pa.Table, responses: str) -> str:
    """Write a member's responses; what was found is returned in words."""
    outside = 0
    if has_scores(questions):
        table, absent = read_scores(path, questions)
    else:
        table, absent, outside = read_responses(path, questions)
    write_table(responses, table, schemas.RESPONSES)
    missing = table["answer"].null_count
    unmeasured = table["confidence_kind"].to_pylist().count(UNMEASURED)
    unknown = row_count(path) - (table.num_rows - absent)
    return (
        f"{table.num_rows - missing} answers, {missing} missing ({absent} without a row, {outside} no option of their question); "
        f"{unknown} rows of the file belong to no question, {unmeasured} confidences dropped ({UNMEASURED})"
    )


with running(snakemake):
    questions = read_table(snakemake.input.questions, ["query_id", "options", "answer_kind"])
    file = snakemake.params.file
    files = [file] if isinstance(file, str) else file
    for name, responses in zip(files, snakemake.output, strict=True):
        found = take(Path(snakemake.resources.data_root) / name, questions, responses)
        print(f"{Path(name).stem}: {found}")
