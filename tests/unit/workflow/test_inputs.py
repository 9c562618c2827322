"""Inputs, targets and resources of the rules, for configurations as users write them."""

import argparse
import math
import shlex
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from rgd.cli.arguments import add_settings
from rgd.config import slices
from rgd.config.command_line import compose
from rgd.engines.base import Answer, Message, Request
from rgd.errors import UserError
from rgd.routers import load as load_router
from rgd.store.answers import AnswerSettings, Store
from rgd.workflow import paths, run_times
from rgd.workflow.inputs import Inputs
from rgd.workflow.resources import Jobs
from rgd.workflow.study import Study, one_of
from rgd.workflow.targets import Targets, following, summary
from tests import ROOT

CONFIG = ROOT / "config"
GENERATOR = "qwen2.5-coder-1.5b"
MEMBER = "smollm2-135m-examples"


class Wildcards(SimpleNamespace):
    """As Snakemake's, which give a name as an attribute and as an item."""

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)


class Workflow:
    """What of Snakemake's workflow is told of resources and groups."""

    def __init__(self, **components: int) -> None:
        self.known: dict[str, int] = {}
        self.parent_groupids: dict[str, str] = {}
        self.group_settings = SimpleNamespace(group_components=components)
        self.rules = [SimpleNamespace(resources={}), SimpleNamespace(resources={"slurm_partition": "own"})]

    def register_resource(self, name: str, most: int) -> None:
        self.known[name] = most


@pytest.fixture(scope="module")
def study() -> Study:
    return Study(compose(CONFIG, {}), CONFIG)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CONFIG, tmp_path / "config"))


def edited(folder: Path, file: str, **changes: object) -> Study:
    path = folder / file
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changes, sort_keys=False))
    return Study(compose(folder, {}), folder)


def cell(router: str, scenario: str = "real", pool: str = "quickstart") -> Wildcards:
    return Wildcards(dataset="quickstart", scenario=scenario, pool=pool, router=router)


def flat(found: dict[str, Any]) -> list[str]:
    return [path for paths_ in found.values() for path in ([paths_] if isinstance(paths_, str) else paths_)]


@pytest.mark.parametrize("scenario", ["real", GENERATOR, f"{GENERATOR}-short@20"])
def test_labels_reach_only_the_routers_that_say_they_need_them(study: Study, scenario: str) -> None:
    inputs = Inputs(study)
    for name, spec in study.config.router.items():
        wildcards = cell(name, scenario)
        labels = [path for path in flat(inputs.fit(wildcards)) if "label" in path]
        assert bool(labels) == load_router(spec.method).needs_labels, name
        assert not [path for path in flat(inputs.route(wildcards)) if "label" in path], name


def test_what_is_read_of_a_scenario_is_of_the_query_set_that_it_trains_on(study: Study) -> None:
    inputs = Inputs(study)
    assert inputs.training_questions(cell("knn")) == paths.questions("quickstart", "benchmark")
    assert inputs.training_embeddings(cell("knn", f"{GENERATOR}@30")) == paths.embeddings("quickstart", GENERATOR)
    assert inputs.training_tasks(cell("knn", GENERATOR)) == {}
    assert inputs.training_tasks(cell("knn", "real@20")) == {"questions": paths.questions("quickstart", "benchmark")}


def test_a_pool_without_a_member_reads_the_others(study: Study) -> None:
    members = study.pool("quickstart")
    without = f"quickstart@without-{members[2]}"
    assert study.pool(without) == [member for member in members if member != members[2]]
    wildcards = cell("cascal", pool=without)
    assert Inputs(study).test_answers(wildcards) == [
        paths.responses("quickstart", "benchmark", member) for member in members if member != members[2]
    ]
    # Vectors of the whole pool's answers serve the smaller pool.
    embedded = Inputs(study).fit(cell("smoothie", pool=without))["answer_embeddings"]
    assert embedded == paths.text_embeddings("answer", "quickstart", "benchmark", "quickstart") or "option" in embedded


def test_answers_in_mathematics_are_read_where_equal_ones_are_equal_texts(study: Study) -> None:
    dataset = study.free_form[0]
    pool = next(iter(study.config.pool))
    member = study.pool(pool)[0]
    inputs = Inputs(study)
    assert inputs.answers(dataset, "benchmark", pool)[0] == paths.matched_responses(dataset, pool, member)
    assert inputs.labels(dataset, "benchmark", pool) == paths.matched_labels(dataset, pool)


def test_a_served_model_has_no_weights_to_wait_for(study: Study) -> None:
    inputs = Inputs(study)
    for name, model in study.config.model.items():
        assert inputs.weights(name) == ([] if model.weights is None else [paths.model_weights(name)])


def test_members_are_asked_about_whole_sets_and_not_about_filtered_ones(folder: Path) -> None:
    filtered = f"{GENERATOR}-filtered-quickstart"
    study = edited(folder, "experiment/quickstart.yaml", scenarios=["real", filtered])
    asked = Inputs(study).asked_of_member(Wildcards(dataset="quickstart", member=MEMBER, query_set="benchmark"))
    assert asked == [paths.questions("quickstart", "benchmark"), paths.questions("quickstart", GENERATOR)]
    targets = Targets(study, Inputs(study))
    assert paths.responses("quickstart", filtered, MEMBER) in targets.responses
    assert paths.questions("quickstart", GENERATOR) in targets.questions
    assert paths.questions("quickstart", filtered) not in targets.questions


def test_targets_of_an_experiment(study: Study) -> None:
    targets, experiment = Targets(study, Inputs(study)), study.config.experiment
    assert len(targets.tables) == 4 * len(experiment.tables)
    assert len(targets.figures) == 2 * len(experiment.figures)
    assert (
        len(targets.cells)
        == len(set(targets.cells))
        == len(study.tested_cells) + len(study.scored_cells) - len(study.tested_cells)
    )
    assert {*targets.cells, *targets.tables, *targets.figures, *targets.bundles} <= set(targets.all)
    assert (targets.report in targets.all) == experiment.report
    assert targets.untested == []
    assert {path.removeprefix(f"{paths.RESULTS}/weights/") for path in targets.weights} == {
        "model/smollm2-135m.json",
        "model/qwen2.5-coder-0.5b.json",
        f"model/{GENERATOR}.json",
        "embedder/all-minilm-l6-v2.json",
    }


def test_given_embeddings_need_no_embedder(folder: Path) -> None:
    path = folder / "dataset/quickstart.yaml"
    spec = yaml.safe_load(path.read_text()) | {"recorded": "given", "recorded_embeddings": "vectors.parquet"}
    path.write_text(yaml.safe_dump(spec))
    data = folder.parent / "data/recorded/given"
    data.mkdir(parents=True)
    (data / "vectors.parquet").write_bytes(b"")
    study = Study(compose(folder, {"data_root": str(folder.parent / "data")}), folder)
    assert not [path for path in Targets(study, Inputs(study)).weights if "embedder" in path]


def test_the_end_of_a_run_says_what_it_was_for_and_nothing_of_earlier_runs(folder: Path, tmp_path: Path) -> None:
    path = folder / "config.yaml"
    tree = yaml.safe_load(path.read_text())
    tree["paths"]["results"] = str(tmp_path / "results")
    path.write_text(yaml.safe_dump(tree, sort_keys=False))
    study = Study(compose(folder, {}), folder)
    tables = tmp_path / "results/tables/quickstart"
    everything = [str(tables / name) for name in ("summary.txt", "accuracy.md", "tasks.md")]
    assert summary(study, everything) == ""
    tables.mkdir(parents=True)
    (tables / "summary.txt").write_text("The table.")
    (tables / "accuracy.md").write_text("| a |")
    (tables / "tasks.md").write_text("| b |")
    assert summary(study, everything).splitlines() == ["The table.", *everything[1:]]
    assert summary(study, [str(tables / "tasks.md"), str(tables / "tasks.csv")]) == str(tables / "tasks.md")
    assert summary(study, [str(tmp_path / "results/cells/a/b/c/d.parquet")]) == ""
    # Paths are compared as paths.
    assert summary(study, [f"{tables}/./summary.txt"]) == "The table."


def test_the_end_of_a_run_names_what_to_type_next(folder: Path) -> None:
    study = Study(compose(folder, {}), folder)
    page, table = "results/reports/quickstart/report.html", "results/tables/quickstart/summary.txt"
    bundle = f"results/bundles/{'/'.join(study.bundled_cells[0])}/bundle.json"
    lines = following(study, [page, table, bundle]).splitlines()
    assert page in lines[1]
    assert f"route --bundle {bundle.removesuffix('/bundle.json')} " in lines[2]
    assert f"serve --bundle {bundle.removesuffix('/bundle.json')}" in lines[3]
    assert lines[4].endswith("rgd plan")
    generated = next(c for c in study.bundled_cells if c.router == "latent_truth" and c.scenario != "real")
    every = [f"results/bundles/{'/'.join(cell)}/bundle.json" for cell in study.bundled_cells]
    assert f"/{'/'.join(generated)} " in following(study, every)
    assert "label" not in following(study, every)
    assert len(following(study, [table]).splitlines()) == 2
    assert following(study, ["results/cells/a/b/c/d.parquet"]) == ""


def test_where_no_bundle_is_made_the_command_that_makes_one_is_named(folder: Path) -> None:
    study = Study(compose(folder, {"overrides": "experiment.bundles=[]"}), folder)
    cell = next(cell for cell in study.cells if cell.router == "latent_truth")
    fitted = f"results/routers/{'/'.join(cell)}.parquet"
    assert f"rgd export {fitted} " in following(study, [fitted])
    assert following(study, []) == ""
    bundled = Study(compose(folder, {}), folder)
    assert "export" not in following(bundled, [fitted])


def test_after_a_domain_of_ones_own_labels_are_named(folder: Path) -> None:
    study = Study(compose(folder, {"experiment": "own"}), folder)
    bundles = [f"results/bundles/{'/'.join(cell)}/bundle.json" for cell in study.bundled_cells]
    assert " label --bundle " in following(study, bundles)


@pytest.mark.parametrize(
    "given",
    [
        {"experiment": "own"},
        {"experiment": "own", "data_root": "/some where"},
        {"overrides": ["router.cascal.k_max=7", "experiment.seeds=[0, 1]"]},
        {"overrides": "experiment.title='Two words'", "experiment": "own"},
    ],
)
def test_the_end_of_a_run_names_its_own_configuration(folder: Path, given: dict[str, Any]) -> None:
    study = Study(compose(folder, given), folder, given)
    line = following(study, [f"results/tables/{study.name}/summary.txt"]).splitlines()[-1]
    arguments = shlex.split(line[line.index("rgd plan") :])[2:]
    parser = argparse.ArgumentParser()
    add_settings(parser)
    settings = [setting.partition("=") for setting in parser.parse_args(arguments).config]
    assert {key: yaml.safe_load(value) for key, _, value in settings} == given


def test_the_end_of_a_run_in_another_folder_names_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = Study(compose(folder, {}), folder)
    table = "results/tables/quickstart/summary.txt"
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PWD", str(folder))
    assert str(folder) not in following(study, [table])
    monkeypatch.setenv("PWD", str(folder.parent))
    assert str(folder) in following(study, [table]).splitlines()[1]


@pytest.mark.parametrize("given", [{"experimnet": "own"}, {"overides": []}, {"EXPERIMENT": "own"}])
def test_an_unknown_key_on_the_command_line_is_refused_with_the_nearest(given: dict[str, Any]) -> None:
    with pytest.raises(UserError) as caught:
        compose(CONFIG, given)
    assert next(iter(given)) in str(caught.value)


def test_a_constraint_matches_its_names_alone() -> None:
    import re

    assert re.fullmatch(one_of(["a.b", "c"]), "a.b")
    assert not re.fullmatch(one_of(["a.b", "c"]), "axb")
    assert not re.fullmatch(one_of([]), "")


def test_jobs_of_one_member_run_one_after_the_other(study: Study) -> None:
    workflow = Workflow()
    found = Jobs(study, workflow).ask_answers(Inputs(study).asked_of_member)
    own = [
        key
        for key, value in found.items()
        if key in workflow.known and value(Wildcards(dataset="quickstart", query_set="benchmark", member=MEMBER))
    ]
    assert own == ["member_smollm2_135m_examples"]
    assert workflow.known[own[0]] == 1


@pytest.mark.parametrize(
    ("limits", "is_alone"),
    [
        ({"budget_dollars": 5.0}, False),
        ({"requests_per_minute": 5.0}, True),
        ({"requests_per_minute": 5.0, "batch": True}, False),
        ({"concurrency": 5}, False),
    ],
)
def test_only_a_pace_makes_jobs_of_a_served_model_wait_for_each_other(
    folder: Path, limits: dict[str, Any], is_alone: bool
) -> None:
    path = folder / "model/gemini-2.5-flash.yaml"
    spec = yaml.safe_load(path.read_text())
    spec["api"] = {"model": "m", "price_prompt": 1.0, **limits}
    path.write_text(yaml.safe_dump(spec))
    workflow, study = Workflow(), Study(compose(folder, {}), folder)
    Jobs(study, workflow).ask_answers(Inputs(study).asked_of_member)
    assert ("api_gemini_2_5_flash" in workflow.known) == is_alone


def test_jobs_that_embed_know_where_the_ledger_is(study: Study) -> None:
    jobs = Jobs(study, Workflow())
    assert jobs.embedding(jobs.queries)["store"] == study.config.paths.store


@pytest.mark.parametrize(("components", "files"), [({}, 3), ({"answers": 9}, 1)])
def test_time_is_for_all_that_the_model_may_have_to_ask(
    study: Study, components: dict[str, int], files: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Not among the results of a run in this checkout, whose questions would be counted.
    monkeypatch.chdir(tmp_path)
    workflow, inputs = Workflow(**components), Inputs(study)
    wildcards = Wildcards(dataset="quickstart", query_set="benchmark", member=MEMBER)
    found = Jobs(study, workflow).ask_answers(inputs.asked_of_member)
    model = study.member(wildcards).model
    content = slices.answering(study.config, study.folder, MEMBER)
    texts = run_times.texts_of(study.config.dataset["quickstart"].question_tokens)
    one = run_times.seconds_of_one(model, AnswerSettings.from_mapping(content), None, texts=texts)
    seconds = run_times.loading_s(model) + 3 * run_times.QUERIES_UNKNOWN * one
    longest = study.config.site.cluster.longest_minutes
    assert len(inputs.asked_of_member(wildcards)) == 3
    assert run_times.requested(seconds) < longest
    assert found["runtime"](wildcards, 1) == math.ceil(run_times.requested(seconds) * files / 3)
    assert found["also"](wildcards).split() == [
        paths.located(path, study.config.paths.results) for path in inputs.asked_of_member(wildcards)
    ]


def test_answers_in_the_store_tell_how_much_time_to_request(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    inputs, wildcards = Inputs(study), Wildcards(dataset="quickstart", query_set="benchmark", member=MEMBER)

    def minutes() -> int:
        return Jobs(study, Workflow()).ask_answers(inputs.asked_of_member)["runtime"](wildcards, 1)

    guessed = minutes()
    under = AnswerSettings.from_mapping(slices.answering(study.config, study.folder, MEMBER))
    store = Store(study.config.paths.store)
    answer = Answer("A", 0.0, (0.0, -1.0), 10, 10, "scored", False)
    store.commit(under, [Request((Message("user", "a"),), "a")], [answer], {"seconds": 0.5})
    model = study.member(wildcards).model
    expected = run_times.requested(run_times.loading_s(model) + 3 * run_times.QUERIES_UNKNOWN * 0.5)
    assert minutes() == expected != guessed
    # What cannot be read is no reason not to run.
    (store.folder(under) / "settings.json").write_text("{")
    for file in store.folder(under).glob("*.parquet"):
        file.write_bytes(b"broken")
    assert minutes() == guessed


def test_gpus_decide_the_partition(folder: Path) -> None:
    path = folder / "site/workstation.yaml"
    site = yaml.safe_load(path.read_text()) or {}
    path.write_text(
        yaml.safe_dump(site | {"cluster": {"partition": "cpu", "gpu_partition": "gpu", "served_partition": "net"}})
    )
    study = Study(compose(folder, {}), folder)
    jobs = Jobs(study, Workflow())
    model = study.config.model[GENERATOR]
    assert jobs.partition(model) == "cpu"
    assert jobs.partition(model.model_copy(update={"gpus": 1})) == "gpu"
    served = next(spec for spec in study.config.model.values() if spec.api is not None)
    assert jobs.partition(served) == "net"
    jobs.place()
    assert [rule.resources.get("slurm_partition") for rule in jobs.workflow.rules] == ["cpu", "own"]


def test_larger_models_go_first(study: Study) -> None:
    priority = Jobs(study, Workflow()).largest_first(lambda wildcards: wildcards.model)
    order = sorted(["smollm2-135m", GENERATOR, "qwen2.5-coder-0.5b"], key=lambda name: -priority(Wildcards(model=name)))
    assert order == [GENERATOR, "qwen2.5-coder-0.5b", "smollm2-135m"]
