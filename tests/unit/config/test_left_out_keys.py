"""Keys of a dataset that may be left out where nothing needs them: tasks and generated_queries."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from rgd.config import load
from rgd.config.schema import Config, Dataset
from rgd.datasets import load as load_adapter
from rgd.datasets.base import Read, sound
from rgd.datasets.tables import ONLY_TASK
from rgd.errors import UserError
from rgd.routing.reduced import REAL
from tests import ROOT

GENERATOR = "qwen2.5-coder-1.5b"
OWN = {
    "title": "Mine",
    "adapter": "multiple_choice",
    "source": {"file": "a.csv", "columns": {"question": "q", "options": "o", "label": "l", "label_form": "letter"}},
    "embedder": "all-minilm-l6-v2",
}
COLUMNS = {"question": "q", "label": "l", "label_form": "text"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "config", tmp_path / "config"))


def composed(folder: Path, scenarios: list[str], **changes: object) -> Config:
    (folder / "dataset/mine.yaml").write_text(yaml.safe_dump(OWN | changes))
    experiment: dict[str, Any] = {
        "title": "Test",
        "datasets": ["mine"],
        "scenarios": scenarios,
        "pools": ["quickstart"],
    }
    (folder / "experiment/test.yaml").write_text(
        yaml.safe_dump(experiment | {"routers": ["knn", "topk"], "seeds": [0]})
    )
    return load(folder, "test", data_root=str(folder.parent), check_data=False)


def test_real_questions_need_neither(folder: Path) -> None:
    config = composed(folder, [REAL])
    assert (config.dataset["mine"].tasks, config.dataset["mine"].generated_queries) == ({}, None)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({}, "tasks"),
        ({"generated_queries": 60}, "tasks"),
        ({"tasks": {"all": "Questions."}}, "generated_queries"),
    ],
)
def test_generated_ones_need_both(folder: Path, changes: dict[str, object], key: str) -> None:
    with pytest.raises(UserError, match=key):
        composed(folder, [REAL, GENERATOR], **changes)
    composed(folder, [REAL, GENERATOR], tasks={"all": "Questions."}, generated_queries=60)


def test_a_size_of_its_own_is_enough(folder: Path) -> None:
    composed(folder, [f"{GENERATOR}-1k"], tasks={"all": "Questions."}, generated_sizes={"1k": 60})


@pytest.mark.parametrize(
    "changes",
    [
        {"adapter": "bbeh", "source": {"file": "{task}.json"}},
        {"adapter": "quickstart", "source": None, "seed": 1},
        {"adapter": "described", "source": None},
        {"source": OWN["source"] | {"file": "{task}.csv"}},  # type: ignore[operator]
        {"descriptor": GENERATOR, "reserved_per_task": 5},
    ],
)
def test_what_reads_tasks_by_name_needs_them(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="tasks"):
        Dataset.model_validate(OWN | changes)


def read(folder: Path, text: str, task: str | None) -> Read:
    (folder / "a.csv").write_text(text)
    source = {
        "file": "a.csv",
        "rows": None,
        "columns": {"id": None, "part": None, "options": None, "task": task, **COLUMNS},
    }
    found = load_adapter("mathematics").questions({"source": source, "tasks": []}, folder)
    assert isinstance(found, Read)
    return found


def test_the_tasks_are_those_of_the_column(tmp_path: Path) -> None:
    found = read(tmp_path, "q,l,t\na,1,Küche\nb,2,computer science\nc,3,Küche\nd,4,\n", "t")
    kept, dropped = sound(found)
    assert [question.task for question in kept] == ["Küche", "computer_science", "Küche"]
    assert [row.reason for row in dropped] == ["empty task"]
    assert found.unlisted == ()


def test_without_a_column_there_is_one_task(tmp_path: Path) -> None:
    assert {question.task for question in read(tmp_path, "q,l\na,1\nb,2\n", None)} == {ONLY_TASK}
