"""The consensus filter: on cases worked out by hand, and what it leaves of files."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rgd.artifacts import schemas
from rgd.artifacts.files import from_matrix, write_table
from rgd.errors import UserError
from rgd.generation.filtering import count_table, filter_queries, rows_of_queries
from rgd.routing.consensus import consensus

MEMBERS = ("a", "b", "c", "d", "e", "f")
NO_CONFIDENCE = np.nan
# Members b and e agree with the majority most often. Columns: a to f.
ANSWERS = np.array(
    [
        [0, 1, 2, 3, 1, 4],  # the best two alone
        [1, 1, 2, 3, 1, 1],  # with two others
        [1, 1, 1, 3, 1, 1],  # with three others: too easy
        [0, 1, 0, 0, 1, 2],  # the best agree with each other, against the majority
        [0, 0, 0, 1, 1, 1],  # a tie between what the best say
        [2, 3, 2, 4, -1, 5],  # one of the best gave no answer
        [5, 1, 2, 3, 1, 4],
        [0, 1, 2, 3, 1, 4],
        [0, 1, 2, 3, 1, 4],
    ],
    dtype=np.int32,
)
OUTCOMES = [
    "kept",
    "kept",
    "too_many_agree",
    "best_not_in_majority",
    "best_give_different_answers",
    "best_not_in_majority",
    "kept",
    "kept",
    "kept",
]


def filtered(answers: np.ndarray = ANSWERS, members: tuple[str, ...] = MEMBERS):
    found = consensus(answers, np.full(answers.shape, NO_CONFIDENCE))
    return filter_queries(answers, found, members)


def test_kept_is_what_the_best_two_agree_on_and_few_others_do() -> None:
    result = filtered()
    assert [MEMBERS[member] for member in result.best] == ["b", "e"]
    assert result.outcome.tolist() == OUTCOMES


def test_the_order_of_the_pool_changes_nothing() -> None:
    order = [3, 4, 0, 5, 1, 2]
    members = tuple(MEMBERS[member] for member in order)
    result = filtered(ANSWERS[:, order], members)
    assert [members[member] for member in result.best] == ["b", "e"]
    assert result.outcome.tolist() == OUTCOMES


def test_counts_are_of_each_task_and_sum_to_its_queries() -> None:
    tasks = np.array(["x", "x", "x", "x", "y", "y", "y", "y", "y"], dtype=object)
    table = count_table(tasks, filtered(), MEMBERS).cast(schemas.FILTERING).to_pylist()
    assert {(row["task"], row["outcome"]): row["queries"] for row in table} == {
        ("x", "kept"): 2,
        ("x", "too_many_agree"): 1,
        ("x", "best_not_in_majority"): 1,
        ("y", "best_give_different_answers"): 1,
        ("y", "best_not_in_majority"): 1,
        ("y", "kept"): 3,
    }
    assert {(row["first"], row["second"]) for row in table} == {("b", "e")}


def test_a_filter_that_keeps_nothing_says_why() -> None:
    answers = np.ones((3, 6), dtype=np.int32)
    with pytest.raises(UserError, match=r"\(too_many_agree 3\).*generated_sizes"):
        count_table(np.array(["x"] * 3, dtype=object), filtered(answers), MEMBERS)


@pytest.mark.parametrize("vectors", ["embedding", None])
def test_rows_of_the_queries_that_are_kept_are_those_of_the_file(tmp_path: Path, vectors: str | None) -> None:
    query_ids = pa.array([f"q{number % 40}" for number in range(120)])
    matrix = np.arange(120 * 3, dtype=np.float32).reshape(120, 3)
    table = pa.table({"query_id": query_ids, "member": [f"m{number // 40}" for number in range(120)]})
    schema = pa.schema([("query_id", pa.string()), ("member", pa.string())])
    if vectors:
        table = table.append_column(vectors, from_matrix(matrix))
        schema = schemas.answer_embeddings(3)
    path = str(tmp_path / "file.parquet")
    write_table(path, table, schema)
    kept = ["q3", "q39", "q0"]
    found = rows_of_queries(path, ["query_id", "member"], vectors, pa.chunked_array([kept]))
    expected = table.filter(pa.array([name in kept for name in query_ids.to_pylist()]))
    assert found.cast(schema).equals(pq.read_table(path).filter(pa.array([n in kept for n in query_ids.to_pylist()])))
    assert found["member"].to_pylist() == expected["member"].to_pylist()
    assert found.num_rows == 9
