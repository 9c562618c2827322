"""Ask a member what the store lacks of a query set, and of the experiment's other query sets that already exist."""

import json

from _asking import fill_query_sets
from _job import running
from rgd.answers.requests import requests_for
from rgd.artifacts.files import read_table, write_json
from rgd.store.answers import AnswerSettings

with running(snakemake):
    settings = AnswerSettings.from_mapping(json.loads(snakemake.params.settings))
    answers = fill_query_sets(
        snakemake, settings, snakemake.wildcards.member, lambda path: requests_for(read_table(path), settings.prompt)
    )
    write_json(snakemake.output.asked, {"settings": settings.key, "answers": answers})
