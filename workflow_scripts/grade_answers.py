"""Grade a member's answers to questions without options: right ones get the label's own text."""

import json

import pyarrow as pa

from _job import running
from rgd.answers.equality import equality_of, graded
from rgd.artifacts import schemas
from rgd.artifacts.files import read_table, write_table

LIBRARIES = ("math-verify", "latex2sympy2-extended", "sympy")

with running(snakemake, LIBRARIES):
    responses = read_table(snakemake.input.responses)
    labels = {row["query_id"]: row["label"] for row in read_table(snakemake.input.labels).to_pylist()}
    answers, undecided = graded(
        responses["query_id"].to_pylist(),
        responses["answer"].to_pylist(),
        labels,
        snakemake.threads,
        equal=equality_of(json.loads(snakemake.params.comparing)),
    )
    place = responses.column_names.index("answer")
    table = responses.set_column(place, "answer", pa.array(answers, pa.string()))
    write_table(snakemake.output.responses, table, schemas.RESPONSES)
    right = sum(labels[key] == answer for key, answer in zip(responses["query_id"].to_pylist(), answers, strict=True))
    print(f"{right} of {len(answers)} answers are right; {undecided} comparisons were undecided and count as different")
