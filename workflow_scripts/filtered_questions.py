"""Keep the queries of a generated set that tell the models of a pool apart, by the pool's consensus on all of them."""

import json

import pyarrow as pa

from _job import running
from rgd.artifacts import schemas
from rgd.artifacts.files import read_table, write_table
from rgd.generation.filtering import count_table, filter_queries
from rgd.routers import encode_answers
from rgd.routing.consensus import consensus
from rgd.routing.training import pool_answers, texts

LIBRARIES = ("numpy",)

with running(snakemake, LIBRARIES):
    settings, members = json.loads(snakemake.params.slice), json.loads(snakemake.params.members)
    questions = read_table(snakemake.input.questions)
    answers, confidence = pool_answers(
        [read_table(path, ["query_id", "answer", "confidence"]) for path in snakemake.input.responses]
    )
    codes, _ = encode_answers([answers[str(position)] for position in range(len(members))])
    found = consensus(codes, confidence, settings["vote_weight"], settings["min_votes"])
    filtered = filter_queries(codes, found, members)
    counts = count_table(texts(questions["task"]), filtered, members)
    write_table(snakemake.output.questions, questions.filter(pa.array(filtered.kept)), schemas.QUESTIONS)
    write_table(snakemake.output.counts, counts, schemas.FILTERING)
    best = " and ".join(members[position] for position in filtered.best)
    print(f"{filtered.kept.sum()} of {questions.num_rows} queries are kept; the best by mean consensus are {best}")
