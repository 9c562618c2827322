"""The analyses of an experiment: their jobs, and every table and figure from made-up answers, no model asked."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from rgd.answers.referee import majority_of_draws
from rgd.answers.requests import referee_requests
from rgd.artifacts import schemas
from rgd.artifacts.files import from_matrix, write_table
from rgd.config import load, slices
from rgd.datasets.splits import TEST, rows_of_part, split
from rgd.engines.base import Answer
from rgd.store.answers import AnswerSettings, Store
from tests.workflow.project import MEMBERS, Project, make, write

TASKS = ("arithmetic", "calendar")
QUERIES = {"benchmark": 24, "tiny-writer": 12}
SEEDS = [0, 1]
TABLES = [
    *("ranking_transfer", "label_quality", "generator_diagnostics", "leaks", "shift", "published"),
    *("learning_curve", "drop_one", "leaderboard", "table_1", "table_2", "table_7", "table_9", "table_12"),
]
FIGURES = ["accuracy", "queries", "cost", "pareto", "learning_curve"]
SECTIONS: dict[str, object] = {
    "routers": ["cascal", "knn", "topk", "single"],
    "referee": {"member": "judge", "draws": 3},
    "leaks": {"threshold": 0.9},
    "shift": {"queries": 10, "permutations": 99},
    "learning_curve": {"sizes": [8, 5000], "scenarios": ["real"]},
    "drop_one": {"routers": ["cascal", "topk"], "scenarios": ["real"]},
    "stands_for": {
        "dataset": {"tiny": "mmlu_pro"},
        "generator": {"tiny-writer": "qwen3-32b"},
        "pool": {"tiny": "large"},
        "member": {"tiny-a-chat": "qwen3-32b"},
    },
}
PATHS = [
    *(f"results/tables/tiny/{table}.{kind}" for table in TABLES for kind in ("parquet", "csv", "md", "tex")),
    *(f"results/figures/tiny/{figure}.{kind}" for figure in [*FIGURES, "queries_of_tiny"] for kind in ("svg", "png")),
]
# Only these may run on answers that are made up: what the others would make is given.
ALLOWED = [
    *("tested_questions", "ask_referee", "read_referee", "neighbours", "train", "consensus", "fit", "route", "score"),
    *("score_reference", "leak_check", "leak_check_of_descriptions", "shift", "accuracy_table", "comparison_table"),
    *(
        "cost_table",
        "leaderboard_table",
        "ranking_transfer_table",
        "label_quality_table",
        "generator_diagnostics_table",
        "leak_table",
    ),
    *("shift_table", "learning_curve_table", "drop_one_table", "published_table", "paper_table"),
    *("accuracy_figure", "cost_figure", "pareto_figure", "learning_curve_figure", "query_figure"),
]
MADE_UP = ["--allowed-rules", *ALLOWED]


def configure(project: Project) -> Project:
    """The small project with all analyses, and a referee behind a server that nobody runs."""
    write(
        project.folder / "config/model/judge.yaml",
        title="Judge",
        licence="none",
        engine="openai",
        max_model_len=1024,
        asks={"default": {"way": "generate", "prompt": "ask_chat"}},
        api={"model": "judge", "base_url": "http://127.0.0.1:9/v1"},
    )
    tables = ["accuracy", "costs", *TABLES]
    project.edit_yaml("experiment/tiny.yaml", tables=tables, figures=FIGURES, **SECTIONS)
    return project


def write_answers(project: Project) -> None:
    """All that models and generators leave behind: questions, labels, vectors, answers, and the referee's in the store."""
    results, random = project.folder / "results", np.random.default_rng(0)

    def unit(rows: int, towards: np.ndarray) -> np.ndarray:
        vectors = towards + 0.6 * random.normal(size=(rows, 8))
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    for query_set, n in QUERIES.items():
        tasks = np.repeat(TASKS, n // 2)
        query_ids = np.array([f"{query_set}-{row}" for row in range(n)], dtype=object)
        texts = [f"What is {row} plus {row}, said {query_set}?" for row in range(n)]
        if query_set != "benchmark":
            # Of the generated ones the first is no news.
            texts[0] = " what IS 23 plus 23, said benchmark"
        questions = {
            "query_id": query_ids,
            "task": tasks,
            "question": texts,
            "options": pa.array([["one", "two", "three", "four"]] * n, schemas.STRINGS),
            "answer_kind": ["letter"] * n,
        }
        labels = random.choice(list("ABCD"), n)
        write_table(results / f"questions/tiny/{query_set}.parquet", pa.table(questions), schemas.QUESTIONS)
        labelled = pa.table({"query_id": query_ids, "label": labels})
        write_table(results / f"labels/tiny/{query_set}.parquet", labelled, schemas.LABELS)
        vectors = unit(n, np.eye(2, 8).repeat(n // 2, axis=0))
        embedded = pa.table({"query_id": query_ids, "embedding": from_matrix(vectors)})
        write_table(results / f"embeddings/tiny/{query_set}.parquet", embedded, schemas.embeddings(8))
        for place, member in enumerate(MEMBERS):
            chance = 0.9 - 0.15 * place
            answers = np.where(random.random(n) < chance, labels, random.choice(list("ABCD"), n)).astype(object)
            answers[random.random(n) < 0.1] = None
            responses = {
                "query_id": query_ids,
                "text": [""] * n,
                "answer": pa.array(answers.tolist(), pa.string()),
                "extraction_rule": [""] * n,
                "confidence": random.normal(size=n),
                "confidence_kind": [""] * n,
                "prompt_tokens": np.full(n, 40, dtype=np.int32),
                "completion_tokens": np.full(n, 5 + place, dtype=np.int32),
                "finish_reason": [""] * n,
            }
            path = results / f"responses/tiny/{query_set}/{member}.parquet"
            write_table(path, pa.table(responses), schemas.RESPONSES)
        if query_set == "benchmark":
            splits = split(query_ids, tasks, SEEDS, 0.6, 0)
            write_table(results / "splits/tiny.parquet", splits, schemas.SPLITS)
            judged = pa.table(questions).take(next(iter(rows_of_part(splits, query_ids, TEST).values())))
        else:
            judged = pa.table(questions)
        answer_as_referee(project, judged, random)
    counts = {"task": ["arithmetic", "arithmetic", "calendar"], "outcome": ["kept", "truncated", "kept"]}
    drawn = pa.table({**counts, "draws": [6, 3, 6]})
    write_table(results / "generation/tiny/tiny-writer.parquet", drawn, schemas.GENERATION_COUNTS)
    described = pa.table({"task": TASKS, "description": ["Sums.", "As in: what is 22 plus 22, said benchmark?"]})
    write_table(results / "descriptions/tiny/default.parquet", described, schemas.DESCRIPTIONS)
    embedded = pa.table({"query_id": TASKS, "embedding": from_matrix(unit(2, np.ones(8)))})
    write_table(results / "description_embeddings/tiny/default.parquet", embedded, schemas.embeddings(8))


def answer_as_referee(project: Project, questions: pa.Table, random: np.random.Generator) -> None:
    """Leave the referee's answers in the store: letters, and now and then none."""
    folder = project.folder / "config"
    settings = AnswerSettings.from_mapping(slices.answering(load(folder, "tiny"), folder, "judge"))
    asked = referee_requests(questions.cast(schemas.QUESTIONS), settings.prompt, 3)
    said = random.choice(["The answer is (A)", "The answer is (B)", "I do not know."], len(asked), p=[0.5, 0.3, 0.2])
    answers = [Answer(str(text), -0.1, None, 9, 4, "stop", False) for text in said]
    Store(project.folder / "results/store").commit(settings, asked, answers, {"engine": "made up"})


def planned(project: Project, *targets: str) -> dict[str, int]:
    """Rule -> jobs of a dry run."""
    done = project.run("-n", *targets)
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout + done.stderr
    if "Job stats:" not in said:
        return {}
    stats = said[said.rindex("Job stats:") :].split("\n\n")[0]
    return {name: int(number) for name, number in re.findall(r"^(\w+)\s+(\d+)$", stats, re.MULTILINE)}


@pytest.fixture(scope="module")
def unmade(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("planned")
    return configure(make(folder / "project", folder / "no_models"))


@pytest.fixture(scope="module")
def analysed(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The small project with every analysis made from answers that are made up."""
    folder = tmp_path_factory.mktemp("analysed")
    project = configure(make(folder / "project", folder / "no_models"))
    write_answers(project)
    done = project.run(*PATHS, *MADE_UP, timeout=1500)
    assert done.returncode == 0, done.stdout + done.stderr
    return project


def table(project: Project, name: str) -> pd.DataFrame:
    return pd.read_parquet(project.folder / f"results/tables/tiny/{name}.parquet")


def test_a_learning_curve_is_fitted_on_every_size_and_the_whole(unmade: Project) -> None:
    jobs = planned(unmade, "results/tables/tiny/learning_curve.md")
    # Two routers that learn, on one scenario: two sizes and the whole.
    assert (jobs["fit"], jobs["route"], jobs["score"]) == (6, 6, 6)
    assert (jobs["train"], jobs["neighbours"]) == (3, 3)
    assert jobs["ask_answers"] == len(MEMBERS)


def test_what_is_embedded_for_the_whole_serves_every_size_and_smaller_pool(unmade: Project, tmp_path: Path) -> None:
    project = unmade.copy(tmp_path / "project")
    chosen = {"routers": ["smoothie"], "scenarios": ["real"]}
    sections = {"learning_curve": {"sizes": [8, 5000], **chosen}, "drop_one": chosen}
    project.edit_yaml("experiment/tiny.yaml", routers=["smoothie", "topk"], **sections)
    jobs = planned(project, "results/tables/tiny/learning_curve.md", "results/tables/tiny/drop_one.md")
    assert jobs["fit"] == 3 + len(MEMBERS)
    assert (jobs["embed_answers"], jobs["embed_questions"]) == (1, 1)
    assert jobs["ask_answers"] == len(MEMBERS)


def test_a_pool_without_a_member_asks_nothing_anew(unmade: Project) -> None:
    jobs = planned(unmade, "results/tables/tiny/drop_one.md")
    assert jobs["fit"] == 2 * (1 + len(MEMBERS))
    assert jobs["train"] == 1 + len(MEMBERS)
    assert jobs["ask_answers"] == len(MEMBERS)


def test_the_referee_is_asked_about_test_questions_and_generated_queries(unmade: Project) -> None:
    jobs = planned(unmade, "results/tables/tiny/label_quality.md")
    assert (jobs["ask_referee"], jobs["read_referee"], jobs["tested_questions"]) == (2, 2, 1)
    assert "ask_answers" not in jobs
    assert "fit" not in jobs


def test_a_paper_table_needs_what_has_published_figures(unmade: Project) -> None:
    jobs = planned(unmade, "results/tables/tiny/table_2.md")
    assert (jobs["paper_table"], jobs["published_table"]) == (1, 1)
    assert (jobs["ranking_transfer_table"], jobs["label_quality_table"], jobs["accuracy_table"]) == (1, 1, 1)


def test_without_sections_the_whole_experiment_has_no_job_of_an_analysis(unmade: Project, tmp_path: Path) -> None:
    project = make(tmp_path / "project", tmp_path / "no_models")
    jobs = planned(project)
    assert not {"ask_referee", "leak_check", "shift", "published_table", "embed_descriptions"} & set(jobs)


def test_everything_is_made_and_nothing_is_left_to_do(analysed: Project) -> None:
    for path in PATHS:
        assert (analysed.folder / path).stat().st_size > 50, path
    assert planned(analysed, *PATHS, *MADE_UP) == {}


def test_the_referee_judges_every_query_three_times_by_the_store(analysed: Project) -> None:
    for query_set, count in {"benchmark": 10, "tiny-writer": 12}.items():
        path = analysed.folder / f"results/referee/tiny/{query_set}/judge.parquet"
        rows = pq.read_table(path).to_pylist()
        assert len(rows) == count
        assert all(len(row["answers"]) == 3 for row in rows)
        assert all(majority_of_draws(row["answers"]) == (row["answer"], row["outcome"]) for row in rows)
        claim = json.loads((analysed.folder / f"results/asked/referee/tiny/{query_set}/judge.json").read_text())
        assert claim["answers"] == 3 * count
    quality = table(analysed, "label_quality").set_index("scenario")
    assert quality["n_queries"].to_dict() == {"real": 10, "tiny-writer": 12}
    assert (quality[["majority", "tie", "missing"]].sum(axis=1) == quality["n_queries"]).all()
    labels = pd.read_parquet(analysed.folder / "results/labels/tiny/tiny-writer.parquet").set_index("query_id")["label"]
    agree = [labels[row["query_id"]] == row["answer"] for row in rows if row["answer"] is not None]
    assert quality.loc["tiny-writer", "agreement"] == pytest.approx(sum(agree) / len(agree))


def test_the_learning_curve_ends_at_the_cell_of_the_whole_set(analysed: Project) -> None:
    curve = table(analysed, "learning_curve")
    accuracy = table(analysed, "accuracy").set_index(["scenario", "router", "variant"])["accuracy"]
    assert set(curve["router"]) == {"cascal", "knn"}
    for (router, variant), part in curve.groupby(["router", "variant"]):
        assert part["n_training"].tolist() == [8, 14]
        assert part["accuracy"].iloc[-1] == pytest.approx(accuracy["real", router, variant])
    for size, expected in {8: 8, 5000: 14}.items():
        training = pd.read_parquet(analysed.folder / f"results/training/tiny/real@{size}/tiny.parquet")
        assert training.groupby("seed")["query_id"].nunique().tolist() == [expected, expected]


def test_a_pool_without_a_member_never_asks_it(analysed: Project) -> None:
    dropped = table(analysed, "drop_one")
    assert set(dropped["without"]) == set(MEMBERS)
    assert (dropped["difference"] - (dropped["accuracy"] - dropped["whole_accuracy"])).abs().max() < 1e-9
    for member in MEMBERS:
        routes = pd.read_parquet(analysed.folder / f"results/routes/tiny/real/tiny@without-{member}/cascal.parquet")
        assert all(member not in ranking and len(ranking) == 3 for ranking in routes["ranking"])


def test_what_generated_queries_are_like_is_told_for_the_real_ones_too(analysed: Project) -> None:
    diagnostics = table(analysed, "generator_diagnostics").set_index("scenario")
    assert list(diagnostics.index) == ["real", "tiny-writer"]
    assert diagnostics.loc["tiny-writer", "kept"] == 12
    # The writer's model is no member of the pool.
    assert diagnostics["own_accuracy"].isna().all()
    shift = table(analysed, "shift").set_index("scenario")
    assert shift["n_queries"].to_dict() == {"real": 10, "tiny-writer": 10}
    assert shift["p_value"].between(0.01, 1).all()
    leaks = table(analysed, "leaks").set_index("source")
    assert leaks["n_texts"].to_dict() == {"tiny-writer": 12, "description: default": 2}
    tested = set(
        pq.read_table(analysed.folder / "results/splits/tiny.parquet")
        .filter(pc.field("part") == "test")["query_id"]
        .to_pylist()
    )
    assert leaks["n_test_questions"].unique().tolist() == [len(tested)]
    repeated = {"tiny-writer": "benchmark-23", "description: default": "benchmark-22"}
    assert leaks["exact"].to_dict() == {source: int(query in tested) for source, query in repeated.items()}
    pairs = pd.read_csv(analysed.folder / "results/tables/tiny/leaked_pairs.csv")
    assert len(pairs) == leaks[["exact", "near"]].to_numpy().sum()


def test_published_figures_stand_beside_those_of_the_keys_that_stand_for_the_papers(analysed: Project) -> None:
    published = table(analysed, "published")
    made = published[published["reason"] == ""]
    assert set(made["dataset"]) == {"mmlu_pro"}
    accuracy = table(analysed, "accuracy").set_index(["scenario", "router", "variant"])["accuracy"]
    ours = made[made["what"] == "accuracy"].set_index(["source", "router", "variant"])["ours"] / 100
    assert ours["Table 9", "cascal", "top3"] == pytest.approx(accuracy["tiny-writer", "cascal", "top3"])
    assert ours["Table 9", "oracle", "oracle"] == pytest.approx(accuracy["real", "oracle", "oracle"])
    assert ours["Table 11", "single", "qwen3-32b"] == pytest.approx(accuracy["real", "single", "tiny-a-chat"])
    transfer = table(analysed, "ranking_transfer")
    assert made[made["source"] == "Table 2"]["ours"].tolist() == pytest.approx(transfer["tau"].tolist())
    assert len(made[made["source"] == "Table 12"]) == 2
    reasons = set(published["reason"]) - {""}
    assert {"dataset bbeh is not in this experiment", "pool small is not in this experiment"} <= reasons
    text = (analysed.folder / "results/tables/tiny/table_9.md").read_text()
    assert "## Table 9: Routers fitted on queries of Qwen3-32B, Tiny pool" in text
    assert f"{100 * accuracy['tiny-writer', 'cascal', 'top3']:.1f}" in text
    assert "router llmrank is not in this experiment" in text


def test_another_threshold_makes_the_table_anew_and_compares_nothing(analysed: Project) -> None:
    jobs = planned(analysed, *PATHS, *MADE_UP, "--config", "overrides=[experiment.leaks.threshold=0.5]")
    assert jobs == {"leak_table": 1, "total": 1}


def test_more_draws_of_the_referee_ask_it_and_nobody_else(analysed: Project) -> None:
    jobs = planned(analysed, *PATHS, *MADE_UP, "--config", "overrides=[experiment.referee.draws=5]")
    tables = {"label_quality_table": 1, "published_table": 1, "paper_table": 5}
    assert jobs == {"ask_referee": 2, "read_referee": 2, **tables, "total": 11}
