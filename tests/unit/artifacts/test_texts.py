"""Text files that people write: what they are encoded in, and tables whose quotes do not fit."""

import csv
import io
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rgd.answers.formats.reading import json_document, json_lines, json_objects, json_rows, table_rows
from rgd.artifacts.texts import csv_records, encoding_fault, open_text, read_text
from rgd.datasets.tables import read_table_file
from rgd.errors import UserError
from rgd.tool.queries import read

TABLE = "question,label\nWo ist Käse?,A\nWas kostet Brot?,B\n"
LINES = '{"question": "Was kostet Brot?", "label": "A"}\n{"question": "Wo ist Käse?", "label": "B"}\n'
LIST = '[{"question": "Wo ist Käse?", "label": "B"}]'
READERS: list[tuple[str, str, Callable[[Path], Iterable[Any]]]] = [
    ("a.csv", TABLE, read_table_file),
    ("a.csv", TABLE, table_rows),
    ("a.csv", TABLE, read),
    ("a.tsv", TABLE.replace(",", "\t"), read_table_file),
    ("a.jsonl", LINES, read_table_file),
    ("a.jsonl", LINES, json_lines),
    ("a.jsonl", LINES, json_objects),
    ("a.jsonl", LINES, read),
    ("a.json", LIST, json_rows),
    ("a.json", LIST, json_document),
    ("a.json", LIST, read),
    ("a.txt", "Wo ist Käse?\n", read),
]


@pytest.mark.parametrize(("name", "text", "reader"), READERS)
@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("latin-1", ["0xe4", "ä", "Windows-1252"]),
        ("utf-16", ["UTF-16"]),
        ("utf-16-le", ["UTF-16"]),
        ("utf-16-be", ["UTF-16"]),
        ("utf-32", ["UTF-32"]),
    ],
)
def test_another_encoding_is_named_wherever_a_file_is_read(
    tmp_path: Path, name: str, text: str, reader: Callable[[Path], Iterable[Any]], encoding: str, said: list[str]
) -> None:
    file = tmp_path / name
    file.write_bytes(text.encode(encoding))
    with pytest.raises(UserError) as failure:
        list(reader(file))
    for word in [str(file), "UTF-8", *said]:
        assert word in str(failure.value)
    if encoding == "latin-1":
        line = text[: text.index("ä")].count("\n") + 1
        assert f"line {line}:" in str(failure.value)


@pytest.mark.parametrize(("name", "text", "reader"), READERS)
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_mark_and_the_form_of_line_ends_change_nothing(
    tmp_path: Path, name: str, text: str, reader: Callable[[Path], Iterable[Any]], ends: str
) -> None:
    plain, other = tmp_path / name, tmp_path / f"other{Path(name).suffix}"
    plain.write_bytes(text.encode())
    other.write_bytes(text.replace("\n", ends).encode("utf-8-sig"))
    assert list(reader(other)) == list(reader(plain))


@settings(deadline=None)
@given(content=st.binary(max_size=60))
def test_what_opens_is_what_python_decodes(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("texts") / "a.txt"
    file.write_bytes(content)
    try:
        found = read_text(file)
    except UserError:
        assert encoding_fault(file) is not None
        return
    # Python's decoder takes the beginning of a byte order mark alone for nothing.
    if content not in (b"\xef", b"\xef\xbb"):
        assert encoding_fault(file) is None
        assert found == content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")


@pytest.mark.parametrize("reader", [read_table_file, table_rows])
@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('question,label\n"Wo?,A\nWas?,B\nWer?,C\n', 2),
        ('question,label\nWo?,A\n"Was\nund wo?",B\n"Wer?,C\nWie?,D\n', 5),
        ('question,label\nWo?,A\n"Was "nun" hier?",B\n', 3),
        ("question,label\nWo?,A\nWas?,B,C\n", 3),
        ('question,"label\nWo?,A\n', 1),
    ],
)
def test_a_row_whose_quotes_or_cells_do_not_fit_is_named_by_its_line(
    tmp_path: Path, reader: Callable[[Path], Iterable[Any]], text: str, line: int
) -> None:
    file = tmp_path / "a.csv"
    file.write_text(text)
    with pytest.raises(UserError, match=rf"a\.csv, line {line}\b|a\.csv: line {line}\b"):
        list(reader(file))


@pytest.mark.parametrize("reader", [read_table_file, table_rows])
@pytest.mark.parametrize(("name", "separator"), [("a.csv", ";"), ("a.csv", "\t"), ("a.tsv", ","), ("a.tsv", ";")])
def test_another_separator_is_named(
    tmp_path: Path, reader: Callable[[Path], Iterable[Any]], name: str, separator: str
) -> None:
    file = tmp_path / name
    file.write_text(f"question{separator}label\nWo?{separator}A\n")
    with pytest.raises(UserError, match=f"{name}.*{ {';': 'semicolons', ',': 'commas', chr(9): 'tabs'}[separator] }"):
        list(reader(file))


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=8)


@settings(deadline=None)
@given(rows=st.lists(st.lists(CELLS, min_size=2, max_size=4), min_size=1, max_size=6))
def test_rows_are_read_as_they_were_written_with_their_lines(
    rows: list[list[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = io.StringIO(newline="")
    starts = []
    for row in rows:
        starts.append(text.getvalue().count("\n") + 1)
        csv.writer(text, lineterminator="\n").writerow(row)
    file = tmp_path_factory.mktemp("tables") / "a.csv"
    file.write_text(text.getvalue(), encoding="utf-8", newline="")
    with open_text(file) as opened:
        found = list(csv_records(file, opened))
    if rows[0][0].startswith("\ufeff"):
        return
    assert found == list(zip(starts, rows, strict=True))
