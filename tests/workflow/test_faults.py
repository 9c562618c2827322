"""Bad input and broken surroundings: one clear message, exit code not 0, and a state from which the same run goes on."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.workflow.project import Project, make

CELL = "results/cells/tiny/tiny-writer/tiny/knn.parquet"


def messages(done: "subprocess.CompletedProcess[str]") -> str:
    return done.stdout + done.stderr


def test_a_typo_in_a_member_is_one_message_before_anything_runs(finished: Project, tmp_path: Path) -> None:
    file = finished.folder / "config/pool/tiny.yaml"
    before = file.read_text()
    file.write_text(before.replace("tiny-a-plain", "tiny-a-plane"))
    try:
        done = finished.run()
    finally:
        file.write_text(before)
    assert done.returncode != 0
    assert "Did you mean tiny-a-plain?" in messages(done)
    assert "Traceback" not in messages(done)
    assert "Building DAG" not in messages(done)


def test_a_deleted_cell_comes_back_with_the_same_bytes(finished: Project) -> None:
    cell, other = finished.folder / CELL, finished.folder / "results/cells/tiny/real/tiny/knn.parquet"
    content, untouched = cell.read_bytes(), other.stat().st_mtime_ns
    cell.unlink()
    done = finished.run()
    assert done.returncode == 0, messages(done)
    assert cell.read_bytes() == content
    assert other.stat().st_mtime_ns == untouched
    assert finished.pending() == set()


def test_results_that_cannot_be_written_end_in_one_message(models: Path, tmp_path: Path) -> None:
    project = make(tmp_path / "project", models)
    done = project.run("--config", 'overrides=["paths.results=/proc/results","paths.store=/proc/results/store"]')
    assert done.returncode != 0
    assert "/proc/results" in messages(done)


def test_a_model_folder_that_is_not_there_is_named(models: Path, tmp_path: Path) -> None:
    project = make(tmp_path / "project", models)
    project.edit_yaml("model/tiny-a.yaml", weights={"path": str(tmp_path / "absent")})
    done = project.run("results/weights/model/tiny-a.json")
    assert done.returncode != 0
    assert str(tmp_path / "absent") in messages(done)
    assert not (project.folder / "results/weights/model/tiny-a.json").exists()


@pytest.mark.slow
def test_a_generator_that_writes_nothing_usable_says_what_to_change(models: Path, tmp_path: Path) -> None:
    project = make(tmp_path / "project", models)
    project.edit_yaml("generator/tiny-writer.yaml", max_tokens=16, max_draws_per_task=8)
    done = project.run("results/questions/tiny/tiny-writer.parquet")
    assert done.returncode != 0
    assert "no usable query" in messages(done)
    assert not (project.folder / "results/questions/tiny/tiny-writer.parquet").exists()


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_run_goes_on_and_asks_nothing_twice(
    finished: Project, models: Path, tmp_path: Path, end: signal.Signals
) -> None:
    project = make(tmp_path / "project", models)
    (project.folder / "results").mkdir()
    for part in ("questions", "labels", "descriptions", "asked/queries", "generation", "splits", "weights"):
        shutil.copytree(finished.folder / "results" / part, project.folder / "results" / part)
    project.edit_yaml("site/workstation.yaml", chunk_size=1)
    target = "results/responses/tiny/benchmark/tiny-a-plain.parquet"
    running = subprocess.Popen(
        project.command(target),
        cwd=project.folder,
        env=project.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    store = project.folder / "results/store"
    deadline = time.monotonic() + 300
    while not list(store.glob("*/*.parquet")) and time.monotonic() < deadline and running.poll() is None:
        time.sleep(0.02)
    os.killpg(running.pid, end)
    running.communicate(timeout=120)
    answered = {path: path.stat().st_mtime_ns for path in store.glob("*/*.parquet")}
    assert answered, "the run was to be stopped in the middle of its answers"
    assert running.returncode != 0
    done = project.run(target)
    assert done.returncode == 0, messages(done)
    assert {path: path.stat().st_mtime_ns for path in answered} == answered
    made, whole = (pq.read_table(folder / target) for folder in (project.folder, finished.folder))
    # The whole run asked in larger chunks, so sums of floating-point numbers may differ in their last digits.
    assert made.drop_columns("confidence").equals(whole.drop_columns("confidence"))
    assert made["confidence"].to_pylist() == pytest.approx(whole["confidence"].to_pylist(), rel=1e-4)
