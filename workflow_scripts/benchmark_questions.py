"""Make or read a benchmark's questions; the labels go to a file of their own."""

import json
from pathlib import Path

import pyarrow as pa

from job import running
from rgd import schemas
from rgd.artifacts import write_table
from rgd.datasets import load
from rgd.datasets.base import sound, validate

with running(snakemake):
    settings = json.loads(snakemake.params.slice)
    data_root = snakemake.resources.get("data_root")
    questions = load(settings["adapter"]).questions(settings, Path(data_root) if data_root else None)
    if settings["source"] is None:
        validate(questions)
    else:
        questions, dropped = sound(questions)
        print(f"{len(dropped)} rows dropped", *(f"  {query_id}: {fault}" for query_id, fault in dropped), sep="\n")
    columns = {
        "query_id": [question.query_id for question in questions],
        "task": [question.task for question in questions],
        "question": [question.question for question in questions],
        "options": [list(question.options) for question in questions],
        "answer_kind": [question.answer_kind for question in questions],
        "label": [question.label for question in questions],
    }
    table = pa.table(columns)
    write_table(snakemake.output.questions, table, schemas.QUESTIONS)
    write_table(snakemake.output.labels, table, schemas.LABELS)
    print(f"{len(questions)} questions in {len(set(columns['task']))} tasks")
