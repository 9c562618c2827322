"""Table how often each member is right, task by task, over all questions of each benchmark."""

import json
from pathlib import Path

import pandas as pd

from job import running
from rgd.analysis.tables import task_table, task_table_for_people
from rgd.analysis.writing import write_all
from rgd.artifacts import read_table

LIBRARIES = ("pandas",)

NOTE = "Right answers in per cent, over all questions of the benchmark; the best members of a task are starred."

with running(snakemake, LIBRARIES):
    datasets, members = json.loads(snakemake.params.datasets), json.loads(snakemake.params.members)
    tables, people = [], {}
    for position, dataset in enumerate(datasets):
        mine = snakemake.input.responses[position * len(members) : (position + 1) * len(members)]
        table = task_table(
            {
                member: read_table(path, ["query_id", "answer"]).to_pandas()
                for member, path in zip(members, mine, strict=True)
            },
            read_table(snakemake.input.labels[position]).to_pandas(),
            read_table(snakemake.input.questions[position], ["query_id", "task"]).to_pandas(),
        )
        people[dataset] = task_table_for_people(table)
        tables.append(table.assign(dataset=dataset))
    write_all(pd.concat(tables, ignore_index=True), Path(snakemake.output.parquet).with_suffix(""), people, NOTE)
