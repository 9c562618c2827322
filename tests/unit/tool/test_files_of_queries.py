"""Files of queries for ``rgd route --file``, in every form that people have them in."""

import json
from pathlib import Path

import pytest

from rgd.errors import UserError
from rgd.tool.queries import read

ROWS = [{"question": "How hot is tea?"}, {"question": "How cold is ice?"}]
MARK = "\ufeff"
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("q.json", json.dumps(ROWS, indent=2)),
        ("q.json", MARK + json.dumps(ROWS)),
        ("q.json", LINES),
        ("q.jsonl", MARK + LINES),
        ("q.csv", MARK + "question\n" + "\n".join(row["question"] for row in ROWS)),
        ("q.txt", MARK + "\n".join(row["question"] for row in ROWS)),
        ("q", LINES),
    ],
)
def test_a_file_gives_its_questions_and_nothing_else(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert [query.question for query in read(tmp_path / name)] == [row["question"] for row in ROWS]


@pytest.mark.parametrize(
    ("name", "content"),
    [("q.tsv", "id\tquestion\n1\tHow?\n"), ("q.json", '["How?"]'), ("q.json", '[{"question"'), ("q.xlsx", "PK")],
)
def test_another_file_is_one_message(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=name):
        list(read(tmp_path / name))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("q.csv", "id,qestion\n1,How?\n", "line 1: .*qestion"),
        ("q.jsonl", '{"qestion": "How?"}\n', "row 1: .*qestion"),
        ("q.csv", 'id,question\n1,How?\n2," "\n', "row 2: .*' '"),
        ("q.json", '[{"question": "How?"}, {"question": null}]', "entry 1: .*None"),
    ],
)
def test_a_missing_column_is_another_fault_than_an_empty_cell(
    name: str, content: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=f"{name}, {said}"):
        list(read(tmp_path / name))
