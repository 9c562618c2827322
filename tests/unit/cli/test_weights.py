"""Fetching an experiment's weights beforehand."""

from pathlib import Path
from typing import Any

import pytest

from rgd.cli import weights as fetching
from rgd.config import load
from rgd.config.schema import Config
from rgd.errors import UserError
from tests import ROOT

CONFIG = ROOT / "config"


@pytest.fixture(scope="module")
def config() -> Config:
    return load(CONFIG)


def test_all_that_the_experiment_runs_is_fetched(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def ensure(weights: Any, cache: str, *, use_hub: bool, report: Any) -> Path:
        assert (cache, use_hub) == (config.paths.cache, config.site.use_hub)
        asked.append(weights.sha256)
        return Path("folder")

    monkeypatch.setattr(fetching, "ensure_weights", ensure)
    lines: list[str] = []
    found = fetching.fetch_weights(config, report=lines.append)
    assert set(found) == {"qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b", "smollm2-135m", "all-minilm-l6-v2"}
    assert len(set(asked)) == len(lines) == 4
    assert set(fetching.fetch_weights(config, ["smollm2-135m"])) == {"smollm2-135m"}


def test_what_cannot_be_fetched_stops_nothing_else(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def ensure(weights: Any, *_: Any, **__: Any) -> Path:
        seen.append(weights)
        if len(seen) < 3:
            raise UserError(f"not {len(seen)}")
        return Path("folder")

    monkeypatch.setattr(fetching, "ensure_weights", ensure)
    with pytest.raises(UserError, match=r"(?s)not 1.*not 2"):
        fetching.fetch_weights(config)
    assert len(seen) == 4


def test_a_model_of_another_experiment_is_named(config: Config) -> None:
    with pytest.raises(UserError, match=r"quickstart fetches no weights of smollm-135m. Did you mean smollm2-135m\?"):
        fetching.fetch_weights(config, ["smollm-135m"])
