"""Tabulate how well benchmark routing chooses one member for each task, by rule and by share of labelled queries."""

import itertools
import json

import numpy as np
import pandas as pd

from _job import running
from rgd.analysis.benchmark_routing import (
    NOTES,
    RightAnswers,
    benchmark_routing_for_people,
    benchmark_routing_rows,
    right_answers,
)
from rgd.analysis.writing import write_all
from rgd.artifacts.columns import texts, vectors_of
from rgd.artifacts.files import read_table
from rgd.datasets.splits import TEST, TRAIN, rows_of_part
from rgd.routing.training import has_scores

LIBRARIES = ("numpy", "pandas")

NOTE = (
    "Each task is routed by what the others teach; alpha is the share of its own training queries labelled and added. "
    "Over all test queries, mean ± standard deviation over splits; of the predictors, means over tasks and members. "
    "The true p and the oracle are read off the test labels: no routers. A true p need not choose better than an estimated one: "
    "it is the share of right predictions, and says nothing of how wrong the wrong ones make S2."
)

with running(snakemake, LIBRARIES):
    sizes = json.loads(snakemake.params.parameters_billion)
    responses = iter(snakemake.input.responses)
    frames = []
    for position, (dataset, members, pools) in enumerate(json.loads(snakemake.params.pools)):
        questions = read_table(snakemake.input.questions[position], ["query_id", "task", "answer_kind"])
        query_ids = texts(questions["query_id"])
        vectors = vectors_of(snakemake.input.embeddings[position], query_ids)
        labels = read_table(snakemake.input.labels[position])
        right = {
            member: right_answers(read_table(path, ["query_id", "answer"]), labels, query_ids, has_scores(questions))
            for member, path in zip(members, itertools.islice(responses, len(members)), strict=True)
        }
        answers = {
            pool: RightAnswers(
                tuple(keys),
                np.array([sizes[key] for key in keys], dtype=np.float64),
                np.column_stack([right[key] for key in keys]),
            )
            for pool, keys in pools.items()
        }
        splits = read_table(snakemake.input.splits[position])
        train, test = (rows_of_part(splits, query_ids, part) for part in (TRAIN, TEST))
        for seed in train:
            rows = benchmark_routing_rows(
                vectors,
                texts(questions["task"]).astype(np.str_),
                answers,
                train[seed],
                test[seed],
                seed,
                json.loads(snakemake.params.interval),
            )
            frame = pd.DataFrame(rows)
            frame.insert(0, "dataset", dataset)
            frames.append(frame)
    table = pd.concat(frames, ignore_index=True)
    people = benchmark_routing_for_people(table, json.loads(snakemake.params.titles))
    write_all(table, snakemake.output.parquet, people, f"{NOTE} {NOTES}")
