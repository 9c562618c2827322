"""Tabulate how much accuracy routers lose without each member of a pool."""

import json

from _job import running
from rgd.analysis.drop_one import NOTE, drop_one, drop_one_for_people
from rgd.analysis.writing import write_all
from rgd.artifacts.files import read_table

LIBRARIES = ("numpy", "pandas")

with running(snakemake, LIBRARIES):
    settings = json.loads(snakemake.params.slice)
    outcomes = {
        tuple(cell): read_table(path).to_pandas()
        for cell, path in zip(settings["cells"], snakemake.input.outcomes, strict=True)
    }
    tasks = {}
    for dataset, path in zip(settings["datasets"], snakemake.input.questions, strict=True):
        questions = read_table(path, ["query_id", "task"]).to_pydict()
        tasks[dataset] = dict(zip(questions["query_id"], questions["task"], strict=True))
    table = drop_one(outcomes, tasks, settings["interval"])
    people = drop_one_for_people(table, json.loads(snakemake.params.titles))
    write_all(table, snakemake.output.parquet, people, NOTE)
