"""Make or read a benchmark's questions; labels, the benchmark's own parts and dropped rows go to separate files."""

import json
from collections import Counter
from pathlib import Path

import pyarrow as pa

from _job import running
from rgd.artifacts import schemas
from rgd.artifacts.files import write_table
from rgd.datasets import load
from rgd.datasets.base import Read, doubts, sample, sound, validate
from rgd.datasets.mirror import folder_of
from rgd.errors import UserError

LISTED = 20
"""Rows of each reason that the log lists; the artifact has all."""

with running(snakemake):
    settings, source = json.loads(snakemake.params.slice), json.loads(snakemake.params.slice)["source"]
    folder = None
    if source is not None:
        folder = folder_of(source, settings["tasks"], [Path(root) for root in json.loads(snakemake.resources.roots)])
    questions, dropped = load(settings["adapter"]).questions(settings, folder), []
    if source is None:
        validate(questions)
    else:
        unlisted, names = (questions.unlisted, questions.names) if isinstance(questions, Read) else ((), ())
        questions, dropped = sound(questions, source["accept"])
        dropped += unlisted
        counts = Counter(reason for _, _, reason, _ in dropped)
        listed = ", ".join(f"{count} {reason}" for reason, count in counts.most_common())
        if not questions:
            raise UserError(
                f"none of the {len(dropped)} rows in {source['file']} is usable ({listed}): {dropped[0].detail}."
            )
        print(f"{len(dropped)} rows dropped{f' ({listed})' if listed else ''}")
        for reason in counts:
            of_reason = [row for row in dropped if row.reason == reason]
            for row, query_id, _, detail in of_reason[:LISTED]:
                print(f"  row {row}, {query_id!r}: {detail}")
            if len(of_reason) > LISTED:
                print(f"  and {len(of_reason) - LISTED} more: {reason}")
        for doubt in doubts(questions, names):
            print(f"warning: {doubt}")
        usable = len(questions)
        questions = sample(questions, source["sample"], settings["seed"])
        if len(questions) < usable:
            print(f"{usable - len(questions)} questions are not in the sample (source.sample)")
    columns = {
        "query_id": [question.query_id for question in questions],
        "task": [question.task for question in questions],
        "question": [question.question for question in questions],
        "options": [list(question.options) for question in questions],
        "answer_kind": [question.answer_kind for question in questions],
        "label": [question.label for question in questions],
        "part": [question.part for question in questions],
    }
    table = pa.table({name: pa.array(values) for name, values in columns.items()})
    own_parts = table.filter(pa.compute.is_valid(table["part"]))
    faults = pa.Table.from_pylist([row._asdict() for row in dropped], schemas.DROPPED)
    write_table(snakemake.output.questions, table, schemas.QUESTIONS)
    write_table(snakemake.output.labels, table.filter(pa.compute.is_valid(table["label"])), schemas.LABELS)
    write_table(snakemake.output.parts, own_parts, schemas.PARTS)
    write_table(snakemake.output.dropped, faults, schemas.DROPPED)
    print(f"{len(questions)} questions in {len(set(columns['task']))} tasks")
