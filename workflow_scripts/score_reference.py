"""Compute a reference of a pool (Oracle, Random) on the test queries."""

import json

import numpy as np

from _job import running
from rgd.artifacts import schemas
from rgd.artifacts.files import read_table, write_table
from rgd.datasets.splits import TEST, TRAIN, rows_of_part
from rgd.scoring.cells import read_benchmark, score_reference

LIBRARIES = ("numpy",)

RESPONSES = ["query_id", "answer", "confidence", "prompt_tokens", "completion_tokens"]

with running(snakemake, LIBRARIES):
    responses = [read_table(path, RESPONSES) for path in snakemake.input.responses]
    benchmark = read_benchmark(
        read_table(snakemake.input.labels),
        read_table(snakemake.input.questions, ["query_id", "task", "answer_kind"]),
        responses,
        json.loads(snakemake.params.members),
    )
    splits = read_table(snakemake.input.splits)
    scores = score_reference(
        snakemake.wildcards.reference,
        benchmark,
        np.column_stack([table["confidence"].to_numpy(zero_copy_only=False) for table in responses]),
        rows_of_part(splits, benchmark.query_ids, TRAIN),
        rows_of_part(splits, benchmark.query_ids, TEST),
        cell={
            **{key: snakemake.wildcards[key] for key in ("dataset", "pool")},
            "scenario": "real",
            "router": snakemake.wildcards.reference,
            "family": "reference",
        },
        interval=json.loads(snakemake.params.slice),
    )
    variants = [name.removeprefix("correct_") for name in scores.outcomes.column_names[2:]]
    write_table(snakemake.output.outcomes, scores.outcomes, schemas.outcomes(variants))
    write_table(snakemake.output.choices, scores.choices, schemas.CHOICES)
    write_table(snakemake.output.cell, scores.cell, schemas.CELLS)
