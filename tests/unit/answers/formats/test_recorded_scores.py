"""Recorded scores in the place of answers: what is read, and what is refused."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rgd.answers.formats.recorded_scores import read_scores
from rgd.answers.pool import encode, scores_of
from rgd.artifacts import schemas
from rgd.errors import UserError

QUESTIONS = pa.table({"query_id": ["a", "b", "c"]})


def written(folder: Path, **columns: object) -> Path:
    path = folder / "m.parquet"
    pq.write_table(pa.table(columns), path)
    return path


@pytest.mark.parametrize(
    ("scores", "answers"),
    [
        ([0.25, 1.0, None], ["0.25", "1", None]),
        ([1 / 3, 1e-9, float("nan")], ["0.333333", "1e-09", None]),
        ([True, False, None], ["1", "0", None]),
        ([1, 0, 1], ["1", "0", "1"]),
        ([None, None, None], [None, None, None]),
    ],
)
def test_scores_are_answers_as_texts(tmp_path: Path, scores: list, answers: list) -> None:
    table, absent = read_scores(written(tmp_path, question_id=["a", "b", "c"], score=scores), QUESTIONS)
    assert table.schema == schemas.RESPONSES
    assert (table["answer"].to_pylist(), absent) == (answers, 0)
    codes, vocabulary = encode([table["answer"]])
    wanted = [0.0 if score is None or score != score else float(score) for score in scores]
    assert scores_of(codes, vocabulary)[:, 0].tolist() == pytest.approx(wanted, rel=1e-5)


def test_rows_come_in_the_questions_order_and_tokens_are_kept(tmp_path: Path) -> None:
    path = written(tmp_path, question_id=["c", "x", "a"], score=[0.5, 0.1, 1.0], completion_tokens=[5, 6, 7])
    table, absent = read_scores(path, QUESTIONS)
    assert table["answer"].to_pylist() == ["1", None, "0.5"]
    assert table["completion_tokens"].to_pylist() == [7, None, 5]
    assert absent == 1


@pytest.mark.parametrize(
    ("columns", "named"),
    [
        ({"question_id": ["a"], "answer": ["A"]}, "score"),
        ({"id": ["a"], "score": [1.0]}, "question_id"),
        ({"question_id": ["a"], "score": ["1"]}, "score"),
        ({"question_id": ["a"], "score": [1.5]}, "1.5"),
        ({"question_id": ["a"], "score": [-0.1]}, "-0.1"),
        ({"question_id": ["a"], "score": [float("inf")]}, "inf"),
        ({"question_id": ["a", "a"], "score": [1.0, 0.5]}, "question_id"),
        ({"question_id": ["z"], "score": [1.0]}, "questions"),
    ],
)
def test_a_file_that_cannot_be_is_one_message(tmp_path: Path, columns: dict[str, list], named: str) -> None:
    with pytest.raises(UserError, match=named):
        read_scores(written(tmp_path, **columns), QUESTIONS)
