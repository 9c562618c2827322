"""A whole experiment in one submission to a real SLURM, whose own records say what was asked of it."""

import shutil
from collections import Counter
from pathlib import Path

import pytest
import yaml

from rgd.workflow.run_times import SPARE_MINUTES
from tests.slurm import runs
from tests.slurm.cluster import Cluster
from tests.workflow.project import MEMBERS, Project, make
from tests.workflow.test_model_loads import loads

pytestmark = pytest.mark.ci

ROUTERS = ["cascal", "knn", "topk"]
COMPARED = ["cells/**/*.parquet", "responses/**/*.parquet", *runs.TABLES]


@pytest.fixture(scope="module")
def submitted(models: Path, whole_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project after a run on the cluster that began with an empty store."""
    project = make(tmp_path_factory.mktemp("submitted") / "project", models)
    project.edit_yaml("experiment/tiny.yaml", routers=ROUTERS, seeds=[0], tables=["accuracy"], figures=[])
    project.edit_yaml("model/tiny-b.yaml", engine="vllm")
    runs.give_gpus(project, "model/tiny-a", "model/tiny-b", "model/tiny-writer", "embedder/tiny-embedder")
    runs.place(project)
    runs.run(project, whole_cluster, seconds=1500)
    return project


@pytest.fixture(scope="module")
def jobs(submitted: Project, whole_cluster: Cluster) -> list[dict[str, str]]:
    """SLURM's records of the run's jobs."""
    return [job for job in whole_cluster.jobs() if job["WorkDir"] == str(submitted.folder)]


def of(jobs: list[dict[str, str]], name: str) -> list[dict[str, str]]:
    """The jobs of a rule, or of a group of rules."""
    return [job for job in jobs if job["Comment"].startswith(f"rule_{name}")]


def test_all_cells_are_those_of_a_local_run_from_the_same_store(
    submitted: Project, models: Path, tmp_path: Path
) -> None:
    local = make(tmp_path / "local", models)
    shutil.copytree(submitted.folder / "config", local.folder / "config", dirs_exist_ok=True)
    shutil.copytree(submitted.folder / "results/store", local.folder / "results/store")
    done = local.run()
    assert done.returncode == 0, done.stdout + done.stderr
    assert sum(loads(local, "ask_answers").values()) + sum(loads(local, "ask_queries").values()) == 0
    made, here = (runs.bytes_of(project.folder / "results", COMPARED) for project in (submitted, local))
    assert len([path for path in made if path.startswith("cells/")]) == 2 * 2 + 1 + 2
    assert made.keys() == here.keys()
    assert [path for path in made if made[path] != here[path]] == []


def test_every_member_is_loaded_once(submitted: Project) -> None:
    assert loads(submitted, "ask_answers") == dict.fromkeys(MEMBERS, 1)
    assert loads(submitted, "ask_queries") == {"tiny-writer": 1}


def test_slurm_was_asked_for_few_jobs_with_what_the_models_need(submitted: Project, jobs: list[dict[str, str]]) -> None:
    assert {job["JobState"] for job in jobs} == {"COMPLETED"}
    # A job of the cluster for each member, whatever the number of its query sets, and a further one to read its answers.
    assert Counter(job["Comment"] for job in of(jobs, "answers_")) == {
        f"rule_answers_letter_{member}_ask_answers": 1 for member in MEMBERS
    }
    assert len(of(jobs, "responses_")) == len(MEMBERS)
    # All seven cells are a job, also those of the references.
    assert len(of(jobs, "cell")) == 1
    for job in [*of(jobs, "answers_"), *of(jobs, "ask_queries"), *of(jobs, "embed_questions")]:
        assert job["Partition"] == "gpu"
        assert "gpu" in job["TresPerJob"]
        assert job["MinMemoryNode"] == "1500M"
    for job in [*of(jobs, "responses_"), *of(jobs, "cell"), *of(jobs, "accuracy_table")]:
        assert job["Partition"] == "cpu"
        assert "gpu" not in job.get("TresPerJob", "")
    assert len(jobs) <= 24
    # What takes a second or needs a network has run where snakemake ran.
    assert not of(jobs, "human_descriptions") + of(jobs, "fetch_")
    minutes = yaml.safe_load((submitted.folder / "config/site/tests.yaml").read_text())["cluster"]["longest_minutes"]
    for job in of(jobs, "answers_"):
        hours, rest, _ = map(int, job["TimeLimit"].split(":"))
        assert SPARE_MINUTES < hours * 60 + rest <= minutes
