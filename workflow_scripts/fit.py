"""Fit a router on the training queries of a scenario, once per seed."""

import json
from dataclasses import replace

import numpy as np

from _job import running
from rgd.artifacts import schemas
from rgd.artifacts.files import read_table, write_table
from rgd.routers import contract, load, make, save
from rgd.routing.consensus import unmeasured, usable_confidence
from rgd.routing.prices import mean_prices
from rgd.routing.training import training_sets

LIBRARIES = ("numpy",)

with running(snakemake, LIBRARIES):
    settings = json.loads(snakemake.params.slice)
    labels, kind = snakemake.input.get("labels"), load(settings["method"])
    members, rates = json.loads(snakemake.params.members), settings.get("prices")
    counted = snakemake.input.get("responses")
    tokens = counted and [read_table(path, ["query_id", "prompt_tokens", "completion_tokens"]) for path in counted]
    sizes = None
    if kind.knows_sizes:
        sizes = np.array([np.nan if size is None else size for size in settings["parameters_billion"]])
    routers = {}
    for train in training_sets(
        read_table(snakemake.input.training),
        read_table(
            snakemake.input.questions,
            ["query_id", "task", "answer_kind", *(["options"] if kind.counts_options else [])],
        ),
        snakemake.input.embeddings if kind.fits_on_embeddings else None,
        members,
        None if labels is None else read_table(labels),
        snakemake.input.get("answer_embeddings"),
        snakemake.input.get("features"),
    ):
        prices = rates and mean_prices(rates, tokens, train.query_ids, members)
        router = make(settings["method"], settings["parameters"])
        routers[train.seed] = contract.fit(router, replace(train, prices=prices, parameters_billion=sizes))
        usable = usable_confidence(train.answers, train.confidence)
        counts = unmeasured(usable, router.mu_, router.sigma_).sum(axis=0)
        for member, count in zip(members, counts.tolist(), strict=True):
            if count:
                print(f"seed {train.seed}: {count} confidences of {member} are no measurement and do not count")
    write_table(snakemake.output.router, save(routers), schemas.ROUTER)
    for seed, router in routers.items():
        sure = contract.standing(router)
        if sure:
            print(f"seed {seed}: {sure}")
        for remark in contract.remarks(router):
            print(f"seed {seed}: {remark}")
