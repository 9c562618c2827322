"""From artifacts to what a router is fitted on and tested with."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rgd.answers.kinds import SCORE
from rgd.answers.pool import PoolAnswers, pool_answers, scores_of
from rgd.artifacts.columns import rows_in, texts, vectors_of
from rgd.artifacts.files import read_table, read_vectors
from rgd.routers.base import Labelled, TrainingSet


def training_table(answers: PoolAnswers, rows_of: Mapping[int, np.ndarray], members: Sequence[str]) -> pa.Table:
    """The training sets of all seeds as a table (schemas.TRAINING_SETS): rows by seed, then member, then query.

    Args:
        answers: the pool's answers to the query set of a scenario.
        rows_of: for each seed the queries that train.
        members: the pool, in order.
    """
    parts = []
    for seed, rows in rows_of.items():
        chosen = answers.of(rows)
        for position, member in enumerate(members):
            parts.append(
                pa.table(
                    {
                        "seed": np.full(len(rows), seed, dtype=np.int32),
                        "query_id": pa.array(chosen.query_ids),
                        "member": pa.array([member] * len(rows), pa.string()),
                        "answer": pa.array(chosen.texts(chosen.codes[:, position]), pa.string()),
                        "confidence": pa.array(chosen.confidence[:, position], pa.float32()),
                    }
                )
            )
    return pa.concat_tables(parts)


def answers_of_seeds(
    training: pa.Table, members: Sequence[str], labels: pa.Table | None = None
) -> dict[int, PoolAnswers]:
    """The pool's answers to the training queries of each seed.

    Args:
        training: schemas.TRAINING_SETS.
        members: the pool, in order.
        labels: query_id and label of the query set, for what learns from them.

    Raises:
        ValueError: the table is of other members.
    """
    seeds = training["seed"].to_numpy()
    found = {}
    for seed in dict.fromkeys(seeds.tolist()):
        part = training.filter(seeds == seed)
        n = part.num_rows // len(members)
        if texts(part["member"]).reshape(len(members), n)[:, 0].tolist() != list(members):
            raise ValueError(f"the training sets are of other members than {list(members)}")
        label_of = None
        if labels is not None:
            rows = rows_in(texts(labels["query_id"]), texts(part["query_id"])[:n])
            label_of = texts(labels["label"])[rows]
        found[seed] = pool_answers([part.slice(position * n, n) for position in range(len(members))], label_of)
    return found


def few_labels(answers: PoolAnswers, revealed: pa.Table) -> Labelled:
    """The labels of some training queries of one seed.

    Args:
        answers: the pool's answers to the seed's training queries.
        revealed: query_id and label of the queries that have one.

    Raises:
        ValueError: a label is of a query that does not train.
    """
    rows = rows_in(answers.query_ids, texts(revealed["query_id"]))
    place = {text: code for code, text in enumerate(answers.vocabulary)}
    # A label that no member gave to any query is equal to none of their answers.
    codes = [place.get(label, len(place)) for label in revealed["label"].to_pylist()]
    order = np.argsort(rows, kind="stable")
    return Labelled(rows[order].astype(np.int64), np.array(codes, dtype=np.int32)[order])


def training_sets(
    training: pa.Table,
    questions: pa.Table,
    embeddings: str | Path | None,
    members: Sequence[str],
    labels: pa.Table | None = None,
    answer_embeddings: str | Path | None = None,
    features: str | Path | None = None,
    revealed: pa.Table | None = None,
) -> Iterator[TrainingSet]:
    """One training set for every seed, read when its turn comes.

    Args:
        training: schemas.TRAINING_SETS: rows by seed, then member, then query.
        questions: query_id, task and answer_kind of the query set, and options for routers that count them.
        embeddings: file with query_id and embedding of the query set; None for routers that fit without them.
        members: the pool, in order.
        labels: query_id and label of the query set, for routers that need them.
        answer_embeddings: file with query_id, member and embedding of the query set, for routers that need them.
        features: file with query_id and embedding (of an LLM's features) of the query set, for routers that use them.
        revealed: schemas.REVEALED_LABELS, for routers that ask for labels.
    """
    query_ids, tasks = texts(questions["query_id"]), texts(questions["task"])
    options, is_scored = option_counts(questions), has_scores(questions)
    for seed, answers in answers_of_seeds(training, members, labels).items():
        rows = rows_in(query_ids, answers.query_ids)
        yield TrainingSet(
            query_ids=answers.query_ids.astype(np.str_),
            tasks=tasks[rows].astype(np.str_),
            embeddings=vectors_of(embeddings, answers.query_ids),
            members=tuple(members),
            answers=answers.codes,
            confidence=answers.confidence,
            labels=answers.labels,
            correctness=scores_of(answers.codes, answers.vocabulary) if is_scored and labels is not None else None,
            answer_embeddings=None
            if answer_embeddings is None
            else AnswerVectors(answer_embeddings, answers.query_ids, members),
            features=None if features is None else vectors_of(features, answers.query_ids),
            options=None if options is None else options[rows],
            labelled=None
            if revealed is None
            else few_labels(answers, revealed.filter(pc.equal(revealed["seed"], seed))),
            seed=seed,
        )


def has_scores(questions: pa.Table) -> bool:
    """Whether the answers to the questions are scores; the column answer_kind says so."""
    return (
        "answer_kind" in questions.column_names and len(questions) > 0 and questions["answer_kind"][0].as_py() == SCORE
    )


def option_counts(questions: pa.Table) -> np.ndarray | None:
    """How many options each query has, int64 (n,), 0 where it has none; None where the table does not tell."""
    if "options" not in questions.column_names:
        return None
    counts = pc.fill_null(pc.list_value_length(questions["options"]), 0)
    return counts.to_numpy(zero_copy_only=False).astype(np.int64)


def training_ids(training: pa.Table) -> dict[int, np.ndarray]:
    """For every seed of the training sets (seed, query_id, member) the ids of its queries, in order."""
    first = training.filter(pc.equal(training["member"], training["member"][0]))
    seeds = first["seed"].to_numpy()
    return {seed: texts(first["query_id"])[seeds == seed] for seed in dict.fromkeys(seeds.tolist())}


class AnswerVectors:
    """Answer embeddings (n, M, e) float32 of n queries and M members, which are read when a slice of queries is taken.

    They are M times as many as the queries' own, and all at once would be most of a job's memory.

    Args:
        path: file with query_id, member and embedding; slices read least where it is in the order of the queries.
        query_ids: (n,) the queries, in order.
        members: the M members, in order.
    """

    def __init__(self, path: str | Path, query_ids: np.ndarray, members: Sequence[str]) -> None:
        table = read_table(path, ["query_id", "member"])
        embedded, owner = texts(table["query_id"]), texts(table["member"])
        rows = []
        for member in members:
            mine = np.flatnonzero(owner == member)
            rows.append(mine[rows_in(embedded[mine], query_ids)])
        self.path, self.rows, self.rows_in_file = path, np.stack(rows, axis=1), len(owner)
        self.shape = (*self.rows.shape, self[:0].shape[2])

    def __getitem__(self, queries: slice) -> np.ndarray:
        rows = self.rows[queries]
        place = np.full(self.rows_in_file, -1)
        place[rows] = np.arange(rows.size).reshape(rows.shape)
        vectors = read_vectors(self.path, place)
        return vectors.reshape(*rows.shape, vectors.shape[1])
