"""Make one of the paper's tables in its layout: this experiment's figures and the published ones."""

import json

from _job import running
from rgd.analysis.paper.layouts import view
from rgd.analysis.writing import write_all
from rgd.artifacts.files import read_table

LIBRARIES = ("pandas",)

with running(snakemake, LIBRARIES):
    number = snakemake.wildcards.number
    table = read_table(snakemake.input.published).to_pandas()
    people, note = view(table, number, json.loads(snakemake.params.titles))
    part = table[table["source"] == f"Table {number}"].reset_index(drop=True)
    write_all(part, snakemake.output.parquet, people, note)
