"""Compute a reference of a pool (Oracle, Random) on the test queries."""

import json

from job import running
from rgd import schemas
from rgd.artifacts import read_table, write_table
from rgd.scoring import score_reference
from rgd.splits import TEST, TRAIN, rows_of_part
from rgd.training import pool_answers, texts

with running(snakemake, libraries=("numpy",)):
    answers, confidence = pool_answers(
        [read_table(path, ["query_id", "answer", "confidence"]) for path in snakemake.input.responses]
    )
    splits = read_table(snakemake.input.splits)
    query_ids = texts(answers["query_id"])
    table = score_reference(
        snakemake.wildcards.reference,
        answers,
        confidence,
        rows_of_part(splits, query_ids, TRAIN),
        rows_of_part(splits, query_ids, TEST),
        read_table(snakemake.input.labels),
        read_table(snakemake.input.questions, ["query_id", "task"]),
        cell={
            **{key: snakemake.wildcards[key] for key in ("dataset", "pool")},
            "scenario": "real",
            "router": snakemake.wildcards.reference,
            "family": "reference",
        },
        interval=json.loads(snakemake.params.slice),
    )
    write_table(snakemake.output.cell, table, schemas.CELLS)
