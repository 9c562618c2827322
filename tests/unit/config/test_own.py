"""Tasks that are only described: what an experiment of them makes, and the mistakes that are named."""

import shutil
import unicodedata
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from rgd.config import load, sweep
from rgd.config.schema import Dataset
from rgd.errors import UserError
from tests import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.ci]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "config", tmp_path / "config")
    return tmp_path / "config"


def edit(folder: Path, file: str, **changes: object) -> None:
    path = folder / file
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changes, sort_keys=False))


def test_a_task_has_a_name_of_any_alphabet_in_one_form(folder: Path) -> None:
    names = ["Küche", unicodedata.normalize("NFD", "Bäckerei"), "数学", "القانون", "C", "C++", "C#", "I/O", "two words"]
    edit(folder, "dataset/own.yaml", tasks=dict.fromkeys(names, "A task."), examples={}, descriptor=None)
    found = list(load(folder, "own").dataset["own"].tasks)
    assert found == [unicodedata.normalize("NFC", name) for name in names]


@pytest.mark.parametrize("name", ["", " x", "a\nb", "a\x1b[2J", "a\u202eb", "x" * 200])
def test_what_is_no_name_of_a_task_is_refused(folder: Path, name: str) -> None:
    edit(folder, "dataset/own.yaml", tasks={name: "A task."}, examples={}, descriptor=None)
    with pytest.raises(UserError, match=r"own\.yaml.*tasks"):
        load(folder, "own")


@pytest.mark.parametrize("name", ["../x", "a/b", "a\\b", ".hidden", "{part}"])
def test_a_task_in_a_files_name_stays_in_its_folder(name: str) -> None:
    columns = {"question": "q", "options": "o", "label": "l", "label_form": "letter"}
    content = {
        "title": "T",
        "adapter": "multiple_choice",
        "source": {"file": "/data/{task}.csv", "columns": columns},
        "tasks": {name: "A task."},
        "embedder": "e",
        "generated_queries": 1,
    }
    with pytest.raises(ValidationError, match="task"):
        Dataset.model_validate(content)
    Dataset.model_validate(content | {"tasks": {"Küche": "A task."}})


def test_the_template_is_fitted_and_not_tested(folder: Path) -> None:
    config = load(folder, "own")
    cells = [tuple(cell) for cell in sweep.router_cells(config)]
    assert cells == [("own", "qwen2.5-coder-1.5b", "quickstart", router) for router in ("latent_truth", "cascal")]
    assert sweep.tested_cells(config) == sweep.reference_cells(config) == sweep.transfer_cells(config) == []
    assert list(sweep.needed(config)) == [("own", "qwen2.5-coder-1.5b")]


def test_beside_a_benchmark_the_benchmark_alone_is_tested(folder: Path) -> None:
    edit(
        folder,
        "experiment/own.yaml",
        datasets=["quickstart", "own"],
        scenarios=["real", "qwen2.5-coder-1.5b"],
        routers=["cascal", "topk"],
        bundles=[],
        seeds=[0, 1, 2],
        baseline="topk",
    )
    config = load(folder, "own")
    assert {cell.dataset for cell in sweep.tested_cells(config)} == {"quickstart"}
    assert [tuple(cell) for cell in sweep.router_cells(config) if cell.dataset == "own"] == [
        ("own", "qwen2.5-coder-1.5b", "quickstart", "cascal")
    ]
    assert {cell.dataset for cell in sweep.reference_cells(config)} == {"quickstart"}


@pytest.mark.parametrize(
    ("file", "changes", "message"),
    [
        ("experiment/own.yaml", {"scenarios": ["real"]}, r"scenarios = \['real'\].*\bown\b"),
        (
            "experiment/own.yaml",
            {"routers": ["cascal", "topk"], "bundles": []},
            "topk.*own",
        ),
        ("experiment/own.yaml", {"bundles": ["knn"]}, "bundles.*knn"),
        ("experiment/own.yaml", {"baseline": "topk"}, "baseline.*topk"),
        ("dataset/own.yaml", {"examples": {"kitchn": ["x"]}}, r"examples\.kitchn"),
        ("dataset/own.yaml", {"tasks": {"kitchen": " "}}, r"tasks\.kitchen.*descriptor"),
        ("dataset/own.yaml", {"recorded": "x"}, "described.*recorded"),
        (
            "dataset/own.yaml",
            {"descriptor": "gemini-2.5-flash", "reserved_per_task": 5},
            "5 .*kitchen .*reserved_per_task.*examples.* 0",
        ),
        (
            "dataset/own.yaml",
            {"adapter": "bbeh", "examples": {"kitchen": ["x"]}},
            "examples.*described",
        ),
    ],
)
def test_mistakes_are_named(folder: Path, file: str, changes: dict, message: str) -> None:
    edit(folder, file, **changes)
    with pytest.raises(UserError, match=rf"{file}: .*{message}"):
        load(folder, "own")


def test_five_examples_are_what_a_descriptor_sees(folder: Path) -> None:
    examples = {task: [f"{task} {number}?" for number in range(5)] for task in ("kitchen", "timetable", "houseplants")}
    edit(folder, "dataset/own.yaml", descriptor="gemini-2.5-flash", reserved_per_task=5, examples=examples)
    assert load(folder, "own").dataset["own"].examples == examples
