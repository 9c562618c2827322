"""Fit a router, once for each seed, on the training queries of a scenario."""

import json

from job import running
from rgd import schemas
from rgd.artifacts import read_table, write_table
from rgd.routers import make, save
from rgd.training import training_sets

with running(snakemake, libraries=("numpy", "scikit-learn")):
    settings = json.loads(snakemake.params.slice)
    optional = {
        name: read_table(snakemake.input.get(name))
        for name in ("labels", "answer_embeddings", "features")
        if snakemake.input.get(name) is not None
    }
    routers = {
        train.seed: make(settings["method"], settings["parameters"]).fit(train)
        for train in training_sets(
            read_table(snakemake.input.consensus, ["seed", "query_id", "member", "answer", "confidence"]),
            read_table(snakemake.input.questions, ["query_id", "task"]),
            read_table(snakemake.input.embeddings),
            json.loads(snakemake.params.members),
            **optional,
        )
    }
    write_table(snakemake.output.router, save(routers), schemas.ROUTER)
