"""Routers that ask for a few labels: who reads which label, and what a person gave."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests import recorded_world
from tests.workflow.project import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.ci]

DATASET, POOL = "mmlu_pro_few_labels", "large_recorded"
CELL = f"{DATASET}/real/{POOL}"
SMALL = (
    *(f"experiment.pools=[{POOL}]", "experiment.seeds=[0,1]", "experiment.routers=[latent_truth,knn]"),
    *("experiment.label_budget.labels=[5,20]", "experiment.label_budget.beside=null", "+experiment.baseline=knn"),
)
COLUMNS = "dataset.mmlu_pro_few_labels.source.columns"
UNLABELLED = (
    *(f"{COLUMNS}.label=null", f"{COLUMNS}.label_form=null", "router.latent_truth.labels=10"),
    *(f"experiment.pools=[{POOL}]", "experiment.seeds=[0]", "experiment.routers=[latent_truth]"),
    "experiment.label_budget.beside=null",
)


def settings(folder: Path, data: Path, overrides: tuple[str, ...]) -> list[str]:
    places = [f"paths.results={folder / 'results'}", f"paths.labels={folder / 'labels'}"]
    listed = ",".join(f'"{text}"' for text in (*places, *overrides))
    return ["--config", "experiment=few_labels", f"data_root={data}", f"overrides=[{listed}]"]


def run(*command: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "workflow_scripts"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
        **options,  # type: ignore[call-overload]
    )


def snakemake(
    folder: Path, data: Path, overrides: tuple[str, ...], *arguments: str
) -> subprocess.CompletedProcess[str]:
    place = ("--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder))
    return run("snakemake", "--cores", "2", *place, *arguments, *settings(folder, data, overrides))


def label(
    folder: Path, data: Path, overrides: tuple[str, ...], *arguments: str, said: str = ""
) -> subprocess.CompletedProcess[str]:
    return run("rgd.cli", "label", *arguments, *settings(folder, data, overrides), input=said)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorded_world.make(tmp_path_factory.mktemp("data") / "data", per_task=20)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    folder = tmp_path_factory.mktemp("study")
    done = snakemake(folder, data, SMALL)
    assert done.returncode == 0, done.stderr
    return folder


def test_exactly_the_labels_asked_for_are_revealed(study: Path) -> None:
    results = study / "results"
    labels = pd.read_parquet(results / f"labels/{DATASET}/benchmark.parquet").set_index("query_id")["label"]
    previous = None
    for number in (5, 20):
        asked = pd.read_parquet(results / f"queries_to_label/{CELL}/latent_truth@{number}-labels.parquet")
        found = pd.read_parquet(results / f"revealed_labels/{CELL}/latent_truth@{number}-labels.parquet")
        assert found.groupby("seed").size().tolist() == [number, number]
        assert found[["seed", "query_id"]].equals(asked[["seed", "query_id"]])
        assert (found["label"].to_numpy() == labels[found["query_id"]].to_numpy()).all()
        assert not found["given"].any()
        splits = pd.read_parquet(results / f"splits/{DATASET}.parquet")
        trains = set(splits[splits["part"] == "train"][["seed", "query_id"]].itertuples(index=False, name=None))
        assert set(found[["seed", "query_id"]].itertuples(index=False, name=None)) <= trains
        if previous is not None:
            # A larger budget asks for the same queries first.
            assert asked[asked["place"] <= 5].reset_index(drop=True).equals(previous)
        previous = asked.reset_index(drop=True)


def test_fit_and_route_read_no_label_but_these(study: Path, data: Path) -> None:
    done = snakemake(study, data, SMALL, "--detailed-summary")
    assert done.returncode == 0, done.stderr
    header, *lines = (line.split("\t") for line in done.stdout.splitlines())
    output, files = header.index("output_file"), header.index("input-file(s)")
    inputs = {line[output].partition("/results/")[2]: line[files] for line in lines}
    few = {name: read for name, read in inputs.items() if "latent_truth@" in name}
    assert {name.split("/")[0] for name in few} >= {"queries_to_label", "revealed_labels", "routers", "routes", "cells"}
    for name, read in few.items():
        reads_all = "/labels/" in read
        assert reads_all == (name.split("/")[0] in ("revealed_labels", "cells", "outcomes", "choices")), name
        assert ("/revealed_labels/" in read) == name.startswith("routers/"), name
    plain = inputs[f"routers/{CELL}/latent_truth.parquet"]
    assert "/labels/" not in plain
    assert "/revealed_labels/" not in plain


def test_the_table_has_every_number_of_labels(study: Path) -> None:
    table = pd.read_parquet(study / "results/tables/few_labels/label_budget.parquet")
    numbers = table.fillna({"n_labels": -1}).groupby("router")["n_labels"].agg(lambda part: sorted(set(part)))
    assert numbers["latent_truth"] == [0, 5, 20]
    assert numbers["knn"] == [-1, 5, 20]
    assert set(table[table["router"] == "latent_truth"]["family"]) == {"few-labels"}
    assert (study / "results/figures/few_labels/label_budget.svg").stat().st_size > 1000


def test_nothing_is_left_for_a_person_where_the_dataset_has_labels(study: Path, data: Path) -> None:
    done = label(study, data, (*SMALL, "router.latent_truth.labels=5"))
    assert done.returncode == 1
    assert DATASET in done.stderr
    assert "Traceback" not in done.stderr


def test_what_a_person_gives_is_kept_at_once_and_the_next_run_uses_it(tmp_path: Path, data: Path) -> None:
    early = label(tmp_path, data, UNLABELLED)
    assert early.returncode == 1
    assert "to_label" in early.stderr
    done = snakemake(tmp_path, data, UNLABELLED)
    assert done.returncode == 0, done.stderr
    results, file = tmp_path / "results", tmp_path / f"labels/{DATASET}/benchmark.csv"
    revealed = results / f"revealed_labels/{CELL}/latent_truth.parquet"
    assert pd.read_parquet(revealed).empty
    without = (results / f"routers/{CELL}/latent_truth.parquet").read_bytes()

    # Some in the terminal: a letter, a text that is no option, an option's text, a query left for later.
    options = pd.read_parquet(results / f"questions/{DATASET}/benchmark.parquet").set_index("query_id")["options"]
    asked = pd.read_parquet(results / f"queries_to_label/{CELL}/latent_truth.parquet")["query_id"].tolist()
    said = ["b", "no such option", options[asked[1]][2], "", ":q"]
    done = label(tmp_path, data, UNLABELLED, said="\n".join(said))
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(file.open(newline="")))
    assert {row["query_id"]: row["label"] for row in rows} == {asked[0]: "B", asked[1]: "C"}

    # The others in a spreadsheet.
    assert label(tmp_path, data, UNLABELLED, "--csv").returncode == 0
    rows = list(csv.DictReader(file.open(newline="")))
    assert [row["query_id"] for row in rows] == asked
    for row in rows:
        row["label"] = row["label"] or "A"
    with file.open("w", newline="") as opened:
        table = csv.DictWriter(opened, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    left = snakemake(tmp_path, data, UNLABELLED, "--summary")
    rows_of_files = [line.split("\t") for line in left.stdout.splitlines()[1:]]
    planned = {row[0].partition("/results/")[2] for row in rows_of_files if row[-1] == "update pending"}
    assert planned == {f"{kind}/{CELL}/latent_truth.parquet" for kind in ("revealed_labels", "routers", "routes")}
    done = snakemake(tmp_path, data, UNLABELLED)
    assert done.returncode == 0, done.stderr
    found = pd.read_parquet(revealed)
    assert found["query_id"].tolist() == asked
    assert found["label"].tolist() == ["B", "C", *["A"] * 8]
    assert found["given"].all()
    assert (results / f"routers/{CELL}/latent_truth.parquet").read_bytes() != without
    again = snakemake(tmp_path, data, UNLABELLED, "-n")
    assert "Nothing to be done" in again.stdout + again.stderr


def test_a_label_that_cannot_be_stops_the_run_with_one_message(tmp_path: Path, data: Path) -> None:
    done = snakemake(tmp_path, data, UNLABELLED, "to_label")
    assert done.returncode == 0, done.stderr
    assert label(tmp_path, data, UNLABELLED, "--csv").returncode == 0
    file = tmp_path / f"labels/{DATASET}/benchmark.csv"
    asked = pd.read_parquet(tmp_path / f"results/queries_to_label/{CELL}/latent_truth.parquet")["query_id"]
    file.write_text(f"query_id,label\nno-such-query,A\n{asked[0]},Z9\n")
    done = snakemake(tmp_path, data, UNLABELLED)
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert "Z9" in said
    assert str(file) in said
    assert "Traceback" not in said
