"""Read a featurizer's texts about a query set from the store: keywords and a step back for each query."""

import json

from _job import running
from _stored import said_to_be_stored
from rgd.answers.features import feature_rows
from rgd.answers.requests import feature_requests
from rgd.artifacts import schemas
from rgd.artifacts.files import read_table, write_table
from rgd.store.answers import AnswerSettings, Store

with running(snakemake):
    settings = AnswerSettings.from_mapping(json.loads(snakemake.params.settings))
    questions = read_table(snakemake.input.questions, ["query_id", "question"])
    keys = [request.query_key for request in feature_requests(questions, settings.prompt)]
    with said_to_be_stored(snakemake.input.asked):
        texts = Store(snakemake.resources.store).read(settings, keys)["text"].to_pylist()
    table = feature_rows(questions["query_id"], texts)
    write_table(snakemake.output.features, table, schemas.FEATURES)
    unread = table["parsed"].to_pylist().count(False)
    print(f"{table.num_rows - unread} texts read, {unread} not in the requested form")
