"""Ask a member what the store lacks of a query set, and of the experiment's other query sets that are there already."""

import json
from pathlib import Path

from job import running
from rgd.answering import requests_for
from rgd.artifacts import read_table, write_json
from rgd.engines import EngineSettings, lazy_engine
from rgd.engines.weights import ensure_weights
from rgd.store.answers import AnswerSettings, Store
from rgd.store.fill import fill

with running(snakemake):
    resources = snakemake.resources
    settings = AnswerSettings.from_mapping(json.loads(snakemake.params.settings))
    store = Store(resources.store)
    questions = [snakemake.input.questions, *(path for path in resources.also.split() if Path(path).exists())]
    wanted = {path: requests_for(read_table(path), settings.prompt) for path in dict.fromkeys(questions)}
    weights = ensure_weights(json.loads(resources.weights), resources.cache, use_hub=bool(resources.use_hub))
    engine_settings = EngineSettings(
        weights,
        settings.max_model_len,
        dtype=settings.dtype,
        threads=snakemake.threads,
        chat=settings.chat,
    )
    with lazy_engine(resources.engine, engine_settings) as engine:
        for path, requests in wanted.items():
            title = f"{snakemake.wildcards.member}, {Path(path).stem}"
            # Only this job's own query set has to be complete: what another job is asking already is left to it.
            own = path == snakemake.input.questions
            fill(store, settings, requests, engine, resources.chunk_size, title=title, wait=own)
    mine = wanted[snakemake.input.questions]
    write_json(snakemake.output.answered, {"settings": settings.key, "answers": len(mine)})
