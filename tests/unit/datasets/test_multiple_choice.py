"""The adapter of any table with options: every form of options, labels and files, and what is told of a faulty one."""

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rgd.datasets.base import Question, sound
from rgd.datasets.multiple_choice import questions
from rgd.errors import UserError

COLUMNS = {
    "id": "id",
    "question": "question",
    "options": "options",
    "label": "label",
    "label_form": "letter",
    "task": "task",
    "part": None,
}
ROWS = [
    {"id": 7, "question": "What is 1 + 1?", "options": ["1", "2", "3"], "label": "B", "task": "Sums & more"},
    {"id": 9, "question": "What is 3 + 3?", "options": ["6", "7"], "label": "a", "task": "Sums & more"},
]


def read(
    folder: Path, file: str, tasks: tuple[str, ...] = ("Sums_more",), rows: int | None = None, **columns: Any
) -> list[Question]:
    return questions(
        {"source": {"file": file, "rows": rows, "columns": COLUMNS | columns}, "tasks": list(tasks)}, folder
    )


def write(path: Path, rows: list[dict[str, Any]]) -> str:
    """The rows in the format of the path's suffix; lists stand in a CSV as JSON, None as an empty cell."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n\n" for row in rows))
    else:
        with path.open("w", newline="") as file:
            table = csv.DictWriter(file, list(rows[0]))
            table.writeheader()
            table.writerows(
                {name: json.dumps(cell) if isinstance(cell, list) else cell for name, cell in row.items()}
                for row in rows
            )
    return path.name


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".csv"])
def test_a_table_is_the_same_in_every_format(tmp_path: Path, suffix: str) -> None:
    found = read(tmp_path, write(tmp_path / f"mine{suffix}", ROWS))
    assert found == [
        Question("7", "Sums_more", "What is 1 + 1?", ("1", "2", "3"), "letter", "B"),
        Question("9", "Sums_more", "What is 3 + 3?", ("6", "7"), "letter", "A"),
    ]
    assert read(tmp_path, f"mine{suffix}", rows=1) == found[:1]


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".csv"])
def test_options_in_columns_of_which_the_last_may_be_empty(tmp_path: Path, suffix: str) -> None:
    rows = [
        {"id": "x", "question": "Q?", "a": "1", "b": "2", "c": "3", "label": "C", "task": "t"},
        {"id": "y", "question": "Q?", "a": "1", "b": "2", "c": None, "label": "B", "task": "t"},
        {"id": "z", "question": "Q?", "a": "1", "b": None, "c": "3", "label": "A", "task": "t"},
    ]
    found = read(tmp_path, write(tmp_path / f"mine{suffix}", rows), ("t",), options=["a", "b", "c"])
    assert [question.options for question in found] == [("1", "2", "3"), ("1", "2"), ("1", "", "3")]
    kept, dropped = sound(found)
    assert [question.query_id for question in kept] == ["x", "y"]
    assert [(fault.query_id, fault.reason) for fault in dropped] == [("z", "empty option")]


@pytest.mark.parametrize(
    ("form", "labels"),
    [
        ("letter", ["A", "b ", "C"]),
        ("index_from_0", [0, 1, 2]),
        ("index_from_1", [1, 2, 3]),
        ("index_from_0", ["0", "1", " 2"]),
        ("text", ["red", " green", "blue"]),
    ],
)
def test_every_form_of_label(tmp_path: Path, form: str, labels: list[Any]) -> None:
    rows = [
        {"id": str(row), "question": "Q?", "options": ["red", "green ", "blue"], "label": label, "task": "t"}
        for row, label in enumerate(labels)
    ]
    found = read(tmp_path, write(tmp_path / "mine.jsonl", rows), ("t",), label_form=form)
    assert [question.label for question in found] == ["A", "B", "C"]


@pytest.mark.parametrize(
    ("form", "label", "reason"),
    [
        ("letter", "D", "label outside the options"),
        ("letter", None, "no label"),
        ("letter", "", "no label"),
        ("letter", "AB", "label outside the options"),
        ("index_from_0", 3, "label outside the options"),
        ("index_from_0", -1, "label outside the options"),
        ("index_from_1", 0, "label outside the options"),
        ("index_from_1", "one", "label outside the options"),
        ("index_from_0", 1.0, "label outside the options"),
        ("index_from_0", 10**9, "label outside the options"),
        ("text", "Red", "label outside the options"),
    ],
)
def test_a_label_that_names_no_option_is_a_fault(tmp_path: Path, form: str, label: Any, reason: str) -> None:
    rows = [{"id": "1", "question": "Q?", "options": ["red", "green", "blue"], "label": label, "task": "t"}]
    _, dropped = sound(read(tmp_path, write(tmp_path / "mine.jsonl", rows), ("t",), label_form=form))
    assert [fault.reason for fault in dropped] == [reason]


def test_a_text_that_two_options_have_names_neither(tmp_path: Path) -> None:
    rows = [{"id": "1", "question": "Q?", "options": ["red", "red "], "label": "red", "task": "t"}]
    found = read(tmp_path, write(tmp_path / "mine.jsonl", rows), ("t",), label_form="text")
    assert [fault.reason for fault in sound(found, ["repeated_option"])[1]] == ["label outside the options"]


def test_ids_tasks_and_parts_of_the_files_names(tmp_path: Path) -> None:
    for task in ("a", "b"):
        for part in ("train", "test"):
            write(
                tmp_path / task / f"{part}.jsonl",
                [{"question": f"{task} {part}?", "options": ["x", "y"], "label": "A"}],
            )
    found = read(tmp_path, "{task}/{part}.jsonl", ("a", "b"), id=None, task=None)
    assert [(question.query_id, question.task, question.part) for question in found] == [
        ("a-train-00000", "a", "train"),
        ("a-test-00000", "a", "test"),
        ("b-train-00000", "b", "train"),
        ("b-test-00000", "b", "test"),
    ]


def test_a_column_of_parts_and_a_dataset_of_one_task(tmp_path: Path) -> None:
    rows = [
        {"question": f"{row}?", "options": ["x", "y"], "label": "A", "split": part}
        for row, part in enumerate(["train", "test", "dev"])
    ]
    found = read(tmp_path, write(tmp_path / "mine.jsonl", rows), ("only",), id=None, task=None, part="split")
    assert [(question.query_id, question.task, question.part) for question in found] == [
        ("row-00000", "only", "train"),
        ("row-00001", "only", "test"),
        ("row-00002", "only", "dev"),
    ]
    assert [fault.reason for fault in sound(found)[1]] == ["unknown part"]


def test_rows_of_other_tasks_are_left_out_and_rows_without_one_are_faulty(tmp_path: Path) -> None:
    rows = [
        ROWS[0] | {"id": name, "task": task} for name, task in (("1", "t"), ("2", "other"), ("3", None), ("4", " "))
    ]
    found = read(tmp_path, write(tmp_path / "mine.jsonl", rows), ("t",))
    assert [question.query_id for question in found] == ["1", "3", "4"]
    assert [fault.reason for fault in sound(found)[1]] == ["empty task", "empty task"]


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".csv"])
def test_a_missing_column_names_the_nearest(tmp_path: Path, suffix: str) -> None:
    file = write(tmp_path / f"mine{suffix}", ROWS)
    with pytest.raises(UserError, match=r"\blable\b.*\blabel\b.*source\.columns"):
        read(tmp_path, file, label="lable")
    with pytest.raises(UserError, match=r"\bzzz\b.*id, question, options, label, task"):
        read(tmp_path, file, label="zzz")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("mine.parquet", b"PAR1 no", "mine.parquet .*parquet"),
        ("mine.jsonl", b'{"id": 1}\n{"id"', "mine.jsonl .*line 2"),
        ("mine.jsonl", b"[1]\n", "mine.jsonl .*line 1"),
        ("mine.csv", b"id,question,options,label,task\n1,Q?,x,A,t,too,many\n", "mine.csv .*line 2"),
        ("mine.csv", b"id,label\n\xff\xfe,A\n", "mine.csv .*csv"),
        ("mine.xlsx", b"", r"mine\.xlsx .*\.xlsx.*\.parquet, \.jsonl, \.csv"),
        ("mine.csv", b"id,question,options,label,task\n1,Q?,x,A,Sums more\n", "mine.csv, row 0.*options.*'x'"),
        ("mine.csv", b"", r"mine\.csv .*\bid\b"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_message(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        read(tmp_path, name)


def test_an_absent_file_and_an_absent_task(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"mine\.csv .*source\.file"):
        read(tmp_path, "mine.csv")
    file = write(tmp_path / "mine.csv", ROWS)
    with pytest.raises(UserError, match=r"\bsums\b.*\['Sums_more'\]"):
        read(tmp_path, file, ("sums",))
    with pytest.raises(UserError, match=r"multiple_choice.*source"):
        questions({"source": {"columns": COLUMNS}, "tasks": ["t"]}, None)
