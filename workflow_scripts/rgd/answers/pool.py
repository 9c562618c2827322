"""The answers of a pool's members to the same queries, as numbers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rgd.artifacts.columns import texts

COLUMNS = ["query_id", "answer", "confidence"]
"""The columns that are read from a member's responses."""


@dataclass(frozen=True)
class PoolAnswers:
    """The answers of M members to n queries.

    Attributes:
        query_ids: (n,) object.
        codes: (n, M) int32, the index of each answer in the vocabulary; -1 if there is none.
        confidence: (n, M) float32, NaN if there is none.
        vocabulary: all given answers and all labels, sorted.
        labels: (n,) int32 codes of the right answers; None if they are not known.
    """

    query_ids: np.ndarray
    codes: np.ndarray
    confidence: np.ndarray
    vocabulary: tuple[str, ...]
    labels: np.ndarray | None = None

    def of(self, rows: np.ndarray) -> "PoolAnswers":
        """The answers to the queries at ``rows``."""
        labels = None if self.labels is None else self.labels[rows]
        return PoolAnswers(self.query_ids[rows], self.codes[rows], self.confidence[rows], self.vocabulary, labels)

    def texts(self, codes: np.ndarray) -> list[str | None]:
        """The answers for (n,) codes; None if there is none."""
        return decode(codes, self.vocabulary)


def pool_answers(responses: Sequence[pa.Table], labels: np.ndarray | None = None) -> PoolAnswers:
    """Combine the members' responses to one query set.

    Args:
        responses: for each member a table with COLUMNS.
        labels: (n,) the right answers, in the order of the responses.

    Raises:
        ValueError: the members answered different queries.
    """
    first = responses[0]["query_id"]
    for table in responses[1:]:
        if not table["query_id"].equals(first):
            raise ValueError("the members' responses are of different queries or in different orders")
    columns = [table["answer"] for table in responses]
    codes, vocabulary = encode(columns if labels is None else [*columns, pa.array(labels.tolist(), pa.string())])
    confidence = [table["confidence"].to_numpy(zero_copy_only=False).astype(np.float32) for table in responses]
    return PoolAnswers(
        texts(first),
        np.ascontiguousarray(codes[:, : len(responses)]),
        np.column_stack(confidence),
        vocabulary,
        None if labels is None else codes[:, -1],
    )


def encode(columns: Sequence[Iterable[str | None]]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Answers as numbers over one vocabulary.

    Args:
        columns: columns of n strings each, None if missing (lists, numpy or arrow arrays): the members' answers, and the
            labels if there are any.

    Returns:
        codes (n, len(columns)) int32, -1 if missing, and the vocabulary with which :func:`decode` reads them.
    """
    arrays = [column if isinstance(column, pa.Array | pa.ChunkedArray) else pa.array(column) for column in columns]
    chunks = [chunk for array in arrays for chunk in (array.chunks if isinstance(array, pa.ChunkedArray) else [array])]
    everything = pa.chunked_array([chunk.cast(pa.string()) for chunk in chunks], type=pa.string())
    vocabulary = sorted(value for value in pc.unique(everything).to_pylist() if value is not None)
    codes = pc.fill_null(pc.index_in(everything, value_set=pa.array(vocabulary, pa.string())), -1)
    matrix = codes.to_numpy().astype(np.int32).reshape(len(arrays), -1)
    return np.ascontiguousarray(matrix.T), tuple(vocabulary)


def scores_of(codes: np.ndarray, vocabulary: Sequence[str]) -> np.ndarray:
    """The scores that answers of the kind ``score`` are: float64 of the shape of ``codes``, 0 where one is missing."""
    values = np.array([*map(float, vocabulary), 0.0])
    return values[codes]


def decode(codes: np.ndarray, vocabulary: Sequence[str]) -> list[str | None]:
    """The answers for (n,) codes; None if missing."""
    return [vocabulary[code] if code >= 0 else None for code in codes.tolist()]
