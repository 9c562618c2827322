"""Keep the queries of a generated set that tell a pool's members apart, by the pool's consensus on the whole set."""

import json

import pyarrow as pa

from _job import running
from rgd.answers.pool import COLUMNS, pool_answers
from rgd.artifacts import schemas
from rgd.artifacts.columns import texts
from rgd.artifacts.files import read_table, write_table
from rgd.generation.filtering import count_table, filter_queries
from rgd.routing.consensus import consensus

LIBRARIES = ("numpy",)

with running(snakemake, LIBRARIES):
    settings, members = json.loads(snakemake.params.slice), json.loads(snakemake.params.members)
    questions = read_table(snakemake.input.questions)
    answers = pool_answers([read_table(path, COLUMNS) for path in snakemake.input.responses])
    found = consensus(answers.codes, answers.confidence, settings["vote_weight"], settings["min_votes"])
    filtered = filter_queries(answers.codes, found, members)
    counts = count_table(texts(questions["task"]), filtered, members)
    write_table(snakemake.output.questions, questions.filter(pa.array(filtered.kept)), schemas.QUESTIONS)
    write_table(snakemake.output.counts, counts, schemas.FILTERING)
    best = " and ".join(members[position] for position in filtered.best)
    print(f"{filtered.kept.sum()} of {questions.num_rows} queries kept; the best members by mean consensus are {best}")
