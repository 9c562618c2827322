"""The experiment `recorded`: on made-up answers whole, and on real answers where a folder of them is at hand."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests import recorded_world
from tests.workflow.project import ROOT

REAL_DATA = Path(os.environ.get("RGD_TEST_DATA", ROOT.parent / "shared" / "data"))
# These ask for the real embedding model; everything else reads what is given.
NEEDS_WEIGHTS = {"smoothie_option_text"}


def run(folder: Path, data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the workflow of this repository on ``data`` with its results in ``folder``."""
    overrides = [f"paths.results={folder / 'results'}", *(text for text in arguments if "=" in text)]
    targets = [text for text in arguments if "=" not in text]
    listed = ",".join(f'"{text}"' for text in overrides)
    return subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "--cores", "2", "--snakefile", str(ROOT / "Snakefile")),
            *("--directory", str(folder), *targets),
            *("--config", "experiment=recorded", f"data_root={data}", f"overrides=[{listed}]"),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "workflow_scripts"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )


def accuracies(folder: Path) -> pd.DataFrame:
    table = pd.read_parquet(folder / "results/tables/recorded/accuracy.parquet")
    return table.set_index(["pool", "router", "variant"])["accuracy"]


def test_a_wrong_folder_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    said = {
        "absent": "absent is not a folder",
        "empty": "there is no hub/TIGER-Lab/MMLU-Pro/test.parquet under data_root",
    }
    for folder, expected in said.items():
        done = run(tmp_path, tmp_path / folder)
        assert done.returncode != 0
        assert expected in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_made_up_answers_give_every_table(tmp_path: Path) -> None:
    data = recorded_world.make(tmp_path / "data", per_task=20)
    routers = "cascal,cascal_z_sum,cascal_released,cascal_gt,avengers,llmrank_query_only,knn,benchmark_s3,topk,single,majority"
    done = run(tmp_path / "run", data, f"experiment.routers=[{routers}]", "experiment.seeds=[0,1]")
    assert done.returncode == 0, done.stderr
    found = accuracies(tmp_path / "run")
    assert set(found.index.get_level_values("router")) == {*routers.split(","), "oracle", "random"}
    for pool in ("large_recorded", "small_recorded"):
        assert found[pool, "oracle", "oracle"] > found[pool]["single"].max()
    for table in ("comparisons", "costs", "choices", "tasks", "benchmark_routing"):
        assert (tmp_path / f"run/results/tables/recorded/{table}.md").stat().st_size > 500


@pytest.mark.slow
def test_answers_to_questions_without_labels_are_routed(tmp_path: Path) -> None:
    data = recorded_world.make(tmp_path / "data", per_task=8)
    files = sorted((data / "recorded/mmlu_pro/large").glob("*.parquet"))
    pd.read_parquet(files[0]).to_csv(files[0].with_suffix(".csv"), index=False)
    pd.read_parquet(files[1]).to_json(files[1].with_suffix(".jsonl"), orient="records", lines=True)
    for path in files[:2]:
        path.unlink()
    columns = "dataset.mmlu_pro_recorded.source.columns"
    done = run(
        tmp_path / "run",
        data,
        *("experiment.routers=[cascal,latent_truth,majority,knn,topk]", "experiment.seeds=[0]"),
        *(f"{columns}.label=null", f"{columns}.label_form=null", "experiment.pools=[large_recorded]"),
        "+experiment.report=true",
    )
    assert done.returncode == 0, done.stderr
    results = tmp_path / "run/results"
    routed = {path.stem for path in (results / "routes/mmlu_pro_recorded/real/large_recorded").glob("*.parquet")}
    assert routed == {"cascal", "latent_truth", "majority"}
    assert pd.read_parquet(results / "labels/mmlu_pro_recorded/benchmark.parquet").empty
    assert not (results / "cells").exists()
    answers = [pd.read_parquet(path) for path in (results / "responses/mmlu_pro_recorded/benchmark").glob("*.parquet")]
    assert all(0.9 < table["answer"].notna().mean() < 1 for table in answers)
    assert (results / "reports/recorded/report.html").stat().st_size > 10_000
    # What is left out is said.
    assert all(name in done.stdout + done.stderr for name in ("accuracy", "knn", "topk"))


@pytest.mark.slow
@pytest.mark.skipif(not REAL_DATA.is_dir(), reason="no folder of recorded answers (RGD_TEST_DATA)")
def test_real_answers_give_the_known_figures_within_the_noise_of_splits(tmp_path: Path) -> None:
    done = run(tmp_path, REAL_DATA, "experiment.routers=[cascal,topk,single,majority]", "experiment.tables=[accuracy]")
    assert done.returncode == 0, done.stderr
    found = accuracies(tmp_path)
    # Of one other split of the same answers: best single member, majority of six, oracle.
    known = {"large_recorded": (0.723, 0.718, 0.876), "small_recorded": (0.581, 0.573, 0.811)}
    for pool, (single, majority, oracle) in known.items():
        assert found[pool]["single"].max() == pytest.approx(single, abs=0.012)
        assert found[pool, "majority", "all"] == pytest.approx(majority, abs=0.012)
        assert found[pool, "oracle", "oracle"] == pytest.approx(oracle, abs=0.012)
        assert found[pool, "topk", "top1"] == pytest.approx(found[pool]["single"].max(), abs=0.01)
        assert found[pool, "random", "random1"] < found[pool, "cascal", "top1"] < found[pool, "oracle", "oracle"]


def pending(folder: Path, data: Path, *arguments: str) -> set[str]:
    """The outputs that a run would make anew, without the results folder."""
    done = run(folder, data, "--summary", *arguments)
    assert done.returncode == 0, done.stderr
    rows = [line.split("\t") for line in done.stdout.splitlines()[1:]]
    return {row[0].partition("/results/")[2] for row in rows if row[-1] == "update pending"}


def rewritten(path: Path, row: int, column: str, value: object) -> None:
    table = pd.read_parquet(path)
    table.at[row, column] = value
    table.to_parquet(path)


def test_what_the_users_files_hold_counts_and_not_where_they_lie(tmp_path: Path) -> None:
    few = ("experiment.routers=[knn,topk]", "experiment.seeds=[0]", "experiment.tables=[accuracy]")
    data = recorded_world.make(tmp_path / "data", per_task=20)
    done = run(tmp_path / "run", data, *few)
    assert done.returncode == 0, done.stderr
    moved = tmp_path / "moved"
    shutil.copytree(data, moved)
    assert pending(tmp_path / "run", moved, *few) == set()
    answers = sorted((moved / "recorded/mmlu_pro/large").iterdir())[0]
    rewritten(answers, 3, "answer", "C")
    found = pending(tmp_path / "run", moved, *few)
    dataset = "mmlu_pro_recorded"
    assert {name for name in found if name.startswith("responses/")} == {
        f"responses/{dataset}/benchmark/{answers.stem}.parquet"
    }
    assert f"cells/{dataset}/real/large_recorded/knn.parquet" in found
    assert f"cells/{dataset}/real/small_recorded/knn.parquet" not in found
    assert not any(name.startswith(("embeddings/", "questions/")) for name in found)
    shutil.copy(data / answers.relative_to(moved), answers)
    vectors = moved / "recorded/mmlu_pro/embeddings-all-MiniLM-L6-v2.parquet"
    rewritten(vectors, 5, "embedding", np.ones(recorded_world.DIMENSION, np.float16))
    found = pending(tmp_path / "run", moved, *few)
    assert f"embeddings/{dataset}/benchmark.parquet" in found
    assert not any(name.startswith(("responses/", "questions/")) for name in found)
    shutil.copy(data / vectors.relative_to(moved), vectors)
    rewritten(moved / "hub/TIGER-Lab/MMLU-Pro/test.parquet", 2, "question", "Another question?")
    assert f"questions/{dataset}/benchmark.parquet" in pending(tmp_path / "run", moved, *few)
