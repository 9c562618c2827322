"""Select the benchmark's questions in the first split's test part; a referee answers them to measure its accuracy."""

from _job import running
from rgd.artifacts import schemas
from rgd.artifacts.columns import texts
from rgd.artifacts.files import read_table, write_table
from rgd.datasets.splits import TEST, rows_of_part

with running(snakemake):
    questions = read_table(snakemake.input.questions)
    test = rows_of_part(read_table(snakemake.input.splits), texts(questions["query_id"]), TEST)
    write_table(snakemake.output.questions, questions.take(next(iter(test.values()))), schemas.QUESTIONS)
