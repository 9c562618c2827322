"""Tabulate how often each member is right, task by task, over all questions of each benchmark."""

import itertools
import json

import pandas as pd

from _job import running
from rgd.analysis.tables import task_table, task_table_for_people
from rgd.analysis.writing import write_all
from rgd.artifacts.files import read_table

LIBRARIES = ("pandas",)

NOTE = "Right answers in per cent, over all questions of the benchmark; the best members of a task are starred."

with running(snakemake, LIBRARIES):
    tables, people = [], {}
    responses = iter(snakemake.input.responses)
    for position, (dataset, members) in enumerate(json.loads(snakemake.params.members)):
        table = task_table(
            {
                member: read_table(path, ["query_id", "answer"]).to_pandas()
                for member, path in zip(members, itertools.islice(responses, len(members)), strict=True)
            },
            read_table(snakemake.input.labels[position]).to_pandas(),
            read_table(snakemake.input.questions[position], ["query_id", "task", "answer_kind"]).to_pandas(),
        )
        people[dataset] = task_table_for_people(table)
        tables.append(table.assign(dataset=dataset))
    write_all(pd.concat(tables, ignore_index=True), snakemake.output.parquet, people, NOTE)
