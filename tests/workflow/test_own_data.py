"""Datasets of a user's own, with recorded answers, through the whole workflow: mathematics, and a CSV with faulty rows."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.workflow.project import Project, make, write

pytestmark = [pytest.mark.slow, pytest.mark.ci]

MEMBERS = ["fractions", "decimals", "slips", "silent"]
COUNT = {"train": 12, "test": 8}


def halves(part: str) -> list[int]:
    """The numbers that a part's questions are about: odd ones, so that every half has two forms."""
    start = 1 if part == "train" else 101
    return list(range(start, start + 2 * COUNT[part], 2))


def make_data(root: Path) -> None:
    """Questions for the halves of numbers and for letters, four members' answers, and embeddings."""
    own = root / "own"
    own.mkdir(parents=True)
    rng = np.random.default_rng(0)
    numbers = [(part, number) for part in COUNT for number in halves(part)]
    for part in COUNT:
        rows = [
            {
                "name": f"{part}{number}",
                "problem": f"Half of {number}?",
                "solution": rf"\boxed{{\frac{{{number}}}{{2}}}}",
            }
            for number in halves(part)
        ]
        (own / f"{part}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with (own / "letters.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["number", "text", "a", "b", "c", "right"])
        table.writerows(
            [row, f"Which is letter {row}?", "alpha", "beta", "gamma" if row % 2 else "", "2"] for row in range(20)
        )
        table.writerows(
            [
                [20, "", "alpha", "beta", "", "1"],
                [21, "Which?", "alpha", "", "", "1"],
                [22, "Which?", "x", "y", "", "4"],
            ]
        )
        table.writerow([0, "Which is it again?", "alpha", "beta", "", "1"])
    written = {
        "fractions": [rf"\frac{{{number}}}{{2}}" for _, number in numbers],
        "decimals": [f"{number / 2}" for _, number in numbers],
        "slips": [rf"\dfrac{{{number + (row % 2) * 2}}}{{2}}" for row, (_, number) in enumerate(numbers)],
        "silent": [None] * len(numbers),
    }
    folder = root / "recorded/halves/writers"
    folder.mkdir(parents=True)
    ids = [f"{part}{number}" for part, number in numbers]
    for member, answers in written.items():
        pq.write_table(
            pa.table(
                {"question_id": ids, "answer": pa.array(answers, pa.string()), "confidence": rng.random(len(ids))}
            ),
            folder / f"{member}.parquet",
        )
    letters = [str(row) for row in range(20)]
    other = root / "recorded/letters/writers"
    other.mkdir(parents=True)
    for position, member in enumerate(MEMBERS):
        answers = ["B" if row % (position + 1) == 0 else "A" for row in range(20)]
        pq.write_table(pa.table({"question_id": letters, "answer": answers}), other / f"{member}.parquet")
    for dataset, names in (("halves", ids), ("letters", letters)):
        vectors = rng.normal(size=(len(names), 64)).astype(np.float32)
        pq.write_table(
            pa.table({"question_id": names, "embedding": list(vectors)}), root / f"recorded/{dataset}/vectors.parquet"
        )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("own")
    made = make(folder / "project", folder / "no models")
    make_data(folder / "data")
    config = made.folder / "config"
    common = {"embedder": "tiny-embedder", "generated_queries": 1, "recorded_embeddings": "vectors.parquet"}
    columns = {"id": "name", "question": "problem", "label": "solution", "label_form": "boxed"}
    write(
        config / "dataset/halves.yaml",
        title="Halves",
        adapter="mathematics",
        source={"file": "own/{part}.jsonl", "columns": columns},
        tasks={"halves": "Half of a number."},
        recorded="halves",
        **common,
    )
    columns = {
        "id": "number",
        "question": "text",
        "options": ["a", "b", "c"],
        "label": "right",
        "label_form": "index_from_1",
    }
    write(
        config / "dataset/letters.yaml",
        title="Letters",
        adapter="multiple_choice",
        source={"file": str(folder / "data/own/letters.csv"), "columns": columns},
        tasks={"letters": "Letters."},
        recorded="letters",
        **common,
    )
    write(config / "pool/writers.yaml", title="Writers", recorded="writers", members=MEMBERS)
    write(
        config / "experiment/own.yaml",
        title="Own data",
        datasets=["halves", "letters"],
        scenarios=["real"],
        pools=["writers"],
        routers=["cascal", "cascal_gt", "topk", "single", "majority"],
        seeds=[0, 1],
        tables=["accuracy", "tasks"],
    )
    # Consensus is made for the analyses that read it; here a test does.
    done = made.run("all", "results/consensus/halves/real/writers.parquet", *arguments(folder / "data"))
    assert done.returncode == 0, done.stdout + done.stderr
    return made


def arguments(data: Path) -> list[str]:
    return ["--config", "experiment=own", f"data_root={data}"]


def cell(project: Project, dataset: str, router: str) -> pd.DataFrame:
    return pd.read_parquet(project.folder / f"results/cells/{dataset}/real/writers/{router}.parquet")


def test_the_datasets_own_split_is_kept_under_every_seed(project: Project) -> None:
    splits = pd.read_parquet(project.folder / "results/splits/halves.parquet")
    for _, of_seed in splits.groupby("seed"):
        assert of_seed["part"].value_counts().to_dict() == COUNT
        assert all(row.query_id.startswith(row.part) for row in of_seed.itertuples())


def test_equal_answers_are_right_and_agree_however_they_are_written(project: Project) -> None:
    single = cell(project, "halves", "single").groupby("variant")["accuracy"].mean()
    assert single.to_dict() == {"fractions": 1.0, "decimals": 1.0, "slips": 0.5, "silent": 0.0}
    # By texts the two right members would be two minorities of one.
    assert set(cell(project, "halves", "majority")["accuracy"]) == {1.0}
    assert set(cell(project, "halves", "oracle")["accuracy"]) == {1.0}
    assert set(cell(project, "halves", "cascal_gt")["accuracy"]) == {1.0}
    consensus = pd.read_parquet(project.folder / "results/consensus/halves/real/writers.parquet")
    agreed = consensus.groupby("member")["in_majority"].mean()
    assert agreed.to_dict() == {"fractions": 1.0, "decimals": 1.0, "slips": 0.5, "silent": 0.0}
    tasks = pd.read_parquet(project.folder / "results/tables/own/tasks.parquet")
    of_halves = tasks[(tasks["dataset"] == "halves") & (tasks["task"] == "halves")]
    assert of_halves[MEMBERS].values.tolist() == [[1.0, 1.0, 0.5, 0.0]]


def test_no_label_decides_which_answers_agree(project: Project) -> None:
    done = project.run("--detailed-summary", *arguments(project.folder.parent / "data"))
    header, *lines = (line.split("\t") for line in done.stdout.splitlines())
    output, files = header.index("output_file"), header.index("input-file(s)")
    readers = {line[output].split("/")[1] for line in lines if "labels/halves" in line[files]}
    readers |= {line[output].split("/")[1] for line in lines if "graded_responses/" in line[files]}
    assert readers == {"graded_responses", "matched_labels", "routers", "cells", "outcomes", "choices", "tables"}


def test_a_run_for_one_target_prints_no_table_of_an_earlier_run(project: Project, tmp_path: Path) -> None:
    copy = project.copy(tmp_path / "project")
    data = arguments(project.folder.parent / "data")
    title = (copy.folder / "results/tables/own/summary.txt").read_text().splitlines()[0]
    target = "results/cells/halves/real/writers/majority.parquet"
    (copy.folder / target).unlink()
    done = copy.run(target, *data)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (copy.folder / target).exists()
    assert title not in done.stdout
    assert "results/tables" not in done.stdout
    # A table of its own is named, and the whole run prints the main one.
    (copy.folder / "results/tables/own/tasks.md").unlink()
    done = copy.run("results/tables/own/tasks.md", *data)
    assert title not in done.stdout
    assert "results/tables/own/tasks.md" in done.stdout.splitlines()
    (copy.folder / "results/tables/own/accuracy.md").unlink()
    done = copy.run(*data)
    # The rest is in the log file.
    assert "Reason: " not in done.stderr
    assert any("Reason: " in log.read_text() for log in (copy.folder / ".snakemake/log").glob("*.log"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert title in done.stdout
    assert {"results/tables/own/accuracy.md", "results/tables/own/tasks.md"} <= set(done.stdout.splitlines())


def test_faulty_rows_are_listed_with_their_reasons(project: Project) -> None:
    dropped = pd.read_parquet(project.folder / "results/dropped/letters.parquet")
    assert dropped[["row", "query_id", "reason"]].values.tolist() == [
        [20, "20", "empty question"],
        [21, "21", "fewer than 2 options"],
        [22, "22", "label outside the options"],
        [23, "0", "repeated id"],
    ]
    assert "4 rows dropped (" in (project.folder / "results/logs/benchmark_questions/letters.log").read_text()
    assert len(pd.read_parquet(project.folder / "results/dropped/halves.parquet")) == 0
    single = cell(project, "letters", "single").groupby("variant")["accuracy"].mean()
    assert single["fractions"] == 1.0


def test_a_moved_folder_reruns_nothing_and_an_edited_row_its_dataset(project: Project, tmp_path: Path) -> None:
    copy = project.copy(tmp_path / "project")
    data = project.folder.parent / "data"
    moved = tmp_path / "elsewhere"
    shutil.copytree(data, moved)
    text = (copy.folder / "config/dataset/letters.yaml").read_text()
    (copy.folder / "config/dataset/letters.yaml").write_text(text.replace(str(data), str(moved)))
    assert copy.pending(*arguments(moved)) == set()
    file = moved / "own/letters.csv"
    file.write_text(file.read_text().replace("Which is letter 3?", "Which one is letter 3?"))
    pending = copy.pending(*arguments(moved))
    assert "questions/letters/benchmark.parquet" in pending
    assert "dropped/letters.parquet" in pending
    assert not any("halves" in path for path in pending)


def test_a_table_without_a_usable_row_is_one_message(project: Project, tmp_path: Path) -> None:
    copy = project.copy(tmp_path / "project")
    data = project.folder.parent / "data"
    copy.edit_text("config/dataset/letters.yaml", "label: right", "label: text")
    done = copy.run("results/questions/letters/benchmark.parquet", *arguments(data))
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert "none of the 24 rows in letters.csv is usable" in said
    assert "Traceback" not in said
