"""From routes and labels to the rows of a cell: the one place where test labels are read."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rgd import references
from rgd.consensus import normalise, usable_confidence, z_scores
from rgd.routers import encode_answers
from rgd.statistics import accuracy_interval
from rgd.training import rows_in, texts

ORACLE, RANDOM = "oracle", "random"
RANDOM_SIZES = (1, 3)


def labels_and_tasks(labels: pa.Table, questions: pa.Table, query_ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Label and task of every query, (n,) each, as strings."""
    label = texts(labels["label"])[rows_in(texts(labels["query_id"]), query_ids)]
    task = texts(questions["task"])[rows_in(texts(questions["query_id"]), query_ids)]
    return label, task


def score_routes(
    routes: pa.Table, labels: pa.Table, questions: pa.Table, cell: Mapping[str, str], interval: Mapping[str, Any]
) -> pa.Table:
    """The rows of a router's cell: one for each variant and seed.

    Args:
        routes: schemas.routes.
        labels: query_id and label of the benchmark.
        questions: query_id and task of the benchmark, whose tasks are the strata of the interval.
        cell: dataset, scenario, pool, router, family.
        interval: level, draws and seed of the bootstrap.

    Returns:
        A table with the columns of schemas.CELLS.
    """
    rows = []
    seeds = routes["seed"].to_numpy()
    variants = [name.removeprefix("answer_") for name in routes.column_names if name.startswith("answer_")]
    for seed in dict.fromkeys(seeds.tolist()):
        part = routes.filter(seeds == seed)
        label, task = labels_and_tasks(labels, questions, texts(part["query_id"]))
        for variant in variants:
            answer = part[f"answer_{variant}"]
            # A missing answer is null, and null is never equal to a label.
            correct = pc.fill_null(pc.equal(answer, pa.chunked_array([pa.array(label)])), False).to_numpy()
            calls = float(pc.mean(pc.list_value_length(part[f"asked_{variant}"])).as_py())
            rows.append(_row(cell, variant, seed, correct, task, answer.null_count, calls, interval))
    return pa.Table.from_pylist(rows)


def score_reference(
    reference: str,
    answers: pa.Table,
    confidence: np.ndarray,
    train: Mapping[int, np.ndarray],
    test: Mapping[int, np.ndarray],
    labels: pa.Table,
    questions: pa.Table,
    cell: Mapping[str, str],
    interval: Mapping[str, Any],
) -> pa.Table:
    """The rows of Oracle or of Random, exact, from the pool's answers.

    Args:
        reference: ``oracle`` or ``random``.
        answers: query_id and one answer column a member, as :func:`rgd.training.pool_answers` gives them.
        confidence: (n, M) float32.
        train: the training rows of every seed: their confidences decide the z of a vote.
        test: the test rows of every seed.
        labels: query_id and label of the benchmark.
        questions: query_id and task of the benchmark.
        cell: dataset, scenario, pool, router, family.
        interval: level, draws and seed of the bootstrap.
    """
    query_ids = texts(answers["query_id"])
    label, task = labels_and_tasks(labels, questions, query_ids)
    columns = [answers[name] for name in answers.column_names if name != "query_id"]
    codes, _ = encode_answers([*columns, pa.array(label)])
    given, truth = codes[:, :-1], codes[:, -1]
    usable = usable_confidence(given, confidence)
    rows = []
    for seed, chosen in test.items():
        z = z_scores(usable[chosen], *normalise(usable[train[seed]]))
        for variant, correct, calls in _reference_variants(reference, given[chosen], truth[chosen], z):
            missing = int((given[chosen] < 0).all(axis=1).sum())
            rows.append(_row(cell, variant, seed, correct, task[chosen], missing, calls, interval))
    return pa.Table.from_pylist(rows)


def _reference_variants(
    reference: str, answers: np.ndarray, labels: np.ndarray, z: np.ndarray
) -> Iterator[tuple[str, np.ndarray, float]]:
    if reference == ORACLE:
        yield ORACLE, references.oracle(answers, labels), float(answers.shape[1])
    elif reference == RANDOM:
        for size in RANDOM_SIZES:
            asked = float(min(size, answers.shape[1]))
            yield f"random{size}", references.random_vote(answers, labels, size, z), asked
    else:
        raise ValueError(f"unknown reference {reference}")


def _row(
    cell: Mapping[str, str],
    variant: str,
    seed: int,
    correct: np.ndarray,
    task: np.ndarray,
    missing: int,
    calls: float,
    interval: Mapping[str, Any],
) -> dict[str, Any]:
    found = accuracy_interval(correct, task, interval["seed"], interval["draws"], interval["level"])
    return {
        **cell,
        "variant": variant,
        "seed": seed,
        "n_queries": len(correct),
        "accuracy": found.estimate,
        "ci_low": found.low,
        "ci_high": found.high,
        "missing_answers": missing,
        "calls_per_query": calls,
    }
