"""Score a router's routes against the test labels."""

import json

from job import running
from rgd import schemas
from rgd.artifacts import read_table, write_table
from rgd.scoring import score_routes

with running(snakemake, libraries=("numpy",)):
    table = score_routes(
        read_table(snakemake.input.routes),
        read_table(snakemake.input.labels),
        read_table(snakemake.input.questions, ["query_id", "task"]),
        cell={
            **{key: snakemake.wildcards[key] for key in ("dataset", "scenario", "pool", "router")},
            "family": snakemake.params.family,
        },
        interval=json.loads(snakemake.params.slice),
    )
    write_table(snakemake.output.cell, table, schemas.CELLS)
