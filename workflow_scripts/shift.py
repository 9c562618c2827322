"""Measure how far a scenario's queries are from the real training queries, by their embeddings."""

import json

import pyarrow as pa

from _job import running
from rgd.analysis.order import REAL
from rgd.analysis.shift import discrepancy, subsample
from rgd.artifacts import schemas
from rgd.artifacts.columns import texts, vectors_of
from rgd.artifacts.files import read_table, write_table
from rgd.datasets.splits import TEST, TRAIN, rows_of_part

LIBRARIES = ("numpy",)

with running(snakemake, LIBRARIES):
    settings = json.loads(snakemake.params.slice)
    dataset, scenario = snakemake.wildcards.dataset, snakemake.wildcards.scenario
    most, seed = settings["queries"], settings["seed"]
    query_ids = texts(read_table(snakemake.input.real, ["query_id"])["query_id"])
    splits = read_table(snakemake.input.splits)
    real, test = (query_ids[next(iter(rows_of_part(splits, query_ids, part).values()))] for part in (TRAIN, TEST))
    compared = test if scenario == REAL else texts(read_table(snakemake.input.queries, ["query_id"])["query_id"])
    real = real[subsample(len(real), most, seed, dataset, REAL)]
    compared = compared[subsample(len(compared), most, seed, dataset, f"compared {scenario}")]
    found = discrepancy(
        vectors_of(snakemake.input.queries, compared),
        vectors_of(snakemake.input.real, real),
        settings["permutations"],
        seed,
    )
    row = {
        "dataset": dataset,
        "scenario": scenario,
        "n_queries": len(compared),
        "n_real": len(real),
        "bandwidth": found.bandwidth,
        "mmd2": found.mmd2,
        "p_value": found.p_value,
        "permutations": settings["permutations"],
    }
    write_table(snakemake.output.shift, pa.Table.from_pylist([row]), schemas.SHIFT)
