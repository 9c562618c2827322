"""A recorded pool of more members than jobs should be: they are read together, and exactly what an edit touches is made anew."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rgd.config.members import BLOCK
from tests.workflow.project import ROOT, Project, make

pytestmark = pytest.mark.slow

MEMBERS = [f"model-{number:03d}" for number in range(2 * BLOCK + 20)]
QUESTIONS = 30


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """An experiment of kNN and two baselines on the scores of 120 models, finished."""
    folder = tmp_path_factory.mktemp("many")
    made = make(folder / "project", folder / "no models")
    shutil.copy(ROOT / "config/embedder/all-minilm-l6-v2.yaml", made.folder / "config/embedder")
    rng = np.random.default_rng(0)
    scores = rng.random((QUESTIONS, len(MEMBERS))).round(3)
    with (folder / "scores.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["prompt", *MEMBERS])
        table.writerows([f"What about {row}?", *values] for row, values in enumerate(scores))
    data = str(folder / "data")
    columns = ["--columns", "question=prompt", "models=*"]
    for arguments in (
        ("import", "table", str(folder / "scores.csv"), "--to", data, "--name", "wide", *columns),
        ("init", "recorded", "wide", "--from", data),
    ):
        done = made.rgd(*arguments)
        assert done.returncode == 0, done.stderr
    ids = pq.read_table(folder / "data/hub/imported/wide/questions.parquet")["question_id"]
    vectors = pa.table({"question_id": ids, "embedding": list(rng.normal(size=(QUESTIONS, 64)).astype(np.float32))})
    pq.write_table(vectors, folder / "data/recorded/wide/vectors.parquet")
    made.edit_yaml("dataset/wide.yaml", embedder="tiny-embedder", recorded_embeddings="vectors.parquet")
    made.edit_yaml(
        "experiment/wide.yaml", routers=["knn", "topk", "single"], seeds=[0, 1], tables=["accuracy"], figures=[]
    )
    done = made.run(*arguments_of(folder / "data"))
    assert done.returncode == 0, done.stdout + done.stderr
    return made


def arguments_of(data: Path) -> list[str]:
    return ["--config", "experiment=wide", f"data_root={data}"]


def data_of(project: Project) -> Path:
    return project.folder.parent / "data"


def test_every_member_has_its_file_and_a_block_its_log(project: Project) -> None:
    results = project.folder / "results"
    assert {path.stem for path in (results / "responses/wide/benchmark").glob("*.parquet")} == set(MEMBERS)
    logs = [path.read_text() for path in results.glob("logs/recorded_block_*/*.log")]
    assert sorted(text.count("answers, ") for text in logs) == [20, BLOCK, BLOCK]
    assert not (results / "logs/recorded_responses").exists()
    mine = pd.read_parquet(results / f"responses/wide/benchmark/{MEMBERS[70]}.parquet")
    given = pd.read_parquet(data_of(project) / f"recorded/wide/all/{MEMBERS[70]}.parquet")
    expected = given.set_index("question_id")["score"]
    assert mine["answer"].astype(float).tolist() == pytest.approx(expected[mine["query_id"]].tolist(), abs=1e-6)


def test_an_edit_of_one_members_file_reads_its_block_again(project: Project) -> None:
    arguments = arguments_of(data_of(project))
    assert project.pending(*arguments) == set()
    path = data_of(project) / f"recorded/wide/all/{MEMBERS[BLOCK + 3]}.parquet"
    before = path.read_bytes()
    try:
        table = pd.read_parquet(path)
        table.loc[0, "score"] = 0.123
        table.to_parquet(path)
        found = project.pending(*arguments)
    finally:
        path.write_bytes(before)
    read = {Path(name).stem for name in found if name.startswith("responses/")}
    assert read == set(MEMBERS[BLOCK : 2 * BLOCK])
    assert "cells/wide/real/wide/knn.parquet" in found


def test_another_number_of_members_leaves_full_blocks_alone(project: Project) -> None:
    arguments = arguments_of(data_of(project))
    # One is taken away, since one more would need a file; both change the last block alone.
    project.edit_yaml("pool/wide.yaml", members=MEMBERS[:-1])
    try:
        found = project.pending(*arguments)
    finally:
        project.edit_yaml("pool/wide.yaml", members=MEMBERS)
    assert {Path(name).stem for name in found if name.startswith("responses/")} == set(MEMBERS[2 * BLOCK : -1])
