"""Compute the consensus among a pool's members on the training queries of a scenario."""

import json

import numpy as np

from _job import running
from rgd.artifacts import schemas
from rgd.artifacts.files import read_table, write_table
from rgd.routing.consensus import consensus
from rgd.routing.training import answers_of_seeds

LIBRARIES = ("numpy",)

with running(snakemake, LIBRARIES):
    settings, members = json.loads(snakemake.params.slice), json.loads(snakemake.params.members)
    table = read_table(snakemake.input.training)
    found = [
        consensus(answers.codes, answers.confidence, settings["vote_weight"], settings["min_votes"])
        for answers in answers_of_seeds(table, members).values()
    ]
    for name, values in (
        ("z", [each.z.astype(np.float32) for each in found]),
        ("consensus", [each.scores.astype(np.float32) for each in found]),
        ("in_majority", [each.in_majority for each in found]),
    ):
        # In the order of the table's rows: by seed, then member, then query.
        table = table.append_column(name, [np.concatenate([each.T.ravel() for each in values])])
    write_table(snakemake.output.consensus, table, schemas.CONSENSUS)
