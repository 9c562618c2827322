"""Let a descriptor write a description of every task, from its reserved questions or its default description."""

import json

from _asking import fill_as_job
from _describing import requests_of_job
from _job import running
from _models import model_of_job
from rgd.artifacts.files import write_json
from rgd.store.answers import AnswerSettings, Store

with running(snakemake):
    resources, wildcards = snakemake.resources, snakemake.wildcards
    settings = AnswerSettings.from_mapping(json.loads(snakemake.params.settings))
    requests = requests_of_job(snakemake, settings)
    store = Store(resources.store)
    title = f"{wildcards.variant} descriptions of {wildcards.dataset}"
    with model_of_job(snakemake, resources.engine, settings.content()) as engine:
        fill_as_job(snakemake, store, settings, requests, engine, title=title)
    write_json(snakemake.output.asked, {"settings": settings.key, "descriptions": len(requests)})
