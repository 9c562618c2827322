"""Fit a router on the training queries of a scenario, once per seed."""

import json

from _fitting import unfitted
from _job import running
from rgd.artifacts import schemas
from rgd.artifacts.files import write_table
from rgd.routers import contract, save
from rgd.routing.consensus import unmeasured, usable_confidence

LIBRARIES = ("numpy",)

with running(snakemake, LIBRARIES):
    budget = json.loads(snakemake.params.slice).get("labels", 0)
    routers = {}
    for unfit, train in unfitted(snakemake):
        router = routers[train.seed] = contract.fit(unfit, train)
        usable = usable_confidence(train.answers, train.confidence)
        counts = unmeasured(usable, router.mu_, router.sigma_).sum(axis=0)
        for member, count in zip(train.members, counts.tolist(), strict=True):
            if count:
                print(f"seed {train.seed}: {count} confidences of {member} are no measurement and do not count")
        if train.labelled is not None:
            print(f"seed {train.seed}: {len(train.labelled.rows)} of {budget} labels are there")
    write_table(snakemake.output.router, save(routers), schemas.ROUTER)
    for seed, router in routers.items():
        sure = contract.standing(router)
        if sure:
            print(f"seed {seed}: {sure}")
        for sentence in contract.explanations(router).values():
            print(f"seed {seed}: {sentence}")
        for doubt in contract.doubts(router):
            print(f"seed {seed}: {doubt.says}")
