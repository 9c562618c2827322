"""Compute the consensus among a pool's members on the training queries of a scenario."""

import json

import numpy as np
import pyarrow as pa

from _job import running
from rgd.artifacts import schemas
from rgd.artifacts.files import read_table, write_table
from rgd.routers import encode_answers
from rgd.routing.consensus import consensus
from rgd.routing.subsets import training_rows
from rgd.routing.training import pool_answers, rows_in, texts

LIBRARIES = ("numpy",)

with running(snakemake, LIBRARIES):
    settings, members = json.loads(snakemake.params.slice), json.loads(snakemake.params.members)
    answers, confidence = pool_answers(
        [read_table(path, ["query_id", "answer", "confidence"]) for path in snakemake.input.responses]
    )
    query_ids = texts(answers["query_id"])
    codes, _ = encode_answers([answers[str(position)] for position in range(len(members))])
    tasks = None
    if snakemake.input.get("questions"):
        questions = read_table(snakemake.input.questions, ["query_id", "task"])
        tasks = texts(questions["task"])[rows_in(texts(questions["query_id"]), query_ids)]
    training = training_rows(snakemake.wildcards.scenario, read_table(snakemake.input.splits), query_ids, tasks)
    parts = []
    for seed, rows in training.items():
        found = consensus(codes[rows], confidence[rows], settings["vote_weight"], settings["min_votes"])
        for position, member in enumerate(members):
            parts.append(
                pa.table(
                    {
                        "seed": np.full(len(rows), seed, dtype=np.int32),
                        "query_id": pa.array(query_ids[rows]),
                        "member": pa.array([member] * len(rows)),
                        "answer": answers[str(position)].take(rows).combine_chunks(),
                        "confidence": confidence[rows, position],
                        "z": found.z[:, position].astype(np.float32),
                        "consensus": found.scores[:, position].astype(np.float32),
                        "in_majority": found.in_majority[:, position],
                    }
                )
            )
    write_table(snakemake.output.consensus, pa.concat_tables(parts), schemas.CONSENSUS)
