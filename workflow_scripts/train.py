"""Gather the training sets of a scenario and pool: each member's answers to the training queries of every seed."""

import json

from _job import running
from rgd.answers.pool import COLUMNS, pool_answers
from rgd.artifacts import schemas
from rgd.artifacts.columns import rows_in, texts
from rgd.artifacts.files import read_table, write_table
from rgd.routing.subsets import training_rows
from rgd.routing.training import training_table

LIBRARIES = ("numpy",)

with running(snakemake, LIBRARIES):
    answers = pool_answers([read_table(path, COLUMNS) for path in snakemake.input.responses])
    tasks = None
    if snakemake.input.get("questions"):
        questions = read_table(snakemake.input.questions, ["query_id", "task"])
        tasks = texts(questions["task"])[rows_in(texts(questions["query_id"]), answers.query_ids)]
    rows_of = training_rows(snakemake.wildcards.scenario, read_table(snakemake.input.splits), answers.query_ids, tasks)
    table = training_table(answers, rows_of, json.loads(snakemake.params.members))
    write_table(snakemake.output.training, table, schemas.TRAINING_SETS)
