"""Write the task descriptions from the dataset's file, which people wrote."""

import json

import pyarrow as pa

from _job import running
from rgd.artifacts import schemas
from rgd.artifacts.files import write_table

with running(snakemake):
    tasks = json.loads(snakemake.params.slice)["tasks"]
    table = pa.table({"task": [task for task, _ in tasks], "description": [text for _, text in tasks]})
    write_table(snakemake.output.descriptions, table, schemas.DESCRIPTIONS)
