"""A project that an earlier version finished goes on: nothing is asked again, and the tables stay as they are.

The earlier version makes the project itself, from this repository's history.
"""

import csv
import io
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests import ROOT
from tests.workflow.project import PARTS, Project, configure

FORMER = "166e70ba63fe014f411ea189440b05d82d559dc8"
EXPERIMENT = ("--config", "experiment=tiny")
READ_AGAIN = {"asked", "questions", "labels", "generation", "responses", "embeddings"}
"""What is read from the store again, in another way, and what is made of it."""
RUNS_AGAIN = READ_AGAIN | {
    "neighbours",
    "training",
    "consensus",
    "routers",
    "routes",
    "cells",
    "outcomes",
    "choices",
    "tables",
}
"""What is made again; everything else stays."""


@pytest.fixture(scope="module")
def own_models(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models of this project alone, which can be taken away from it."""
    return Path(shutil.copytree(models, tmp_path_factory.mktemp("former") / "models"))


@pytest.fixture(scope="module")
def former(own_models: Path) -> Project:
    """The project as the earlier version left it."""
    archive = subprocess.run(["git", "-C", str(ROOT), "archive", FORMER, *PARTS], capture_output=True, check=False)
    if archive.returncode:
        pytest.skip(f"the history does not reach back to {FORMER[:7]}, as in a shallow clone")
    project = Project(own_models.parent / "project")
    project.folder.mkdir()
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(project.folder, filter="data")
    configure(project.folder / "config", own_models)
    questions = own_models.parent / "questions.csv"
    with questions.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["number", "text", "a", "b", "c", "right", "topic"])
        for row in range(24):
            topic = "arithmetic" if row % 2 else "calendar"
            table.writerow([row, f"What is {row} plus {row + 1}?", 2 * row, 2 * row + 1, row, 2, topic])
    columns = {
        "id": "number",
        "question": "text",
        "options": ["a", "b", "c"],
        "label": "right",
        "label_form": "index_from_1",
        "task": "topic",
    }
    project.edit_yaml(
        "dataset/tiny.yaml",
        adapter="multiple_choice",
        source={"file": str(questions), "columns": columns},
        questions_per_task=None,
    )
    project.edit_yaml(
        "experiment/tiny.yaml", routers=["cascal", "knn", "topk"], tables=["accuracy", "generation"], figures=[]
    )
    done = project.run(*EXPERIMENT, timeout=1800)
    assert done.returncode == 0, done.stdout + done.stderr
    return project


def update(project: Project) -> None:
    """Put the code of now in the place of the former one."""
    for part in PARTS:
        if part != "config":
            place = project.folder / part
            shutil.rmtree(place) if place.is_dir() else place.unlink()
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, place, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
            else:
                shutil.copy(source, place)


def tables(project: Project) -> dict[str, bytes]:
    """The tables whose numbers are computed as they were: neither comparisons nor the stars beside accuracies."""
    folder = project.folder / "results/tables/tiny"
    return {file.name: file.read_bytes() for file in folder.glob("generation.*") if file.suffix != ".json"}


def test_a_finished_project_goes_on_without_asking(former: Project, own_models: Path) -> None:
    before = tables(former)
    update(former)
    # Whatever loads a language model from now on fails.
    for model in own_models.iterdir():
        if model.name != "embedder":
            shutil.rmtree(model)
    pending = former.pending(*EXPERIMENT)
    assert {path.split("/")[0] for path in pending} <= RUNS_AGAIN
    # The benchmark is not read by the reader of texts.
    assert not any("benchmark" in path for path in pending if path.startswith(("questions", "labels", "embeddings")))
    done = former.run(*EXPERIMENT, timeout=1800)
    assert done.returncode == 0, done.stdout + done.stderr
    assert tables(former) == before
    assert former.pending(*EXPERIMENT) == set()


def test_after_an_edit_no_more_runs_than_in_a_project_of_now(former: Project) -> None:
    former.edit_yaml("config.yaml", vote_weight="z_sum")
    pending = former.pending(*EXPERIMENT)
    assert {path.split("/")[0] for path in pending} <= {"consensus", "tables"}
