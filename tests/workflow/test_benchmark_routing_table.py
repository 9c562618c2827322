"""Benchmark routing in the workflow: router and table from made-up answers, no model asked."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from rgd.analysis.benchmark_routing import ALPHAS, RULES
from rgd.artifacts import schemas
from rgd.artifacts.files import from_matrix, write_table
from rgd.datasets.splits import split
from tests.workflow.project import MEMBERS, Project, make

TASKS = ("arithmetic", "calendar", "chemistry")
PER_TASK = 30
SEEDS = [0, 1]
# Only these may run: their inputs are made up, and no other rule is to make them anew.
RULES_OF_WORKFLOW = ("neighbours", "train", "fit", "route", "score", "benchmark_routing_table")
TABLE = "tables/tiny/benchmark_routing"
ROUTERS = {"benchmark_s1": "s1", "benchmark_s2": "s2", "benchmark_s3": "s3", "benchmark_bma": "bma"}


def write_answers(results: Path) -> None:
    """Questions, labels, splits, embeddings and responses of three tasks on which different members are good."""
    random = np.random.default_rng(0)
    n = PER_TASK * len(TASKS)
    tasks = np.repeat(TASKS, PER_TASK)
    query_ids = np.array([f"q{row}" for row in range(n)], dtype=object)
    labels = random.choice(list("ABCD"), n)
    vectors = np.eye(3, 8).repeat(PER_TASK, axis=0) + 0.5 * random.normal(size=(n, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    questions = {
        "query_id": query_ids,
        "task": tasks,
        "question": query_ids,
        "options": pa.array([list("ABCD")] * n, schemas.STRINGS),
        "answer_kind": ["letter"] * n,
    }
    write_table(results / "questions/tiny/benchmark.parquet", pa.table(questions), schemas.QUESTIONS)
    write_table(
        results / "labels/tiny/benchmark.parquet", pa.table({"query_id": query_ids, "label": labels}), schemas.LABELS
    )
    write_table(results / "splits/tiny.parquet", split(query_ids, tasks, SEEDS, 0.6, 0), schemas.SPLITS)
    write_table(
        results / "embeddings/tiny/benchmark.parquet",
        pa.table({"query_id": query_ids, "embedding": from_matrix(vectors)}),
        schemas.embeddings(8),
    )
    for place, member in enumerate(MEMBERS):
        chance = np.where(np.arange(n) // PER_TASK == place, 0.9, 0.4)
        answers = np.where(random.random(n) < chance, labels, random.choice(list("ABCD"), n)).astype(object)
        answers[random.random(n) < 0.05] = None
        responses = {
            "query_id": query_ids,
            "text": [""] * n,
            "answer": pa.array(answers.tolist(), pa.string()),
            "extraction_rule": [""] * n,
            "confidence": random.normal(size=n),
            "confidence_kind": [""] * n,
            "prompt_tokens": np.ones(n, dtype=np.int32),
            "completion_tokens": np.ones(n, dtype=np.int32),
            "finish_reason": [""] * n,
        }
        write_table(results / f"responses/tiny/benchmark/{member}.parquet", pa.table(responses), schemas.RESPONSES)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("benchmark_routing")
    made = make(folder / "project", folder / "models")
    made.edit_yaml("dataset/tiny.yaml", tasks=dict.fromkeys(TASKS, "A task."))
    made.edit_yaml("experiment/tiny.yaml", scenarios=["real"], tables=["benchmark_routing"], figures=[])
    write_answers(made.folder / "results")
    targets = [f"results/cells/tiny/real/tiny/{router}.parquet" for router in ROUTERS]
    allowed = ["--allowed-rules", *RULES_OF_WORKFLOW]
    done = made.run(*targets, f"results/{TABLE}.md", *allowed)
    assert done.returncode == 0, done.stdout + done.stderr
    return made


def test_the_table_has_every_rule_alpha_and_seed(project: Project) -> None:
    table = pd.read_parquet(project.folder / f"results/{TABLE}.parquet")
    assert len(table) == len(RULES) * len(ALPHAS) * len(SEEDS)
    assert table["mean_parameters_billion"].round(9).eq(0.0001).all()
    text = (project.folder / f"results/{TABLE}.md").read_text()
    assert "## Tiny, Tiny pool: accuracy in per cent" in text


@pytest.mark.parametrize(("router", "rule"), ROUTERS.items())
def test_a_cell_has_the_accuracy_that_the_table_shows_without_labels_of_the_task(
    project: Project, router: str, rule: str
) -> None:
    cell = pd.read_parquet(project.folder / f"results/cells/tiny/real/tiny/{router}.parquet").set_index("seed")
    table = pd.read_parquet(project.folder / f"results/{TABLE}.parquet").query("rule == @rule and alpha == 0")
    pd.testing.assert_series_equal(cell["accuracy"], table.set_index("seed")["accuracy"], check_index_type=False)


def test_all_queries_of_a_task_go_to_one_member(project: Project) -> None:
    routes = pd.read_parquet(project.folder / "results/routes/tiny/real/tiny/benchmark_s3.parquet")
    questions = pd.read_parquet(project.folder / "results/questions/tiny/benchmark.parquet")
    routes["first"] = routes["ranking"].str[0]
    chosen = routes.merge(questions[["query_id", "task"]]).groupby(["seed", "task"])["first"].nunique()
    assert len(chosen) == len(SEEDS) * len(TASKS)
    assert (chosen == 1).all()
