"""What happens to a long run on a cluster: each time it ends with the tables of a run without faults, and asks nothing twice."""

import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faulty_server import Asked, FaultyServer, Play
from tests.slurm import runs
from tests.slurm.cluster import GPUS, Cluster, wait_until
from tests.workflow.project import Project, make, write

CHUNK, CONCURRENCY = 4, 2
# What is in flight, and what came since the last commit.
AT_RISK = CONCURRENCY + CHUNK - 1
MEMBERS = ["first", "second"]
QUESTIONS = 48
COMPARED = ["cells/**/*.parquet", *runs.TABLES]


@dataclass
class Served:
    """Two members behind one server: slow enough to be disturbed, and it knows how often it was asked what."""

    server: FaultyServer
    seconds: float = 0.5

    def reply(self, asked: Asked) -> Play:
        question = json.dumps(asked.body["messages"])
        letter = "ABCD"[sum(question.encode()) % 4]
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": f"The answer is ({letter})"},
            "finish_reason": "stop",
        }
        usage = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
        model = asked.body["model"]
        return Play({"model": model, "choices": [choice], "usage": usage}, delay_s=self.seconds)

    def times(self) -> Counter[tuple[str, str]]:
        """How often each member was asked each question."""
        return Counter((asked.body["model"], json.dumps(asked.body["messages"])) for asked in self.server.asked)


@pytest.fixture
def served() -> Iterator[Served]:
    made = Served(FaultyServer(lambda asked: made.reply(asked)))
    with made.server:
        yield made


@pytest.fixture(scope="module")
def prepared(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project with everything made that comes before the answers."""
    project = make(tmp_path_factory.mktemp("prepared") / "project", models)
    project.edit_yaml("dataset/tiny.yaml", questions_per_task=QUESTIONS // 2)
    project.edit_yaml(
        "experiment/tiny.yaml", scenarios=["real"], routers=["topk", "majority"], tables=["accuracy"], figures=[]
    )
    write(project.folder / "config/pool/tiny.yaml", title="Pool", members=MEMBERS)
    serve(project, "http://127.0.0.1:1")
    done = project.run("results/neighbours/tiny/real.parquet")
    assert done.returncode == 0, done.stdout + done.stderr
    return project


def serve(project: Project, address: str) -> None:
    for member in MEMBERS:
        write(
            project.folder / f"config/model/{member}.yaml",
            title=member,
            licence="none",
            engine="openai",
            max_model_len=1024,
            gpus=1,
            memory_mb=1500,
            asks={"default": {"way": "generate", "prompt": "ask_chat"}},
            api={"model": member, "base_url": f"{address}/v1", "concurrency": CONCURRENCY},
        )


@pytest.fixture(scope="module")
def undisturbed(prepared: Project, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What a local run without faults makes."""
    project = prepared.copy(tmp_path_factory.mktemp("undisturbed") / "project")
    made = Served(FaultyServer(lambda asked: made.reply(asked)), seconds=0.0)
    with made.server:
        serve(project, made.server.address)
        project.edit_yaml("site/workstation.yaml", chunk_size=CHUNK)
        done = project.run()
    assert done.returncode == 0, done.stdout + done.stderr
    return runs.bytes_of(project.folder / "results", COMPARED)


@pytest.fixture
def project(prepared: Project, served: Served, tmp_path: Path) -> Iterator[Project]:
    copied = prepared.copy(tmp_path / "project")
    serve(copied, served.server.address)
    runs.place(copied, chunk_size=CHUNK)
    yield copied
    runs.end_all(copied)


def in_the_middle(served: Served, answers: int = 3 * CHUNK) -> None:
    """Wait until so many answers were asked for."""
    wait_until(lambda: len(served.server.asked) >= answers, 300, "a job that asks")


def asking(cluster: Cluster, project: Project) -> list[dict[str, str]]:
    """SLURM's records of the jobs that ask, in the order of submission."""
    return [
        job
        for job in cluster.jobs()
        if job["WorkDir"] == str(project.folder) and job["Comment"].startswith("rule_answers_")
    ]


def ended_as_without(project: Project, served: Served, undisturbed: dict[str, bytes], again: int) -> None:
    """The tables are those of a run without faults; at most ``again`` questions were asked a second time."""
    made = runs.bytes_of(project.folder / "results", COMPARED)
    assert made.keys() == undisturbed.keys()
    assert [path for path in made if made[path] != undisturbed[path]] == []
    times = served.times()
    assert len(times) == len(MEMBERS) * QUESTIONS
    assert sum(times.values()) - len(times) <= again


def test_a_job_is_cancelled(project: Project, cluster: Cluster, served: Served, undisturbed: dict[str, bytes]) -> None:
    running = runs.start(project, cluster)
    in_the_middle(served)
    cancelled = asking(cluster, project)[0]["JobId"]
    cluster.command("scancel", cancelled)
    runs.end(project, running)
    jobs = asking(cluster, project)
    assert [job["JobState"] for job in jobs if job["JobId"] == cancelled] == ["CANCELLED"]
    assert len(jobs) == len(MEMBERS) + 1
    # It was told, finished what was in flight and committed it.
    ended_as_without(project, served, undisturbed, again=0)


def test_a_job_is_killed(project: Project, cluster: Cluster, served: Served, undisturbed: dict[str, bytes]) -> None:
    running = runs.start(project, cluster)
    in_the_middle(served)
    cluster.command("scancel", "--signal=KILL", "--full", asking(cluster, project)[0]["JobId"])
    runs.end(project, running)
    ended_as_without(project, served, undisturbed, again=AT_RISK)


def test_the_node_is_drained_and_resumed(
    project: Project, cluster: Cluster, served: Served, undisturbed: dict[str, bytes]
) -> None:
    running = runs.start(project, cluster)
    in_the_middle(served)
    cluster.command("scontrol", "update", f"NodeName={cluster.host}", "State=DRAIN", "Reason=test")
    wait_until(lambda: cluster.node_state() == "DRAINED", 120, "the jobs that run to end")
    time.sleep(5)
    cluster.command("scontrol", "update", f"NodeName={cluster.host}", "State=RESUME")
    runs.end(project, running)
    ended_as_without(project, served, undisturbed, again=0)


def test_the_node_fails(project: Project, cluster: Cluster, served: Served, undisturbed: dict[str, bytes]) -> None:
    running = runs.start(project, cluster)
    in_the_middle(served)
    cluster.command("scontrol", "update", f"NodeName={cluster.host}", "State=DOWN", "Reason=test")
    # SLURM takes it back as soon as its daemon says that it is there.
    wait_until(lambda: cluster.node_state() in {"IDLE", "MIXED", "ALLOCATED"}, 120, "the node to be back")
    runs.end(project, running)
    assert max(int(job["Restarts"]) for job in asking(cluster, project)) == 1
    ended_as_without(project, served, undisturbed, again=len(MEMBERS) * AT_RISK)


def test_jobs_are_preempted_and_go_back_into_the_queue(
    project: Project, cluster: Cluster, served: Served, undisturbed: dict[str, bytes]
) -> None:
    running = runs.start(project, cluster)
    in_the_middle(served)
    cluster.command("sbatch", "--partition=urgent", f"--gpus={GPUS}", "--output=/dev/null", "--wrap=sleep 5")
    runs.end(project, running)
    jobs = asking(cluster, project)
    # The same jobs, by SLURM's own queue: snakemake has submitted none again.
    assert len(jobs) == len(MEMBERS)
    assert sum(int(job["Restarts"]) for job in jobs) >= 1
    ended_as_without(project, served, undisturbed, again=len(MEMBERS) * AT_RISK)


def test_a_time_limit_cuts_the_work_into_tries(
    project: Project, cluster: Cluster, served: Served, undisturbed: dict[str, bytes]
) -> None:
    served.seconds = 4.0
    # A member's questions take 96 seconds and the start of a job; SLURM looks at its time limits twice a minute, so it
    # tells a job some 20 to 50 seconds before its two minutes are over.
    runs.place(project, chunk_size=CHUNK, longest_minutes=2)
    runs.run(project, cluster, "--default-resources", "mem_mb=1000", "runtime=10", "slurm_extra='--signal=TERM@20'")
    jobs = asking(cluster, project)
    assert {job["TimeLimit"] for job in jobs} == {"00:02:00"}
    assert len(jobs) > len(MEMBERS)
    assert "TIMEOUT" not in {job["JobState"] for job in jobs}
    ended_as_without(project, served, undisturbed, again=0)


def test_the_controller_is_restarted(
    project: Project, cluster: Cluster, served: Served, undisturbed: dict[str, bytes]
) -> None:
    running = runs.start(project, cluster)
    in_the_middle(served)
    cluster.stop_controller()
    time.sleep(20)
    assert running.poll() is None
    cluster.start_controller()
    runs.end(project, running)
    assert len(asking(cluster, project)) == len(MEMBERS)
    ended_as_without(project, served, undisturbed, again=0)


def test_snakemake_is_killed_and_started_again(
    project: Project, cluster: Cluster, served: Served, undisturbed: dict[str, bytes]
) -> None:
    running = runs.start(project, cluster)
    in_the_middle(served)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    # The jobs of the first one are still at work: the second one's ask beside them what they are not asking.
    assert any(job["JobState"] == "RUNNING" for job in asking(cluster, project))
    runs.run(project, cluster)
    ended_as_without(project, served, undisturbed, again=0)


def test_snakemake_is_interrupted_and_started_again(
    project: Project, cluster: Cluster, served: Served, undisturbed: dict[str, bytes]
) -> None:
    running = runs.start(project, cluster)
    in_the_middle(served)
    os.kill(running.pid, signal.SIGINT)
    try:
        assert running.wait(timeout=120) != 0
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGKILL)
        raise
    # It takes its jobs with it.
    wait_until(lambda: all(job["JobState"] != "RUNNING" for job in asking(cluster, project)), 60, "its jobs to end")
    runs.run(project, cluster)
    ended_as_without(project, served, undisturbed, again=0)
