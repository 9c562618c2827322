"""Labels that a person gave: reading what people write, and keeping all that is in the file."""

import csv
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rgd.datasets.given_labels import Asked, label_of, read_given, write_given
from rgd.errors import UserError

CITIES = Asked("q1", "Which city?", ("Paris", "Rome", "The Hague"), "letter")
NUMBERS = Asked("q2", "How many?", ("2", "3", "4"), "letter")
YES = Asked("q3", "Is it?", ("Yes", "No"), "yes_no")
VALUE = Asked("q4", "How much?", (), "number")
WORDS = Asked("q5", "Who?", (), "text")


@pytest.mark.parametrize(
    ("text", "query", "label"),
    [
        *[(text, CITIES, "B") for text in ("B", "b", " b) ", "(B)", "B.", "Rome", "rome", " ROME ", "2")],
        *[(text, CITIES, None) for text in ("", "D", "4", "0", "Berlin", "AB", "-1", "²")],
        # Where options are numbers, a number is an option's text.
        *[(text, NUMBERS, label) for text, label in (("2", "A"), ("4", "C"), ("1", None), ("c", "C"))],
        *[
            (text, YES, label)
            for text, label in (("yes", "A"), ("No", "B"), ("A", "A"), ("true", "A"), ("maybe", None))
        ],
        *[(text, VALUE, label) for text, label in (("12.5", "12.5"), (" 1/2 ", "1/2"), ("many", None))],
        *[(text, WORDS, label) for text, label in (("Ada  Lovelace ", "Ada Lovelace"), ("q", "q"), (" ", None))],
    ],
)
def test_what_people_write_is_read(text: str, query: Asked, label: str | None) -> None:
    assert label_of(text, query) == label


def test_of_two_equal_options_the_text_names_none() -> None:
    assert label_of("same", Asked("q", "?", ("same", "same"), "letter")) is None


@given(st.lists(st.text(min_size=1, max_size=8), min_size=2, max_size=10, unique=True), st.data())
def test_a_letter_is_always_its_option(options: list[str], data: st.DataObject) -> None:
    query = Asked("q", "?", tuple(options), "letter")
    place = data.draw(st.integers(0, len(options) - 1))
    letter = chr(ord("A") + place)
    assert label_of(letter, query) == letter


def test_labels_come_back_and_the_rest_of_the_file_stays(tmp_path: Path) -> None:
    file = tmp_path / "labels/d/q.csv"
    queries = {query.query_id: query for query in (CITIES, VALUE)}
    write_given(file, {"q1": "A"}, [CITIES, VALUE])
    assert read_given(file, queries) == ({"q1": "A"}, 0)
    rows = list(csv.DictReader(file.open(newline="")))
    rows[0]["note"], rows[1]["label"] = "sure", "7"
    rows.append({"query_id": "gone", "label": "X", "note": "of last week"})
    with file.open("w", newline="", encoding="utf-8-sig") as opened:
        table = csv.DictWriter(opened, ["query_id", "label", "question", "options", "note"])
        table.writeheader()
        table.writerows(rows)
    assert read_given(file, queries) == ({"q1": "A", "q4": "7"}, 1)
    write_given(file, {"q1": "B"}, [CITIES])
    assert read_given(file, queries) == ({"q1": "B", "q4": "7"}, 1)
    kept = list(csv.DictReader(file.open(newline="")))
    assert [row["note"] for row in kept] == ["sure", "", "of last week"]
    # Laying the queries out again takes no label away.
    write_given(file, {}, [CITIES, VALUE])
    assert read_given(file, queries) == ({"q1": "B", "q4": "7"}, 1)


def test_texts_of_any_kind_survive_the_table(tmp_path: Path) -> None:
    odd = Asked('a "b", c', "line one\nline two; ü, 漢", ('x,"y"', "=1+1"), "letter")
    write_given(tmp_path / "q.csv", {odd.query_id: "B"}, [odd])
    assert read_given(tmp_path / "q.csv", {odd.query_id: odd}) == ({odd.query_id: "B"}, 0)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (["q1,Berlin"], ["row 2", "q1", "Berlin"]),
        (["q1,A", "q1,B"], ["row 3", "q1"]),
        (["q4,many"], ["q4", "many"]),
        (["q3,perhaps"], ["q3", "perhaps"]),
    ],
)
def test_a_label_that_cannot_be_is_one_message(tmp_path: Path, rows: list[str], told: list[str]) -> None:
    file = tmp_path / "q.csv"
    file.write_text("\n".join(["query_id,label", *rows]))
    with pytest.raises(UserError) as caught:
        read_given(file, {query.query_id: query for query in (CITIES, YES, VALUE)})
    assert all(text in str(caught.value) for text in told)


def test_a_file_without_the_columns_names_them(tmp_path: Path) -> None:
    (tmp_path / "q.csv").write_text("id,label\n1,A\n")
    with pytest.raises(UserError, match="query_id"):
        read_given(tmp_path / "q.csv", {})


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "q.csv"
    write_given(file, {"q1": "A"}, [CITIES])
    before = file.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(UserError, match=r"q\.csv"):
        write_given(file, {"q1": "B"}, [CITIES])
    monkeypatch.undo()
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["q.csv"]
    assert stat.S_IMODE(file.stat().st_mode) & 0o200
