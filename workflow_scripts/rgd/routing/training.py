"""From artifacts to what a router is fitted on and tested with."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rgd.artifacts.files import read_table, read_vectors
from rgd.routers import encode_answers
from rgd.routers.base import TrainingSet


def texts(column: pa.ChunkedArray) -> np.ndarray:
    """A column of strings as an object array (n,)."""
    return column.to_numpy(zero_copy_only=False)


def pool_answers(responses: Sequence[pa.Table]) -> tuple[pa.Table, np.ndarray]:
    """Put the members' responses to one query set side by side.

    Args:
        responses: one table a member, with query_id, answer and confidence.

    Returns:
        A table with query_id and one answer column a member (named 0, 1, …), and the confidences (n, M) float32, NaN
        where there is none.

    Raises:
        ValueError: the members answered different queries.
    """
    first = responses[0]["query_id"]
    for table in responses[1:]:
        if not table["query_id"].equals(first):
            raise ValueError("the members' responses are of different queries or in different orders")
    answers = {str(position): table["answer"] for position, table in enumerate(responses)}
    confidence = np.column_stack(
        [table["confidence"].to_numpy(zero_copy_only=False).astype(np.float32) for table in responses]
    )
    return pa.table({"query_id": first, **answers}), confidence


def rows_in(query_ids: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The position in ``query_ids`` of every id of ``wanted``.

    Raises:
        ValueError: an id is missing or occurs twice.
    """
    position = {query_id: row for row, query_id in enumerate(query_ids.tolist())}
    if len(position) < len(query_ids):
        raise ValueError("an id occurs twice")
    missing = [query_id for query_id in wanted.tolist() if query_id not in position]
    if missing:
        raise ValueError(f"{len(missing)} ids are not there, the first of them {missing[0]}")
    return np.fromiter((position[query_id] for query_id in wanted.tolist()), dtype=np.int64, count=len(wanted))


def training_sets(
    consensus: pa.Table,
    questions: pa.Table,
    embeddings: str | Path | None,
    members: Sequence[str],
    labels: pa.Table | None = None,
    answer_embeddings: str | Path | None = None,
    features: str | Path | None = None,
) -> Iterator[TrainingSet]:
    """One training set for every seed of a consensus artifact, read when its turn comes.

    Args:
        consensus: schemas.CONSENSUS: rows by seed, then member, then query.
        questions: query_id and task of the query set, and options for routers that count them.
        embeddings: file with query_id and embedding of the query set; None for routers that fit without them.
        members: the pool, in order.
        labels: query_id and label of the query set, for routers that need them.
        answer_embeddings: file with query_id, member and embedding of the query set, for routers that need them.
        features: file with query_id and embedding (of an LLM's features) of the query set, for routers that use them.
    """
    query_ids, tasks = texts(questions["query_id"]), texts(questions["task"])
    options = option_counts(questions)
    label_of = None
    if labels is not None:
        label_of = texts(labels["label"])[rows_in(texts(labels["query_id"]), query_ids)]
    seeds = consensus["seed"].to_numpy()
    for seed in dict.fromkeys(seeds.tolist()):
        part = consensus.filter(seeds == seed)
        n = part.num_rows // len(members)
        if texts(part["member"]).reshape(len(members), n)[:, 0].tolist() != list(members):
            raise ValueError(f"the consensus is of other members than {list(members)}")
        train_ids = texts(part["query_id"])[:n]
        rows = rows_in(query_ids, train_ids)
        answers = part["answer"].combine_chunks()
        columns: list = [answers.slice(position * n, n) for position in range(len(members))]
        if label_of is not None:
            columns.append(pa.array(label_of[rows].tolist(), pa.string()))
        codes, _ = encode_answers(columns)
        yield TrainingSet(
            query_ids=train_ids.astype(np.str_),
            tasks=tasks[rows].astype(np.str_),
            embeddings=vectors_of(embeddings, train_ids),
            members=tuple(members),
            answers=np.ascontiguousarray(codes[:, : len(members)]),
            confidence=part["confidence"].to_numpy(zero_copy_only=False).reshape(len(members), n).T.astype(np.float32),
            labels=None if label_of is None else codes[:, -1],
            answer_embeddings=None
            if answer_embeddings is None
            else AnswerVectors(answer_embeddings, train_ids, members),
            features=None if features is None else vectors_of(features, train_ids),
            options=None if options is None else options[rows],
            seed=seed,
        )


def option_counts(questions: pa.Table) -> np.ndarray | None:
    """How many options each query has, int64 (n,), 0 where it has none; None where the table does not tell."""
    if "options" not in questions.column_names:
        return None
    counts = pc.fill_null(pc.list_value_length(questions["options"]), 0)
    return counts.to_numpy(zero_copy_only=False).astype(np.int64)


def vectors_of(path: str | Path | None, query_ids: np.ndarray) -> np.ndarray:
    """The vectors (n, d) float32 of ``query_ids`` in a file with query_id and embedding; (n, 0) without a file."""
    if path is None:
        return np.empty((len(query_ids), 0), dtype=np.float32)
    embedded = texts(read_table(path, ["query_id"])["query_id"])
    place = np.full(len(embedded), -1)
    place[rows_in(embedded, query_ids)] = np.arange(len(query_ids))
    return read_vectors(path, place)


def training_ids(consensus: pa.Table) -> dict[int, np.ndarray]:
    """For every seed of a consensus artifact (seed, query_id, member), the ids of its training rows, in order."""
    first = consensus.filter(pc.equal(consensus["member"], consensus["member"][0]))
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
