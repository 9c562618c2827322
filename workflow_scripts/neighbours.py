"""Find the nearest training queries of a scenario for every test query; all routers and pools share them."""

import numpy as np
import pyarrow as pa

from _job import running
from rgd.artifacts import schemas
from rgd.artifacts.columns import rows_in, texts, vectors_of
from rgd.artifacts.files import read_table, write_table
from rgd.datasets.splits import TEST, rows_of_part
from rgd.routing.neighbours import nearest
from rgd.routing.subsets import training_rows

LIBRARIES = ("numpy",)

with running(snakemake, LIBRARIES):
    query_ids = texts(read_table(snakemake.input.queries, ["query_id"])["query_id"])
    splits = read_table(snakemake.input.splits)
    test = rows_of_part(splits, query_ids, TEST)
    training_ids = texts(read_table(snakemake.input.training, ["query_id"])["query_id"])
    tasks = None
    if snakemake.input.get("questions"):
        questions = read_table(snakemake.input.questions, ["query_id", "task"])
        tasks = texts(questions["task"])[rows_in(texts(questions["query_id"]), training_ids)]
    rows_of = training_rows(snakemake.wildcards.scenario, splits, training_ids, tasks)
    training = {seed: training_ids[rows] for seed, rows in rows_of.items()}
    parts = []
    for seed, rows in test.items():
        indices, similarity = nearest(
            vectors_of(snakemake.input.queries, query_ids[rows]),
            vectors_of(snakemake.input.training, training[seed]),
            int(snakemake.params.slice),
        )
        parts.append(
            pa.table(
                {
                    "seed": np.full(len(rows), seed, dtype=np.int32),
                    "query_id": pa.array(query_ids[rows]),
                    "training_rows": pa.array(list(indices), pa.list_(pa.int32())),
                    "similarity": pa.array(list(similarity), schemas.FLOATS),
                }
            )
        )
    write_table(snakemake.output.neighbours, pa.concat_tables(parts), schemas.NEIGHBOURS)
