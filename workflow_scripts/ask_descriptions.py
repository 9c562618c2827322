"""Let a descriptor write a description of every task, from its reserved questions or its default description."""

import json

from _describing import requests_of_job
from _job import running
from _models import model_of_job
from rgd.artifacts.files import write_json
from rgd.store.answers import AnswerSettings, Store
from rgd.store.fill import fill

with running(snakemake):
    resources, wildcards = snakemake.resources, snakemake.wildcards
    settings = AnswerSettings.from_mapping(json.loads(snakemake.params.settings))
    requests = requests_of_job(snakemake, settings)
    store = Store(resources.store)
    title = f"{wildcards.variant} descriptions of {wildcards.dataset}"
    with model_of_job(snakemake, resources.engine, settings.content()) as engine:
        fill(store, settings, requests, engine, resources.chunk_size, title=title)
    write_json(snakemake.output.asked, {"settings": settings.key, "descriptions": len(requests)})
