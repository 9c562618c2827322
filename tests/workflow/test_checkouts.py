"""The code that runs is the checkout's own: with another checkout's in front of it nothing starts."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workflow.project import Project, make

TARGET = "results/questions/tiny/benchmark.parquet"
# What reads a checkout's configuration or results, with arguments that would otherwise do no more than look.
COMMANDS = [
    ["plan", TARGET],
    ["explain", TARGET],
    ["adopt"],
    ["prune"],
    ["table", "--partial"],
    ["doctor", "--offline"],
    ["data", "list"],
    ["models"],
    ["export", "results/routers/tiny/real/tiny/knn.parquet", "bundle"],
    ["store", "ls"],
]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Project]:
    """Two checkouts; no model is asked."""
    folder = tmp_path_factory.mktemp("checkouts")
    return make(folder / "own", folder / "models"), make(folder / "other", folder / "models")


def code_of(project: Project) -> str:
    return str(project.folder / "workflow_scripts")


def rgd(project: Project, code: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    """``rgd ARGUMENTS`` in a project, run by the code of another."""
    return subprocess.run(
        [sys.executable, "-m", "rgd.cli", *arguments],
        cwd=project.folder,
        env=project.environment(PYTHONPATH=code_of(code)),
        capture_output=True,
        text=True,
        check=False,
    )


def test_snakemake_refuses_another_checkouts_code_and_runs_its_own(pair: tuple[Project, Project]) -> None:
    own, other = pair
    refused = own.run(TARGET, PYTHONPATH=code_of(other))
    assert refused.returncode != 0
    said = refused.stdout + refused.stderr
    assert f"{code_of(other)}/rgd" in said
    assert f"{code_of(own)}/rgd" in said
    assert "make install" in said
    assert "Traceback" not in said
    assert not (own.folder / "results").exists()
    done = own.run(TARGET)
    assert done.returncode == 0, done.stderr


def test_a_link_to_a_checkout_is_that_checkout(pair: tuple[Project, Project], tmp_path: Path) -> None:
    own, _ = pair
    (tmp_path / "link").symlink_to(own.folder)
    linked = Project(tmp_path / "link")
    assert linked.run("--dry-run", TARGET).returncode == 0
    assert own.run("--dry-run", TARGET, PYTHONPATH=code_of(linked)).returncode == 0


@pytest.mark.parametrize("without", ["", "workflow"])
def test_a_job_refuses_where_its_python_has_other_code(
    pair: tuple[Project, Project], tmp_path: Path, without: str
) -> None:
    own, other = (project.copy(tmp_path / project.folder.name) for project in pair)
    if without:
        # An older checkout has no such check to answer with.
        shutil.rmtree(other.folder / "workflow_scripts/rgd" / without)
    # A Python that finds the other checkout first, but only as a job.
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text(
        "import sys\n"
        "if any('/.snakemake/scripts/' in argument for argument in sys.orig_argv):\n"
        f"    sys.path.insert(0, {code_of(other)!r})\n"
    )
    shutil.rmtree(own.folder / "results", ignore_errors=True)
    done = own.run(TARGET, PYTHONPATH=f"{tmp_path / 'site'}:{code_of(own)}")
    assert done.returncode != 0
    assert not (own.folder / TARGET).exists()
    said = "".join(log.read_text() for log in (own.folder / "results/logs").rglob("*.log"))
    assert f"{code_of(other)}/rgd" in said
    assert f"{code_of(own)}/rgd" in said


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda arguments: arguments[0])
def test_commands_refuse_another_checkouts_code(pair: tuple[Project, Project], arguments: list[str]) -> None:
    own, other = pair
    (own.folder / "results/store").mkdir(parents=True, exist_ok=True)
    refused = rgd(own, other, *arguments)
    assert refused.returncode == 1
    assert f"{code_of(other)}/rgd" in refused.stderr
    assert f"{code_of(own)}/rgd" in refused.stderr
    assert f"{code_of(other)}/rgd" not in rgd(own, own, *arguments).stderr


def test_what_is_named_counts_and_not_where_one_stands(pair: tuple[Project, Project]) -> None:
    own, other = pair
    assert rgd(own, own, "models", "--config-dir", str(other.folder / "config")).returncode == 1
    assert rgd(own, other, "models", "--config-dir", str(other.folder / "config")).returncode == 0


@pytest.mark.parametrize("arguments", [["route", "--help"], ["serve", "--help"], ["route", "--bundle", "none", "x"]])
def test_a_bundle_is_used_anywhere(pair: tuple[Project, Project], arguments: list[str]) -> None:
    own, other = pair
    done = rgd(own, other, *arguments)
    assert code_of(other) not in done.stderr
    assert "none" in done.stderr or done.returncode == 0


@pytest.mark.parametrize("name", ["a b", "it's", "a$b", "a&b", "a(b)", "a;b"])
def test_a_path_that_breaks_jobs_is_refused_before_anything_runs(
    pair: tuple[Project, Project], tmp_path: Path, name: str
) -> None:
    project = pair[0].copy(tmp_path / name)
    (project.folder / ".venv").symlink_to(sys.prefix)
    command = [str(project.folder / ".venv/bin/python"), "-m", "snakemake", "--cores", "1", "splits"]
    done = subprocess.run(
        command, cwd=project.folder, env=project.environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert name in done.stderr
    assert "make install" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_broken_environment_is_told_by_snakemake(pair: tuple[Project, Project], tmp_path: Path) -> None:
    project = pair[0].copy(tmp_path / "moved")
    (project.folder / ".venv/bin").mkdir(parents=True)
    (project.folder / ".venv/bin/python").symlink_to(tmp_path / "gone")
    done = project.run("--dry-run", TARGET)
    assert done.returncode != 0
    assert str(tmp_path / "gone") in done.stderr
    assert "make install" in done.stderr
