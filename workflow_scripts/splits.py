"""Divide a benchmark's questions into train, test and reserved parts."""

import json

from job import running
from rgd import schemas
from rgd.artifacts import read_table, write_table
from rgd.splits import split

with running(snakemake, libraries=("numpy",)):
    settings = json.loads(snakemake.params.slice)
    questions = read_table(snakemake.input.questions, ["query_id", "task"])
    table = split(
        questions["query_id"].to_numpy(zero_copy_only=False),
        questions["task"].to_numpy(zero_copy_only=False),
        settings["seeds"],
        settings["train_share"],
        settings["reserved_per_task"],
    )
    write_table(snakemake.output.splits, table, schemas.SPLITS)
