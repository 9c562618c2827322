"""Every kind of answer through the whole workflow with recorded answers: numbers, words, yes or no, classes, and scores."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.workflow.project import Project, make, write

MEMBERS = ["plain", "fancy", "slips", "silent"]
ROUTERS = ["latent_truth", "cascal", "cascal_gt", "avengers", "knn", "llmrank_query_only", "topk", "single", "majority"]
KINDS = {"measures": "number", "capitals": "text", "facts": "yes_no", "moods": "option_text"}
FAULTY = {"number": "between 3 and 4", "text": '["Rome", "Athens"]', "yes_no": "maybe"}
N = 40


SCORES = {
    "plain": [0.9 if row % 2 else 0.3 for row in range(N)],
    "fancy": [0.2 if row % 2 else 0.75 for row in range(N)],
    "slips": [0.1] * N,
    "silent": [None] * N,
}


def answers(kind: str, row: int) -> tuple[object, str, str, str]:
    """The label of a question as its file has it, and a right answer in two forms and a wrong one as recorded."""
    if kind == "number":
        number = 3 * row + 1000
        return f"{number}.0 m", f"{number}", f"{number * 1.004:,.1f}", f"{number * 2}"
    if kind == "text":
        return json.dumps([f"City number {row}"]), f"city number {row}", f"The “City-Number {row}”.", f"town {row}"
    if kind == "yes_no":
        return "true" if row % 2 else "no", "BA"[row % 2], "BA"[row % 2], "AB"[row % 2]
    return ["bad", "Good", "so-so"][row % 3], "ABC"[row % 3], "ABC"[row % 3], "BCA"[row % 3]


def make_data(root: Path) -> None:
    rng = np.random.default_rng(0)
    (root / "own").mkdir(parents=True)
    for name, kind in KINDS.items():
        rows = [answers(kind, row) for row in range(N)]
        with (root / f"own/{name}.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["question", "label"])
            table.writerows([f"{name} {row}?", label] for row, (label, *_) in enumerate(rows))
            if kind in FAULTY:
                table.writerow(["Which?", FAULTY[kind]])
        folder = root / f"recorded/{name}/writers"
        folder.mkdir(parents=True)
        ids = [f"row-{row:05d}" for row in range(N)]
        written = {
            "plain": [plain for _, plain, _, _ in rows],
            "fancy": [fancy for _, _, fancy, _ in rows],
            "slips": [wrong if row % 2 else plain for row, (_, plain, _, wrong) in enumerate(rows)],
            "silent": [None] * N,
        }
        for member, given in written.items():
            table = pa.table({"question_id": ids, "answer": pa.array(given, pa.string())})
            pq.write_table(table, folder / f"{member}.parquet")
        embed(root, name, ids, rng)
    (root / "own/essays.csv").write_text("question\n" + "".join(f"essay {row}?\n" for row in range(N)))
    (root / "recorded/essays/writers").mkdir(parents=True)
    ids = [f"row-{row:05d}" for row in range(N)]
    for member, scores in SCORES.items():
        pq.write_table(
            pa.table({"question_id": ids, "score": pa.array(scores, pa.float64())}),
            root / f"recorded/essays/writers/{member}.parquet",
        )
    embed(root, "essays", ids, rng)


def embed(root: Path, name: str, ids: list[str], rng: np.random.Generator) -> None:
    """Vectors that say whether a question's row is odd, and little else."""
    parity = np.array([[row % 2, 1 - row % 2] for row in range(N)])
    noise = 0.1 * rng.normal(size=(N, 62))
    vectors = list(np.hstack([parity, noise]).astype(np.float32))
    pq.write_table(pa.table({"question_id": ids, "embedding": vectors}), root / f"recorded/{name}/vectors.parquet")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("kinds")
    made = make(folder / "project", folder / "no models")
    make_data(folder / "data")
    config = made.folder / "config"
    for name, kind in KINDS.items():
        columns: dict[str, object] = {"question": "question", "label": "label", "label_form": "text"}
        more: dict[str, object] = {}
        if kind == "option_text":
            columns["same_options"] = ["bad", "good", "so-so"]
        if kind == "number":
            more["answer_tolerance"] = {"relative": 0.01}
        write(
            config / f"dataset/{name}.yaml",
            title=name.title(),
            adapter="multiple_choice" if kind == "option_text" else "free_form",
            answer_kind=kind,
            source={"file": f"own/{name}.csv", "columns": columns},
            tasks={name: "One task."},
            recorded=name,
            recorded_embeddings="vectors.parquet",
            embedder="tiny-embedder",
            generated_queries=1,
            **more,
        )
    write(
        config / "dataset/essays.yaml",
        title="Essays",
        adapter="free_form",
        answer_kind="score",
        source={"file": "own/essays.csv", "columns": {"question": "question"}},
        tasks={"essays": "One task."},
        recorded="essays",
        recorded_embeddings="vectors.parquet",
        embedder="tiny-embedder",
        generated_queries=1,
    )
    write(config / "pool/writers.yaml", title="Writers", recorded="writers", members=MEMBERS)
    write(
        config / "experiment/kinds.yaml",
        title="Kinds of answers",
        datasets=[*KINDS, "essays"],
        scenarios=["real"],
        pools=["writers"],
        routers=ROUTERS,
        seeds=[0],
        tables=["accuracy", "tasks", "comparisons", "costs"],
    )
    consensus = [f"results/consensus/{name}/real/writers.parquet" for name in KINDS]
    done = made.run("all", *consensus, "--config", "experiment=kinds", f"data_root={folder / 'data'}")
    assert done.returncode == 0, done.stdout + done.stderr
    return made


@pytest.mark.parametrize("dataset", KINDS)
def test_right_answers_count_and_agree_however_they_are_written(project: Project, dataset: str) -> None:
    single = pd.read_parquet(project.folder / f"results/cells/{dataset}/real/writers/single.parquet")
    found = single.groupby("variant")["accuracy"].mean().to_dict()
    assert found["plain"] == found["fancy"] == 1.0
    assert 0.2 < found["slips"] < 0.8
    assert found["silent"] == 0.0
    consensus = pd.read_parquet(project.folder / f"results/consensus/{dataset}/real/writers.parquet")
    agreed = consensus.groupby("member")["in_majority"].mean()
    assert agreed["plain"] == agreed["fancy"] == 1.0
    assert agreed["silent"] == 0.0


@pytest.mark.parametrize("router", [name for name in ROUTERS if name != "single"])
@pytest.mark.parametrize("dataset", KINDS)
def test_every_router_learns_from_every_kind(project: Project, dataset: str, router: str) -> None:
    cell = pd.read_parquet(project.folder / f"results/cells/{dataset}/real/writers/{router}.parquet")
    assert cell["accuracy"].max() == 1.0


def test_routers_that_learn_from_correctness_learn_from_scores(project: Project) -> None:
    def cell(router: str) -> pd.DataFrame:
        return pd.read_parquet(project.folder / f"results/cells/essays/real/writers/{router}.parquet")

    splits = pd.read_parquet(project.folder / "results/splits/essays.parquet")
    number = splits["query_id"].str.removeprefix("row-").astype(int)
    of_part = {part: number[splits["part"] == part] for part in ("train", "test")}
    given = {name: np.nan_to_num(np.array(scores, float)) for name, scores in SCORES.items()}
    expected = {name: scores[of_part["test"]] for name, scores in given.items()}
    single = cell("single").set_index("variant")["accuracy"]
    assert single.to_dict() == pytest.approx({name: scores.mean() for name, scores in expected.items()})
    best = np.maximum(expected["plain"], expected["fancy"])
    assert cell("oracle")["accuracy"].to_list() == pytest.approx([best.mean()])
    assert cell("random")["variant"].to_list() == ["random1"]
    assert cell("random")["accuracy"].to_list() == pytest.approx([np.mean(list(expected.values()))])
    for router in ("knn", "avengers", "cascal_gt", "llmrank_query_only"):
        found = cell(router)
        # Scores cannot be voted on.
        assert found["variant"].to_list() == ["top1"]
        if router == "cascal_gt":
            # It averages over the clusters near a query, which are all there are here, and so asks one member.
            assert found["accuracy"].item() in [pytest.approx(single["plain"]), pytest.approx(single["fancy"])]
            continue
        assert found["accuracy"].item() == pytest.approx(best.mean()), router
        assert (found["ci_low"] <= found["accuracy"]).all()
        assert found["regret"].item() == pytest.approx(0.0)
    first = max(given, key=lambda name: given[name][of_part["train"]].mean())
    assert cell("topk")["accuracy"].item() == pytest.approx(single[first])
    outcomes = pd.read_parquet(project.folder / "results/outcomes/essays/real/writers/knn.parquet")
    assert set(outcomes["correct_top1"].astype(float).round(5)) == {0.9, 0.75}


def test_routers_that_compare_answers_are_left_out_with_a_reason(project: Project) -> None:
    for router in ("latent_truth", "cascal", "majority"):
        assert not (project.folder / f"results/cells/essays/real/writers/{router}.parquet").exists()
    tasks = pd.read_parquet(project.folder / "results/tables/kinds/tasks.parquet")
    of_essays = tasks[(tasks["dataset"] == "essays") & (tasks["task"] == "all")]
    assert of_essays["slips"].item() == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("dataset", "reason"),
    [
        ("measures", "label is no number"),
        ("capitals", "several accepted answers"),
        ("facts", "label outside the options"),
    ],
)
def test_a_label_of_another_kind_is_a_dropped_row(project: Project, dataset: str, reason: str) -> None:
    dropped = pd.read_parquet(project.folder / f"results/dropped/{dataset}.parquet")
    assert dropped["reason"].to_list() == [reason]


def test_another_tolerance_grades_anew_and_asks_nothing(project: Project, tmp_path: Path) -> None:
    copy = project.copy(tmp_path / "project")
    data = ["--config", "experiment=kinds", f"data_root={project.folder.parent / 'data'}"]
    assert copy.pending(*data) == set()
    copy.edit_text("config/dataset/measures.yaml", "relative: 0.01", "relative: 0.001")
    pending = copy.pending(*data)
    assert "graded_responses/measures/fancy.parquet" in pending
    assert "equal_answers/measures/writers.parquet" in pending
    assert not any(path.startswith(("responses/", "questions/", "asked/")) for path in pending)
    assert not any(name in path for path in pending for name in ("capitals", "facts", "moods"))


def test_an_impossible_kind_is_one_message(project: Project, tmp_path: Path) -> None:
    copy = project.copy(tmp_path / "project")
    data = ["--config", "experiment=kinds", f"data_root={project.folder.parent / 'data'}"]
    copy.edit_text("config/dataset/capitals.yaml", "answer_kind: text", "answer_kind: latex")
    done = copy.run("-n", *data)
    assert done.returncode != 0
    assert "answer_kind" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
