"""``rgd table --leaderboard``: what it prints, and one message where there is nothing to print."""

from pathlib import Path

import pytest

from rgd.cli import main

# Composes whole configurations: seconds a test.
pytestmark = [pytest.mark.slow, pytest.mark.ci]


def run(results: Path, *options: str) -> int:
    return main(["table", *options, "--config", f"overrides=[paths.results={results}]"])


def test_it_prints_the_board_and_names_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "tables/quickstart"
    folder.mkdir(parents=True)
    (folder / "leaderboard.md").write_text("| rank |\n", encoding="utf-8")
    assert run(tmp_path, "--leaderboard") == 0
    said = capsys.readouterr().out
    assert said.startswith("| rank |")
    assert str(folder / "leaderboard.html") in said


@pytest.mark.parametrize("options", [("--leaderboard",), ("--leaderboard", "--partial")])
def test_a_mistake_is_one_message(tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...]) -> None:
    assert run(tmp_path, *options) != 0
    said = capsys.readouterr().err
    assert "leaderboard" in said
    assert "Traceback" not in said
    assert not list(tmp_path.rglob("*"))


@pytest.mark.parametrize("options", [(), ("--partial",), ("--leaderboard",)])
def test_an_experiment_without_labels_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    overrides = f"overrides=[paths.results={tmp_path}]"
    assert main(["table", *options, "--config", "experiment=own", overrides]) == 1
    assert "labels" in capsys.readouterr().err
