"""A model with replicas in whole runs: the jobs of the graph, what each asks, and what a change of the number reruns."""

import json
from pathlib import Path

import pytest

from rgd.store.answers import AnswerSettings, Store
from tests.workflow.project import Project, make

MEMBERS = ("tiny-a-plain", "tiny-a-chat")
QUERY_SETS = ("benchmark", "tiny-writer")


@pytest.fixture
def project(models: Path, tmp_path: Path) -> Project:
    made = make(tmp_path / "project", models)
    made.edit_yaml("experiment/tiny.yaml", routers=["topk", "knn"], seeds=[0], tables=["accuracy"], figures=[])
    return made


def shared(replicas: int) -> set[str]:
    """The records of all further jobs that share what tiny-a is asked."""
    return {
        f"asked/answers/tiny/{query_set}/{member}/{number}.json"
        for query_set in QUERY_SETS
        for member in MEMBERS
        for number in range(2, replicas + 1)
    }


def test_replicas_add_jobs_and_change_no_other(project: Project) -> None:
    before = set(project.states())
    project.edit_yaml("model/tiny-a.yaml", replicas=1)
    assert set(project.states()) == before
    assert not {path for path in before if path.startswith("asked/") and path.count("/") > 4}
    project.edit_yaml("model/tiny-a.yaml", replicas=3)
    assert set(project.states()) - before == shared(3)
    assert before - set(project.states()) == set()
    assert shared(3) <= set(project.states("answers"))
    assert not shared(3) & set(project.states("questions"))
    project.edit_yaml("site/workstation.yaml", cluster={"replicas": {"tiny-a": 2, "tiny-writer": 2}})
    assert set(project.states()) - before == shared(2) | {"asked/queries/tiny/tiny-writer/2.json"}


def test_a_plan_counts_what_replicas_share_once(project: Project) -> None:
    def planned(*arguments: str) -> dict:
        done = project.rgd("plan", "--json", *arguments, "answers")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    one = planned()
    project.edit_yaml("model/tiny-a.yaml", replicas=2)
    two = planned()
    assert two["queries"] == one["queries"]
    assert two["jobs"] == one["jobs"] + len(shared(2))
    assert one["wall_time"] is None
    wall = planned("--gpus", "2")["wall_time"]
    assert wall["gpus"] == 2
    assert wall["seconds"] > 0
    assert wall["chain"]


def test_replicas_share_the_answers_and_their_number_reruns_nothing(project: Project) -> None:
    project.edit_yaml("model/tiny-a.yaml", replicas=2)
    project.edit_yaml("model/tiny-writer.yaml", replicas=2)
    done = project.run()
    assert done.returncode == 0, done.stdout + done.stderr
    folder = project.folder / "results"
    for path in shared(2):
        record = json.loads((folder / path).read_text())
        assert record == json.loads((folder / path).parent.with_suffix(".json").read_text())
    # Each question was asked once.
    for settings in (folder / "store").glob("*/settings.json"):
        listed = Store(folder / "store").listing(AnswerSettings.from_mapping(json.loads(settings.read_text()))).table()
        names = list(zip(listed["query_key"].to_pylist(), listed["draw"].to_pylist(), strict=True))
        assert len(names) == len(set(names)) > 0
    for replicas in (1, 2, 4):
        project.edit_yaml("model/tiny-a.yaml", replicas=replicas)
        assert project.pending() == set()
    project.edit_yaml("model/tiny-a.yaml", answers_epoch=1)
    assert shared(4) <= project.pending()


def test_what_was_finished_without_replicas_is_not_shared_later(finished: Project, tmp_path: Path) -> None:
    project = finished.copy(tmp_path / "copy")
    project.edit_yaml("model/tiny-a.yaml", replicas=8)
    project.edit_yaml("model/tiny-writer.yaml", replicas=8)
    assert project.pending() == set()
    assert set(project.states()) == set(finished.states())
