"""Read a referee's answers from the store and take the answer that most of its draws give."""

import json

from _job import running
from _stored import said_to_be_stored
from rgd.answers.referee import referee_rows
from rgd.answers.requests import referee_requests
from rgd.artifacts import schemas
from rgd.artifacts.files import read_table, write_table
from rgd.store.answers import AnswerSettings, Store

with running(snakemake):
    settings, draws = AnswerSettings.from_mapping(json.loads(snakemake.params.settings)), snakemake.params.draws
    questions = read_table(snakemake.input.questions)
    asked = referee_requests(questions, settings.prompt, draws)
    keys, numbers = [request.query_key for request in asked], [request.draw for request in asked]
    with said_to_be_stored(snakemake.input.asked):
        answers = Store(snakemake.resources.store).read(settings, keys, numbers).to_pylist()
    table = referee_rows(questions, answers, settings.way, draws, snakemake.params.reader)
    write_table(snakemake.output.referee, table, schemas.REFEREE)
    print(f"{table.num_rows - table['answer'].null_count} of {table.num_rows} queries have a majority")
