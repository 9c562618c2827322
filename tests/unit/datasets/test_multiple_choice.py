"""The adapter of any table with options: every form of options, labels and files, and what is told of a faulty one."""

import csv
import json
import unicodedata
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rgd.datasets.base import UNLISTED, Question, doubts, sound
from rgd.datasets.mirror import task_keys, task_name
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
        # A column with a gap is one of floats.
        ("index_from_0", [0.0, 1.0, 2.0]),
        ("index_from_1", ["1.0", "2.", "3.00"]),
        ("letter", ["(A)", ["B"], "[c]"]),
        ("letter", ["['A']", '["B"]', "C."]),
        ("text", [["red"], "green", "blue"]),
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
        ("index_from_0", 1.5, "label outside the options"),
        ("index_from_0", "1.0.0", "label outside the options"),
        ("index_from_0", True, "label outside the options"),
        ("index_from_0", float("nan"), "no label"),
        ("letter", ["A", "B"], "label outside the options"),
        ("letter", "(E)", "label outside the options"),
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
    assert [(fault.row, fault.query_id, fault.reason) for fault in found.unlisted] == [(1, "2", UNLISTED)]
    assert "other" in found.unlisted[0].detail


NFD = unicodedata.normalize("NFD", "Küche")


@pytest.mark.parametrize(
    ("names", "listed"),
    [
        (["Küche", "Auto"], ["Küche"]),
        ([NFD], ["Küche"]),
        (["Küche"], [NFD]),
        (["数学", "القانون", "कला"], ["数学", "القانون"]),
        (["C", "C++", "C#"], ["C", "C++", "C#"]),
        (["C", "C++", "C#"], ["C"]),
        (["C", "C++"], ["C++"]),
        (["C++", "Sums & more"], ["C", "Sums_more"]),
        (["I/O", "a.b", "two  spaces"], ["I/O", "a.b", "two_spaces"]),
        (["+++", "---"], ["+++", "---"]),
    ],
)
def test_tasks_of_any_name_stay_apart(tmp_path: Path, names: list[str], listed: list[str]) -> None:
    rows = [ROWS[0] | {"id": str(row), "task": f" {name}"} for row, name in enumerate(names * 2)]
    found = read(tmp_path, write(tmp_path / "mine.jsonl", rows), tuple(listed))
    assert [question.task for question in found] == listed * 2 == [task for task in listed * 2 if task]
    assert len(found.unlisted) == 2 * (len(names) - len(listed))
    assert len({names[int(question.query_id) % len(names)] for question in found}) == len(listed)


def test_a_key_that_two_names_have_is_neither(tmp_path: Path) -> None:
    rows = [ROWS[0] | {"id": str(row), "task": name} for row, name in enumerate(["C++", "C#"])]
    with pytest.raises(UserError, match=r"\bC\b.*C#.*C\+\+"):
        read(tmp_path, write(tmp_path / "mine.jsonl", rows), ("C",))


@given(st.lists(st.text("aA+# _-ä\u0308́", min_size=1, max_size=3), min_size=1, max_size=8), st.data())
def test_no_two_names_have_one_key(names: list[str], data: st.DataObject) -> None:
    listed = data.draw(st.lists(st.sampled_from(names), unique=True))
    found = task_keys(names, [task_name(name) for name in listed])
    spelled = {task_name(name): key for name, key in found.items()}
    assert len(set(spelled.values())) == len(spelled)
    assert all(found[name] == task_name(name) for name in listed)


def test_options_with_marks_of_their_own(tmp_path: Path) -> None:
    texts = ["red", "green", "blue"]
    forms = [
        {"text": texts, "label": ["1", "2", "3"]},
        {"text": texts, "label": [1, 2, 3]},
        {"text": texts, "label": ["A", "B", "C"]},
        [{"text": text, "label": mark} for text, mark in zip(texts, "123", strict=True)],
    ]
    for form, label in zip(forms, ["2", 2, "B", "2"], strict=True):
        for suffix in (".jsonl", ".csv", ".parquet"):
            cell = json.dumps(form) if suffix == ".csv" else form
            rows = [{"id": "1", "question": "Q?", "options": cell, "label": label, "task": "t"}]
            (found,) = read(tmp_path, write(tmp_path / f"mine{suffix}", rows), ("t",))
            assert (found.options, found.label) == (tuple(texts), "B")
    rows = [{"id": "1", "question": "Q?", "options": {"text": texts, "label": ["1"]}, "label": "1", "task": "t"}]
    with pytest.raises(UserError, match=r"mine\.jsonl, row 0.*options.* 3 .* 1 "):
        read(tmp_path, write(tmp_path / "mine.jsonl", rows), ("t",))
    rows = [{"id": "1", "question": "Q?", "options": forms[0], "label": "4", "task": "t"}]
    found = read(tmp_path, write(tmp_path / "mine.jsonl", rows), ("t",))
    assert [fault.reason for fault in sound(found)[1]] == ["label outside the options"]


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_a_byte_order_mark_is_no_part_of_a_table(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / write(tmp_path / f"mine{suffix}", ROWS)
    plain = read(tmp_path, file.name)
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert read(tmp_path, file.name) == plain


def test_a_column_with_gaps_has_whole_numbers_and_empty_cells(tmp_path: Path) -> None:
    rows = [ROWS[0] | {"id": 7.0, "task": 3.0}, ROWS[1] | {"id": float("nan"), "task": 3.0}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "mine.parquet")
    found = read(tmp_path, "mine.parquet", ("3",))
    assert [(question.query_id, question.task) for question in found] == [("7", "3"), ("", "3")]


def test_equal_questions_and_names_that_hardly_differ_are_doubtful(tmp_path: Path) -> None:
    rows = [ROWS[0] | {"id": str(row), "task": name} for row, name in enumerate(["t", "T", "t", "ｔ"])]
    found = read(tmp_path, write(tmp_path / "mine.jsonl", rows), ("t",))
    same, alike = doubts(found, found.names)
    assert "2 questions" in same
    assert all(repr(name) in alike for name in ("t", "T", "ｔ"))
    assert doubts(read(tmp_path, write(tmp_path / "other.jsonl", ROWS)), ["a", "b"]) == []


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
        ("mine.csv", b"id,question,options,label,task\n1,Q?,x,A,t,too,many\n", "mine.csv, line 2"),
        ("mine.csv", b"id,label\n\xff\xfe,A\n", "mine.csv, line 2.*UTF-8"),
        ("mine.xlsx", b"", r"mine\.xlsx .*\.xlsx.*\.parquet, \.jsonl, \.csv"),
        ("mine.csv", b"id,question,options,label,task\n1,Q?,x,A,Sums more\n", "mine.csv, row 0.*options.*'x'"),
        ("mine.csv", b"", r"mine\.csv .*\bid\b"),
        ("mine.csv", b"id,question,options,label,task\n", r"mine\.csv has no rows"),
        ("mine.parquet", b"", r"mine\.parquet"),
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
