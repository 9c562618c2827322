"""Write the examples of tasks that are only described, with splits that have no test part."""

import json

import pyarrow as pa

from _job import running
from rgd.artifacts import schemas
from rgd.artifacts.files import write_table
from rgd.datasets.described import questions

with running(snakemake):
    settings = json.loads(snakemake.params.slice)
    found = questions(settings, None)
    table = pa.table(
        {
            name: pa.array([getattr(question, name) for question in found], schemas.QUESTIONS.field(name).type)
            for name in ("query_id", "task", "question", "options", "answer_kind")
        }
    )
    splits = {"query_id": pa.nulls(len(settings["seeds"]), pa.string()), "seed": settings["seeds"]}
    empty = {schema: schema.empty_table() for schema in (schemas.LABELS, schemas.PARTS, schemas.DROPPED)}
    write_table(snakemake.output.questions, table, schemas.QUESTIONS)
    write_table(snakemake.output.labels, empty[schemas.LABELS], schemas.LABELS)
    write_table(snakemake.output.parts, empty[schemas.PARTS], schemas.PARTS)
    write_table(snakemake.output.dropped, empty[schemas.DROPPED], schemas.DROPPED)
    # There is nothing to split: one row per seed says under which seeds routers are fitted.
    write_table(
        snakemake.output.splits,
        pa.table(splits | {"part": pa.nulls(len(settings["seeds"]), pa.string())}),
        schemas.SPLITS,
    )
    print(f"{len(found)} examples of {len(settings['tasks'])} tasks")
