"""Mistyped commands, options, choices and paths: the nearest one is named, at every level and for every argument."""

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from rgd.cli import main, parser
from rgd.cli.mistypes import nearest_path


def words(command: argparse.ArgumentParser, *names: str) -> Iterator[tuple[str, ...]]:
    """Every command of every level, as it is typed."""
    for action in command._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, sub in action.choices.items():
                yield (*names, name)
                yield from words(sub, *names, name)


def said_of(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("command", words(parser()), ids=" ".join)
def test_the_nearest_command_is_named(command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    *before, name = command
    assert f" {name}?" in said_of([*before, f"{name}{name[-1]}x"], capsys)


@pytest.mark.parametrize(
    ("arguments", "near"),
    [
        (["plann"], "plan"),
        (["import", "tabel"], "table"),
        (["plan", "--experment", "x"], "--experiment"),
        (["plan", "--experment=x"], "--experiment"),
        (["store", "ls", "--jsno"], "--json"),
        (["init", "model", "m", "--server", "u", "--way", "generat"], "generate"),
        (["import", "table", "f", "--to", "d", "--columns", "question=q", "--answer-kind", "numbr"], "number"),
    ],
)
def test_the_nearest_word_is_named(arguments: list[str], near: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert f" {near}?" in said_of(arguments, capsys)


@pytest.mark.parametrize(
    ("arguments", "known"), [(["zzz"], ["plan", "serve"]), (["import", "t", "--to", "d", "--index-from", "3"], [])]
)
def test_what_is_near_nothing_is_told_what_there_is(
    arguments: list[str], known: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    said = said_of(arguments, capsys)
    assert all(name in said for name in known)
    assert "?" not in said


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "results/bundles/quickstart/real").mkdir(parents=True)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/answers.csv").write_text("q,m\none?,A\n")
    (tmp_path / "config").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("is_absolute", [False, True])
@pytest.mark.parametrize(
    ("typed", "near"),
    [
        ("results/bundles/quickstrat/real", "results/bundles/quickstart/real"),
        ("result/bundels/quickstrat/real", "results/bundles/quickstart/real"),
        ("results/bundles/quickstrat/other", "results/bundles/quickstart"),
        ("results/zzz/quickstrat", None),
        ("data/answers.csv/more", None),
        ("data/" + 300 * "x", None),
        ("data/answer.csv", "data/answers.csv"),
    ],
)
def test_the_nearest_path_is_that_of_the_first_part_that_is_not_there(
    folder: Path, typed: str, near: str | None, is_absolute: bool
) -> None:
    root = folder if is_absolute else Path()
    assert nearest_path(root / typed) == (None if near is None else root / near)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list every folder")
def test_a_folder_that_cannot_be_listed_has_nothing_near(folder: Path) -> None:
    (folder / "data").chmod(0)
    assert nearest_path(Path("data/answer.csv")) is None


TABLE = ["--to", "new", "--columns", "question=q", "answer=m"]


@pytest.mark.parametrize(
    ("arguments", "near"),
    [
        (["route", "--bundle", "results/bundles/quickstrat/real", "What?"], "results/bundles/quickstart/real"),
        (["watch", "--bundle", "results/bundels/quickstart", "--log", "l.jsonl"], "results/bundles/quickstart"),
        (["import", "table", "data/answers.csv", "dta/answers.csv", *TABLE], "data/answers.csv"),
        (["import", "released", "dta", "--to", "new"], "data"),
        (["init", "own", "x", "--tasks", "data/answer.csv"], "data/answers.csv"),
        (["init", "recorded", "x", "--from", "dta"], "data"),
        (["models", "--config-dir", "confg"], "config"),
        (["init", "pool", "x", "--models", "a", "b", "--config-dir", "confg"], "config"),
        (["store", "ls", "--store", "result/bundles"], "results/bundles"),
        (["store", "import", "data/answers.cs"], "data/answers.csv"),
        (["adopt", "--results", "reslts"], "results"),
    ],
)
def test_a_path_that_is_not_there_is_told_with_the_nearest_one(
    folder: Path, arguments: list[str], near: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(folder.rglob("*"))
    assert main(arguments) == 1
    said = capsys.readouterr().err
    assert said.rstrip().endswith(f" {near}?")
    assert said.count("\n") == 1
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(("file", "target"), [("miss", "new"), ("data", "missing")], ids=["part of a word", "target"])
def test_what_the_message_is_not_about_is_no_mistyped_path(
    folder: Path, file: str, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message says of the first file that it is missing."""
    (folder / "missings").mkdir()
    columns = ["--columns", "question=q", "answer=m"]
    assert main(["import", "table", "zzz", file, "--to", target, *columns]) == 1
    said = capsys.readouterr().err
    assert "missing" in said
    assert "?" not in said


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("qestion=q", "question"), ("lable=q", "label"), ("q=question", "question=q"), ("anwser=m", "answer")],
)
def test_a_mistyped_sort_of_column_is_told(
    typed: str, meant: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.csv"
    file.write_text("q,m\na,b\n")
    assert main(["import", "table", str(file), "--to", str(tmp_path / "new"), "--columns", typed]) == 1
    told = capsys.readouterr().err
    assert typed in told
    assert f"Did you mean {meant}?" in told
