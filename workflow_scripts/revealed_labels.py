"""Reveal the labels that a router asked for: the dataset's, or those that a person gave."""

import json
from pathlib import Path

import pyarrow as pa

from _job import running
from rgd.answers.equality import equality_of, labels_as_given
from rgd.artifacts import schemas
from rgd.artifacts.columns import texts
from rgd.artifacts.files import read_table, write_table
from rgd.datasets.given_labels import asked_of, read_given
from rgd.routing.revealing import revealed
from rgd.routing.training import training_ids

LIBRARIES = ("math-verify", "latex2sympy2-extended", "sympy")

with running(snakemake, LIBRARIES):
    asked = read_table(snakemake.input.queries)
    training = read_table(snakemake.input.training, ["seed", "query_id", "member", "answer"])
    questions = asked_of(read_table(snakemake.input.questions))
    labels = snakemake.input.get("labels")
    known = {}
    if labels is not None:
        table = read_table(labels)
        known = dict(zip(table["query_id"].to_pylist(), table["label"].to_pylist(), strict=True))
    given, others = read_given(Path(snakemake.resources.given), questions)
    if others:
        print(f"{others} labels in {snakemake.resources.given} are of queries that are not in this query set")
    settings = json.loads(snakemake.params.slice)
    if "answer_kind" in settings:
        answers = {query: [] for query in given}
        for query, answer in zip(training["query_id"].to_pylist(), training["answer"].to_pylist(), strict=True):
            if query in answers and answer is not None:
                answers[query].append(answer)
        given = labels_as_given(given, answers, snakemake.threads, equal=equality_of(settings))
    rows = []
    for seed, trained in training_ids(training).items():
        wanted = texts(asked.filter(asked["seed"].to_numpy() == seed)["query_id"]).tolist()
        found = revealed(wanted, known, given, trained.tolist(), settings["labels"])
        rows += [{"seed": seed, **label._asdict()} for label in found]
        by_person = sum(label.given for label in found)
        print(f"seed {seed}: {len(found)} of {len(wanted)} labels are there, {by_person} of them given by a person")
    write_table(snakemake.output.labels, pa.Table.from_pylist(rows, schemas.REVEALED_LABELS), schemas.REVEALED_LABELS)
