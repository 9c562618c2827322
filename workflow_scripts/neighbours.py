"""Find, for every test query, the nearest training queries of a scenario; all routers and pools share them."""

import numpy as np
import pyarrow as pa

from job import running
from rgd import schemas
from rgd.artifacts import matrix, read_table, write_table
from rgd.neighbours import nearest
from rgd.splits import TEST, TRAIN, rows_of_part
from rgd.training import texts

with running(snakemake, libraries=("numpy",)):
    queries = read_table(snakemake.input.queries)
    query_ids, vectors = texts(queries["query_id"]), matrix(queries["embedding"])
    splits = read_table(snakemake.input.splits)
    test = rows_of_part(splits, query_ids, TEST)
    train = rows_of_part(splits, query_ids, TRAIN)
    generated = snakemake.wildcards.scenario != "real"
    training = matrix(read_table(snakemake.input.training, ["embedding"])["embedding"]) if generated else None
    parts = []
    for seed, rows in test.items():
        training_vectors = vectors[train[seed]] if training is None else training
        indices, similarity = nearest(vectors[rows], training_vectors, int(snakemake.params.slice))
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
