"""Read a descriptor's descriptions from the store, then clean and check them."""

import json

from _describing import requests_of_job
from _job import running
from _stored import said_to_be_stored
from rgd.artifacts import schemas
from rgd.artifacts.files import write_table
from rgd.generation.describing import descriptions_from
from rgd.store.answers import AnswerSettings, Store

with running(snakemake):
    settings = AnswerSettings.from_mapping(json.loads(snakemake.params.settings))
    keys = [request.query_key for request in requests_of_job(snakemake, settings)]
    with said_to_be_stored(snakemake.input.asked):
        answers = Store(snakemake.resources.store).read(settings, keys).to_pylist()
    table = descriptions_from(json.loads(snakemake.params.slice)["tasks"], answers)
    write_table(snakemake.output.descriptions, table, schemas.DESCRIPTIONS)
