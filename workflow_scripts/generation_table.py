"""Tabulate the outcomes of the generators' draws: how many were kept, and why the others were dropped."""

from pathlib import Path

import pandas as pd

from _job import running
from rgd.analysis.tables import generation_table
from rgd.analysis.writing import write_all
from rgd.artifacts.files import read_table

LIBRARIES = ("pandas",)

NOTE = "Draws per task; a draw that was not needed any more is surplus, every other outcome but kept is a reason to drop it."

with running(snakemake, LIBRARIES):
    tables, people = [], {}
    for path in map(Path, snakemake.input.counts):
        dataset, generator = path.parent.name, path.stem
        table = generation_table(read_table(path).to_pandas())
        people[f"{dataset}, {generator}"] = table
        tables.append(table.assign(dataset=dataset, generator=generator))
    frame = pd.concat(tables, ignore_index=True)
    counted = frame.columns.drop(["task", "dataset", "generator"])
    frame[counted] = frame[counted].fillna(0).astype(int)
    write_all(frame, snakemake.output.parquet, people, NOTE)
