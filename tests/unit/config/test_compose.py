"""The configuration: composition, overrides, and one clear message for each kind of mistake."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from rgd.config import load, load_all, slices
from rgd.config.files import CATALOGUES
from rgd.config.members import members
from rgd.config.pages import DOCS, artifacts_page, configuration_page
from rgd.config.schema import Config
from rgd.errors import UserError
from tests import ROOT, names, paper_world, recorded_world

CONFIG = ROOT / "config"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CONFIG, tmp_path / "config"))


def edit(file: Path, **changes: object) -> None:
    content = yaml.safe_load(file.read_text())
    for key, value in changes.items():
        content[key] = value
    file.write_text(yaml.safe_dump(content, sort_keys=False))


def using(router: str) -> list[str]:
    return [f"experiment.routers=[{router},majority]", "experiment.bundles=[]"]


def message(folder: Path, **arguments: object) -> str:
    with pytest.raises(UserError) as caught:
        load(folder, **arguments)  # type: ignore[arg-type]
    return str(caught.value)


def test_every_experiment_composes(tmp_path: Path) -> None:
    data = recorded_world.make(tmp_path / "data", per_task=1)
    world = tmp_path / "world"
    paper_world.make_data(world / "hub")
    roots = {"recorded": str(data), "few_labels": str(data), "paper_tiny": str(world)}
    for experiment in [*CONFIG.glob("experiment/*.yaml"), *CONFIG.glob("test/experiment/*.yaml")]:
        # The data of benchmark_routing are not made up here.
        made = experiment.stem != "benchmark_routing"
        config = load(CONFIG, experiment.stem, data_root=roots.get(experiment.stem), check_data=made)
        assert config.name == experiment.stem


@pytest.mark.parametrize(
    ("override", "found"),
    [
        ("experiment.baseline=knn", lambda config: config.experiment.baseline == "knn"),
        ("experiment.interval.draws=500", lambda config: config.experiment.interval.draws == 500),
        ("experiment.report=false", lambda config: config.experiment.report is False),
        ("paths.labels=mine", lambda config: config.paths.labels == "mine"),
        ("site.cluster.account=me", lambda config: config.site.cluster.account == "me"),
        ("min_votes=3", lambda config: config.min_votes == 3),
    ],
)
def test_a_key_of_the_schema_need_not_stand_in_the_file(override: str, found: Callable[[Config], bool]) -> None:
    assert found(load(CONFIG, overrides=[override]))


def test_override_of_a_router_parameter_by_its_short_name() -> None:
    config = load(CONFIG, overrides=["router.avengers.n_clusters=32"])
    assert config.router["avengers"].parameters["n_clusters"] == 32
    assert load(CONFIG).router["avengers"].parameters["n_clusters"] == 64


def test_override_in_a_file_whose_name_has_dots() -> None:
    config = load(CONFIG, overrides=["generator.qwen2.5-coder-1.5b.temperature=0.5"])
    assert config.generator["qwen2.5-coder-1.5b"].temperature == 0.5


def test_data_root_is_set_from_the_command_line() -> None:
    assert load(CONFIG, data_root="/somewhere").paths.data_root == "/somewhere"


def test_unknown_experiment_names_the_nearest(folder: Path) -> None:
    text = message(folder, experiment="quikstart")
    assert "quikstart" in text
    assert names(text, "quickstart")


def test_unknown_member_names_file_value_and_nearest(folder: Path) -> None:
    file = folder / "pool" / "quickstart.yaml"
    known = yaml.safe_load(file.read_text())["members"]
    edit(file, members=[known[0].replace("smollm2", "smolm2"), *known[1:]])
    text = message(folder)
    assert "pool/quickstart.yaml" in text
    assert known[0].replace("smollm2", "smolm2") in text
    assert names(text, known[0])


def test_unknown_key_names_file_key_and_nearest(folder: Path) -> None:
    edit(folder / "model" / "smollm2-135m.yaml", max_model_length=3)
    text = message(folder)
    assert "model/smollm2-135m.yaml" in text
    assert names(text, "max_model_length")
    assert names(text, "max_model_len")


def test_wrong_type_names_key_and_value(folder: Path) -> None:
    edit(folder / "model" / "smollm2-135m.yaml", parameters_billion="much")
    text = message(folder)
    assert "model/smollm2-135m.yaml: parameters_billion = 'much'" in text


@pytest.mark.parametrize("override", ["router.cascal.k_max=five", "dataset.quickstart.train_share=2"])
def test_a_wrong_override_is_named_beside_the_file(folder: Path, override: str) -> None:
    said = message(folder, overrides=[override])
    assert said.count(override) == 1


def test_what_is_no_truth_value_is_told_what_one_is(folder: Path) -> None:
    assert "true or false" in message(folder, overrides=["experiment.report=perhaps"])


def test_a_folder_of_data_that_is_not_there_is_named(folder: Path) -> None:
    said = message(folder, experiment="recorded", data_root="/nowhere/dta")
    assert "data_root=/nowhere/dta" in said
    assert "not a folder" in said


def test_value_out_of_range_names_the_range(folder: Path) -> None:
    edit(folder / "generator" / "qwen2.5-coder-1.5b.yaml", top_p=1.5)
    text = message(folder)
    assert re.search(r"generator/qwen2\.5-coder-1\.5b\.yaml: top_p = 1\.5: .*\b1\b", text)


def test_key_that_is_no_safe_path_is_refused(folder: Path) -> None:
    edit(folder / "pool" / "quickstart.yaml", members=["../../etc/passwd", "x"])
    assert "pool/quickstart.yaml: members.0 = '../../etc/passwd'" in message(folder)


def test_file_name_that_is_no_safe_path_is_refused(folder: Path) -> None:
    shutil.copy(folder / "pool" / "quickstart.yaml", folder / "pool" / "my pool.yaml")
    assert "my pool.yaml" in load_all(folder)[1]["pool", "my pool"]
    assert "my pool" in message(folder, overrides=["experiment.pools=[my pool]"])


def test_unknown_override_names_the_nearest_key(folder: Path) -> None:
    text = message(folder, overrides=["router.avengers.n_cluster=32"])
    assert names(text, "n_cluster")
    assert names(text, "n_clusters")


def test_override_of_an_unknown_router_names_the_nearest(folder: Path) -> None:
    text = message(folder, overrides=["router.avenger.n_clusters=32"])
    assert names(text, "avengers")


def test_unknown_router_parameter_in_a_file(folder: Path) -> None:
    edit(folder / "router" / "avengers.yaml", parameters={"clusters": 3})
    text = message(folder)
    assert "router/avengers.yaml" in text
    assert "clusters" in text


def test_missing_prompt_is_named(folder: Path) -> None:
    edit(folder / "generator" / "qwen2.5-coder-1.5b.yaml", prompt="generate_instructions")
    text = message(folder)
    assert "prompts/generate_instructions.txt" in text
    assert names(text, "generate_instruction")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[user]\nWhat is right?\n", "{question}"),
        ("", "{question}"),
        ("[user]\n{Question}\n", "{Question}"),
        ("[user]\n{question}\n{optons}\n", "{optons}"),
    ],
)
def test_a_prompt_about_a_question_shows_it(folder: Path, text: str, expected: str) -> None:
    file = folder / "prompts/ask_statement.txt"
    file.write_text(text)
    told = message(folder)
    assert str(file) in told
    assert expected in told


@pytest.mark.parametrize("group", ["experiment", "router", "pool", "embedder", "dataset", "generator", "model"])
@pytest.mark.parametrize("ending", [".yml", ".YAML"])
def test_a_file_with_another_ending_is_named(folder: Path, group: str, ending: str) -> None:
    used = {
        "router": "knn",
        "embedder": "all-minilm-l6-v2",
        "generator": "qwen2.5-coder-0.5b",
        "model": "smollm2-135m",
    }.get(group, "quickstart")
    file = folder / group / f"{used}.yaml"
    file.rename(file.with_name(f"{used}{ending}"))
    told = message(folder)
    assert str(file.with_name(f"{used}{ending}")) in told
    assert f"{used}.yaml" in told


def test_a_file_with_another_ending_beside_the_right_one_does_no_harm(folder: Path) -> None:
    (folder / "router/knn.yml").write_text("nothing")
    load(folder)


def test_a_prompt_of_features_must_show_the_question(folder: Path) -> None:
    edit(folder / "featurizer" / "qwen2.5-coder-1.5b.yaml", prompt="generate_instruction")
    text = message(folder, overrides=["router.llmrank.features=qwen2.5-coder-1.5b"])
    assert "featurizer/qwen2.5-coder-1.5b.yaml" in text
    assert "{question}" in text


def test_unknown_featurizer_names_the_nearest(folder: Path) -> None:
    text = message(folder, overrides=["router.llmrank.features=qwen2.5-coder-1.5"])
    assert re.search(r"router/llmrank\.yaml: features .*qwen2\.5-coder-1\.5\b", text)
    assert names(text, "qwen2.5-coder-1.5b")


@pytest.mark.parametrize(
    ("file", "features", "hint"),
    [
        ("llmrank", None, "use_features: false"),
        ("llmrank_query_only", "qwen2.5-coder-1.5b", "features: null"),
        ("knn", "qwen2.5-coder-1.5b", "features: null"),
    ],
)
def test_features_that_a_router_lacks_or_does_not_use_are_named(
    folder: Path, file: str, features: str | None, hint: str
) -> None:
    edit(folder / "router" / f"{file}.yaml", features=features)
    text = message(folder, overrides=using(file))
    assert f"router/{file}.yaml: features = {'null' if features is None else features}" in text
    assert hint in text


def test_a_featurizer_is_one_more_file(folder: Path) -> None:
    edit(folder / "featurizer" / "qwen2.5-coder-1.5b.yaml", temperature=0.5)
    shutil.copy(folder / "featurizer" / "qwen2.5-coder-1.5b.yaml", folder / "featurizer" / "warm.yaml")
    edit(folder / "router" / "llmrank.yaml", features="warm")
    config = load(folder)
    settings = slices.featurizing(config, folder, "warm")
    assert settings["sampling"]["temperature"] == 0.5
    assert "{question}" in settings["prompt"]
    assert slices.router(config, "llmrank")["parameters"]["use_features"]


def test_broken_yaml_is_one_message(folder: Path) -> None:
    (folder / "pool" / "quickstart.yaml").write_text("members: [a, b\n")
    assert "quickstart" in message(folder)


UNUSED = {
    "unknown key": ("dataset/draft.yaml", "titel: Draft\n"),
    "no YAML": ("router/draft.yaml", "method: [knn\n"),
    "a key twice": ("generator/draft.yaml", "title: a\ntitle: b\n"),
    "no keys": ("model/draft.yaml", "- a\n"),
    "empty": ("embedder/draft.yaml", ""),
    "an interpolation": ("dataset/draft.yaml", "title: ${paths.cach}\n"),
    "an unknown member": ("pool/draft.yaml", "title: Draft\nmembers: [nobody, none]\n"),
    "an unknown method": ("router/draft.yaml", "method: nothing\n"),
    "an unsafe name": ("pool/my draft.yaml", "title: Draft\nmembers: [nobody]\n"),
    "an experiment": ("experiment/draft.yaml", "datasets: [quickstart\n"),
    "an experiment of another form": ("experiment/draft.yaml", "- quickstart\n"),
}
LISTS = {"dataset": "datasets", "pool": "pools", "router": "routers", "generator": "scenarios"}


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.parametrize("case", UNUSED)
def test_a_broken_file_stops_the_experiments_that_use_it_alone(folder: Path, case: str) -> None:
    before = load(folder)
    name, text = UNUSED[case]
    (folder / name).write_text(text)
    group, stem = name.removesuffix(".yaml").split("/")
    config, broken = load_all(folder)
    assert config == before
    assert set(broken) == ({(group, stem)} if group != "experiment" else set())
    assert all(name in fault for fault in broken.values())
    if group in LISTS and " " not in stem:
        assert name in message(folder, overrides=[f"experiment.{LISTS[group]}=[{stem}]"])
    if group == "experiment":
        assert stem in message(folder, experiment=stem)


def test_what_names_a_broken_file_is_broken_with_it(folder: Path) -> None:
    edit(folder / "model" / "smollm2-135m.yaml", title=3)
    assert "model/smollm2-135m.yaml" in message(folder)
    broken = load_all(folder, "paper", check_data=False)[1]
    assert set(broken) == {("model", "smollm2-135m"), ("pool", "quickstart")}
    assert len(set(broken.values())) == 1


def test_an_override_of_a_broken_file_says_what_is_wrong_with_it(folder: Path) -> None:
    for text in ("titel: Draft\n", "title: [\n"):
        (folder / "dataset" / "draft.yaml").write_text(text)
        assert "dataset/draft.yaml" in message(folder, overrides=["dataset.draft.seed=1"])


def test_two_files_of_one_member_key_stop_the_pools_that_name_it(folder: Path) -> None:
    text = (folder / "model" / "smollm2-135m.yaml").read_text()
    (folder / "model" / "smollm2-135m-examples.yaml").write_text(text)
    edit(
        folder / "model" / "smollm2-135m-examples.yaml",
        asks={"default": {"prompt": "ask_reasoning", "way": "generate"}},
    )
    assert "smollm2-135m-examples" in message(folder)
    assert {("model", "smollm2-135m"), ("model", "smollm2-135m-examples")} <= set(
        load_all(folder, "paper", check_data=False)[1]
    )


def test_only_tests_experiments_see_what_only_tests_use(folder: Path) -> None:
    users, tests = load(folder), load(folder, "paper_tiny", check_data=False)
    for group in CATALOGUES:
        own = {path.stem for path in (folder / group).glob("*.yaml")}
        test = {path.stem for path in (folder / "test" / group).glob("*.yaml")}
        assert set(getattr(users, group)) == own
        assert set(getattr(tests, group)) == own | test
    assert "math_tiny" not in message(folder, overrides=["experiment.datasets=[math_tin]"])
    assert "paper_tiny" not in message(folder, experiment="paper_tin")


def test_a_name_of_a_users_file_and_a_tests_file_is_refused(folder: Path) -> None:
    shutil.copy(folder / "embedder" / "all-minilm-l6-v2.yaml", folder / "embedder" / "tiny.yaml")
    load(folder)
    text = message(folder, experiment="paper_tiny", check_data=False)
    assert "embedder/tiny.yaml" in text
    assert "test/embedder/tiny.yaml" in text


def test_a_folder_of_any_name_composes_with_what_only_tests_use(folder: Path) -> None:
    moved = folder.rename(folder.with_name("it's, a [c]on=fig {1}"))
    assert "math_tiny" in load(moved, "paper_tiny", check_data=False).dataset


def test_experiments_that_share_a_dataset_must_share_its_seeds(folder: Path) -> None:
    content = yaml.safe_load((folder / "experiment" / "quickstart.yaml").read_text())
    (folder / "experiment" / "other.yaml").write_text(yaml.safe_dump(content | {"seeds": [7]}))
    text = message(folder, experiment="other")
    assert "experiment/other.yaml: seeds = [7]" in text
    assert "experiment/quickstart.yaml" in text


def test_slices_do_not_see_what_changes_no_result(folder: Path) -> None:
    before = load(folder)
    member = before.pool["quickstart"].members[0]
    name = members(before)[member].model_name
    edit(folder / "model" / f"{name}.yaml", title="Another name", threads=2, memory_mb=9000)
    edit(folder / "site" / "workstation.yaml", chunk_size=3)
    after = load(folder)
    assert slices.answering(before, folder, member) == slices.answering(after, folder, member)


def test_a_slice_sees_its_prompt(folder: Path) -> None:
    config = load(folder)
    member = config.pool["quickstart"].members[0]
    before = slices.answering(config, folder, member)
    prompt = folder / "prompts" / f"{members(config)[member].ask.prompt}.txt"
    text = prompt.read_text()
    prompt.write_text(text + " \n")
    assert slices.answering(config, folder, member) == before
    prompt.write_text(text + "!")
    assert slices.answering(config, folder, member) != before


def test_the_order_of_keys_in_a_file_does_not_matter(folder: Path) -> None:
    file = folder / "router" / "cascal.yaml"
    before = slices.canonical(slices.router(load(folder), "cascal"))
    content = yaml.safe_load(file.read_text())
    content["parameters"] = dict(reversed(content["parameters"].items()))
    file.write_text(yaml.safe_dump(dict(reversed(content.items())), sort_keys=False))
    assert slices.canonical(slices.router(load(folder), "cascal")) == before


def test_reference_pages_are_up_to_date() -> None:
    hint = "run python -m rgd.config.pages"
    assert (DOCS / "configuration.md").read_text(encoding="utf-8") == configuration_page(), hint
    assert (DOCS / "artifacts.md").read_text(encoding="utf-8") == artifacts_page(), hint


def test_reference_page_names_every_key_of_the_quickstart_files() -> None:
    page = configuration_page()
    for file in (CONFIG / "model").glob("*.yaml"):
        for key in yaml.safe_load(file.read_text()):
            assert re.search(rf"`{key}`", page), key


def with_line(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
@pytest.mark.parametrize(
    "name", ["experiment/quickstart.yaml", "dataset/quickstart.yaml", "model/smollm2-135m.yaml", "config.yaml"]
)
def test_a_file_in_another_encoding_is_named_with_it(folder: Path, name: str, encoding: str) -> None:
    file = folder / name
    file.write_bytes(f"{file.read_text()}# Käse\n".encode(encoding))
    told = message(folder)
    assert str(file) in told
    assert ("UTF-16" if encoding == "utf-16" else "Windows-1252") in told


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_prompt_in_another_encoding_is_named_with_it(folder: Path, encoding: str) -> None:
    model = yaml.safe_load((folder / "model/smollm2-135m.yaml").read_text())
    prompt = folder / f"prompts/{next(iter(model['asks'].values()))['prompt']}.txt"
    prompt.write_bytes(f"{prompt.read_text()}Käse\n".encode(encoding))
    told = message(folder)
    assert str(prompt) in told
    assert ("UTF-16" if encoding == "utf-16" else "Windows-1252") in told


@pytest.mark.parametrize(
    ("key", "read"),
    [
        *[("no", "false"), ("Off", "false"), ("Yes", "true"), ("on", "true"), ("2024", "2024"), ("1.5", "1.5")],
        *[("12:30", "750"), ("~", "null")],
    ],
)
def test_a_task_that_yaml_reads_as_something_else_is_to_be_quoted(folder: Path, key: str, read: str) -> None:
    file = folder / "dataset/quickstart.yaml"
    with_line(file, "  codes:", f"  {key}:")
    told = message(folder)
    for word in (str(file), "tasks", read, "YAML", "quotes"):
        assert word in told
    assert "\n" not in told


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("experiment/quickstart.yaml", "title: ", "title: 2024 #"),
        ("experiment/quickstart.yaml", "datasets: [", "datasets: [no, "),
        ("dataset/quickstart.yaml", "embedder: ", "embedder: 7 #"),
        ("dataset/quickstart.yaml", "adapter: ", "adapter: on #"),
    ],
)
def test_a_text_that_yaml_reads_as_something_else_is_to_be_quoted(folder: Path, file: str, old: str, new: str) -> None:
    with_line(folder / file, old, new)
    told = message(folder)
    for word in (str(folder / file), old.split(":")[0], "YAML", "quotes"):
        assert word in told


@pytest.mark.parametrize("options", [["a"], [], 3, [1, "b"], {"a": "b"}, True])
def test_a_value_of_several_types_has_one_fault(folder: Path, options: object) -> None:
    edit(folder / "dataset/medmcqa.yaml", source=dataset_source(options))
    told = message(folder, overrides=["experiment.datasets=[medmcqa]"]).splitlines()
    assert len([line for line in told if "medmcqa.yaml" in line]) == 1
    assert "source.columns.options" in told[0]
    assert "str" not in told[0].split("=")[0].replace("string", "")


def dataset_source(options: object) -> dict[str, object]:
    columns = {"question": "q", "options": options, "label": "l", "label_form": "letter"}
    return {"file": "mine.csv", "columns": columns}


@pytest.mark.parametrize(
    ("given", "near"),
    [("multiple-choice", "multiple_choice"), ("multipel_choice", "multiple_choice"), ("free-form", "free_form")],
)
def test_an_unknown_adapter_is_told_before_all_else(folder: Path, given: str, near: str) -> None:
    edit(folder / "dataset/quickstart.yaml", adapter=given, tasks={})
    assert re.search(f"quickstart.yaml: adapter.*{given}.*{near}", message(folder))


DRAFTS = [
    *[b"title: [", b"", b"\x00", b"- a\n", b"title: K\xe4se\n", b"a: ${b}\n", b"defaults: [x]\n", b"null: a\n"],
    *["title: Käse\n".encode("utf-16"), b"adapter: nope\n", b"2024: a\n"],
]


def test_broken_drafts_stop_nothing_that_does_not_use_them(folder: Path) -> None:
    drafts = {f"draft{number}": content for number, content in enumerate(DRAFTS)}
    for group in CATALOGUES:
        for name, content in drafts.items():
            (folder / group / f"{name}.yaml").write_bytes(content)
    config, broken = load_all(folder)
    assert config.name == "quickstart"
    assert set(broken) >= {(group, name) for group in CATALOGUES for name in drafts}
    for (group, name), fault in broken.items():
        assert f"{group}/{name}.yaml" in fault
