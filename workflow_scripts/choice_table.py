"""Tabulate how often each router asks each member of a pool."""

import json

import pandas as pd

from _job import running
from rgd.analysis.costs import choice_table, choices_for_people
from rgd.analysis.writing import write_all
from rgd.artifacts.files import read_table

LIBRARIES = ("pandas",)

NOTE = "Share of the test queries in which a member is asked, in per cent; a row sums to 100 times the calls per query."

with running(snakemake, LIBRARIES):
    frames = []
    for cell, choices in zip(snakemake.input.cells, snakemake.input.choices, strict=True):
        keys = read_table(cell, ["dataset", "scenario", "pool", "router"]).slice(0, 1).to_pylist()[0]
        frames.append(read_table(choices).to_pandas().assign(**keys))
    table = choice_table(pd.concat(frames, ignore_index=True))
    people = choices_for_people(table, json.loads(snakemake.params.titles))
    write_all(table, snakemake.output.parquet, people, NOTE)
