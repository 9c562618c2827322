"""Split a benchmark's questions into train, test and reserved parts."""

import json

from _job import running
from rgd.artifacts import schemas
from rgd.artifacts.files import read_table, write_table
from rgd.datasets.splits import split

LIBRARIES = ("numpy",)

with running(snakemake, LIBRARIES):
    settings = json.loads(snakemake.params.slice)
    questions = read_table(snakemake.input.questions, ["query_id", "task"])
    parts = read_table(snakemake.input.parts).to_pylist()
    table = split(
        questions["query_id"].to_numpy(zero_copy_only=False),
        questions["task"].to_numpy(zero_copy_only=False),
        settings["seeds"],
        settings["train_share"],
        settings["reserved_per_task"],
        {row["query_id"]: row["part"] for row in parts},
    )
    write_table(snakemake.output.splits, table, schemas.SPLITS)
