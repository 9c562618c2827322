"""Tabulate how often labels agree with a referee, after the paper's Tables 1 and 12."""

import json

import pandas as pd

from _job import running
from rgd.analysis.label_quality import (
    COLUMNS,
    NOTE,
    NOTHING_JUDGED,
    label_quality,
    label_quality_for_people,
    with_averages,
)
from rgd.analysis.writing import write_all
from rgd.artifacts.files import read_table

LIBRARIES = ("numpy", "pandas")

with running(snakemake, LIBRARIES):
    settings = json.loads(snakemake.params.slice)
    rows = []
    for (dataset, scenario), referee, labels, questions in zip(
        settings["judged"], snakemake.input.referee, snakemake.input.labels, snakemake.input.questions, strict=True
    ):
        found = label_quality(
            read_table(labels).to_pandas(),
            read_table(referee).to_pandas(),
            read_table(questions, ["query_id", "task"]).to_pandas(),
            settings["interval"],
        )
        named = {"dataset": dataset, "scenario": scenario, "referee": settings["referee"], "draws": settings["draws"]}
        rows.append(named | found)
    table = with_averages(pd.DataFrame(rows, columns=COLUMNS))
    people, note = {}, NOTHING_JUDGED
    if rows:
        people = label_quality_for_people(table, json.loads(snakemake.params.titles))
        note = NOTE.format(referee=settings["referee"], draws=settings["draws"])
    write_all(table, snakemake.output.parquet, people, note)
