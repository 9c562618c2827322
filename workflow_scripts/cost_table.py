"""Tabulate accuracy beside its cost in calls and tokens, and beside the oracle's accuracy."""

import json

from _job import running
from rgd.analysis.costs import COST_COLUMNS, costs_for_people
from rgd.analysis.writing import write_all
from rgd.artifacts.files import read_table

LIBRARIES = ("pandas",)

NOTE = (
    "Regret is the oracle's accuracy minus the router's, in points; gap closed is the share of the way from the test part's "
    "best single member to the oracle, negative below that member. Tokens are those of all members asked."
)

with running(snakemake, LIBRARIES):
    accuracy = read_table(snakemake.input.accuracy).to_pandas()
    people = costs_for_people(accuracy, json.loads(snakemake.params.titles))
    write_all(accuracy[COST_COLUMNS], snakemake.output.parquet, people, NOTE)
