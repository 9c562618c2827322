"""Fit a router, once for each seed, on the training queries of a scenario."""

import json

from job import running
from rgd import schemas
from rgd.artifacts import read_table, write_table
from rgd.routers import load, make, save
from rgd.training import training_sets

LIBRARIES = ("numpy",)

with running(snakemake, LIBRARIES):
    settings = json.loads(snakemake.params.slice)
    labels, kind = snakemake.input.get("labels"), load(settings["method"])
    routers = {
        train.seed: make(settings["method"], settings["parameters"]).fit(train)
        for train in training_sets(
            read_table(snakemake.input.consensus, ["seed", "query_id", "member", "answer", "confidence"]),
            read_table(snakemake.input.questions, ["query_id", "task", *(["options"] if kind.counts_options else [])]),
            snakemake.input.embeddings if kind.fits_on_embeddings else None,
            json.loads(snakemake.params.members),
            None if labels is None else read_table(labels),
            snakemake.input.get("answer_embeddings"),
            snakemake.input.get("features"),
        )
    }
    write_table(snakemake.output.router, save(routers), schemas.ROUTER)
    for seed, router in routers.items():
        for remark in router.remarks():
            print(f"seed {seed}: {remark}")
