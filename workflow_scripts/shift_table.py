"""Tabulate how far the generators' queries are from real ones, dataset by dataset."""

import json

import pandas as pd

from _job import running
from rgd.analysis.shift import NOTE, shift_for_people
from rgd.analysis.writing import write_all
from rgd.artifacts.files import read_table

LIBRARIES = ("pandas",)

with running(snakemake, LIBRARIES):
    settings = json.loads(snakemake.params.slice)
    table = pd.concat([read_table(path).to_pandas() for path in snakemake.input.shift], ignore_index=True)
    people = shift_for_people(table, json.loads(snakemake.params.titles))
    note = NOTE.format(**settings, least=settings["permutations"] + 1)
    write_all(table, snakemake.output.parquet, people, note)
