"""Tabulate accuracy by number of labels."""

import json

import pandas as pd

from _job import running
from rgd.analysis.label_budget import NOTE, budgets_for_people, label_budget
from rgd.analysis.tables import accuracy_table
from rgd.analysis.writing import write_all
from rgd.artifacts.files import read_table

LIBRARIES = ("pandas",)

with running(snakemake, LIBRARIES):
    settings = json.loads(snakemake.params.slice)
    cells = pd.concat([read_table(path).to_pandas() for path in snakemake.input.cells], ignore_index=True)
    order = {key: settings[key] for key in ("datasets", "scenarios", "pools", "routers")}
    table = label_budget(accuracy_table(cells, **order), settings["labels"])
    people = budgets_for_people(table, json.loads(snakemake.params.titles))
    write_all(table, snakemake.output.parquet, people, NOTE)
