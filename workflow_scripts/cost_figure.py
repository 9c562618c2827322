"""Draw accuracy against its cost in calls and tokens."""

import json

from _job import running
from rgd.analysis.trade_offs import accuracy_against_cost
from rgd.artifacts.files import read_table

LIBRARIES = ("matplotlib",)

with running(snakemake, LIBRARIES):
    titles = json.loads(snakemake.params.titles)
    accuracy_against_cost(
        read_table(snakemake.input.costs).to_pandas(),
        snakemake.output.svg,
        titles["pool"] | titles["scenario"],
        json.loads(snakemake.params.scenarios),
    )
