"""Which generated queries tell models apart: the consensus filter of arXiv 2601.09692, section 4.3.3.

A query is kept if the two models of the pool with the best mean consensus both give the same majority answer, and at most
two other models give it too: the best agree, and the weaker ones differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from rgd.artifacts.columns import texts
from rgd.artifacts.files import from_matrix, read_table, read_vectors
from rgd.errors import UserError
from rgd.routers.base import rank_members
from rgd.routing.consensus import Consensus, vote_counts

BEST = 2
MOST_OTHERS = 2

KEPT = "kept"
NOT_MAJORITY = "best_not_in_majority"
DIFFERENT = "best_give_different_answers"
EASY = "too_many_agree"


@dataclass(frozen=True)
class Filtered:
    """The result for n queries: the two best members' positions in the pool, and an outcome for each query, (n,)."""

    best: tuple[int, int]
    outcome: np.ndarray

    @property
    def kept(self) -> np.ndarray:
        """(n,) bool."""
        return self.outcome == KEPT


def filter_queries(answers: np.ndarray, found: Consensus, members: Sequence[str]) -> Filtered:
    """Judge every query by the pool's answers to it.

    Args:
        answers: (n, M) int32 codes, -1 missing.
        found: the pool's consensus on these queries.
        members: the pool; ties in mean consensus are broken by name.
    """
    first, second = rank_members(found.scores.mean(axis=0), np.asarray(members))[:BEST].tolist()
    both = found.in_majority[:, first] & found.in_majority[:, second]
    same = answers[:, first] == answers[:, second]
    easy = vote_counts(answers)[:, first] > BEST + MOST_OTHERS
    outcome = np.select([~both, ~same, easy], [NOT_MAJORITY, DIFFERENT, EASY], default=KEPT)
    return Filtered((first, second), outcome)


def count_table(tasks: np.ndarray, filtered: Filtered, members: Sequence[str]) -> pa.Table:
    """The queries per task and outcome: the columns of schemas.FILTERING.

    Raises:
        UserError: no query is kept.
    """
    if not filtered.kept.any():
        found, numbers = np.unique(filtered.outcome, return_counts=True)
        outcomes = ", ".join(f"{name} {number}" for name, number in zip(found.tolist(), numbers.tolist(), strict=True))
        raise UserError(
            f"the filter keeps none of {len(tasks)} queries ({outcomes}). Generate more queries (generated_sizes in the "
            "dataset's file), or filter by another pool."
        )
    first, second = (members[position] for position in filtered.best)
    rows = [
        {"task": task, "outcome": outcome, "queries": int(number), "first": first, "second": second}
        for task in dict.fromkeys(tasks.tolist())
        for outcome, number in zip(*np.unique(filtered.outcome[tasks == task], return_counts=True), strict=True)
    ]
    return pa.Table.from_pylist(rows)


def rows_of_queries(path: str, columns: Sequence[str], vectors: str | None, query_ids: pa.ChunkedArray) -> pa.Table:
    """The rows of a file that belong to the given queries, in the file's order.

    Args:
        path: a Parquet file with a column query_id.
        columns: the columns to read, without ``vectors``.
        vectors: a column of vectors, of which only the kept rows are held in memory; None if there is none.
        query_ids: the queries.
    """
    table = read_table(path, list(columns))
    wanted = set(query_ids.to_pylist())
    kept = np.fromiter((name in wanted for name in texts(table["query_id"])), dtype=bool, count=table.num_rows)
    rows = table.filter(pa.array(kept))
    if vectors is None:
        return rows
    place = np.where(kept, np.cumsum(kept) - 1, -1)
    return rows.append_column(vectors, from_matrix(read_vectors(path, place, vectors)))
