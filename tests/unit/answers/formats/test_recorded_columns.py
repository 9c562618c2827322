"""Columns of recorded files: every type that a writer may choose is read where it is plain, and else is one message."""

import csv
import datetime
import json
import uuid
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rgd.answers.formats.recorded import read_embeddings, read_responses
from rgd.answers.formats.recorded_columns import row_count
from rgd.answers.formats.recorded_scores import read_scores
from rgd.artifacts import schemas
from rgd.errors import UserError

IDS = ["1", "2", "3", "4"]
QUESTIONS = pa.table({"query_id": IDS, "options": [["red", "green", "blue", "grey"]] * 4})
GOOD: dict[str, Any] = {"question_id": IDS, "answer": list("ABCD"), "score": [1.0, 0.5, 0.0, None]}


def written(path: Path, columns: dict[str, Any]) -> Path:
    """A file with these columns, in the form that its name says."""
    if path.suffix == ".parquet":
        pq.write_table(pa.table(columns), path)
    elif path.suffix in (".jsonl", ".ndjson"):
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        with path.open("w", newline="") as file:
            writer = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writerow(columns)
            writer.writerows(zip(*columns.values(), strict=True))
    return path


def letters(path: Path) -> str:
    return "".join(answer or "-" for answer in read_responses(path, QUESTIONS)[0]["answer"].to_pylist())


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".tsv", ".jsonl", ".ndjson"])
def test_every_form_is_read(suffix: str, tmp_path: Path) -> None:
    columns = GOOD | {"text": ["a, b", 'c "d"', "e\nf", None], "confidence": [0.5, None, 1.0, 0.25]}
    path = written(tmp_path / f"m{suffix}", columns | {"completion_tokens": [5, 6, None, 8], "else": [None] * 4})
    table, absent, outside = read_responses(path, QUESTIONS)
    assert table.schema == schemas.RESPONSES
    assert (letters(path), absent, outside, row_count(path)) == ("ABCD", 0, 0, 4)
    assert table["text"].to_pylist() == columns["text"]
    assert table["confidence"].to_pylist() == [0.5, None, 1.0, 0.25]
    assert table["completion_tokens"].to_pylist() == [5, 6, None, 8]
    assert read_scores(path, QUESTIONS)[0]["answer"].to_pylist() == ["1", "0.5", "0", None]


OF_IDS: dict[str, Any] = {
    "integers": [1, 2, 3, 4],
    "floats": [1.0, 2.0, 3.0, 4.0],
    "decimals": pa.array([Decimal("1.00"), Decimal("2.00"), Decimal("3.00"), Decimal("4.00")]),
    "a dictionary": pa.array(IDS).dictionary_encode(),
    "a dictionary of integers": pa.array([1, 2, 3, 4]).dictionary_encode(),
    "views": pa.array(IDS, pa.string_view()),
    "large strings": pa.array(IDS, pa.large_string()),
    "a dictionary of large strings": pa.array(IDS, pa.large_string()).dictionary_encode(),
    "bytes": pa.array([text.encode() for text in IDS]),
    "lists of one": [[text] for text in IDS],
    "unsigned": pa.array([1, 2, 3, 4], pa.uint8()),
}


@pytest.mark.parametrize("name", list(OF_IDS))
def test_ids_are_read_in_every_plain_type(name: str, tmp_path: Path) -> None:
    assert letters(written(tmp_path / "m.parquet", GOOD | {"question_id": OF_IDS[name]})) == "ABCD"


PLAIN: dict[str, tuple[Any, list[float | None]]] = {
    "float16": (pa.array([0.5, 1.0, 0.0, None], pa.float16()), [0.5, 1.0, 0.0, None]),
    "decimals": (pa.array([Decimal("0.50"), Decimal("1.00"), Decimal("0.00"), None]), [0.5, 1.0, 0.0, None]),
    "truth": ([True, False, None, True], [1.0, 0.0, None, 1.0]),
    "whole": ([1, 0, None, 1], [1.0, 0.0, None, 1.0]),
    "not a number": ([float("nan"), 1.0, 0.0, 0.25], [None, 1.0, 0.0, 0.25]),
    "a dictionary": (pa.array([0.5, 1.0, 0.5, None]).dictionary_encode(), [0.5, 1.0, 0.5, None]),
    "lists of one": ([[0.5], [1.0], [], None], [0.5, 1.0, None, None]),
    "nothing": ([None] * 4, [None] * 4),
}


@pytest.mark.parametrize("name", list(PLAIN))
@pytest.mark.parametrize("column", ["score", "confidence"])
def test_numbers_are_read_in_every_plain_type(name: str, column: str, tmp_path: Path) -> None:
    given_, wanted = PLAIN[name]
    path = written(tmp_path / "m.parquet", GOOD | {column: given_})
    if column == "score":
        texts = [None if value is None else f"{value:g}" for value in wanted]
        assert read_scores(path, QUESTIONS)[0]["answer"].to_pylist() == texts
    else:
        assert read_responses(path, QUESTIONS)[0]["confidence"].to_pylist() == wanted


@pytest.mark.parametrize(
    "tokens", [[5.0, 6.0, float("nan"), 8.0], ["5", "6", "", "8"], pa.array([5, 6, None, 8], pa.int64())]
)
def test_counts_are_whole_numbers_in_any_type(tokens: Any, tmp_path: Path) -> None:
    path = written(tmp_path / "m.parquet", GOOD | {"prompt_tokens": tokens})
    assert read_responses(path, QUESTIONS)[0]["prompt_tokens"].to_pylist() == [5, 6, None, 8]


MOMENTS = pa.array([datetime.datetime(2026, 1, day, tzinfo=datetime.UTC) for day in range(1, 5)])
BAD: dict[str, tuple[str, Any]] = {
    "an id is missing": ("question_id", ["1", None, "3", "4"]),
    "all ids are missing": ("question_id", [None] * 4),
    "lists of ids": ("question_id", [["1", "2"], ["2"], ["3"], ["4"]]),
    "structures of ids": ("question_id", [{"id": text} for text in IDS]),
    "bytes that are no text": ("question_id", [b"\xff\xfe", b"2", b"3", b"4"]),
    "structures of answers": ("answer", [{"letter": letter} for letter in "ABCD"]),
    "structures of texts": ("text", [{"role": "assistant"}] * 4),
    "words in the place of confidences": ("confidence", ["high", "low", "low", "low"]),
    "lists of confidences": ("confidence", [[0.1, 0.2]] * 4),
    "structures of confidences": ("confidence", [{"p": 0.1}] * 4),
    "moments in the place of confidences": ("confidence", MOMENTS),
    "parts of tokens": ("prompt_tokens", [0.5, 1.0, 1.0, 1.0]),
    "fewer than no tokens": ("completion_tokens", [-1, 1, 1, 1]),
    "too many tokens": ("completion_tokens", [2**40, 1, 1, 1]),
    "endless tokens": ("completion_tokens", [float("inf"), 1, 1, 1]),
    "words in the place of tokens": ("prompt_tokens", ["many", "2", "3", "4"]),
}


@pytest.mark.parametrize("name", list(BAD))
def test_what_is_not_plain_is_one_message_with_file_and_column(name: str, tmp_path: Path) -> None:
    column, values = BAD[name]
    with pytest.raises(UserError, match=rf"m\.parquet.*\b{column}\b"):
        read_responses(written(tmp_path / "m.parquet", GOOD | {column: values}), QUESTIONS)


@pytest.mark.parametrize("scores", [["1", "0", "1", "0"], [{"acc": 1.0}] * 4, [[1.0, 0.0]] * 4, MOMENTS])
def test_scores_that_are_no_numbers_are_one_message(scores: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"m\.parquet.*\bscore\b"):
        read_scores(written(tmp_path / "m.parquet", GOOD | {"score": scores}), QUESTIONS)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
@pytest.mark.parametrize("column", ["question_id", "confidence", "completion_tokens"])
def test_other_forms_name_file_and_column_too(suffix: str, column: str, tmp_path: Path) -> None:
    values = [""] * 4 if suffix == ".csv" and column == "question_id" else [None, {"a": 1}, "x y", [1, 2]]
    with pytest.raises(UserError, match=rf"m\{suffix}.*\b{column}\b"):
        read_responses(written(tmp_path / f"m{suffix}", GOOD | {column: values}), QUESTIONS)


def test_a_missing_or_repeated_column_is_named(tmp_path: Path) -> None:
    for column in ("question_id", "answer"):
        rest = {name: values for name, values in GOOD.items() if name != column}
        for suffix in (".parquet", ".csv", ".jsonl"):
            with pytest.raises(UserError, match=rf"m\{suffix}.*\b{column}\b"):
                read_responses(written(tmp_path / f"m{suffix}", rest), QUESTIONS)
    twice = pa.Table.from_arrays(
        [pa.array(IDS), pa.array(list("ABCD")), pa.array(list("ABCD"))], ["question_id", "answer", "answer"]
    )
    pq.write_table(twice, tmp_path / "m.parquet")
    with pytest.raises(UserError, match=r"m\.parquet.*\banswer\b"):
        read_responses(tmp_path / "m.parquet", QUESTIONS)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1 and no more", b"\x00\xff" * 50])
@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_a_broken_file_is_one_message(content: bytes, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"m{suffix}"
    path.write_bytes(content)
    with pytest.raises(UserError, match=rf"m\{suffix}"):
        read_responses(path, QUESTIONS)


def test_a_bad_column_that_is_not_used_does_not_matter(tmp_path: Path) -> None:
    columns = {"score": ["high"] * 4, "cost": [{"a": 1}] * 4, "latency": MOMENTS}
    assert letters(written(tmp_path / "m.parquet", GOOD | columns)) == "ABCD"


@pytest.mark.parametrize(
    "vectors",
    [
        [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0]],
        [[1.0, 0.0], [0.0, None], [1.0, 1.0], [1.0, 2.0]],
        [[1.0, 0.0], None, [1.0, 1.0], [1.0, 2.0]],
        ["[1, 2]"] * 4,
        [1.0, 2.0, 3.0, 4.0],
        [["a", "b"]] * 4,
        [{"x": 1.0}] * 4,
        [[[1.0], [2.0]]] * 4,
        [None] * 4,
        [[]] * 4,
    ],
)
def test_embeddings_that_are_no_vectors_are_one_message(vectors: Any, tmp_path: Path) -> None:
    path = written(tmp_path / "e.parquet", {"question_id": IDS, "embedding": vectors})
    with pytest.raises(UserError, match=r"e\.parquet"):
        read_embeddings(path, QUESTIONS["query_id"], 2)


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.float64()), pa.large_list(pa.float32()), pa.list_(pa.float16(), 2), pa.list_(pa.int32())]
)
def test_embeddings_are_read_in_every_plain_type(kind: pa.DataType, tmp_path: Path) -> None:
    path = written(tmp_path / "e.parquet", {"question_id": [1, 2, 3, 4], "embedding": pa.array([[1, 0]] * 4, kind)})
    assert read_embeddings(path, QUESTIONS["query_id"], 2)["embedding"].to_pylist() == [[1.0, 0.0]] * 4


def said_of(read: Callable[[Path, pa.Table], object], path: Path) -> str:
    """The name of the file if a message names it, "" if the file is read."""
    try:
        read(path, QUESTIONS)
    except UserError as error:
        return path.name if path.name in str(error) else str(error)
    return ""


CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(max_size=5),
    st.binary(max_size=4),
    st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-999, max_value=999),
    st.datetimes(),
    st.timedeltas(),
    st.uuids().map(lambda value: value.bytes),
)
SHAPES: list[Callable[[Any], Any]] = [
    lambda value: value,
    lambda value: [value],
    lambda value: [value, value],
    lambda value: {"a": value},
    lambda value: [[value]],
]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    column=st.sampled_from(["question_id", "answer", "text", "confidence", "prompt_tokens", "score", "embedding"]),
    values=st.lists(CELLS, min_size=4, max_size=4),
    shape=st.sampled_from(SHAPES),
    is_encoded=st.booleans(),
)
def test_no_column_ends_in_a_traceback(
    column: str, values: list[Any], shape: Callable[[Any], Any], is_encoded: bool, tmp_path: Path
) -> None:
    try:
        array = pa.array([shape(value) for value in values])
        array = array.dictionary_encode() if is_encoded else array
        path = written(tmp_path / "m.parquet", GOOD | {"embedding": [[1.0, 0.0]] * 4} | {column: array})
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return
    for read in (read_responses, read_scores, lambda path, of: read_embeddings(path, of["query_id"], 2)):
        assert said_of(read, path) in ("", "m.parquet")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.dictionaries(
            st.sampled_from(["question_id", "answer", "text", "confidence", "prompt_tokens", "score"]),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
                lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
                max_leaves=3,
            ),
        ),
        max_size=5,
    )
)
def test_no_mixed_objects_end_in_a_traceback(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for read in (read_responses, read_scores):
        assert said_of(read, path) in ("", "m.jsonl")


def test_ids_of_other_sorts_are_their_texts(tmp_path: Path) -> None:
    ids = [uuid.UUID(int=number) for number in range(4)]
    questions = pa.table({"query_id": [str(each) for each in ids], "options": [["a", "b", "c", "d"]] * 4})
    path = written(tmp_path / "m.parquet", GOOD | {"question_id": [str(each) for each in ids]})
    assert read_responses(path, questions)[1] == 0
