"""Let a generator write queries until every task has enough usable ones or has used up its draws."""

import json
from collections.abc import Sequence

from _asking import fill_as_job
from _job import running
from _models import model_of_job
from rgd.artifacts.files import read_table, write_json
from rgd.generation.drawing import Draw
from rgd.generation.scenario import draw_until_enough, read_draws, requests_for, wanted_per_task
from rgd.generation.text import normalise_question
from rgd.store.answers import AnswerSettings, Store

with running(snakemake):
    resources, wildcards = snakemake.resources, snakemake.wildcards
    settings = AnswerSettings.from_mapping(json.loads(snakemake.params.settings))
    drawing = json.loads(snakemake.params.slice)
    table = read_table(snakemake.input.descriptions).to_pydict()
    descriptions = dict(zip(table["task"], table["description"], strict=True))
    benchmark = read_table(snakemake.input.benchmark, ["question"])["question"].to_pylist()
    prompt = json.loads(settings.prompt)
    store = Store(resources.store)
    with model_of_job(snakemake, resources.engine, settings.content()) as engine:

        def ask(draws: Sequence[tuple[str, int]]) -> list[Draw]:
            requests = requests_for(descriptions, prompt["instruction"], prompt["examples"], draws)
            fill_as_job(snakemake, store, settings, requests, engine, title=f"{wildcards.drawn}, queries")
            return read_draws(store, settings, requests)

        drawn = draw_until_enough(
            wanted_per_task(drawing["queries"], list(descriptions)),
            drawing["max_draws_per_task"],
            frozenset(map(normalise_question, benchmark)),
            drawing["seed"],
            ask,
        )
    write_json(snakemake.output.asked, {"settings": settings.key, "draws": drawn})
