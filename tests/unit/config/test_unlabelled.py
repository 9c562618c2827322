"""Questions without labels: which routers, tables and figures remain, of each adapter that reads tables."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from rgd.config import load, sweep
from rgd.config.analyses import left_out, made_figures, made_tables
from rgd.config.schema import Config
from rgd.datasets import load as load_adapter
from rgd.datasets.base import sound
from rgd.errors import UserError
from rgd.report import settings as report_settings
from rgd.routers import load as load_router
from rgd.routing.reduced import BENCHMARK, REAL
from rgd.workflow.inputs import Inputs
from rgd.workflow.study import Study
from rgd.workflow.targets import Targets
from tests import ROOT
from tests.unit.workflow.test_inputs import Wildcards

pytestmark = [pytest.mark.slow, pytest.mark.ci]

STRONG = "qwen2.5-coder-1.5b"
WITH_LABELS, WITHOUT = ["knn", "topk", "avengers"], ["latent_truth", "cascal", "majority"]
ROWS = "id,q,o,t\n" + "".join(f'{n},What is {n}?,"[""yes"", ""no""]",{"ab"[n % 2]}\n' for n in range(8))
ADAPTERS = {
    "letter": {"adapter": "multiple_choice", "columns": {"options": "o"}},
    "option_text": {"adapter": "multiple_choice", "columns": {"options": "o"}},
    "latex": {"adapter": "mathematics", "columns": {}},
    "number": {"adapter": "free_form", "columns": {}},
    "text": {"adapter": "free_form", "columns": {}},
    "yes_no": {"adapter": "free_form", "columns": {}},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "own.csv").write_text(ROWS)
    return Path(shutil.copytree(ROOT / "config", tmp_path / "config"))


def dataset(folder: Path, name: str = "mine", kind: str = "letter", **columns: str) -> dict[str, Any]:
    """Write a dataset's file; without ``columns`` it has no labels."""
    own = {"id": "id", "question": "q", "task": "t"}
    spec = {
        "title": name,
        "adapter": ADAPTERS[kind]["adapter"],
        "answer_kind": kind,
        "source": {"file": str(folder.parent / "own.csv"), "columns": {**own, **ADAPTERS[kind]["columns"], **columns}},
        "tasks": {"a": "", "b": ""},
        "embedder": "all-minilm-l6-v2",
        "generated_queries": 10,
    }
    (folder / f"dataset/{name}.yaml").write_text(yaml.safe_dump(spec))
    return spec


def experiment(folder: Path, **content: object) -> Config:
    own = {
        "title": "Test",
        "datasets": ["mine"],
        "scenarios": [REAL],
        "pools": ["quickstart"],
        "routers": [*WITH_LABELS, *WITHOUT],
        "seeds": [0],
    }
    (folder / "experiment/test.yaml").write_text(yaml.safe_dump(own | content))
    return load(folder, "test")


@pytest.mark.parametrize("kind", list(ADAPTERS))
def test_every_adapter_reads_questions_without_labels(kind: str, folder: Path) -> None:
    spec = dataset(folder, kind=kind)
    source = {
        "rows": None,
        **spec["source"],
        "columns": {"label": None, "label_form": None, "part": None, "options": None},
    }
    source["columns"] |= spec["source"]["columns"]
    settings = {"source": source, "tasks": list(spec["tasks"]), "answer_kind": kind}
    kept, dropped = sound(load_adapter(spec["adapter"]).questions(settings, folder.parent))
    assert (len(kept), dropped) == (8, [])
    assert {question.label for question in kept} == {None}


def test_routers_that_need_labels_are_left_out_with_the_reason(folder: Path) -> None:
    dataset(folder)
    config = experiment(folder, tables=["accuracy", "comparisons", "audit"], figures=["accuracy", "queries"])
    assert {cell.router for cell in sweep.router_cells(config)} == set(WITHOUT)
    excluded = sweep.excluded_cells(config)
    assert {cell.router for cell in excluded} == set(WITH_LABELS)
    assert all("labels" in reason for reason in excluded.values())
    assert sweep.reference_cells(config) == sweep.tested_cells(config) == []
    assert (made_tables(config), made_figures(config)) == (["audit"], ["queries"])
    said = " ".join(left_out(config))
    assert all(name in said for name in ("accuracy", "comparisons", *WITH_LABELS))
    # Members answer the questions all the same.
    assert sweep.needed(config) == {("mine", BENCHMARK): ("quickstart",)}


def test_routes_are_what_a_run_makes_and_no_label_is_read(folder: Path) -> None:
    dataset(folder)
    study = Study(experiment(folder, report=True), folder)
    inputs = Inputs(study)
    targets = Targets(study, inputs)
    assert [path.split("/")[1] for path in targets.untested] == ["routes"] * len(WITHOUT)
    assert set(targets.untested) <= set(targets.all)
    assert not targets.cells
    assert not [path for path in inputs.report_page() if "/labels/" in path]
    assert report_settings.settings(study.config)["unlabelled"] == ["mine"]
    wildcards = Wildcards(dataset="mine", scenario=REAL, pool="quickstart", router="knn")
    for asked in (inputs.test_labels, inputs.fit, inputs.tested([])):
        with pytest.raises(SystemExit):
            asked(wildcards)


@pytest.mark.parametrize("kind", ["letter", "text"])
def test_with_labels_everything_is_made(kind: str, folder: Path) -> None:
    dataset(folder, kind=kind, label="id", label_form="text")
    config = experiment(folder, pools=["small"], tables=["accuracy"])
    assert {cell.router for cell in sweep.router_cells(config)} == {*WITH_LABELS, *WITHOUT}
    assert (made_tables(config), left_out(config)) == (["accuracy"], [])
    assert "unlabelled" not in report_settings.settings(config)


def test_a_labelled_dataset_beside_it_keeps_its_tables(folder: Path) -> None:
    dataset(folder)
    study = Study(
        experiment(folder, datasets=["quickstart", "mine"], tables=["accuracy", "tasks"], seeds=[0, 1, 2]), folder
    )
    assert made_tables(study.config) == ["accuracy", "tasks"]
    assert study.tested_datasets == ["quickstart"]
    assert study.datasets == ["quickstart", "mine"]
    assert {cell.dataset for cell in study.scored_cells} == {"quickstart"}
    assert all("quickstart" in path for path in Inputs(study).graded_answers())


def test_generated_queries_have_the_generators_labels(folder: Path) -> None:
    dataset(folder)
    config = experiment(folder, scenarios=[REAL, STRONG])
    assert {cell.router for cell in sweep.router_cells(config) if cell.scenario == STRONG} >= {"knn", "avengers"}
    assert ("mine", REAL, "quickstart") in sweep.transfer_cells(config)


def test_an_experiment_without_a_router_is_refused_and_names_those_that_need_no_labels(folder: Path) -> None:
    dataset(folder)
    with pytest.raises(UserError, match="latent_truth"):
        experiment(folder, routers=WITH_LABELS)


def test_a_baseline_is_needed_only_for_tables(folder: Path) -> None:
    dataset(folder)
    assert experiment(folder, routers=WITHOUT).experiment.routers == WITHOUT
    with pytest.raises(UserError, match="baseline"):
        experiment(folder, routers=WITHOUT, baseline="topk")


@pytest.mark.parametrize("columns", [{"label": "id"}, {"label_form": "letter"}])
def test_a_label_and_its_form_go_together(columns: dict[str, str], folder: Path) -> None:
    dataset(folder, **columns)
    with pytest.raises(UserError, match="label_form"):
        experiment(folder)


def test_every_method_says_whether_it_needs_labels(folder: Path) -> None:
    """Routers whose class reads labels are excluded, and no others."""
    dataset(folder)
    config = load(folder, "quickstart")
    names = [name for name, spec in config.router.items() if spec.features is None]
    config = experiment(folder, routers=names, baseline=names[0])
    wanted = {name for name in names if load_router(config.router[name].method).needs_labels}
    assert {cell.router for cell in sweep.excluded_cells(config)} == wanted
