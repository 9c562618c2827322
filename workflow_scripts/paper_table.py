"""One of the paper's tables in its layout: this experiment's figures and the published ones."""

import json
from pathlib import Path

from _job import running
from rgd.analysis.published import view
from rgd.analysis.writing import write_all
from rgd.artifacts.files import read_table

LIBRARIES = ("pandas",)

with running(snakemake, LIBRARIES):
    number = snakemake.wildcards.number
    table = read_table(snakemake.input.published).to_pandas()
    people, note = view(table, number, json.loads(snakemake.params.titles))
    part = table[table["source"] == f"Table {number}"].reset_index(drop=True)
    write_all(part, Path(snakemake.output.parquet).with_suffix(""), people, note)
