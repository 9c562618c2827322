"""Replace the labels of questions without options by the texts of a pool's right answers."""

import pyarrow as pa

from _job import running
from rgd.answers.equality import labels_in_pool
from rgd.artifacts import schemas
from rgd.artifacts.files import read_table, write_table

with running(snakemake):
    labels = {row["query_id"]: row["label"] for row in read_table(snakemake.input.labels).to_pylist()}
    matched = [read_table(path, ["query_id", "answer"]) for path in snakemake.input.matched]
    graded = [read_table(path, ["query_id", "answer"]) for path in snakemake.input.graded]
    query_ids = matched[0]["query_id"].to_pylist()
    if any(not table["query_id"].equals(matched[0]["query_id"]) for table in [*matched, *graded]):
        raise ValueError("the members' responses have different queries or different orders")
    is_right = [
        [labels[key] == answer for key, answer in zip(query_ids, table["answer"].to_pylist(), strict=True)]
        for table in graded
    ]
    named, ambiguous = labels_in_pool(labels, query_ids, [table["answer"].to_pylist() for table in matched], is_right)
    table = pa.table({"query_id": list(named), "label": list(named.values())})
    write_table(snakemake.output.labels, table, schemas.LABELS)
    print(f"{ambiguous} labels equal several different answers; the answer of most members is used")
