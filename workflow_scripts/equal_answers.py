"""Find which of a pool's answers to questions without options are equal. No label is read here."""

import json

from _job import running
from rgd.answers.equality import equal_answers, equality_of
from rgd.answers.pool import COLUMNS, pool_answers
from rgd.artifacts import schemas
from rgd.artifacts.files import read_table, write_table

LIBRARIES = ("math-verify", "latex2sympy2-extended", "sympy")

with running(snakemake, LIBRARIES):
    answers = pool_answers([read_table(path, COLUMNS) for path in snakemake.input.responses])
    given = [answers.texts(codes) for codes in answers.codes]
    table, undecided = equal_answers(
        answers.query_ids.tolist(),
        given,
        snakemake.threads,
        equal=equality_of(json.loads(snakemake.params.comparing)),
    )
    write_table(snakemake.output.equal, table, schemas.EQUAL_ANSWERS)
    print(
        f"{table.num_rows} answers equal another one that is written differently; {undecided} comparisons were undecided and "
        "count as different"
    )
