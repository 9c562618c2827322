"""Tabulate how well the nearest training queries choose a member for each query, on recorded and on planted scores."""

import itertools
import json

import numpy as np
import pandas as pd

from _job import running
from rgd.analysis.benchmark_routing import right_answers
from rgd.analysis.instance_routing import NOTE, PLANTED, instance_rows, instances_for_people, planted_rows
from rgd.analysis.writing import write_all
from rgd.artifacts.columns import texts, vectors_of
from rgd.artifacts.files import read_table
from rgd.datasets.splits import TEST, TRAIN, rows_of_part
from rgd.routing.training import has_scores

LIBRARIES = ("numpy", "pandas")

with running(snakemake, LIBRARIES):
    interval = json.loads(snakemake.params.interval)
    responses = iter(snakemake.input.responses)
    rows = []
    for position, (dataset, members, pools) in enumerate(json.loads(snakemake.params.pools)):
        questions = read_table(snakemake.input.questions[position], ["query_id", "task", "answer_kind"])
        query_ids, tasks = texts(questions["query_id"]), texts(questions["task"]).astype(np.str_)
        vectors = vectors_of(snakemake.input.embeddings[position], query_ids)
        labels = read_table(snakemake.input.labels[position])
        right = {
            member: right_answers(read_table(path, ["query_id", "answer"]), labels, query_ids, has_scores(questions))
            for member, path in zip(members, itertools.islice(responses, len(members)), strict=True)
        }
        splits = read_table(snakemake.input.splits[position])
        train, test = (rows_of_part(splits, query_ids, part) for part in (TRAIN, TEST))
        for seed, (pool, keys) in itertools.product(train, pools.items()):
            scores = np.column_stack([right[key] for key in keys])
            found = instance_rows(vectors, tasks, scores, keys, train[seed], test[seed], seed, interval)
            rows += [{"dataset": dataset, "pool": pool, **row} for row in found]
    for seed in json.loads(snakemake.params.seeds):
        rows += [{"dataset": PLANTED, "pool": "", **row} for row in planted_rows(seed, interval)]
    table = pd.DataFrame(rows)
    people = instances_for_people(table, json.loads(snakemake.params.titles))
    write_all(table, snakemake.output.parquet, people, NOTE)
