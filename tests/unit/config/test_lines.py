"""The lines of a YAML file where keys and items stand."""

from pathlib import Path

import pytest

from rgd.config.lines import line_of, line_of_text

TEXT = """# A comment.
title: A title
parameters:
  k.max: 5 # a key with a dot
  k:
    max: 6
members: [a, b]
others:
  - c
  - d
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "one.yaml"
    path.write_text(TEXT)
    return path


@pytest.mark.parametrize(
    ("key", "item", "line"),
    [
        ("title", None, 2),
        ("parameters", None, 3),
        ("parameters.k.max", None, 4),
        ("parameters.k", None, 5),
        ("members", None, 7),
        ("members", "b", 7),
        ("others", "d", 10),
        ("others", "e", None),
        ("absent", None, None),
        ("title.absent", None, None),
        ("parameters.k.min", None, None),
        ("title", "a", None),
    ],
)
def test_a_key_stands_where_it_is_written(file: Path, key: str, item: str | None, line: int | None) -> None:
    assert line_of(file, key, item) == line


def test_a_file_that_cannot_be_read_has_no_lines(tmp_path: Path) -> None:
    assert line_of(tmp_path / "absent.yaml", "title") is None
    broken = tmp_path / "broken.yaml"
    broken.write_text("title: [")
    assert line_of(broken, "title") is None


def test_a_line_of_a_prompt_is_found_past_the_blank_lines_that_do_not_count(tmp_path: Path) -> None:
    file = tmp_path / "prompt.txt"
    file.write_bytes(b"\xef\xbb\xbf\r\n[User]\r\n\r\n  Once.\r\n\r\nOnce.\r\n")
    assert line_of_text(file, ["[user]"]) == 2
    assert line_of_text(file, ["[user]", "Once."]) == 4
    assert line_of_text(file, ["[user]", "Once.", ""]) == 5
    assert line_of_text(file, ["[user]", "Once.", "", "Once."]) == 6
    assert line_of_text(file, ["[user]", "Twice."]) is None
    assert line_of_text(tmp_path / "absent.txt", ["[user]"]) is None
