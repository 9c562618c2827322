"""Tabulate the properties of each generator's queries for each pool, beside the real ones."""

import json

import numpy as np
import pandas as pd

from _job import running
from rgd.analysis.generator_diagnostics import (
    COLUMNS,
    NOTE,
    diagnostics_for_people,
    differentiation,
    draw_counts,
    own_accuracy,
)
from rgd.analysis.writing import write_all
from rgd.artifacts.files import read_table

LIBRARIES = ("numpy", "pandas")

with running(snakemake, LIBRARIES):
    settings = json.loads(snakemake.params.slice)
    counts = {
        tuple(key): draw_counts(read_table(path, ["outcome", "draws"]))
        for key, path in zip(settings["drawn"], snakemake.input.counts, strict=True)
    }
    own: dict[tuple[str, ...], dict[str, float]] = {}
    for (*cell, writer), labels, responses in zip(
        settings["writers"], snakemake.input.labels, snakemake.input.responses, strict=True
    ):
        answers = read_table(responses, ["query_id", "answer"])
        own.setdefault(tuple(cell), {})[writer] = own_accuracy(answers, read_table(labels))
    rows = []
    for (dataset, scenario, pool, drawn), path in zip(settings["cells"], snakemake.input.consensus, strict=True):
        columns = ["seed", "member", "answer", "consensus"]
        found = differentiation(read_table(path, columns), settings["pools"][pool])
        writers = own.get((dataset, scenario, pool), {})
        named = {"dataset": dataset, "scenario": scenario, "pool": pool, "writer": ", ".join(writers)}
        named["own_accuracy"] = float(np.mean(list(writers.values()))) if writers else np.nan
        rows.append(named | found | counts.get((dataset, drawn), {}))
    table = pd.DataFrame(rows, columns=COLUMNS)
    people = diagnostics_for_people(table, json.loads(snakemake.params.titles))
    write_all(table, snakemake.output.parquet, people, NOTE)
