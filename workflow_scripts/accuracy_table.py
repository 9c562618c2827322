"""Make the main table of an experiment from its cells, and a summary to read."""

import json
import textwrap

import pandas as pd

from _job import running
from rgd.analysis.comparisons import against, significant
from rgd.analysis.tables import accuracy_table, pivot_for_people, print_summary
from rgd.analysis.writing import write_all
from rgd.artifacts.files import read_table, replacing

LIBRARIES = ("pandas",)

NOTE = (
    "Accuracy on the test part in per cent, mean ± standard deviation over splits. A learning-free router or a "
    "reference does not depend on the scenario and is computed once. A star marks a significant difference to {baseline} "
    "at the same number of calls, where it makes as many (by tests over questions, adjusted over all pairs; see comparisons)."
)

with running(snakemake, LIBRARIES):
    settings = json.loads(snakemake.params.slice)
    cells = pd.concat([read_table(path).to_pandas() for path in snakemake.input.cells], ignore_index=True)
    order = {key: settings[key] for key in ("datasets", "scenarios", "pools", "routers")}
    accuracy = accuracy_table(cells, **order)
    exclusions = {
        (dataset, scenario, pool, router): rule["reason"]
        for rule in settings["exclude"]
        for dataset in settings["datasets"]
        for scenario in settings["scenarios"]
        for pool in settings["pools"]
        for router in settings["routers"]
        if rule["dataset"] in (None, dataset)
        and rule["scenario"] in (None, scenario)
        and rule["pool"] in (None, pool)
        and rule["router"] in (None, router)
    }
    comparisons = against(read_table(snakemake.input.comparisons).to_pandas(), snakemake.params.baseline, accuracy)
    people = pivot_for_people(
        accuracy,
        settings["scenarios"],
        json.loads(snakemake.params.titles),
        exclusions,
        marked=significant(comparisons),
    )
    note = NOTE.format(baseline=snakemake.params.baseline)
    write_all(accuracy, snakemake.output.parquet, people, note)
    with replacing(snakemake.output.summary) as temporary:
        temporary.write_text(f"{print_summary(people)}\n\n{textwrap.fill(note, 100)}\n", encoding="utf-8")
