"""The leak check on texts and vectors of which the answer is known."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from rgd.analysis.leaks import ids_of_test_parts, leak_rows, leak_table, leaked_pairs, leaks_for_people, repeated
from rgd.artifacts import schemas
from rgd.datasets.splits import split

TEST = ["t0", "t1", "t2"]
TEST_QUESTIONS = ["What is 3 + 2?", "Which bone is the longest?", "what is  3 + 2"]


def unit(vectors: list[list[float]]) -> np.ndarray:
    array = np.array(vectors, dtype=np.float32)
    return array / np.linalg.norm(array, axis=1, keepdims=True)


def rows(
    within: bool = False, texts: tuple[str, ...] = ("WHAT IS 3 + 2", "What is 3 - 2?", "Name a bone.")
) -> pa.Table:
    vectors = unit([[1, 0, 0], [1, 0.1, 0], [0, 0.2, 1]])
    tested = unit([[1, 0, 0], [0, 1, 0], [1, 0, 0]])
    return leak_rows(["a", "b", "c"], texts, vectors, TEST, TEST_QUESTIONS, tested, within).cast(schemas.LEAKS)


def test_the_same_text_in_another_writing_is_a_repeat() -> None:
    assert repeated(["what is 3 + 2", "What is 3 - 2?", "bone"], TEST_QUESTIONS) == [0, -1, -1]


def test_a_description_repeats_a_question_that_stands_in_it() -> None:
    text = "The task asks, for instance: which bone is the longest? The answer is a name."
    assert repeated([text, "Which bone"], TEST_QUESTIONS, within=True) == [1, -1]
    assert repeated([text], TEST_QUESTIONS) == [-1]


def test_every_text_has_its_most_similar_test_question() -> None:
    found = rows().to_pylist()
    assert [row["repeats"] for row in found] == ["t0", None, None]
    assert [row["nearest"] for row in found] == ["t0", "t0", "t1"]
    expected = [1.0, 1 / np.sqrt(1.01), 0.2 / np.sqrt(1.04)]
    assert [row["similarity"] for row in found] == pytest.approx(expected, abs=1e-6)


def test_counts_and_list_agree_at_every_threshold() -> None:
    found = {("quiz", "strong"): rows()}
    texts = {("quiz", "strong"): {"a": "WHAT IS 3 + 2", "b": "What is 3 - 2?", "c": "Name a bone."}}
    for threshold, near in ((0.99, 1), (0.999, 0), (0.1, 2)):
        table = leak_table(found, {"quiz": 3}, threshold).iloc[0]
        assert (table["n_texts"], table["exact"], table["near"]) == (3, 1, near)
        pairs = leaked_pairs(found, texts, {"quiz": dict(zip(TEST, TEST_QUESTIONS, strict=True))}, threshold)
        assert pairs["kind"].tolist() == ["exact"] + ["near"] * near
        assert pairs["similarity"].iloc[1:].is_monotonic_decreasing
        assert pairs.iloc[0][["query_id", "test_query_id", "test_text"]].tolist() == ["a", "t0", "What is 3 + 2?"]


def test_only_test_parts_count_of_all_splits() -> None:
    ids = np.array([f"q{row}" for row in range(20)], dtype=object)
    splits = split(ids, np.array(["task"] * 20), [0, 1], 0.6, 2).cast(schemas.SPLITS)
    frame = splits.to_pandas()
    tested = set(frame.loc[frame["part"] == "test", "query_id"])
    assert set(ids_of_test_parts(splits)) == tested
    assert 7 < len(tested) < 19


def test_the_table_of_people_names_what_is_checked() -> None:
    table = leak_table({("quiz", "strong"): rows()}, {"quiz": 3}, 0.9)
    shown = leaks_for_people(table, {"scenario": {"strong": "Strong"}})["quiz"]
    assert shown.iloc[0][["texts of", "exact", "near", "highest similarity"]].tolist() == ["Strong", 1, 1, "1.000"]
    assert isinstance(shown, pd.DataFrame)
