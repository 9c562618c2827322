"""Eight replicas of a member on a cluster: eight jobs with a GPU each share its questions, and one that is killed is not missed."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faulty_server import FaultyServer
from tests.slurm import runs
from tests.slurm.cluster import GPUS, Cluster, wait_until
from tests.slurm.test_faults import AT_RISK, CHUNK, CONCURRENCY, MEMBERS, QUESTIONS, Served, prepared, serve
from tests.workflow.project import Project, write

__all__ = ["prepared"]

REPLICAS = 8
MEMBER = MEMBERS[0]
TARGET = "answers"


@pytest.fixture
def served() -> Iterator[Served]:
    # One job alone would need two minutes, so that the others have time to start.
    made = Served(FaultyServer(lambda asked: made.reply(asked)), seconds=5.0)
    with made.server:
        yield made


@pytest.fixture
def project(prepared: Project, served: Served, tmp_path: Path) -> Iterator[Project]:
    copied = prepared.copy(tmp_path / "project")
    serve(copied, served.server.address)
    for member in MEMBERS[1:]:
        (copied.folder / f"config/model/{member}.yaml").unlink()
    copied.edit_yaml(f"model/{MEMBER}.yaml", replicas=REPLICAS)
    write(copied.folder / "config/pool/tiny.yaml", title="Pool", members=[MEMBER, "tiny-a-plain"])
    runs.place(copied, chunk_size=CHUNK)
    yield copied
    runs.end_all(copied)


def jobs_that_ask(cluster: Cluster, project: Project) -> list[dict[str, str]]:
    """SLURM's records of the member's jobs, in the order of submission."""
    return [
        job
        for job in cluster.jobs()
        if job["WorkDir"] == str(project.folder) and job["Comment"].startswith(f"rule_answers_letter_{MEMBER}_")
    ]


def done(project: Project) -> None:
    """All answers are there, and each job has left its record."""
    folder = project.folder / f"results/asked/answers/tiny/benchmark/{MEMBER}"
    records = [folder.with_suffix(".json"), *(folder / f"{number}.json" for number in range(2, REPLICAS + 1))]
    assert {json.loads(path.read_text())["answers"] for path in records} == {QUESTIONS}
    assert (project.folder / f"results/responses/tiny/benchmark/{MEMBER}.parquet").exists()
    assert project.pending(TARGET) == set()


def test_eight_jobs_with_a_gpu_each_share_the_questions(project: Project, cluster: Cluster, served: Served) -> None:
    runs.run(project, cluster, TARGET)
    jobs = jobs_that_ask(cluster, project)
    assert len(jobs) == REPLICAS == GPUS
    assert {job["JobState"] for job in jobs} == {"COMPLETED"}
    assert all("gpu" in job["TresPerJob"] for job in jobs)
    # More at a time than half of the jobs can ask.
    assert served.server.most_at_once > REPLICAS * CONCURRENCY // 2
    assert sorted(served.times().values()) == [1] * QUESTIONS
    done(project)


def test_the_others_finish_the_share_of_one_that_is_killed(project: Project, cluster: Cluster, served: Served) -> None:
    running = runs.start(project, cluster, TARGET)
    wait_until(lambda: served.server.most_at_once > REPLICAS, 300, "several jobs to ask at a time")
    killed = next(job["JobId"] for job in jobs_that_ask(cluster, project) if job["JobState"] == "RUNNING")
    cluster.command("scancel", "--signal=KILL", "--full", killed)
    runs.end(project, running)
    jobs = jobs_that_ask(cluster, project)
    assert len(jobs) == REPLICAS + 1
    times = served.times()
    assert len(times) == QUESTIONS
    assert sum(times.values()) - QUESTIONS <= AT_RISK
    done(project)
