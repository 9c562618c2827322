"""The label firewall: who reads labels, by the workflow's own list of inputs."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rgd.routers import load, methods
from tests.workflow.project import Project


@pytest.fixture(scope="module")
def inputs(finished: Project) -> dict[str, str]:
    """Output -> its input files."""
    done = finished.run("--detailed-summary")
    assert done.returncode == 0, done.stderr
    header, *lines = (line.split("\t") for line in done.stdout.splitlines())
    output, files = header.index("output_file"), header.index("input-file(s)")
    return {line[output].removeprefix("results/"): line[files] for line in lines}


def test_a_router_reads_labels_only_if_its_class_says_so(inputs: dict[str, str]) -> None:
    fitted = {output: files for output, files in inputs.items() if output.startswith("routers/")}
    assert {load(method).needs_labels for method in methods()} == {True, False}
    for output, files in fitted.items():
        method = output.rsplit("/", 1)[1].removesuffix(".parquet")
        assert ("results/labels/" in files) == load(method).needs_labels, output


def test_no_label_is_read_between_the_benchmark_and_the_scores(inputs: dict[str, str]) -> None:
    readers = {output.split("/")[0] for output, files in inputs.items() if "results/labels/" in files}
    assert readers == {"routers", "cells", "outcomes", "choices", "tables"}
    assert not [output for output, files in inputs.items() if output.startswith("routes/") and "labels/" in files]


def test_without_any_label_file_query_only_routers_come_out_byte_for_byte_the_same(
    finished: Project, tmp_path: Path
) -> None:
    project = finished.copy(tmp_path / "copy")
    results = project.folder / "results"
    made = {
        path: path.read_bytes()
        for folder in ("routers", "routes")
        for path in (results / folder).rglob("*.parquet")
        if load(path.stem).family == "query-only"
    }
    assert {path.stem for path in made} == {"latent_truth", "cascal", "smoothie"}
    for path in [*made, *(results / "labels").rglob("*")]:
        if path.is_file():
            path.unlink()
    done = project.run(*(str(path.relative_to(project.folder)) for path in made))
    assert done.returncode == 0, done.stderr
    assert {path: path.read_bytes() for path in made} == made
    assert not list((results / "labels").rglob("*.parquet"))


def test_without_the_true_tasks_of_test_queries_routes_come_out_byte_for_byte_the_same(
    finished: Project, tmp_path: Path
) -> None:
    project = finished.copy(tmp_path / "copy")
    results = project.folder / "results"
    made = {path: path.read_bytes() for path in (results / "routes").rglob("*.parquet")}
    assert made
    assert not [path for path in made if load(path.stem).needs_test_tasks]
    for path in (results / "questions").glob("*/benchmark.parquet"):
        table = pq.read_table(path)
        hidden = pa.array(["hidden"] * table.num_rows, pa.string())
        pq.write_table(table.set_column(table.column_names.index("task"), "task", hidden), path)
    for path in made:
        path.unlink()
    done = project.run("--allowed-rules", "route", "--", *(str(path.relative_to(project.folder)) for path in made))
    assert done.returncode == 0, done.stderr
    assert {path: path.read_bytes() for path in made} == made
