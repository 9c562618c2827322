"""``rgd label --bundle``: what a bundle's router asks for, and where the labels go."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest

from rgd.cli import main
from rgd.errors import UserError
from rgd.tool import bundle
from rgd.tool.labelling import task_of_bundle
from tests.unit.tool.tool_world import world

ASKED = [
    {"query_id": "q1", "question": "Which?", "options": ["red", "blue"], "answer_kind": "letter"},
    {"query_id": "q2", "question": "Who \x1b[2J?", "options": ["I", "you", "we"], "answer_kind": "letter"},
]


def written(folder: Path, **cell: str) -> Path:
    content, _, _ = world("cascal")
    routing = {**content.routing, "cell": {**content.routing["cell"], **cell}}
    bundle.write(folder, replace(content, routing=routing, to_label=ASKED))
    return folder


def test_labels_of_a_bundles_queries_are_kept_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = written(tmp_path / "bundle", dataset="shop", scenario="writer")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO("blue\nno\n2\n"))
    assert main(["label", "--bundle", str(folder)]) == 0
    rows = list(csv.DictReader((tmp_path / "labels/shop/writer.csv").open(newline="")))
    assert {row["query_id"]: row["label"] for row in rows} == {"q1": "B", "q2": "B"}
    # A text of a bundle does not steer the terminal.
    assert "\x1b" not in capsys.readouterr().out
    # Nothing is asked twice.
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert main(["label", "--bundle", str(folder)]) == 0
    assert "Label:" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("lines", "labels"),
    [
        (["a", ":b", "b", "c"], {"q1": "B", "q2": "C"}),
        (["a", ":b", "", "c"], {"q1": "A", "q2": "C"}),
        (["a", ":b", ":d", "c"], {"q1": "", "q2": "C"}),
        (["a", ":b", ":d", ":b", "b", ":q"], {"q1": "B"}),
        (["", ":b", "a", ":q"], {"q1": "A"}),
        ([":b", ":b", "a", ":d"], {"q1": "A"}),
        (["a", ":b"], {"q1": "A"}),
    ],
)
def test_a_label_is_corrected_or_deleted_one_query_back(
    lines: list[str],
    labels: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = written(tmp_path / "bundle", dataset="shop", scenario="writer")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
    assert main(["label", "--bundle", str(folder)]) == 0
    rows = list(csv.DictReader((tmp_path / "labels/shop/writer.csv").open(newline="")))
    assert {row["query_id"]: row["label"] for row in rows} == labels
    said = capsys.readouterr().out
    assert f"{sum(map(bool, labels.values()))} of 2 queries" in said


def test_an_input_that_ends_keeps_what_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = written(tmp_path / "bundle", dataset="shop", scenario="writer")
    monkeypatch.setattr("sys.stdin", io.StringIO("a\n"))
    assert main(["label", "--bundle", str(folder), "--labels", str(tmp_path / "mine")]) == 0
    rows = list(csv.DictReader((tmp_path / "mine/shop/writer.csv").open(newline="")))
    assert [(row["query_id"], row["label"]) for row in rows] == [("q1", "A")]


def test_a_bundle_that_asks_for_nothing_is_one_message(tmp_path: Path) -> None:
    content, _, _ = world("cascal")
    bundle.write(tmp_path / "bundle", content)
    with pytest.raises(UserError, match="labels: 50"):
        task_of_bundle(tmp_path / "bundle", "labels")


@pytest.mark.parametrize("cell", [{"dataset": ".."}, {"dataset": "a/b"}, {"scenario": "../x"}, {"dataset": ".hidden"}])
def test_a_bundle_names_no_folder_outside(tmp_path: Path, cell: dict[str, str]) -> None:
    with pytest.raises(UserError):
        task_of_bundle(written(tmp_path / "bundle", **cell), "labels")
