"""Compare every two routers of an experiment on the same test queries."""

import json
from pathlib import Path

import pandas as pd

from _job import running
from rgd.analysis.comparisons import comparison_table, comparisons_for_people, smallest_shown
from rgd.analysis.tables import accuracy_table
from rgd.analysis.writing import write_all
from rgd.artifacts.files import read_table

LIBRARIES = ("numpy", "pandas", "scipy")

with running(snakemake, LIBRARIES):
    settings = json.loads(snakemake.params.slice)
    frames = [read_table(path).to_pandas() for path in snakemake.input.cells]
    keys = [tuple(frame.loc[0, ["dataset", "scenario", "pool", "router"]]) for frame in frames]
    outcomes = [read_table(path).to_pandas() for path in snakemake.input.outcomes]
    tasks = {}
    for path in snakemake.input.questions:
        questions = read_table(path, ["query_id", "task"]).to_pydict()
        tasks[Path(path).parent.name] = dict(zip(questions["query_id"], questions["task"], strict=True))
    table = comparison_table(
        dict(zip(keys, outcomes, strict=True)),
        {key: frame.loc[0, "family"] for key, frame in zip(keys, frames, strict=True)},
        tasks,
        {"level": snakemake.params.level},
    )
    order = {key: settings[key] for key in ("datasets", "scenarios", "pools", "routers")}
    accuracy = accuracy_table(pd.concat(frames, ignore_index=True), **order)
    baseline = snakemake.params.baseline
    people = comparisons_for_people(table, accuracy, baseline, json.loads(snakemake.params.titles))
    note = (
        f"Difference in accuracy to {baseline}, in points, mean over splits, with its interval over the test questions of "
        "all splits. A star marks a significant difference; a tilde compares different numbers of calls. All pairs are in "
        f"the Parquet and CSV files. {smallest_shown(table)}"
    )
    write_all(table, snakemake.output.parquet, people, note)
