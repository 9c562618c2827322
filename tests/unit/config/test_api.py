"""Models behind an API in the configuration: what they must say, and what of it decides an answer."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from rgd.config import load, load_all, slices
from rgd.config.schema import Config, Embedder, Model
from rgd.errors import UserError
from tests import ROOT, names

CONFIG = ROOT / "config"
NAME = "gemini-2.5-flash"
FILE = yaml.safe_load((CONFIG / "model" / f"{NAME}.yaml").read_text())


@pytest.fixture(scope="module")
def config() -> Config:
    return load(CONFIG)


def api(**changes: object) -> dict[str, object]:
    return {"model": "m"} | changes


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"api": None}, "gemini.*api.*weights"),
        ({"weights": {"path": "folder"}}, "gemini.*api.*weights"),
        ({"engine": "vllm"}, "vllm.*weights.*api"),
        ({"asks": {"default": {"way": "likelihood", "prompt": "p"}}}, r"asks\.default.*likelihood.*generate"),
        ({"api": api(budget_dollars=5)}, "budget_dollars.*price_prompt.*price_completion"),
        ({"api": api(base_url="localhost:8000")}, "base_url"),
        ({"api": api(base_url="http://user:password@host/v1")}, "base_url"),
        ({"api": api(concurrency=0)}, "concurrency"),
        ({"api": api(omit=["max_tokens"])}, "omit"),
        ({"api": api(batch_price_factor=0)}, "batch_price_factor"),
        ({"api": api(batch_price_factor=1.5)}, "batch_price_factor"),
        ({"api": api(batch_wait_s=-1)}, "batch_wait_s"),
        ({"engine": "openai", "api": api(batch=True, stream=True)}, r"stream.*batch"),
        ({"api": api(omit=["top_k"])}, r"gemini.*api\.omit"),
        ({"api": api(stream=True)}, r"gemini.*api\.stream"),
        ({"api": api(token_limit="max_completion_tokens")}, r"gemini.*api\.token_limit"),
    ],
)
def test_what_is_wrong_with_a_model_is_named(changes: dict[str, object], expected: str) -> None:
    with pytest.raises(ValidationError, match=expected):
        Model.model_validate(FILE | changes)


def test_mistakes_are_told_without_a_key_that_stands_in_place_of_its_variable(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(CONFIG, tmp_path / "config"))
    wrong = FILE | {"weights": {"path": "folder"}, "api": FILE["api"] | {"key_variable": "AIzaSecret", "budget": 5}}
    (folder / "model" / f"{NAME}.yaml").write_text(yaml.safe_dump(wrong))
    text = load_all(folder)[1]["model", NAME]
    assert f"model/{NAME}.yaml: api.key_variable:" in text
    assert names(text, "api.budget")
    assert names(text, "budget_dollars")
    assert "Secret" not in text


@pytest.mark.parametrize("address", ["http://user:Secret@host/v1", "http://host/v1?key=Secret", "Secret@host"])
def test_mistakes_are_told_without_the_credentials_of_an_address(tmp_path: Path, address: str) -> None:
    folder = Path(shutil.copytree(CONFIG, tmp_path / "config"))
    wrong = FILE | {"api": FILE["api"] | {"base_url": address}}
    (folder / "model" / f"{NAME}.yaml").write_text(yaml.safe_dump(wrong))
    text = load_all(folder)[1]["model", NAME]
    assert names(text, "api.base_url")
    assert "Secret" not in text


@pytest.mark.parametrize("value", ["http://user:Secret@host/v1", "'http://user:Secret@host/v1'"])
def test_an_overridden_address_is_told_without_its_credentials(value: str) -> None:
    with pytest.raises(UserError) as caught:
        load(CONFIG, overrides=[f"model.{NAME}.api.base_url={value}"])
    assert "Secret" not in str(caught.value)


def test_what_writes_must_have_what_it_needs() -> None:
    with pytest.raises(UserError, match=rf"generator/{NAME}\.yaml: engine = vllm.*{NAME}.*gemini"):
        load(CONFIG, overrides=[f"+generator.{NAME}.engine=vllm"])


def test_a_generator_runs_its_models_own_engine_unless_it_says_otherwise(config: Config) -> None:
    assert slices.writing_engine(config, config.generator[NAME]) == "gemini"
    assert slices.writing_engine(config, config.generator["qwen2.5-coder-1.5b"]) == "vllm"


def test_an_embedder_is_not_asked_in_batches() -> None:
    spec = {"title": "E", "licence": "none", "engine": "openai", "max_model_len": 512, "dimension": 3}
    Embedder.model_validate(spec | {"api": api()})
    with pytest.raises(ValidationError, match=r"api\.batch"):
        Embedder.model_validate(spec | {"api": api(batch=True)})


def test_what_decides_an_api_models_answers(config: Config) -> None:
    def sliced(**changes: Any) -> list[str]:
        model = Model.model_validate(FILE | changes)
        changed = config.model_copy(update={"model": config.model | {NAME: model}})
        content = [slices.answering(changed, CONFIG, NAME), slices.generation(changed, CONFIG, NAME)]
        return [slices.canonical(item) for item in content]

    before, given = sliced(), FILE["api"]
    how = {
        "base_url": "http://elsewhere/v1",
        "key_variable": "OTHER",
        "concurrency": 1,
        "requests_per_minute": 1,
        "timeout_s": 5,
        "attempts": 1,
        "backoff_s": 3,
        "price_prompt": 9,
        "price_completion": 9,
        "budget_dollars": 1,
        "batch": True,
        "batch_price_factor": 0.25,
        "batch_wait_s": 60,
    }
    assert sliced(dtype="float16", threads=2, api=given | how) == before
    for changes in (
        {"api": given | {"model": "other"}},
        {"api": given | {"revision": "1"}},
        {"api": given | {"omit": ["seed"]}},
        {"chat": {}},
    ):
        assert all(now != then for now, then in zip(sliced(**changes), before, strict=True))
