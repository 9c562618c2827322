"""``rgd init own``: a dataset and an experiment from descriptions or from examples, whole or not at all."""

import csv
import json
import shutil
from pathlib import Path

import pytest
import yaml

from rgd.cli import main
from rgd.config import load
from tests import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.ci]

TASKS = {"kitchen": "Cooking: by measure = in grams.", "Küche 2": "Zweite Aufgabe"}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "config", tmp_path / "config"))


def init(config: Path, *arguments: str, name: str = "mine") -> int:
    return main(["init", "own", name, "--config-dir", str(config), *arguments])


def given(tasks: dict[str, str]) -> list[str]:
    return [part for name, text in tasks.items() for part in ("--task", f"{name}={text}")]


def written(path: Path, rows: list[dict[str, str]]) -> Path:
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        with path.open("w", newline="") as file:
            table = csv.DictWriter(file, list(rows[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
            table.writeheader()
            table.writerows(rows)
    return path


def test_tasks_become_an_experiment_like_the_shipped_one(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(config, *given(TASKS)) == 0
    found, shipped = load(config, "mine"), load(config, "own")
    assert found.dataset["mine"].tasks == TASKS
    assert found.dataset["mine"].generated_queries == shipped.dataset["own"].generated_queries
    assert found.experiment.datasets == ["mine"]
    for key in ("scenarios", "pools", "routers", "seeds", "tables", "bundles", "baseline"):
        assert getattr(found.experiment, key) == getattr(shipped.experiment, key)
    said = capsys.readouterr().out
    assert all(word in said for word in ("dataset/mine.yaml", "experiment/mine.yaml", "experiment=mine"))


def test_pools_generators_and_the_number_of_queries_are_chosen(config: Path) -> None:
    more = ("--pool", "quickstart", "small", "--generator", "qwen2.5-coder-0.5b", "--queries", "12")
    assert init(config, *given(TASKS), *more) == 0
    found = load(config, "mine")
    assert found.experiment.pools == ["quickstart", "small"]
    assert found.experiment.scenarios == ["qwen2.5-coder-0.5b"]
    assert found.dataset["mine"].generated_queries == 12


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl"])
def test_tasks_are_read_from_a_table(config: Path, suffix: str, tmp_path: Path) -> None:
    rows = [{"task": name, "description": text} for name, text in TASKS.items()]
    assert init(config, "--tasks", str(written(tmp_path / f"tasks{suffix}", rows))) == 0
    assert load(config, "mine").dataset["mine"].tasks == TASKS


@pytest.mark.parametrize(("number", "reserved"), [(7, 5), (3, 3)])
def test_examples_are_described_by_a_model(config: Path, number: int, reserved: int, tmp_path: Path) -> None:
    rows = [{"task": task, "question": f"What is {task} {n}?"} for n in range(number) for task in TASKS]
    file = written(tmp_path / "examples.csv", rows)
    assert init(config, "--examples", str(file), "--task", "kitchen=Cooking") == 0
    dataset = load(config, "mine").dataset["mine"]
    assert dataset.tasks == {"kitchen": "Cooking", "Küche 2": ""}
    assert {task: len(texts) for task, texts in dataset.examples.items()} == dict.fromkeys(TASKS, number)
    assert (dataset.descriptor is not None, dataset.reserved_per_task) == (True, reserved)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--task", "kitchen"],
        ["--task", "=Cooking"],
        ["--task", "kitchen="],
        ["--task", "a=b", "--task", "a=c"],
        ["--task", "a=b", "--pool", "absent"],
        ["--task", "a=b", "--generator", "absent"],
        ["--task", "a=b", "--descriptor", "qwen2.5-coder-1.5b"],
        ["--task", "a=b", "--tasks", "TABLE"],
        ["--tasks", "absent.csv"],
        ["--tasks", "EMPTY"],
        ["--tasks", "OTHER"],
        ["--examples", "OTHER"],
        ["--examples", "EXAMPLES", "--task", "third=Without examples"],
        ["--examples", "EXAMPLES", "--descriptor", "absent"],
    ],
)
def test_a_mistake_is_one_message_and_nothing_is_written(
    arguments: list[str], config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {
        "TABLE": written(tmp_path / "t.csv", [{"task": "x", "description": "y"}]),
        "EMPTY": written(tmp_path / "e.csv", [{"task": "x", "description": ""}]),
        "OTHER": written(tmp_path / "o.csv", [{"name": "x", "text": "y"}]),
        "EXAMPLES": written(tmp_path / "q.csv", [{"task": "x", "question": f"What is {n}?"} for n in range(5)]),
    }
    before = {path: path.read_bytes() for path in config.rglob("*") if path.is_file()}
    assert init(config, *(str(files.get(text, text)) for text in arguments)) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert {path: path.read_bytes() for path in config.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("name", ["own", "quickstart", "../up", "a b", ".hidden", ""])
def test_a_name_that_is_taken_or_no_name_is_refused(name: str, config: Path) -> None:
    before = {path: path.read_bytes() for path in config.parent.rglob("*") if path.is_file()}
    assert init(config, *given(TASKS), name=name) == 1
    assert {path: path.read_bytes() for path in config.parent.rglob("*") if path.is_file()} == before


def test_a_broken_model_file_is_named(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (config / "dataset/own.yaml").write_text("a: [")
    assert init(config, *given(TASKS)) == 1
    assert "own.yaml" in capsys.readouterr().err


def test_what_is_written_is_plain_yaml(config: Path) -> None:
    odd = {"yes": "no: {a} # b", "1": "- x", "数学": "'quoted' \"twice\""}
    assert init(config, *given(odd)) == 0
    assert yaml.safe_load((config / "dataset/mine.yaml").read_text(encoding="utf-8"))["tasks"] == odd
    assert load(config, "mine").dataset["mine"].tasks == odd


@pytest.mark.parametrize("option", ["--tasks", "--examples"])
def test_a_column_that_is_not_there_is_a_fault_of_the_header(
    config: Path, option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path / "t.csv", [{"taks": "x", "description": "y", "question": "z"}])
    assert main(["init", "own", "mine", option, str(file), "--config-dir", str(config)]) == 1
    said = capsys.readouterr().err
    assert f"{file}, line 1:" in said
    assert "taks" in said
