"""Tabulate accuracy by number of training queries."""

import json

import pandas as pd

from _job import running
from rgd.analysis.learning_curve import NOTE, curves_for_people, learning_curve
from rgd.analysis.tables import accuracy_table
from rgd.analysis.writing import write_all
from rgd.artifacts.files import read_table

LIBRARIES = ("pandas",)

with running(snakemake, LIBRARIES):
    settings = json.loads(snakemake.params.slice)
    cells = pd.concat([read_table(path).to_pandas() for path in snakemake.input.cells], ignore_index=True)
    order = {key: settings[key] for key in ("datasets", "scenarios", "pools", "routers")}
    training = {}
    for key, path in zip(settings["trained"], snakemake.input.consensus, strict=True):
        seeds_and_members = read_table(path, ["seed", "member"]).to_pandas()
        training[tuple(key)] = len(seeds_and_members) / len(seeds_and_members.drop_duplicates())
    table = learning_curve(accuracy_table(cells, **order), training)
    people = curves_for_people(table, json.loads(snakemake.params.titles))
    write_all(table, snakemake.output.parquet, people, NOTE)
