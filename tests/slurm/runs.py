"""The small project of tests/workflow, run with the SLURM profile on the cluster of the tests."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.slurm.cluster import Cluster, tied
from tests.workflow.project import Project, write

# Small where the profile is patient: nothing here waits for a slow network file system or a busy controller.
IMPATIENT = ["--slurm-init-seconds-before-status-checks", "2", "--latency-wait", "20", "--retries", "2"]


ROOT = Path(__file__).parents[2]
STARTED = "started.txt"
"""The file in a project's folder with the process groups of its runs."""


def place(project: Project, chunk_size: int = 8, **settings: object) -> None:
    """Give the project a site whose cluster is that of the tests, and make it the default."""
    names = {"partition": "cpu", "gpu_partition": "gpu", "longest_minutes": 120, "largest_memory_mb": 6000}
    site = {"cluster": names | settings, "chunk_size": chunk_size}
    write(project.folder / "config/site/tests.yaml", **site)
    configuration = project.folder / "config/config.yaml"
    configuration.write_text(configuration.read_text().replace("- site: workstation", "- site: tests"))


def give_gpus(project: Project, *files: str) -> None:
    """Let models and embedders ask for a GPU, which is pretended: they run on the CPU."""
    for file in files:
        project.edit_yaml(f"{file}.yaml", gpus=1, memory_mb=1500)


def command(*arguments: str) -> list[str]:
    return tied(sys.executable, "-m", "snakemake", "--profile", "profiles/slurm", *IMPATIENT, *arguments)


def start(project: Project, cluster: Cluster, *arguments: str) -> "subprocess.Popen[str]":
    """``snakemake --profile profiles/slurm ARGUMENTS``, under way; what it says goes to the file said.txt."""
    environment = cluster.environment()
    # The cluster of the tests has no accounting.
    environment["PATH"] = f"{ROOT / 'profiles/slurm/without-accounting'}{os.pathsep}{environment['PATH']}"
    with (project.folder / "said.txt").open("a") as said:
        running = subprocess.Popen(
            command(*arguments),
            cwd=project.folder,
            env=project.environment(**environment),
            stdout=said,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    with (project.folder / STARTED).open("a") as started:
        started.write(f"{running.pid}\n")
    return running


def end_all(project: Project) -> None:
    """End the runs that a failed test has left behind."""
    file = project.folder / STARTED
    for group in file.read_text().split() if file.exists() else []:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(int(group), signal.SIGKILL)


def end(project: Project, running: "subprocess.Popen[str]", seconds: float = 600) -> None:
    """Wait until a run has ended well.

    Raises:
        AssertionError: it has not.
    """
    try:
        code = running.wait(timeout=seconds)
    finally:
        if running.poll() is None:
            running.kill()
            running.wait()
    assert code == 0, (project.folder / "said.txt").read_text()[-6000:]


def run(project: Project, cluster: Cluster, *arguments: str, seconds: float = 600) -> None:
    """Start a run and wait until it has ended well."""
    end(project, start(project, cluster, *arguments), seconds)


# Without the provenance beside them, which names the time.
TABLES = [f"tables/tiny/*.{kind}" for kind in ("parquet", "md", "csv", "tex")]


def bytes_of(folder: Path, patterns: Sequence[str]) -> dict[str, bytes]:
    """The contents of the files that match, by their paths in the folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for pattern in patterns
        for path in sorted(folder.glob(pattern))
    }
