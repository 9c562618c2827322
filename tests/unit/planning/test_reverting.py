"""What an edit of a model's file does to the answers that are there: another setting asks anew, going back finds the old ones."""

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from rgd.analysis.audit import MIXED, audit
from rgd.config import load, slices
from rgd.config.schema import Config, Model
from rgd.store.answers import AnswerSettings, Store
from rgd.store.fill import fill
from tests import ROOT
from tests.store_world import CountingEngine, questions

CONFIG = ROOT / "config"
REPOSITORY = {"hub": {"repo": "someone/model", "revision": "one"}}
SAMPLING = {"temperature": 0.7, "top_p": 0.95, "max_tokens": 64, "seed": 0}
LOCAL = {
    "title": "Local",
    "licence": "none",
    "engine": "vllm",
    "weights": REPOSITORY,
    "max_model_len": 1024,
    "sampling": SAMPLING,
    "asks": {"default": {"way": "generate", "prompt": "ask_reasoning"}},
}
SERVED = {
    **{key: value for key, value in LOCAL.items() if key != "weights"},
    "engine": "openai",
    "api": {"model": "m", "base_url": "http://one:8000/v1"},
}


class Engine(CountingEngine):
    """Has a version."""

    def __init__(self, version: str = "1") -> None:
        super().__init__()
        self.provenance = {"engine": "vllm", "version": version}


class World:
    """A configuration with one model of interest, and a store."""

    def __init__(self, config: Config, folder: Path) -> None:
        self.config = config
        self.prompts = Path(shutil.copytree(CONFIG / "prompts", folder / "config/prompts"))
        self.store = Store(folder / "store")

    def settings(self, model: dict[str, Any]) -> AnswerSettings:
        """The settings of the model's answers, as the rules hand them to the job that asks."""
        config = self.config.model_copy(update={"model": {"local": Model.model_validate(model)}})
        return AnswerSettings.from_mapping(slices.answering(config, self.prompts.parent, "local"))

    def asked(self, model: dict[str, Any], engine: Engine | None = None, *, chunk_size: int = 4, count: int = 6) -> int:
        """How many answers a run asks for."""
        engine = engine or Engine()
        settings = self.settings(model)
        return fill(self.store, settings, questions(count), lambda: engine, chunk_size, lambda _: None).asked


@pytest.fixture(scope="module")
def config() -> Config:
    return load(CONFIG)


@pytest.fixture
def world(config: Config, tmp_path: Path) -> World:
    return World(config, tmp_path)


def merged(model: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """``model`` with ``changes``, which may reach into its sections."""
    return model | {key: model.get(key, {}) | new if isinstance(new, dict) else new for key, new in changes.items()}


@pytest.mark.parametrize(
    ("model", "changes"),
    [
        (LOCAL, {"sampling": {"max_tokens": 65}}),
        (LOCAL, {"sampling": {"temperature": 0.6}}),
        (LOCAL, {"sampling": {"top_p": 0.9}}),
        (LOCAL, {"sampling": {"seed": 1}}),
        (LOCAL, {"asks": {"default": {"way": "generate", "prompt": "ask_statement"}}}),
        (LOCAL, {"weights": {"hub": {"repo": "someone/model", "revision": "two"}}}),
        (LOCAL, {"chat": {"enable_thinking": False}}),
        (LOCAL, {"answers_epoch": 1}),
        (SERVED, {"api": {"model": "other"}}),
        (SERVED, {"api": {"revision": "2026-01-01"}}),
        (SERVED, {"answers_epoch": 1}),
    ],
)
def test_what_decides_an_answer_asks_anew_and_going_back_finds_the_old_ones(
    world: World, model: dict[str, Any], changes: dict[str, Any]
) -> None:
    assert world.asked(model) == 6
    assert world.asked(merged(model, changes)) == 6
    assert world.asked(model) == world.asked(merged(model, changes)) == 0


def test_a_prompts_text_decides_not_its_name(world: World) -> None:
    assert world.asked(LOCAL) == 6
    file = world.prompts / "ask_reasoning.txt"
    before = file.read_text()
    file.write_text(before + "Be brief.\n")
    assert world.asked(LOCAL) == 6
    file.write_text(before)
    assert world.asked(LOCAL) == 0
    (world.prompts / "another_name.txt").write_text(before)
    assert world.asked(merged(LOCAL, {"asks": {"default": {"way": "generate", "prompt": "another_name"}}})) == 0


@pytest.mark.parametrize(
    ("model", "changes"),
    [
        (LOCAL, {"engine": "transformers"}),
        (LOCAL, {"gpus": 4}),
        (LOCAL, {"threads": 8, "memory_mb": 9000}),
        (LOCAL, {"title": "Another title", "licence": "MIT"}),
        (SERVED, {"api": {"base_url": "http://two:9000/v1"}}),
        (SERVED, {"api": {"concurrency": 99, "requests_per_minute": 5.0, "timeout_s": 9.0, "attempts": 2}}),
        (SERVED, {"api": {"price_prompt": 1.0, "price_completion": 2.0, "budget_dollars": 3.0}}),
    ],
)
def test_what_runs_a_model_decides_no_answer(world: World, model: dict[str, Any], changes: dict[str, Any]) -> None:
    assert world.asked(model) == 6
    assert world.asked(merged(model, changes)) == 0


def test_neither_the_chunks_nor_the_number_of_queries_decide_an_answer(world: World) -> None:
    assert world.asked(LOCAL) == 6
    assert world.asked(LOCAL, chunk_size=1) == 0
    assert world.asked(LOCAL, chunk_size=3, count=20) == 14
    assert world.asked(LOCAL, count=5) == 0


def test_another_version_shares_the_answers_and_the_audit_tells(world: World) -> None:
    assert world.asked(LOCAL, Engine("1")) == 6
    assert world.asked(LOCAL, Engine("2")) == 0
    assert world.asked(LOCAL, Engine("2"), count=10) == 4
    table = world.store.read(
        world.settings(LOCAL),
        [request.query_key for request in questions(10)],
        columns=["trimmed", "cost", "served_model", "provenance"],
    )
    ids = [str(number) for number in range(10)]
    given = pd.DataFrame({"query_id": ids, "text": list("abcdefghij"), "answer": "A", "finish_reason": "stop"})
    rows = audit(pd.DataFrame({"query_id": ids, "task": "one"}), given, table.to_pandas())
    assert rows["flags"].tolist() == [MIXED, MIXED]
    assert rows["engines"].tolist() == ["vllm 1, vllm 2"] * 2
