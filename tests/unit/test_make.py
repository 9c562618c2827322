"""``make install`` in folders of every kind, with a Python that installs nothing."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.ci]

# Makes a `.venv` whose interpreter is itself and whose pip only writes down that it was called.
STUB = """#!/bin/sh
here=$(pwd)
case "$*" in
"-m venv "*)
    mkdir -p .venv/bin .venv/lib
    echo venv >> made
    ln -s "$STUB" .venv/bin/python
    printf '#!%s/.venv/bin/python\\n' "$here" > .venv/bin/pip ;;
"-m pip "*) echo pip >> made ;;
"-m "*) ;;
*) exec "$REAL" "$@" ;;
esac
"""


@pytest.fixture
def stub(tmp_path: Path) -> Path:
    path = tmp_path / "python-stub"
    path.write_text(STUB)
    path.chmod(0o755)
    return path


def checkout(folder: Path) -> Path:
    """What ``make install`` reads of a checkout."""
    for name in ("Makefile", "pyproject.toml", "envs/lock-cpu.txt", "workflow_scripts/rgd/workflow/checkout.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    return folder


def make(folder: Path, stub: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "STUB": str(stub), "REAL": sys.executable}
    command = ["make", *(arguments or ("install",)), f"PYTHON={stub}"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def made(folder: Path) -> list[str]:
    """What was installed since the last look."""
    file = folder / "made"
    found = file.read_text().split() if file.exists() else []
    file.unlink(missing_ok=True)
    return found


def test_what_is_installed_stays_and_what_is_half_installed_is_finished(tmp_path: Path, stub: Path) -> None:
    folder = checkout(tmp_path / "project")
    assert make(folder, stub).returncode == 0
    assert made(folder)[:2] == ["venv", "pip"]
    assert make(folder, stub).returncode == 0
    assert made(folder) == []
    next((folder / ".venv").glob(".installed-*")).unlink()
    assert make(folder, stub).returncode == 0
    assert set(made(folder)) == {"pip"}


@pytest.mark.parametrize("target", ["install", "test", "quickstart", "check", "bench"])
@pytest.mark.parametrize("name", ["a b", "it's", 'a"b', "a$b", "a&b", "a(b)", "a;b", "a[b]", "a:b"])
def test_a_path_that_breaks_jobs_is_told_before_anything_is_installed(
    tmp_path: Path, stub: Path, name: str, target: str
) -> None:
    folder = checkout(tmp_path / name)
    done = make(folder, stub, target)
    assert done.returncode != 0
    assert str(folder) in done.stderr
    assert made(folder) == []
    assert not (folder / ".venv").exists()


@pytest.mark.parametrize("keep", [True, False])
def test_a_moved_or_copied_environment_is_made_anew(tmp_path: Path, stub: Path, keep: bool) -> None:
    folder = checkout(tmp_path / "project")
    make(folder, stub)
    made(folder)
    moved = tmp_path / "elsewhere"
    if keep:
        shutil.copytree(folder, moved, symlinks=True)
    else:
        folder.rename(moved)
    (moved / ".venv/left-over").touch()
    done = make(moved, stub)
    assert done.returncode == 0, done.stderr
    assert str(folder / ".venv/bin/python") in done.stdout
    assert made(moved)[:2] == ["venv", "pip"]
    assert not (moved / ".venv/left-over").exists()
    assert make(moved, stub).returncode == 0
    assert made(moved) == []


def test_a_link_to_another_environment_is_left_alone(tmp_path: Path, stub: Path) -> None:
    folder, other = checkout(tmp_path / "project"), checkout(tmp_path / "other")
    make(folder, stub)
    (other / ".venv").symlink_to(folder / ".venv")
    assert make(other, stub).returncode == 0
    assert made(other) == []


def test_a_dangling_interpreter_is_replaced_and_what_a_link_points_to_is_kept(tmp_path: Path, stub: Path) -> None:
    folder, other = checkout(tmp_path / "project"), checkout(tmp_path / "other")
    make(folder, stub)
    (other / ".venv").symlink_to(folder / ".venv")
    (folder / ".venv/bin/python").unlink()
    (folder / ".venv/bin/python").symlink_to(tmp_path / "gone")
    for each in (other, folder):
        made(each)
        done = make(each, stub)
        assert done.returncode == 0, done.stderr
        assert str(tmp_path / "gone") in done.stdout
        assert made(each)[:2] == ["venv", "pip"]
        assert (folder / ".venv").is_dir()
    assert not (other / ".venv").is_symlink()


def test_a_dry_run_changes_nothing(tmp_path: Path, stub: Path) -> None:
    folder = checkout(tmp_path / "project")
    make(folder, stub)
    made(folder)
    moved = folder.rename(tmp_path / "elsewhere")
    before = sorted(moved.rglob("*"))
    assert make(moved, stub, "-n", "install").returncode == 0
    assert sorted(moved.rglob("*")) == before


@pytest.fixture
def installed(tmp_path: Path, stub: Path) -> Path:
    folder = checkout(tmp_path / "project")
    assert make(folder, stub).returncode == 0
    return folder


def snakemake(folder: Path, script: str) -> None:
    """Let the project's snakemake be a shell script."""
    path = folder / ".venv" / "bin" / "snakemake"
    path.write_text(f"#!/bin/sh\n{script}")
    path.chmod(0o755)


def test_a_stopped_quickstart_ends_with_its_own_words_and_not_as_if_all_were_done(installed: Path, stub: Path) -> None:
    script = "trap 'echo stopped; exit 1' INT\necho runs\nwhile :; do sleep 0.1; done\n"
    snakemake(installed, script)
    # A make that runs the tests would be told of by this one.
    own = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    environment = {**own, "STUB": str(stub), "REAL": sys.executable}
    command = ["make", "quickstart", f"PYTHON={stub}"]
    with subprocess.Popen(
        command, cwd=installed, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert running.stdout.readline() == b"runs\n"
        # As a terminal does: everything in the foreground gets the signal.
        os.killpg(running.pid, signal.SIGINT)
        said, errors = running.communicate(timeout=20)
    assert said == b"stopped\n"
    assert errors == b""
    assert running.returncode != 0


def test_a_failed_quickstart_is_a_failure_of_make(installed: Path, stub: Path) -> None:
    snakemake(installed, "exit 3\n")
    done = make(installed, stub, "quickstart")
    assert done.returncode != 0
    assert "quickstart" in done.stderr
    snakemake(installed, "exit 0\n")
    assert make(installed, stub, "quickstart").returncode == 0
