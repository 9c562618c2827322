"""rgd route on the command line: a query, files, the standard input; for people and as JSON; mistakes in one message."""

import io
import json
import re
from pathlib import Path

import pytest

from rgd.cli import main
from tests.unit.tool.tool_world import engines, written

QUERIES = ["one", "second", "thirdly"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle, and models that answer B."""

    def opened(*arguments: object):
        # Every run of the command loads its models again.
        return engines(dict.fromkeys([f"m{i}" for i in range(6)], "B"))[0](*arguments)

    monkeypatch.setattr("rgd.engines.opening.opened", opened)
    monkeypatch.setattr("rgd.tool.answering.opened", opened)
    return written(tmp_path / "bundle")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    said = capsys.readouterr()
    return code, said.out, said.err


def rows(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_query_is_ranked_for_people(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "route", "--bundle", str(folder), "what is this?")
    lines = out.splitlines()
    assert code == 0
    assert lines[0] == "what is this?"
    assert [line.split()[0] for line in lines[1:7]] == ["1", "2", "3", "4", "5", "6"]
    scores = [float(line.split()[-1]) for line in lines[1:7]]
    assert scores == sorted(scores, reverse=True)
    assert [line.split()[0] for line in lines[7:]] == ["task", "cluster", "near", "near", "near", "why", "panel"]


def test_files_of_every_kind_and_the_standard_input_are_routed_alike(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "q.txt").write_text("one\n\n  second  \nthirdly\n")
    (tmp_path / "q.jsonl").write_text("".join(json.dumps({"question": each}) + "\n" for each in QUERIES))
    (tmp_path / "q.csv").write_text("question,more\n" + "".join(f"{each},x\n" for each in QUERIES))
    found = []
    for name in ("q.txt", "q.jsonl", "q.csv"):
        code, out, _ = run(capsys, "route", "--bundle", str(folder), "--file", str(tmp_path / name), "--json")
        assert code == 0
        found.append(rows(out))
    for arguments in ([], ["--file", "-"]):
        monkeypatch.setattr("sys.stdin", io.StringIO('one\n{"question": "second"}\nthirdly\n'))
        _, out, _ = run(capsys, "route", "--bundle", str(folder), "--json", *arguments)
        found.append(rows(out))
    assert [row["query"] for row in found[0]] == QUERIES
    assert all(each == found[0] for each in found)


def test_many_queries_come_in_batches_and_in_order(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "q.txt").write_text("".join(f"query {number}\n" for number in range(600)))
    _, out, _ = run(
        capsys, "route", "--bundle", str(folder), "--file", str(tmp_path / "q.txt"), "--json", "--nearest", "0"
    )
    found = rows(out)
    assert [row["query"] for row in found] == [f"query {number}" for number in range(600)]
    assert found[0]["nearest"] == []


def test_a_text_that_begins_with_a_brace_is_a_text(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("{x} is a set\n"))
    _, out, _ = run(capsys, "route", "--bundle", str(folder), "--json")
    assert [row["query"] for row in rows(out)] == ["{x} is a set"]


def test_members_are_asked_and_vote(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--option", "red", "--option", "green"]
    code, out, _ = run(capsys, "route", "--bundle", str(folder), "what?", "--answer", "--variant", "top3", *options)
    lines = out.splitlines()
    assert code == 0
    assert [line.split()[0] for line in lines[-4:]] == ["asked", "asked", "asked", "answer"]
    assert lines[-1] == "answer   B. green"
    (tmp_path / "q.csv").write_text('question,options\nwhat?,"[""red"", ""green""]"\nwhy?,\n')
    _, out, _ = run(capsys, "route", "--bundle", str(folder), "--file", str(tmp_path / "q.csv"), "--answer", "--json")
    first, second = rows(out)
    assert first["answer"] == {"text": "green", "letter": "B", "variant": "top1"}
    assert second["answer"]["text"].endswith("says hello")
    assert second["answer"]["letter"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["x", "--file", "y"], "QUERY.*--file"),
        (["--option", "x"], "--option.*QUERY"),
        (["x", "--variant", "top9"], "'top9'.*top1, top3"),
        (["--file", "nowhere.csv"], r"nowhere\.csv"),
        (["--file", "nowhere.txt"], r"nowhere\.txt"),
        ([" "], "empty"),
        (["x", "--answer", "--option", "y"], "1 option"),
    ],
)
def test_mistakes_are_one_message(
    folder: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, error = run(capsys, "route", "--bundle", str(folder), *arguments)
    assert (code, out) == (1, "")
    assert error.startswith("rgd: ")
    assert re.search(message, error)
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [('{"text": "x"}', "line 1: .*question.*text"), ('{"question": "x", "options": 3}', "options.*3")],
)
def test_a_row_that_is_no_query_is_told_with_its_number(
    folder: Path, line: str, message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(line))
    code, _, error = run(capsys, "route", "--bundle", str(folder))
    assert code == 1
    assert re.search(message, error)


def test_a_path_that_is_no_router_cannot_be_exported(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, error = run(capsys, "export", "results/tables/x.md", str(tmp_path / "x"))
    assert code == 1
    assert "results/tables/x.md" in error
    assert "results/routers/DATASET/SCENARIO/POOL/ROUTER.parquet" in error
