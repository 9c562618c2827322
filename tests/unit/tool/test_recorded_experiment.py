"""From another tool's files to an experiment's files."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from rgd.answers.formats.importing import import_files
from rgd.cli import main
from rgd.config import load
from tests import ROOT
from tests.unit.answers.formats import worlds

pytestmark = [pytest.mark.slow, pytest.mark.ci]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "config", tmp_path / "config")
    return tmp_path / "config"


def init(name: str, data: Path, config: Path) -> int:
    return main(["init", "recorded", name, "--from", str(data), "--config-dir", str(config)])


@pytest.mark.parametrize(("source", "kind"), [("lm_eval", "letter"), ("routellm", "score"), ("inspect", "letter")])
def test_an_import_becomes_an_experiment(source: str, kind: str, tmp_path: Path, config: Path) -> None:
    import_files(source, worlds.WORLDS[source](tmp_path / "files"), tmp_path / "data", dataset="mine")
    assert init("mine", tmp_path / "data", config) == 0
    found = load(config, "mine", data_root=str(tmp_path / "data"))
    assert found.dataset["mine"].kind == kind
    assert found.pool["mine"].members == sorted(worlds.NAMES)
    assert found.experiment.pools == ["mine"]
    assert "knn" in found.experiment.routers
    # The files have one task, and this router learns from the others.
    assert "benchmark_s3" not in found.experiment.routers


def test_answers_without_right_ones_become_an_experiment_without_labels(tmp_path: Path, config: Path) -> None:
    import_files("litellm", worlds.litellm(tmp_path / "calls"), tmp_path / "data", dataset="mine")
    assert init("mine", tmp_path / "data", config) == 0
    found = load(config, "mine", data_root=str(tmp_path / "data"))
    assert not found.dataset["mine"].is_tested
    assert {"latent_truth", "cascal", "majority"} <= set(found.experiment.routers)
    assert not {"topk", "knn"} & set(found.experiment.routers)


def test_questions_of_which_some_have_right_answers_are_labelled(tmp_path: Path, config: Path) -> None:
    import_files("lm_eval", worlds.lm_eval(tmp_path / "files"), tmp_path / "data", dataset="mine")
    path = next((tmp_path / "data/hub").rglob("questions.parquet"))
    table = pd.read_parquet(path)
    table.loc[0, ["answer", "category"]] = [None, "other"]
    table.to_parquet(path)
    for member in (tmp_path / "data/recorded").rglob("*.parquet"):
        answers = pd.read_parquet(member)
        answers.loc[1, "score"] = None
        answers.to_parquet(member)
    assert init("mine", tmp_path / "data", config) == 0
    found = load(config, "mine", data_root=str(tmp_path / "data")).dataset["mine"]
    assert found.is_tested
    assert "other" not in found.tasks


def test_two_pools_are_two_files(tmp_path: Path, config: Path) -> None:
    import_files("lm_eval", worlds.lm_eval(tmp_path / "a"), tmp_path / "data", dataset="mine", pool="one")
    others = worlds.llmrouterbench(tmp_path / "b")
    for path in others:
        path.write_text(path.read_text().replace("org/", "other/"))
    import_files("llmrouterbench", others, tmp_path / "data", dataset="mine", pool="two")
    assert init("mine", tmp_path / "data", config) == 0
    assert load(config, "mine", data_root=str(tmp_path / "data")).experiment.pools == ["mine_one", "mine_two"]


def test_two_files_of_one_model_are_two_members(tmp_path: Path, config: Path) -> None:
    data = tmp_path / "data"
    import_files("lm_eval", worlds.lm_eval(tmp_path / "a"), data, dataset="mine", pool="one")
    import_files("llmrouterbench", worlds.llmrouterbench(tmp_path / "b"), data, dataset="mine", pool="two")
    assert init("mine", data, config) == 0
    found = load(config, "mine", data_root=str(data))
    first, second = found.pool["mine_one"], found.pool["mine_two"]
    assert not set(first.members) & set(second.members)
    assert set(second.files.values()) == set(first.members)


def test_what_cannot_be_an_experiment_is_one_message_and_writes_nothing(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(config.rglob("*"))
    data = tmp_path / "data"
    import_files("lm_eval", worlds.lm_eval(tmp_path / "files")[:1], data, dataset="alone")
    import_files("lm_eval", worlds.lm_eval(tmp_path / "files"), data, dataset="quickstart")
    for name in ("alone", "absent", "quickstart", "../up"):
        assert init(name, data, config) == 1
        assert capsys.readouterr().err.count("\n") == 1
    assert sorted(config.rglob("*")) == before
