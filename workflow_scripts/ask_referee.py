"""Ask a referee, several times each, what the store lacks of a query set and of the other existing sets it judges."""

import json

from _asking import fill_query_sets
from _job import running
from rgd.answers.requests import referee_requests
from rgd.artifacts.files import read_table, write_json
from rgd.store.answers import AnswerSettings

with running(snakemake):
    settings, draws = AnswerSettings.from_mapping(json.loads(snakemake.params.settings)), snakemake.params.draws
    answers = fill_query_sets(
        snakemake,
        settings,
        snakemake.wildcards.member,
        lambda path: referee_requests(read_table(path), settings.prompt, draws),
    )
    write_json(snakemake.output.asked, {"settings": settings.key, "answers": answers})
