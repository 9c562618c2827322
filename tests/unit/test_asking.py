"""What the scripts that ask about whole query sets share: which query sets a job asks, and what its log says of a load."""

import contextlib
import importlib
import json
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from rgd.engines.prompts import render
from rgd.store.ledger import Ledger
from tests import ROOT
from tests.store_world import SETTINGS, CountingEngine


class Resources(dict):
    """Resources of a job, by key and by attribute."""

    __getattr__ = dict.__getitem__


SCRIPTS = ROOT / "workflow_scripts"


@pytest.fixture
def asking(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(SCRIPTS)
    return importlib.import_module("_asking")


def test_a_query_set_that_comes_meanwhile_is_asked_with_the_same_model(
    asking: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, there, late, never = (tmp_path / f"{name}.parquet" for name in ("own", "there", "late", "never"))
    own.touch()
    there.touch()
    engine, loads = CountingEngine(), []

    @contextlib.contextmanager
    def model_of_job(*_):
        def loaded():
            if not loads:
                loads.append(engine)
            return engine

        yield loaded

    def requests_of(path: str) -> list:
        if path == str(there):
            late.touch()
        return [render("{question}", f"{Path(path).stem} {number}", ["x"]) for number in range(2)]

    monkeypatch.setattr(asking, "model_of_job", model_of_job)
    resources = Resources(
        also=" ".join(map(str, (late, own, there, never))),
        store=str(tmp_path / "store"),
        chunk_size=8,
        commit_seconds=15,
        grace_seconds=150,
        engine="counting",
    )
    job = SimpleNamespace(input=SimpleNamespace(questions=str(own)), resources=resources)
    assert asking.fill_query_sets(job, SETTINGS, "m", requests_of) == 2
    asked = [f"{name} {number}" for name in ("own", "there", "late") for number in range(2)]
    assert [request.question for call in engine.calls for request in call] == asked
    calls = len(engine.calls)
    assert asking.fill_query_sets(job, SETTINGS, "m", requests_of) == 2
    assert len(engine.calls) == calls


@pytest.mark.parametrize(
    ("prices", "is_paid"), [({"price_prompt": 2.5}, True), ({"price_completion": 1}, True), ({}, False)]
)
def test_a_model_with_prices_has_an_account_in_the_ledger(
    asking: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prices: dict[str, float], is_paid: bool
) -> None:
    models, opened = importlib.import_module("_models"), []

    @contextlib.contextmanager
    def lazy_engine(kind, settings):
        opened.append(settings().account)
        yield lambda: None

    monkeypatch.setattr(models, "lazy_engine", lazy_engine)
    resources = Resources(api=json.dumps({"model": "m", **prices}), store=str(tmp_path), max_model_len=64)
    job = SimpleNamespace(resources=resources, threads=1)
    with models.model_of_job(job, "openai", {"weights": "openai:m", "dtype": "served"}):
        pass
    (account,) = opened
    assert (account is not None) == is_paid
    assert list(tmp_path.iterdir()) == []
    if account is not None:
        account.update(0.0, 0.5, [], None)
        assert Ledger(tmp_path, "openai:m").spent() == 0.5


def test_a_job_that_asks_nothing_fetches_no_weights(
    asking: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = importlib.import_module("_models")
    monkeypatch.setattr(models, "engine_settings", lambda *_, **__: pytest.fail("the weights were fetched"))
    job = SimpleNamespace(resources=Resources(weights='{"path": "nowhere"}', max_model_len=64), threads=1)
    with models.model_of_job(job, "transformers", {"weights": "path:nowhere", "dtype": "float32"}):
        pass


def test_the_log_tells_once_what_was_loaded(asking: ModuleType, capsys: pytest.CaptureFixture) -> None:
    models = importlib.import_module("_models")
    engine = CountingEngine()
    get = models._told(lambda: engine, lambda: "tiny")
    assert capsys.readouterr().err == ""
    assert get() is engine
    assert get() is engine
    assert capsys.readouterr().err.count("loaded tiny in ") == 1
