"""Read a member's answers to a query set from the store and extract its choices."""

import json

from _job import running
from _stored import said_to_be_stored
from rgd.answers.requests import requests_for
from rgd.answers.responses import UNMEASURED, response_rows
from rgd.artifacts import schemas
from rgd.artifacts.files import read_table, write_table
from rgd.store.answers import AnswerSettings, Store

with running(snakemake):
    settings = AnswerSettings.from_mapping(json.loads(snakemake.params.settings))
    questions = read_table(snakemake.input.questions)
    keys = [request.query_key for request in requests_for(questions, settings.prompt)]
    with said_to_be_stored(snakemake.input.asked):
        answers = Store(snakemake.resources.store).read(settings, keys).to_pylist()
    table = response_rows(questions, answers, settings.way, snakemake.params.reader)
    write_table(snakemake.output.responses, table, schemas.RESPONSES)
    missing = table["answer"].null_count
    unmeasured = table["confidence_kind"].to_pylist().count(UNMEASURED)
    print(f"{table.num_rows - missing} answers, {missing} missing, {unmeasured} confidences dropped ({UNMEASURED})")
