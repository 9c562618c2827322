"""Route the test queries with a fitted router. No label is read here."""

import json

import numpy as np
import pyarrow as pa

from _job import running
from rgd.answers.pool import COLUMNS, pool_answers
from rgd.artifacts import schemas
from rgd.artifacts.columns import rows_in, texts, vectors_of
from rgd.artifacts.files import list_matrix, read_table, write_table
from rgd.routers import load, make, restore, route
from rgd.routers.base import TestQueries
from rgd.routing.training import has_scores, option_counts, training_ids

LIBRARIES = ("numpy",)

with running(snakemake, LIBRARIES):
    settings, members = json.loads(snakemake.params.slice), json.loads(snakemake.params.members)
    routers = restore(
        read_table(snakemake.input.router),
        lambda: make(settings["method"], settings["parameters"], settings["variants"] or None, settings["aggregate"]),
    )
    answers = pool_answers([read_table(path, COLUMNS) for path in snakemake.input.responses])
    kind = load(settings["method"])
    declared = {"task": kind.needs_test_tasks, "options": kind.counts_options}
    questions = read_table(
        snakemake.input.questions, ["query_id", "answer_kind", *(name for name in declared if declared[name])]
    )
    options, is_scored = option_counts(questions), has_scores(questions)
    if texts(questions["query_id"]).tolist() != answers.query_ids.tolist():
        raise ValueError("questions and responses have different orders")
    features, training = snakemake.input.get("features"), snakemake.input.get("training_embeddings")
    if training:
        ids_of_training = training_ids(read_table(snakemake.input.training, ["seed", "query_id", "member"]))
    neighbours = read_table(snakemake.input.neighbours, ["seed", "query_id", "training_rows"])
    names = np.array(members, dtype=object)
    parts = []
    for seed, router in routers.items():
        part = neighbours.filter(neighbours["seed"].to_numpy() == seed)
        query_ids = texts(part["query_id"])
        rows = rows_in(answers.query_ids, query_ids)
        queries = TestQueries(
            query_ids=query_ids,
            embeddings=vectors_of(snakemake.input.embeddings if router.ranks_by_embeddings else None, query_ids),
            neighbours=list_matrix(part["training_rows"]),
            tasks=texts(questions["task"])[rows].astype(np.str_) if kind.needs_test_tasks else None,
            features=vectors_of(features, query_ids) if features else None,
            training_embeddings=vectors_of(training, ids_of_training[seed]) if training else None,
            options=None if options is None else options[rows],
        )
        chosen = answers.of(rows)
        found = route(router, queries, chosen.codes, chosen.confidence)
        # Scores cannot be voted on: only variants that ask one member have an answer.
        variants = [name for name, asked in found.asked.items() if not is_scored or asked.shape[1] == 1]
        columns = {
            "seed": np.full(len(rows), seed, dtype=np.int32),
            "query_id": pa.array(query_ids),
            "ranking": pa.array(names[found.ranking].tolist(), schemas.STRINGS),
        }
        for variant in variants:
            columns[f"answer_{variant}"] = pa.array(chosen.texts(found.answers[variant]), pa.string())
            asked = found.asked[variant]
            listed = [names[row[row >= 0]].tolist() for row in asked] if (asked < 0).any() else names[asked].tolist()
            columns[f"asked_{variant}"] = pa.array(listed, schemas.STRINGS)
        parts.append(pa.table(columns))
        for remark in found.remarks:
            print(f"seed {seed}: {remark}")
    write_table(snakemake.output.routes, pa.concat_tables(parts), schemas.routes(variants))
