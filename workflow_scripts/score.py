"""Score a router's routes against the test labels."""

import json

from _job import running
from rgd.artifacts import schemas
from rgd.artifacts.files import read_table, write_table
from rgd.scoring.cells import read_benchmark, score_routes

LIBRARIES = ("numpy",)

RESPONSES = ["query_id", "answer", "prompt_tokens", "completion_tokens"]

with running(snakemake, LIBRARIES):
    scores = score_routes(
        read_table(snakemake.input.routes),
        read_benchmark(
            read_table(snakemake.input.labels),
            read_table(snakemake.input.questions, ["query_id", "task", "answer_kind"]),
            [read_table(path, RESPONSES) for path in snakemake.input.responses],
            json.loads(snakemake.params.members),
        ),
        cell={
            **{key: snakemake.wildcards[key] for key in ("dataset", "scenario", "pool", "router")},
            "family": snakemake.params.family,
        },
        interval=json.loads(snakemake.params.slice),
    )
    variants = [name.removeprefix("correct_") for name in scores.outcomes.column_names[2:]]
    write_table(snakemake.output.outcomes, scores.outcomes, schemas.outcomes(variants))
    write_table(snakemake.output.choices, scores.choices, schemas.CHOICES)
    write_table(snakemake.output.cell, scores.cell, schemas.CELLS)
