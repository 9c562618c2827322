"""Find which of a pool's answers to mathematical questions are equal. No label is read here."""

from _job import running
from rgd.answers.equality import equal_answers
from rgd.artifacts import schemas
from rgd.artifacts.files import read_table, write_table
from rgd.routing.training import pool_answers

LIBRARIES = ("math-verify", "sympy")

with running(snakemake, LIBRARIES):
    answers, _ = pool_answers(
        [read_table(path, ["query_id", "answer", "confidence"]) for path in snakemake.input.responses]
    )
    members = [answers[str(position)].to_pylist() for position in range(len(snakemake.input.responses))]
    table, undecided = equal_answers(
        answers["query_id"].to_pylist(), list(zip(*members, strict=True)), snakemake.threads
    )
    write_table(snakemake.output.equal, table, schemas.EQUAL_ANSWERS)
    print(
        f"{table.num_rows} answers are another one written differently; {undecided} comparisons were not decided and count as "
        "different"
    )
