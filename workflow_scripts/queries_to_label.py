"""Choose the training queries whose labels would tell a router most, once per seed."""

import json

import pyarrow as pa

from _fitting import unfitted
from _job import running
from rgd.artifacts import schemas
from rgd.artifacts.files import write_table
from rgd.routers import contract

LIBRARIES = ("numpy",)

with running(snakemake, LIBRARIES):
    budget = json.loads(snakemake.params.slice)["labels"]
    parts = []
    for router, train in unfitted(snakemake):
        chosen = train.query_ids[contract.wants(router, train, budget)].tolist()
        parts.append(
            pa.table(
                {
                    "seed": pa.array([train.seed] * len(chosen), pa.int32()),
                    "place": pa.array(range(1, len(chosen) + 1), pa.int32()),
                    "query_id": pa.array(chosen, pa.string()),
                }
            )
        )
        print(f"seed {train.seed}: {len(chosen)} of {len(train.query_ids)} training queries are to be labelled")
    write_table(snakemake.output.queries, pa.concat_tables(parts), schemas.QUERIES_TO_LABEL)
