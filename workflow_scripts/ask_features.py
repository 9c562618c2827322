"""Ask a featurizer what the store lacks of a query set, and of the other existing query sets that need it."""

import json

from _asking import fill_query_sets
from _job import running
from rgd.answers.requests import feature_requests
from rgd.artifacts.files import read_table, write_json
from rgd.store.answers import AnswerSettings

with running(snakemake):
    settings = AnswerSettings.from_mapping(json.loads(snakemake.params.settings))
    texts = fill_query_sets(
        snakemake,
        settings,
        snakemake.wildcards.featurizer,
        lambda path: feature_requests(read_table(path, ["question"]), settings.prompt),
    )
    write_json(snakemake.output.asked, {"settings": settings.key, "texts": texts})
