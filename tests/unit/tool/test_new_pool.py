"""``rgd init pool``: a pool's file from models that have one, or nothing at all."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from rgd.cli import main
from rgd.config import load
from tests import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.ci]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "config", tmp_path / "config"))


def init(config: Path, name: str, *arguments: str) -> int:
    return main(["init", "pool", name, "--config-dir", str(config), *arguments])


def pools(config: Path) -> dict[str, str]:
    return {path.stem: path.read_text() for path in (config / "pool").iterdir()}


@pytest.mark.parametrize(
    "given",
    [
        ["qwen3-8b", "gemma-2-9b", "smollm2-135m-examples"],
        ["qwen3-8b,gemma-2-9b,smollm2-135m-examples"],
        ["qwen3-8b,", "gemma-2-9b", ",smollm2-135m-examples"],
    ],
)
def test_a_pool_has_the_models_in_order(config: Path, given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert init(config, "mine", "--title", "My own", "--models", *given) == 0
    found = load(config, "quickstart").pool["mine"]
    assert found.members == ["qwen3-8b", "gemma-2-9b", "smollm2-135m-examples"]
    assert found.title == "My own"
    assert str(config / "pool" / "mine.yaml") in capsys.readouterr().out.splitlines()


def test_the_next_command_takes_the_pool(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(config, "mine", "--models", "qwen3-8b", "gemma-2-9b") == 0
    command = re.search(r"rgd (init own NAME --pool mine --task) ", capsys.readouterr().out)
    assert command is not None
    words = ["other" if word == "NAME" else word for word in command[1].split()]
    assert main([*words, "kitchen=Cooking by measure.", "--config-dir", str(config)]) == 0
    assert load(config, "other").experiment.pools == ["mine"]


def test_an_experiment_that_has_the_pool_already_is_next(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = config / "experiment" / "waiting.yaml"
    content = yaml.safe_load((config / "experiment" / "own.yaml").read_text())
    path.write_text(yaml.safe_dump(content | {"pools": ["mine"]}))
    assert init(config, "mine", "--models", "qwen3-8b", "gemma-2-9b") == 0
    assert "experiment=waiting" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "models", "said"),
    [
        ("mine", ["qwen3-8b", "gemma-2-9"], "gemma-2-9b"),
        ("mine", ["qwen3-8b", "smollm2-135m"], "smollm2-135m-statement"),
        ("mine", ["qwen3-8b", "spoilt"], "spoilt.yaml"),
        ("mine", ["qwen3-8b", "spoilt-examples"], "spoilt.yaml"),
        ("mine", ["qwen3-8b"], "qwen3-8b"),
        ("mine", [","], "at least"),
        ("mine", ["qwen3-8b", "gemma-2-9b", "qwen3-8b"], "qwen3-8b"),
        ("small", ["qwen3-8b", "gemma-2-9b"], "small.yaml"),
        ("a/b", ["qwen3-8b", "gemma-2-9b"], "a/b"),
        ("..", ["qwen3-8b", "gemma-2-9b"], ".."),
        (".mine", ["qwen3-8b", "gemma-2-9b"], ".mine"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(
    config: Path, name: str, models: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = (config / "model" / "gemma-2-9b.yaml").read_text()
    (config / "model" / "spoilt.yaml").write_text(f"{sound}no_such_key: 1\n")
    before = pools(config)
    assert init(config, name, "--models", *models) == 1
    message = capsys.readouterr().err
    assert message.startswith("rgd: ")
    assert message.count("\n") == 1
    assert said in message
    assert pools(config) == before
