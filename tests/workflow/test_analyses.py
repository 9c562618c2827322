"""The analyses of an experiment: their jobs, and every table and figure of the finished small project."""

import re
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from tests.workflow.project import MEMBERS, Project, make

TABLES = [
    *("ranking_transfer", "label_quality", "generator_diagnostics", "leaks", "shift", "published"),
    *("learning_curve", "drop_one", "table_1", "table_2", "table_7", "table_9", "table_12"),
]
FIGURES = ["accuracy", "queries", "cost", "learning_curve"]
SECTIONS: dict[str, object] = {
    "referee": {"member": "tiny-b-chat", "draws": 3},
    "leaks": {"threshold": 0.9},
    "shift": {"queries": 10, "permutations": 99},
    "learning_curve": {"sizes": [4, 8, 5000], "routers": ["cascal", "smoothie"], "scenarios": ["real"]},
    "drop_one": {"routers": ["cascal", "topk"], "scenarios": ["real", "tiny-writer"]},
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


def configure(project: Project) -> Project:
    tables = ["accuracy", "costs", *TABLES]
    project.edit_yaml("experiment/tiny.yaml", tables=tables, figures=FIGURES, **SECTIONS)
    return project


def planned(project: Project, *targets: str) -> dict[str, int]:
    """Rule -> jobs of a dry run."""
    done = project.run("-n", *targets)
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout + done.stderr
    stats = said[said.rindex("Job stats:") :].split("\n\n")[0]
    return {name: int(number) for name, number in re.findall(r"^(\w+)\s+(\d+)$", stats, re.MULTILINE)}


@pytest.fixture(scope="module")
def unmade(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("planned")
    return configure(make(folder / "project", folder / "no_models"))


@pytest.fixture(scope="module")
def analysed(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The small project with every analysis made."""
    project = configure(finished.copy(tmp_path_factory.mktemp("analysed") / "project"))
    done = project.run(*PATHS)
    assert done.returncode == 0, done.stdout + done.stderr
    return project


def table(project: Project, name: str) -> pd.DataFrame:
    return pd.read_parquet(project.folder / f"results/tables/tiny/{name}.parquet")


def test_a_learning_curve_is_fitted_on_every_size_and_the_whole(unmade: Project) -> None:
    jobs = planned(unmade, "results/tables/tiny/learning_curve.md")
    # Two routers on one scenario: three sizes and the whole, and no scenario beside it.
    assert (jobs["fit"], jobs["route"], jobs["score"]) == (8, 8, 8)
    assert (jobs["consensus"], jobs["neighbours"]) == (4, 4)
    # The answers are embedded once for all sizes, and nothing more is asked.
    assert jobs["embed_answers"] == 1
    assert jobs["answer"] == len(MEMBERS)


def test_a_pool_without_a_member_asks_and_embeds_nothing_anew(unmade: Project) -> None:
    jobs = planned(unmade, "results/tables/tiny/drop_one.md")
    # CASCAL on two scenarios and Top-k once, on the whole pool and without each member.
    assert jobs["fit"] == 3 * (1 + len(MEMBERS))
    assert jobs["consensus"] == 2 * (1 + len(MEMBERS))
    assert jobs["answer"] == 2 * len(MEMBERS)
    assert jobs["embed_questions"] == 2


def test_the_referee_is_asked_about_test_questions_and_generated_queries(unmade: Project) -> None:
    jobs = planned(unmade, "results/tables/tiny/label_quality.md")
    assert (jobs["ask_referee"], jobs["referee_answers"], jobs["tested_questions"]) == (2, 2, 1)
    assert "answer" not in jobs
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
    assert analysed.pending(*PATHS) == set()


def test_the_referee_answers_every_query_three_times_from_the_store(analysed: Project) -> None:
    for query_set, count in {"benchmark": 10, "tiny-writer": 12}.items():
        rows = pq.read_table(analysed.folder / f"results/referee/tiny/{query_set}/tiny-b-chat.parquet").to_pylist()
        assert len(rows) == count
        assert all(len(row["answers"]) == 3 for row in rows)
        # Likelihood draws nothing, so that all three agree, with each other and with the member's own answer.
        own = pq.read_table(analysed.folder / f"results/responses/tiny/{query_set}/tiny-b-chat.parquet").to_pylist()
        answers = {row["query_id"]: row["answer"] for row in own}
        assert all(row["answer"] == answers[row["query_id"]] and row["outcome"] == "majority" for row in rows)
    quality = table(analysed, "label_quality").set_index("scenario")
    assert quality["n_queries"].to_dict() == {"real": 10, "tiny-writer": 12}
    labels = pd.read_parquet(analysed.folder / "results/labels/tiny/tiny-writer.parquet").set_index("query_id")["label"]
    agree = sum(labels[row["query_id"]] == row["answer"] for row in rows)
    assert quality.loc["tiny-writer", "agreement"] == pytest.approx(agree / 12)


def test_the_learning_curve_ends_at_the_cell_of_the_whole_set(analysed: Project) -> None:
    curve = table(analysed, "learning_curve")
    accuracy = table(analysed, "accuracy").set_index(["scenario", "router", "variant"])["accuracy"]
    assert set(curve["router"]) == {"cascal", "smoothie"}
    for (router, variant), part in curve.groupby(["router", "variant"]):
        assert part["n_training"].tolist() == [4, 8, 14]
        assert part["accuracy"].iloc[-1] == pytest.approx(accuracy["real", router, variant])
    consensus = pd.read_parquet(analysed.folder / "results/consensus/tiny/real@8/tiny.parquet")
    smaller = pd.read_parquet(analysed.folder / "results/consensus/tiny/real@4/tiny.parquet")
    for seed in (0, 1):
        ids, fewer = (set(frame[frame["seed"] == seed]["query_id"]) for frame in (consensus, smaller))
        assert (len(ids), len(fewer)) == (8, 4)
        assert fewer < ids


def test_a_pool_without_a_member_never_asks_it(analysed: Project) -> None:
    dropped = table(analysed, "drop_one")
    assert set(dropped["without"]) == set(MEMBERS)
    assert (dropped["difference"] - (dropped["accuracy"] - dropped["whole_accuracy"])).abs().max() < 1e-9
    for member in MEMBERS:
        routes = pd.read_parquet(
            analysed.folder / f"results/routes/tiny/tiny-writer/tiny@without-{member}/cascal.parquet"
        )
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
    assert (leaks["exact"] == 0).all()
    pairs = pd.read_csv(analysed.folder / "results/tables/tiny/leaked_pairs.csv")
    assert len(pairs) == leaks["near"].sum()


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
    pending = analysed.pending(*PATHS, "--config", "overrides=[experiment.leaks.threshold=0.5]")
    assert pending == {f"tables/tiny/leaks.{kind}" for kind in ("parquet", "csv", "md", "tex")} | {
        "tables/tiny/leaked_pairs.csv"
    }


def test_more_draws_of_the_referee_ask_it_and_nobody_else(analysed: Project) -> None:
    pending = analysed.pending(*PATHS, "--config", "overrides=[experiment.referee.draws=5]")
    assert {output.split("/")[0] for output in pending} == {"refereed", "referee", "tables"}
    named = {output.split("/")[2].split(".")[0] for output in pending if output.startswith("tables/")}
    assert named == {"label_quality", "published", *(name for name in TABLES if name.startswith("table_"))}
