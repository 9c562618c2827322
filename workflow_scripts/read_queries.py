"""Read a generator's queries from the store: the usable ones, its own answers as labels, and counts of dropped draws."""

import json
from pathlib import Path

from _job import running
from _stored import said_to_be_stored
from rgd.answers.kinds import LETTER
from rgd.artifacts import schemas
from rgd.artifacts.files import read_table, write_table
from rgd.generation.drawing import accept, shortfall_message
from rgd.generation.scenario import query_tables, read_draws, requests_for, wanted_per_task
from rgd.generation.text import normalise_question
from rgd.store.answers import AnswerSettings, Store

with running(snakemake):
    settings = AnswerSettings.from_mapping(json.loads(snakemake.params.settings))
    drawing = json.loads(snakemake.params.slice)
    table = read_table(snakemake.input.descriptions).to_pydict()
    descriptions = dict(zip(table["task"], table["description"], strict=True))
    benchmark = frozenset(
        map(normalise_question, read_table(snakemake.input.benchmark, ["question"])["question"].to_pylist())
    )
    prompt = json.loads(settings.prompt)
    store = Store(snakemake.resources.store)
    drawn = json.loads(Path(snakemake.input.asked).read_text(encoding="utf-8"))["draws"]
    wanted = wanted_per_task(drawing["queries"], list(descriptions))
    queries, counts = {}, {}
    for task, count in drawn.items():
        pairs = [(task, number) for number in range(count)]
        requests = requests_for(descriptions, prompt["instruction"], prompt["examples"], pairs)
        with said_to_be_stored(snakemake.input.asked):
            draws = read_draws(store, settings, requests)
        queries[task], counts[task] = accept(task, draws, wanted[task], benchmark, drawing["seed"])
    message = shortfall_message(counts, wanted)
    if message:
        print(message)
    questions, outcomes = query_tables(queries, counts, drawing.get("answer_kind", LETTER))
    write_table(snakemake.output.questions, questions, schemas.QUESTIONS)
    write_table(snakemake.output.labels, questions, schemas.LABELS)
    write_table(snakemake.output.counts, outcomes, schemas.GENERATION_COUNTS)
    print(f"{questions.num_rows} queries from {sum(drawn.values())} draws")
