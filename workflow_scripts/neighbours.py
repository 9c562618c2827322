"""Find, for every test query, the nearest training queries of a scenario; all routers and pools share them."""

import numpy as np
import pyarrow as pa

from job import running
from rgd import schemas
from rgd.artifacts import read_table, write_table
from rgd.neighbours import nearest
from rgd.splits import TEST, TRAIN, rows_of_part
from rgd.training import texts, vectors_of

LIBRARIES = ("numpy",)

with running(snakemake, LIBRARIES):
    query_ids = texts(read_table(snakemake.input.queries, ["query_id"])["query_id"])
    splits = read_table(snakemake.input.splits)
    test = rows_of_part(splits, query_ids, TEST)
    if snakemake.wildcards.scenario == "real":
        training = {seed: query_ids[rows] for seed, rows in rows_of_part(splits, query_ids, TRAIN).items()}
    else:
        training = dict.fromkeys(test, texts(read_table(snakemake.input.training, ["query_id"])["query_id"]))
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
