"""What the scripts that ask about whole query sets share: which query sets a job asks, and what its log says of a load."""

import contextlib
import importlib
import json
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from rgd.engines.prompts import render
from tests import ROOT
from tests.store_world import SETTINGS, CountingEngine

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
    resources = SimpleNamespace(
        also=" ".join(map(str, (late, own, there, never))),
        store=str(tmp_path / "store"),
        chunk_size=8,
        engine="counting",
    )
    job = SimpleNamespace(input=SimpleNamespace(questions=str(own)), resources=resources)
    assert asking.fill_query_sets(job, SETTINGS, "m", requests_of) == 2
    assert [[request.question for request in call] for call in engine.calls] == [
        ["own 0", "own 1"],
        ["there 0", "there 1"],
        ["late 0", "late 1"],
    ]
    assert asking.fill_query_sets(job, SETTINGS, "m", requests_of) == 2
    assert len(engine.calls) == 3


@pytest.mark.parametrize(("budget", "expected"), [(10.0, 2.5), (None, 0.0)])
def test_a_model_with_a_budget_is_told_what_it_has_cost_before(
    asking: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, budget: float | None, expected: float
) -> None:
    models, opened = importlib.import_module("_models"), []

    @contextlib.contextmanager
    def lazy_engine(kind, settings):
        opened.append(settings.spent_dollars)
        yield lambda: None

    monkeypatch.setattr(models, "lazy_engine", lazy_engine)
    job = SimpleNamespace(resources={"api": json.dumps({"model": "m", "budget_dollars": budget})}, threads=1)
    with models.model_of_job(job, "openai", {"max_model_len": 64, "dtype": "served"}, lambda: 2.5):
        pass
    assert opened == [expected]


def test_the_log_tells_once_what_was_loaded(asking: ModuleType, capsys: pytest.CaptureFixture) -> None:
    models = importlib.import_module("_models")
    engine = CountingEngine()
    get = models._told(lambda: engine, "tiny")
    assert capsys.readouterr().err == ""
    assert get() is engine
    assert get() is engine
    assert capsys.readouterr().err.count("loaded tiny in ") == 1
