"""Audit the answers of every member to every query set: truncated, empty, repeated, unreadable or mixed ones."""

import json

import pandas as pd

from _job import running
from rgd.analysis.audit import COLUMNS, NOTE, audit, audit_for_people, readings, readings_for_people
from rgd.analysis.writing import write_all
from rgd.answers.requests import requests_for
from rgd.artifacts.files import read_table
from rgd.store.answers import AnswerSettings, Store

LIBRARIES = ("pandas",)

STORED = ["trimmed", "cost", "served_model", "provenance"]

with running(snakemake, LIBRARIES):
    query_sets, settings_of = json.loads(snakemake.params.query_sets), dict(json.loads(snakemake.params.members))
    store = Store(snakemake.resources.store)
    questions = map(read_table, snakemake.input.questions)
    asked = [
        (dataset, query_set, member, table)
        for (dataset, query_set, members), table in zip(query_sets, questions, strict=True)
        for member in members
    ]
    parts, read = [], []
    for (dataset, query_set, member, table), path in zip(asked, snakemake.input.responses, strict=True):
        settings, stored = settings_of[member], None
        if settings is not None:
            wanted = AnswerSettings.from_mapping(settings[table["answer_kind"][0].as_py()])
            keys = [request.query_key for request in requests_for(table, wanted.prompt)]
            stored = store.read(wanted, keys, columns=STORED).to_pandas()
        responses = read_table(path).to_pandas()
        named = {"dataset": dataset, "query_set": query_set, "member": member}
        parts.append(audit(table.to_pandas(), responses, stored).assign(**named))
        read.append(readings(responses).assign(**named))
    table = pd.concat(parts, ignore_index=True)[COLUMNS]
    titles = json.loads(snakemake.params.titles)
    people = audit_for_people(table, titles) | readings_for_people(pd.concat(read, ignore_index=True), titles)
    write_all(table, snakemake.output.parquet, people, NOTE)
    for row in table[table["task"].isna() & (table["flags"] != "")].itertuples(index=False):
        print(f"{row.member}, {row.query_set} of {row.dataset}: {row.flags}")
