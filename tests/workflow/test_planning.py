"""rgd plan, explain, adopt and prune on the small finished project."""

import json
import shutil
from pathlib import Path

import pytest

from tests.workflow.project import MEMBERS, Project
from tests.workflow.test_edits import ACCURACY, CASES, CORE, EXTRA, append, copied, keys, lists, matching, router, text

CELL = "results/cells/tiny/real/tiny/knn.parquet"


def planned(project: Project, *arguments: str) -> dict:
    """What ``rgd plan --json`` says."""
    done = project.rgd("plan", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def reasons(plan: dict) -> list[str]:
    return [reason["what"] for reason in plan["because"]]


def with_line(project: Project, plan: dict) -> str | None:
    """The line that the one reason names, without spaces at its ends; None if it names none."""
    (reason,) = plan["because"]
    file = project.folder / reason["what"].partition(": ")[0]
    return None if reason["line"] is None else file.read_text().splitlines()[reason["line"] - 1].strip()


def outputs_of(plan: dict) -> set[str]:
    return {path.removeprefix("results/") for job in plan["runs"] for path in job["outputs"]}


def without_records(project: Project, folder: Path) -> Project:
    """A fresh clone with the results copied into it."""
    clone = project.copy(folder)
    shutil.rmtree(clone.folder / ".snakemake")
    return clone


def test_nothing_to_do_is_said(finished: Project) -> None:
    done = finished.rgd("plan")
    assert done.returncode == 0, done.stderr
    assert "nothing to do" in done.stdout
    assert planned(finished)["jobs"] == 0


def test_a_plan_names_key_and_values_and_lists_the_jobs_that_snakemake_would_run(
    finished: Project, tmp_path: Path
) -> None:
    project = finished.copy(tmp_path / "copy")
    CASES["a router's parameter"][0](project)
    plan = planned(project)
    (reason,) = reasons(plan)
    assert reason.startswith("config/router/avengers.yaml: parameters.n_clusters: ")
    assert reason.endswith(" → 3")
    assert with_line(project, plan) == "n_clusters: 3"
    assert outputs_of(plan) == project.pending()
    following = {job["because"][0] for job in plan["runs"] if job["rule"] == "score"}
    assert len(following) == 1
    assert following.isdisjoint(reasons(plan)), "a job that only follows another has no change of its own"
    assert {stage["stage"] for stage in plan["stages"]} == {"routing", "analysis"}
    assert plan["queries"] == 0
    assert plan["seconds"] > 0
    assert [step["job"].split()[0] for step in plan["longest_path"][:3]] == ["fit", "route", "score"]
    said = project.rgd("plan").stdout
    assert "config/router/avengers.yaml: parameters.n_clusters" in said
    assert "Longest path" in said
    # Snakemake's own count has the rules that only collect files besides.
    total = next(line.split()[1] for line in project.run("-n").stdout.splitlines() if line.startswith("total "))
    assert plan["jobs"] + len(plan["collecting"]) == int(total)
    assert all(name in said for name in plan["collecting"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (append(f"{CORE}/routers/knn.py", EXTRA), "rgd.routers.knn: EXTRA new"),
        (
            text(f"{CORE}/scoring/cells.py", "def score_routes(", "def score_routes(\n    unused=None, *,"),
            "rgd.scoring.cells: score_routes changed",
        ),
        (append("config/prompts/ask_plain.txt", "Now."), "config/prompts/ask_plain.txt: nothing → Now."),
        (keys("experiment/tiny.yaml", seeds=[0, 2]), "config/experiment/tiny.yaml: seeds: + 2, - 1"),
        (
            keys("pool/tiny.yaml", members=["tiny-a-plain", "tiny-b-plain"]),
            "config/pool/tiny.yaml: members: - tiny-a-chat, - tiny-b-chat",
        ),
        (CASES["a member more"][0], "config/pool/tiny.yaml: members: + tiny-a-third"),
        (keys("pool/tiny.yaml", members=MEMBERS[::-1]), "config/pool/tiny.yaml: members: in a different order"),
        (CASES["a dataset more"][0], "config/experiment/tiny.yaml: datasets: + second"),
        (keys("experiment/tiny.yaml", scenarios=["real"]), "config/experiment/tiny.yaml: scenarios: - tiny-writer"),
        (CASES["a router more"][0], "config/experiment/tiny.yaml: routers: + cascal_z_sum"),
        (CASES["a router less"][0], "config/experiment/tiny.yaml: routers: - knn, - latent_truth, - majority"),
        (CASES["the number of generated queries"][0], "config/dataset/tiny.yaml: generated_queries: 12 → 14"),
        (
            keys("generator/tiny-writer.yaml", temperature=0.5),
            "config/generator/tiny-writer.yaml: temperature: 0.8 → 0.5",
        ),
        (keys("dataset/tiny.yaml", title="Little"), "config/dataset/tiny.yaml: title: Tiny → Little"),
        (append(CELL, " "), "cells/tiny/real/tiny/knn.parquet has changed"),
        (copied("router/knn.yaml", "router/nearest.yaml"), None),
    ],
)
def test_a_plan_says_what_was_edited(finished: Project, tmp_path: Path, edit, reason: str | None) -> None:
    project = finished.copy(tmp_path / "copy")
    edit(project)
    plan = planned(project)
    assert reasons(plan) == ([reason] if reason else [])
    if reason:
        (stages,) = (each["stages"] for each in plan["because"])
        assert {stage["stage"]: stage["rules"] for stage in plan["stages"]} == stages, "every job follows from the edit"


@pytest.mark.slow
def test_each_of_several_edits_is_told_with_what_follows_from_it_alone(finished: Project, tmp_path: Path) -> None:
    project = finished.copy(tmp_path / "copy")
    lists("experiment/tiny.yaml", exclude=[{"scenario": "real", "router": "topk", "reason": "a test"}])(project)
    CASES["the consensus artifact's vote weight"][0](project)
    CASES["a router's variant"][0](project)
    by_file = {reason["what"].partition(": ")[0]: reason["stages"] for reason in planned(project)["because"]}
    assert sorted(by_file) == ["config/config.yaml", "config/experiment/tiny.yaml", "config/router/knn.yaml"]
    assert by_file["config/config.yaml"] == {"routing": {"consensus": 2}, "query_sets": {"ranking_transfer_table": 1}}
    assert set(by_file["config/experiment/tiny.yaml"]) == {"analysis"}
    assert by_file["config/router/knn.yaml"]["routing"] == {"route": 2, "score": 2}


@pytest.mark.slow
def test_files_that_are_gone_are_one_reason(finished: Project, tmp_path: Path) -> None:
    project = finished.copy(tmp_path / "copy")
    shutil.rmtree(project.folder / "results/cells")
    shutil.rmtree(project.folder / "results/routes")
    plan = planned(project)
    assert len(plan["because"]) == 1
    assert outputs_of(plan) == project.pending()


@pytest.mark.slow
def test_before_the_first_run_there_is_one_reason(finished: Project, tmp_path: Path) -> None:
    project = without_records(finished, tmp_path / "clone")
    shutil.rmtree(project.folder / "results")
    plan = planned(project)
    assert len(plan["because"]) == 1
    assert outputs_of(plan) == project.pending()


@pytest.mark.slow
def test_what_is_in_the_store_is_not_counted(finished: Project, tmp_path: Path) -> None:
    project = finished.copy(tmp_path / "copy")
    for claim in (project.folder / "results/asked/answers").rglob("tiny-a-*.json"):
        claim.unlink()
    shutil.rmtree(project.folder / "results/responses")
    assert planned(project, "answers")["queries"] == 0
    keys("model/tiny-a.yaml", answers_epoch=1)(project)
    asked = sum(
        json.loads(path.read_text())["answers"]
        for path in (finished.folder / "results/asked/answers").rglob("tiny-a-*.json")
        if not path.name.endswith(".provenance.json")
    )
    assert planned(project, "answers")["queries"] == asked


@pytest.mark.slow
def test_plan_and_snakemake_agree_on_a_target(finished: Project, tmp_path: Path) -> None:
    project = finished.copy(tmp_path / "copy")
    CASES["the split seeds"][0](project)
    assert outputs_of(planned(project, CELL)) < outputs_of(planned(project))
    assert CELL.removeprefix("results/") in outputs_of(planned(project, CELL))


def test_a_mistake_in_the_configuration_or_a_target_is_one_message(finished: Project, tmp_path: Path) -> None:
    for arguments, words in [
        (("--config", "experiment=absent"), "absent.yaml"),
        (("results/absent",), "results/absent"),
    ]:
        done = finished.rgd("plan", *arguments)
        assert done.returncode == 1
        assert done.stderr.startswith("rgd: ")
        assert words in done.stderr
        assert "Traceback" not in done.stderr


def test_copied_results_are_taken_over_and_an_edit_reruns_exactly_its_cells(finished: Project, tmp_path: Path) -> None:
    clone = without_records(finished, tmp_path / "clone")
    CASES["a router's parameter"][0](clone)
    assert clone.pending() == set(), "Snakemake remembers something: this test shows nothing"
    done = clone.rgd("adopt")
    assert done.returncode == 0, done.stderr
    assert " 0 will be " in done.stdout
    states = clone.states()
    assert {path for path, is_pending in states.items() if is_pending} == matching(set(states), router("avengers"))


@pytest.mark.slow
def test_taken_over_results_need_nothing_whatever_the_times_of_the_files(finished: Project, tmp_path: Path) -> None:
    clone = without_records(finished, tmp_path / "clone")
    for file in sorted((clone.folder / "results").rglob("*"), reverse=True):
        file.touch()
    assert clone.rgd("adopt").returncode == 0
    assert clone.pending() == set()


@pytest.mark.slow
def test_what_cannot_be_vouched_for_is_made_anew(finished: Project, tmp_path: Path) -> None:
    clone = without_records(finished, tmp_path / "clone")
    append(CELL, " ")(clone)
    said = clone.rgd("adopt").stdout
    assert f"  {CELL.removeprefix('results/')}: " in said
    reason = said.partition(f"  {CELL.removeprefix('results/')}: ")[2].splitlines()[0]
    assert "provenance" in reason
    states = clone.states()
    expected = [r"(cells|outcomes|choices)/tiny/real/tiny/knn\.parquet", *ACCURACY]
    assert {path for path, is_pending in states.items() if is_pending} == matching(set(states), expected)
    assert reason in reasons(planned(clone))


def test_a_cell_is_explained_from_the_questions_on_and_what_changed_since(finished: Project, tmp_path: Path) -> None:
    project = finished.copy(tmp_path / "copy")
    said = project.rgd("explain", CELL).stdout
    assert "nothing has changed" in said
    for rule in ("benchmark_questions", "ask_answers", "read_answers", "train", "fit", "route", "score"):
        assert f"  {rule} " in said
    CASES["a router's variant"][0](project)
    CASES["the scoring"][0](project)
    said = project.rgd("explain", CELL).stdout
    assert "config/router/knn.yaml: variants.top2" in said
    assert "rgd.scoring.cells: EXTRA new" in said
    assert "nothing has changed" not in said
    told = json.loads(project.rgd("explain", "--json", CELL).stdout)
    assert (told["state"], told["experiment"]) == ("remade", "tiny")
    assert {reason["what"].partition(": ")[0]: reason["through"] for reason in told["because"]} == {
        "config/router/knn.yaml": [f"{kind}/tiny/real/tiny/knn.parquet" for kind in ("routes", "cells")],
        "rgd.scoring.cells": ["cells/tiny/real/tiny/knn.parquet"],
    }
    other = "results/routes/tiny/real/tiny/avengers.parquet"
    assert json.loads(project.rgd("explain", "--json", other).stdout)["state"] == "current"


@pytest.mark.slow
def test_a_file_of_another_experiment_is_explained_by_that_experiment(finished: Project, tmp_path: Path) -> None:
    project = finished.copy(tmp_path / "copy")
    copied("experiment/tiny.yaml", "experiment/second.yaml", routers=["knn"], baseline="knn", tables=["accuracy"])(
        project
    )
    table = "results/tables/second/accuracy.md"
    assert project.run(table, "--config", "experiment=second").returncode == 0
    told = json.loads(project.rgd("explain", "--json", table).stdout)
    assert (told["state"], told["experiment"]) == ("current", "second")
    told = json.loads(project.rgd("explain", "--json", table, "--experiment", "tiny").stdout)
    assert told["state"] == "unmade"


@pytest.mark.slow
@pytest.mark.ci
def test_what_no_experiment_needs_is_listed_and_then_deleted(finished: Project, tmp_path: Path) -> None:
    project = finished.copy(tmp_path / "copy")
    assert "Every artifact is needed" in project.rgd("prune").stdout
    CASES["a router less"][0](project)
    said = project.rgd("prune").stdout
    assert CELL in said
    assert (project.folder / CELL).exists()
    store = sorted(path.name for path in (project.folder / "results/store").rglob("*"))
    before = project.pending()
    assert project.rgd("prune", "--yes").returncode == 0
    assert not (project.folder / CELL).exists()
    assert not list((project.folder / "results").rglob("knn.*"))
    assert sorted(path.name for path in (project.folder / "results/store").rglob("*")) == store
    assert project.pending() == before
    assert "Every artifact is needed" in project.rgd("prune").stdout
