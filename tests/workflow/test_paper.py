"""The whole study: exactly its jobs, and the same rules run in small with tiny models, to the last table and figure."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from rgd.config import load, sweep
from tests import paper_world
from tests.workflow.project import ROOT

TARGETS = {"all", "questions", "answers", "tables", "figures", "weights"}


def snakemake(folder: Path, *arguments: str, timeout: float = 3000) -> subprocess.CompletedProcess[str]:
    """The workflow of this repository, its results in ``folder``."""
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--snakefile", str(ROOT / "Snakefile")]
    return subprocess.run(
        [*command, "--directory", str(folder), *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "workflow_scripts"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def planned(folder: Path, *config: str) -> dict[str, int]:
    """How many jobs of each rule a run in an empty folder would have."""
    done = snakemake(folder, "-n", "--quiet", "rules", "--config", *config, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    jobs = {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", done.stdout, re.MULTILINE)}
    assert jobs.pop("total") == sum(jobs.values())
    return {rule: count for rule, count in jobs.items() if rule not in TARGETS}


def in_small(world: Path) -> tuple[str, ...]:
    return "experiment=paper_tiny", f"data_root={world}", f'overrides=["paths.cache={world}"]'


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny models and benchmarks in the files of the real ones."""
    return paper_world.make(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """The jobs of experiment=paper by rule; nothing of it is here, neither data nor weights."""
    folder = tmp_path_factory.mktemp("whole")
    return planned(folder, "experiment=paper", f'overrides=["paths.cache={folder / "cache"}"]')


DATASETS = ["mmlu_pro", "supergpqa", "medmcqa", "bbeh"]
SCENARIOS = ["real", "gemini-2.5-flash", "qwen3-32b", "exaone-3.5-7.8b"]
POOLS = ["large", "small"]
TRAINED = (
    *("cascal", "cascal_z_sum", "cascal_released", "smoothie", "smoothie_task", "smoothie_global"),
    *("cascal_gt", "avengers", "llmrank", "llmrank_query_only", "knn"),
)
LEARNING_FREE = ("topk", "single", "majority")
BENCHMARK_ROUTING = ("benchmark_s1", "benchmark_s2", "benchmark_s3", "benchmark_bma")


def cells_of_the_study() -> set[tuple[str, str, str, str]]:
    """Every cell, written down by hand: the main sweep, and what each further table of the paper adds."""
    cells = {(d, s, p, r) for d in DATASETS for s in SCENARIOS for p in POOLS for r in TRAINED}
    cells |= {(d, "real", p, r) for d in DATASETS for p in POOLS for r in (*LEARNING_FREE, *BENCHMARK_ROUTING)}
    cells |= {(d, "exaone-3.5-7.8b-20k", p, "cascal") for d in DATASETS for p in POOLS}
    cells |= {(d, f"exaone-3.5-7.8b-20k-filtered-{p}", p, "cascal") for d in DATASETS for p in POOLS}
    cells |= {("math", "real", p, r) for p in POOLS for r in ("cascal", *LEARNING_FREE)}
    cells |= {("medmcqa", "meerkat-8b", p, "cascal") for p in POOLS}
    described = [f"{g}-{v}" for g in SCENARIOS[1:] for v in ("short", "shortest")] + ["qwen3-32b-human"]
    return cells | {(d, s, p, "cascal") for d in ("supergpqa", "bbeh") for s in described for p in POOLS}


def test_the_study_has_exactly_these_cells() -> None:
    config = load(ROOT / "config", "paper")
    assert set(sweep.router_cells(config)) == cells_of_the_study()
    assert set(sweep.reference_cells(config)) == {
        (d, "real", p, r) for d in [*DATASETS, "math"] for p in POOLS for r in ("oracle", "random")
    }


# Query sets: of four datasets the benchmark and three generators' (16), of those the weak generator's 20,000 (4); MATH's; the
# medical generator's (1); of two datasets 7 with other descriptions (14). Those of 20,000 that are filtered are parts of the whole.
GENERATED_SETS = 12 + 4 + 1 + 14
QUERY_SETS = 5 + GENERATED_SETS
CELLS = len(cells_of_the_study())
# Nested training sets of two sizes for two routers on two scenarios, and pools without a member, each of six, for three routers;
# on MATH only the real scenario's cascal, and cascal and the majority.
CURVE = 2 * 2 * (4 * 2 * 2 + 1)
DROP_ONE = 2 * 6 * (4 * 3 + 2)

JOBS = {
    "fetch_questions": 5,
    "benchmark_questions": 5,
    "splits": 5,
    "fetch_model": 13,
    "fetch_embedder": 1,
    "read_descriptions": 8,
    "ask_queries": GENERATED_SETS,
    "read_queries": GENERATED_SETS,
    "filtered_questions": 4 * 2,
    "embed_questions": QUERY_SETS,
    "ask_answers": 12 * QUERY_SETS,
    "read_answers": 12 * QUERY_SETS,
    "ask_referee": 4 * (1 + 2),
    "fit": CELLS + CURVE + DROP_ONE,
    "route": CELLS + CURVE + DROP_ONE,
    "score": CELLS + CURVE + DROP_ONE,
    "score_reference": 5 * 2 * 2,
    "paper_table": 12,
    "query_figure": 1,
}


def test_the_study_has_exactly_these_jobs(whole: dict[str, int]) -> None:
    assert {rule: whole.get(rule) for rule in JOBS} == JOBS


def test_every_rule_of_the_study_runs_in_small(whole: dict[str, int], tmp_path: Path) -> None:
    paper_world.make_data(tmp_path / "hub")
    assert set(planned(tmp_path / "run", *in_small(tmp_path))) == set(whole)


def test_a_slice_in_small_runs_from_descriptions_to_a_router(world: Path, tmp_path: Path) -> None:
    done = snakemake(
        tmp_path,
        "results/cells/math_tiny/real/small_tiny/cascal.parquet",
        "results/labels/bbeh_tiny/tiny-api-shortest.parquet",
        "--config",
        *in_small(world),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    cell = pd.read_parquet(tmp_path / "results/cells/math_tiny/real/small_tiny/cascal.parquet")
    assert cell["accuracy"].between(0.3, 1.0).all()
    descriptions = pd.read_parquet(tmp_path / "results/descriptions/bbeh_tiny/shortest.parquet")
    assert set(descriptions["description"]) == {paper_world.DESCRIPTIONS["describe_in_a_sentence"]}


@pytest.mark.slow
def test_the_study_in_small_gives_every_table_and_figure(world: Path, tmp_path: Path) -> None:
    rules = set(planned(tmp_path / "plan", *in_small(world)))
    # A stage at a time, so that each model is loaded once for all query sets.
    for stage in ("questions", "answers", "all"):
        done = snakemake(tmp_path, stage, "--config", *in_small(world))
        assert done.returncode == 0, done.stdout + done.stderr
    results = tmp_path / "results"
    assert {path.name for path in (results / "benchmarks").iterdir()} == rules
    config = load(ROOT / "config", "paper_tiny", data_root=str(world))
    for table in config.experiment.tables:
        assert pd.read_parquet(results / f"tables/paper_tiny/{table}.parquet").shape[0] > 0, table
        assert (results / f"tables/paper_tiny/{table}.md").stat().st_size > 100, table
    for figure in config.experiment.figures:
        assert (results / f"figures/paper_tiny/{figure}.png").stat().st_size > 5000, figure
    accuracy = pd.read_parquet(results / "tables/paper_tiny/accuracy.parquet").set_index(
        ["dataset", "scenario", "pool", "router", "variant"]
    )["accuracy"]
    single = accuracy["mmlu_pro_tiny", "real", "large_tiny", "single"]
    assert single["tiny-even"] > 0.4 > single["tiny-blank"]
    assert accuracy["mmlu_pro_tiny", "real", "large_tiny", "oracle", "oracle"] > single.max()
    left_out = (results / "tables/paper_tiny/accuracy.md").read_text()
    assert "left out to show it" in left_out
