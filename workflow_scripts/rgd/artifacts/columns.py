"""Columns of tables as arrays: texts, the rows of given ids, their vectors."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from rgd.artifacts.files import read_table, read_vectors


def texts(column: pa.ChunkedArray) -> np.ndarray:
    """A column of strings as an object array (n,)."""
    return column.to_numpy(zero_copy_only=False)


def rows_in(query_ids: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The position in ``query_ids`` of every id in ``wanted``.

    Raises:
        ValueError: an id is missing or occurs twice.
    """
    position = {query_id: row for row, query_id in enumerate(query_ids.tolist())}
    if len(position) < len(query_ids):
        raise ValueError("an id occurs twice")
    missing = [query_id for query_id in wanted.tolist() if query_id not in position]
    if missing:
        raise ValueError(f"{len(missing)} ids are missing, the first of them {missing[0]}")
    return np.fromiter((position[query_id] for query_id in wanted.tolist()), dtype=np.int64, count=len(wanted))


def vectors_of(path: str | Path | None, query_ids: np.ndarray) -> np.ndarray:
    """The vectors (n, d) float32 of ``query_ids`` in a file with query_id and embedding; (n, 0) without a file."""
    if path is None:
        return np.empty((len(query_ids), 0), dtype=np.float32)
    embedded = texts(read_table(path, ["query_id"])["query_id"])
    place = np.full(len(embedded), -1)
    place[rows_in(embedded, query_ids)] = np.arange(len(query_ids))
    return read_vectors(path, place)
