"""The experiment `recorded`: on made-up answers whole, and on real answers where a folder of them is at hand."""

import os
import subprocess
import sys
from pathlib import Path

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
    done = run(tmp_path, tmp_path / "nothing")
    assert done.returncode != 0
    assert "there is no hub/TIGER-Lab/MMLU-Pro/test.parquet under data_root" in done.stderr
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
