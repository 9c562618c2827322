"""Further jobs that share what a model with replicas is asked: which there are, and what they request."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from rgd.config import slices
from rgd.config.command_line import compose
from rgd.errors import UserError
from rgd.store.answers import AnswerSettings
from rgd.workflow import paths, replicas, run_times
from rgd.workflow.inputs import Inputs
from rgd.workflow.resources import Jobs
from rgd.workflow.study import Study
from tests import ROOT
from tests.unit.workflow.test_inputs import Wildcards, Workflow

pytestmark = [pytest.mark.slow, pytest.mark.ci]

MODEL, MEMBER = "qwen2.5-coder-1.5b", "qwen2.5-coder-1.5b-examples"
QUERY_SETS = ("benchmark", "qwen2.5-coder-1.5b", "qwen2.5-coder-0.5b")
DRAWN = "qwen2.5-coder-1.5b"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # Not among the results of a run in this checkout.
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(ROOT / "config", tmp_path / "config"))


def edit(folder: Path, file: str, **changes: object) -> None:
    path = folder / file
    path.write_text(yaml.safe_dump((yaml.safe_load(path.read_text()) or {}) | changes, sort_keys=False))


def study(folder: Path, **in_site: int) -> Study:
    if in_site:
        edit(folder, "site/workstation.yaml", cluster={"replicas": {MODEL: in_site["replicas"]}})
    return Study(compose(folder, {}), folder)


def keys_of(records: list[str]) -> set[str]:
    assert len(set(records)) == len(records)
    return {path.removeprefix(f"{paths.RESULTS}/asked/").removesuffix(".json") for path in records}


def members_of(model: str) -> list[str]:
    return [f"{model}-examples", f"{model}-statement"]


def test_without_replicas_there_are_no_further_jobs_and_no_further_resources(folder: Path) -> None:
    found, workflow = study(folder), Workflow()
    assert replicas.records(found) == []
    Jobs(found, workflow).ask_answers(Inputs(found).asked_of_member)
    assert not [name for name in workflow.known if "replica" in name]
    assert found.wildcard_constraints()["replica"] == "(?!)"


@pytest.mark.parametrize("where", ["model", "site"])
def test_everything_that_a_model_is_asked_is_shared(folder: Path, where: str) -> None:
    edit(folder, f"model/{MODEL}.yaml", replicas=3 if where == "model" else 7)
    found = study(folder) if where == "model" else study(folder, replicas=3)
    drawn = {f"queries/quickstart/{DRAWN}/{number}" for number in (2, 3)}
    members = [member for member in members_of(MODEL) if member in found.all_members]
    assert members
    answers = {
        f"answers/quickstart/{query_set}/{member}/{number}"
        for query_set in QUERY_SETS
        for member in members
        for number in (2, 3)
    }
    assert keys_of(replicas.records(found)) == drawn | answers
    assert keys_of(replicas.records(found, replicas.ANSWERS)) == drawn | answers
    assert keys_of(replicas.records(found, replicas.QUERIES)) == drawn


def test_features_and_judgements_are_shared_too(folder: Path) -> None:
    experiment = yaml.safe_load((folder / "experiment/quickstart.yaml").read_text())
    edit(folder, f"model/{MODEL}.yaml", replicas=2)
    edit(
        folder,
        "experiment/quickstart.yaml",
        routers=[*experiment["routers"], "llmrank"],
        referee={"member": MEMBER, "draws": 2},
    )
    edit(folder, "router/llmrank.yaml", features=MODEL)
    edit(folder, "experiment/quickstart.yaml", tables=[*experiment["tables"], "label_quality"])
    found = keys_of(replicas.records(study(folder)))
    assert {key for key in found if key.startswith("features/")} == {
        f"features/quickstart/{query_set}/{MODEL}/2" for query_set in QUERY_SETS
    }
    judged = {key for key in found if key.startswith("referee/")}
    assert judged
    assert all(key.endswith(f"/{MEMBER}/2") for key in judged)


def record(found: Study, keys: tuple[str, ...], content: object) -> Path:
    path = Path(paths.located(paths.asked(*keys), found.config.paths.results))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def settings_key(found: Study, member: str = MEMBER) -> str:
    return AnswerSettings.from_mapping(slices.answering(found.config, found.folder, member)).key


def test_what_has_been_asked_needs_no_further_job(folder: Path) -> None:
    edit(folder, f"model/{MODEL}.yaml", replicas=2)
    found = study(folder)
    keys, own = ("answers", "quickstart", "benchmark", MEMBER), f"answers/quickstart/benchmark/{MEMBER}/2"
    assert own in keys_of(replicas.records(found))
    record(found, keys, {"settings": settings_key(found), "answers": 3})
    rest = keys_of(replicas.records(found))
    assert own not in rest
    assert f"answers/quickstart/{DRAWN}/{MEMBER}/2" in rest
    # A further job that was done stays one of the run's, so that it asks again what changes.
    record(found, (*keys, "2"), {})
    assert own in keys_of(replicas.records(found))


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"answers": 1}', '{"settings": "other"}'])
def test_a_record_of_other_settings_or_a_damaged_one_is_not_done(folder: Path, content: str) -> None:
    edit(folder, f"model/{MODEL}.yaml", replicas=2)
    found = study(folder)
    record(found, ("answers", "quickstart", "benchmark", MEMBER), content)
    assert f"answers/quickstart/benchmark/{MEMBER}/2" in keys_of(replicas.records(found))


def test_answers_of_another_epoch_are_shared_again(folder: Path) -> None:
    edit(folder, f"model/{MODEL}.yaml", replicas=2)
    before = study(folder)
    record(before, ("answers", "quickstart", "benchmark", MEMBER), {"settings": settings_key(before)})
    edit(folder, f"model/{MODEL}.yaml", answers_epoch=1)
    assert f"answers/quickstart/benchmark/{MEMBER}/2" in keys_of(replicas.records(study(folder)))


def asking(**more: Any) -> Wildcards:
    return Wildcards(dataset="quickstart", query_set="benchmark", member=MEMBER, **more)


def test_each_replica_runs_one_job_at_a_time_and_is_a_group_of_its_own(folder: Path) -> None:
    edit(folder, f"model/{MODEL}.yaml", replicas=3)
    found, workflow = study(folder), Workflow()
    jobs = Jobs(found, workflow)
    resources = jobs.ask_answers(Inputs(found).asked_of_member)
    taken = [
        {name for name in workflow.known if name.startswith("member_") and resources[name](wildcards)}
        for wildcards in (asking(), asking(replica="2"), asking(replica="3"))
    ]
    own = "member_qwen2_5_coder_1_5b_examples"
    assert taken == [{own}, {f"{own}_replica_2"}, {f"{own}_replica_3"}]
    assert {workflow.known[name] for names in taken for name in names} == {1}
    group = jobs.together("answers", jobs.member_and_kind)
    names = [group(asking()), group(asking(replica="2")), group(asking(replica="3"))]
    assert names == [f"answers_letter_{MEMBER}{end}" for end in ("", "_replica_2", "_replica_3")]
    assert [workflow.parent_groupids[name] for name in names] == ["answers"] * 3


def test_a_job_knows_its_replicas_and_requests_time_for_its_share(folder: Path) -> None:
    inputs, minutes = Inputs(study(folder)), {}
    for count in (1, 2):
        edit(folder, f"model/{MODEL}.yaml", replicas=count, answers_per_minute=60)
        found = study(folder)
        resources = Jobs(found, Workflow()).ask_answers(inputs.asked_of_member)
        assert {resources["replicas"](each) for each in (asking(), asking(replica="2"))} == {count}
        minutes[count] = resources["runtime"](asking(), 1)
        assert resources["runtime"](asking(replica="2"), 1) == minutes[count]
    texts = len(QUERY_SETS) * run_times.QUERIES_UNKNOWN
    loading = run_times.loading_s(found.config.model[MODEL])
    assert minutes == {count: run_times.requested(loading + texts / count) for count in (1, 2)}


def test_replicas_of_a_model_that_does_not_exist_are_refused(folder: Path) -> None:
    edit(folder, "site/workstation.yaml", cluster={"replicas": {"qwen2.5-coder-1.5": 2}})
    with pytest.raises(UserError, match=r"cluster\.replicas.*qwen2\.5-coder-1\.5b"):
        compose(folder, {})


@pytest.mark.parametrize("number", [0, -1, 1.5, "two"])
def test_replicas_are_a_positive_number(folder: Path, number: object) -> None:
    edit(folder, f"model/{MODEL}.yaml", replicas=number)
    with pytest.raises(UserError, match="replicas"):
        compose(folder, {})
