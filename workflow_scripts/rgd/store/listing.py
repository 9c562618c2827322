"""The answers under one settings: listed once, updated file by file, searched in bulk."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rgd.errors import UserError
from rgd.store import chunks


class Listing:
    """The keys of all answers under one settings.

    Each file is opened once, however often the listing is refreshed: files never change, they only come and go.

    Args:
        folder: the settings' own folder; its answers come first.
        others: folders of settings that mean the same.
    """

    def __init__(self, folder: Path, others: Iterable[Path] = ()) -> None:
        self.folder = folder
        self._folders = [folder, *others]
        self._keys: dict[Path, pa.Table] = {}
        self.refresh()

    def refresh(self) -> pa.Table:
        """Add the files that are new, and drop those that a compaction has replaced.

        Returns:
            query_key and draw of the answers in the new files.

        Raises:
            UserError: a file is damaged.
        """
        come: dict[Path, pa.Table] = {}

        def attempt() -> pa.Table:
            files = [folder / name for folder in self._folders for name in chunks.names(folder)]
            for file in files:
                if file not in self._keys and file not in come:
                    come[file] = chunks.read(file, chunks.KEY_COLUMNS)
            self._keys = {file: come[file] if file in come else self._keys[file] for file in files}
            return _together([come[file] for file in files if file in come])

        return chunks.settled(attempt)

    def find(self, query_keys: Sequence[str], draws: Sequence[int] | None = None) -> pa.Array:
        """The row of each answer, counted over all files, folder by folder in the order of their names; null if there is none.

        If a draw of a query has several answers, the first counts.

        Args:
            query_keys: :attr:`rgd.engines.base.Request.query_key` of the n wanted queries.
            draws: the draw of each query; default: 0.

        Returns:
            (n,) int64.
        """
        wanted = _array(query_keys, pa.string())
        wanted_draws = _array(np.zeros(len(wanted), np.int32) if draws is None else draws, pa.int32())
        keys = self.table()
        # Filter by query first, so that the second lookup is small however many answers there are.
        is_near = pc.is_in(keys["query_key"], value_set=wanted)
        near, rows = keys.filter(is_near), np.flatnonzero(is_near.to_numpy())
        # index_in gives the first of equal values.
        places = pc.index_in(joined(wanted, wanted_draws), value_set=joined(near["query_key"], near["draw"]))
        return pa.array(rows, pa.int64()).take(places)

    def table(self) -> pa.Table:
        """query_key and draw of every answer, file by file."""
        return _together(self._keys.values())

    def read(
        self, query_keys: Sequence[str], draws: Sequence[int] | None = None, columns: Sequence[str] | None = None
    ) -> pa.Table:
        """The wanted answers, one row each in the same order; only the files that hold some of them are read.

        Args:
            query_keys: see :meth:`find`.
            draws: see :meth:`find`.
            columns: columns of :data:`rgd.store.chunks.FILE_SCHEMA`; default: those of SCHEMA.

        Raises:
            UserError: an answer is missing, or a file is damaged.
        """
        names = list(columns or chunks.SCHEMA.names)

        def attempt() -> pa.Table:
            try:
                return self._take(self._found(query_keys, draws), names)
            except OSError:
                self.refresh()
                raise

        return chunks.settled(attempt)

    def _found(self, query_keys: Sequence[str], draws: Sequence[int] | None) -> np.ndarray:
        rows = self.find(query_keys, draws)
        if rows.null_count:
            at = pc.index(rows.is_null(), True).as_py()
            first = f"{query_keys[at]}:{0 if draws is None else draws[at]}"
            raise UserError(
                f"{rows.null_count} of {len(rows)} answers are not in {self.folder} (the first: query and draw {first}): "
                "run the job that asks this model, which asks only for the missing ones."
            )
        return rows.to_numpy()

    def _take(self, rows: np.ndarray, columns: list[str]) -> pa.Table:
        """The answers at ``rows`` (n,) of :meth:`table`, in this order."""
        order = np.argsort(rows, kind="stable")
        paths = list(self._keys)
        ends = np.cumsum([len(keys) for keys in self._keys.values()])
        files = np.searchsorted(ends, rows[order], side="right")
        parts = [pa.schema([chunks.FILE_SCHEMA.field(name) for name in columns]).empty_table()]
        for file in np.unique(files):
            start = ends[file] - len(self._keys[paths[file]])
            parts.append(chunks.read(paths[file], columns, rows[order[files == file]] - start))
        back = np.empty(len(rows), np.int64)
        back[order] = np.arange(len(rows))
        return pa.concat_tables(parts).take(pa.array(back)).combine_chunks()


def joined(query_keys: pa.Array | pa.ChunkedArray, draws: pa.Array | pa.ChunkedArray) -> pa.Array:
    """``KEY:DRAW`` for each row."""
    names = pc.binary_join_element_wise(query_keys, draws.cast(pa.string()), ":")
    return names.combine_chunks() if isinstance(names, pa.ChunkedArray) else names


def _array(values: Any, kind: pa.DataType) -> pa.Array:
    return values if isinstance(values, pa.Array) else pa.array(values, kind)


def _together(tables: Iterable[pa.Table]) -> pa.Table:
    empty = pa.schema([chunks.SCHEMA.field(name) for name in chunks.KEY_COLUMNS]).empty_table()
    return pa.concat_tables([empty, *tables])
