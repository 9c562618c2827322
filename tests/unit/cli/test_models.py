"""The command `rgd models fetch`: the experiment's weights, those named alone, and what it fetches none of."""

from pathlib import Path
from typing import Any

import pytest

from rgd.cli import main
from rgd.config import load
from rgd.weights import cache
from tests import ROOT

CONFIG = ROOT / "config"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hashes of the weights that were asked for."""
    paths, found = load(CONFIG).paths, []

    def ensure(weights: Any, folder: str, **_: Any) -> Path:
        assert folder == paths.cache
        found.append(weights.sha256)
        return Path("folder")

    monkeypatch.setattr(cache, "ensure_weights", ensure)
    return found


def fetch(*names: str) -> int:
    return main(["models", "--config-dir", str(CONFIG), "fetch", *names])


def test_all_that_the_experiment_runs_is_fetched(asked: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert fetch() == 0
    lines = capsys.readouterr().out.splitlines()
    names = {"qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b", "smollm2-135m", "all-minilm-l6-v2"}
    assert {line.partition(":")[0] for line in lines} == names
    assert len(set(asked)) == len(lines) == 4


def test_what_is_named_is_fetched_alone(asked: list[str]) -> None:
    assert fetch("smollm2-135m") == 0
    assert len(asked) == 1


def test_a_model_of_another_experiment_is_named(asked: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert fetch("smollm-135m") == 1
    said = capsys.readouterr().err
    assert "smollm2-135m" in said
    assert "--experiment" in said
    assert asked == []
