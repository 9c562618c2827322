"""Scenarios in the configuration: what an experiment may name, and what follows from it."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from rgd.config import generated, load, load_all, scenarios, slices, sweep
from rgd.config.scenarios import Scenario
from rgd.errors import UserError
from tests import ROOT, names

CONFIG = ROOT / "config"
WRITER = "qwen2.5-coder-1.5b"
KEPT = {
    "dataset": ["quickstart", "bbeh"],
    "descriptor": ["gemini-2.5-flash"],
    "embedder": ["all-minilm-l6-v2"],
    "experiment": ["quickstart"],
    "featurizer": [],
    "generator": [WRITER, "qwen2.5-coder-0.5b"],
    "model": ["gemini-2.5-flash", "qwen2.5-coder-0.5b", WRITER, "smollm2-135m"],
    "pool": ["quickstart", "large_recorded"],
    "router": ["knn", "topk"],
}
"""A few files of each group, because every test composes the whole configuration."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The configuration, in which the quickstart's dataset has a size and a descriptor."""

    def others(path: str, names: list[str]) -> list[str]:
        kept = KEPT.get(Path(path).name)
        return [] if kept is None else [name for name in names if name.removesuffix(".yaml") not in kept]

    folder = Path(shutil.copytree(CONFIG, tmp_path / "config", ignore=others))
    edit(
        folder / "dataset/quickstart.yaml",
        generated_sizes={"1k": 90, "2k": 120},
        descriptor="gemini-2.5-flash",
        reserved_per_task=2,
    )
    edit(folder / "dataset/bbeh.yaml", descriptor=None, embedder="all-minilm-l6-v2")
    edit(folder / "experiment/quickstart.yaml", routers=["knn", "topk"], bundles=[])
    return folder


def edit(file: Path, **changes: object) -> None:
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | changes, sort_keys=False))


def with_scenarios(folder: Path, *keys: str, **changes: object) -> None:
    edit(folder / "experiment/quickstart.yaml", scenarios=list(keys), **changes)


def message(folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        load(folder)
    return str(caught.value)


def test_the_parts_of_a_key(folder: Path) -> None:
    config = load(folder)
    key = f"{WRITER}-short-2k-filtered-quickstart"
    assert scenarios.parse(config, key) == Scenario(key, WRITER, "short", "2k", "quickstart")
    assert scenarios.parse(config, key).drawn == f"{WRITER}-short-2k"
    assert scenarios.parse(config, WRITER) == Scenario(WRITER, WRITER, "default", None, None)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("qwen2.5-coder-1.5", r"config/generator/qwen2\.5-coder-1\.5\.yaml.*qwen2\.5-coder-1\.5b"),
        ("qwen2.5-coder-1.5-short-1k", r"qwen2\.5-coder-1\.5\.yaml.*qwen2\.5-coder-1\.5b"),
        (f"{WRITER}-3k", "3k.*2k.*generated_sizes"),
        (f"{WRITER}-1k-filtered-quickstrt", r"config/pool/quickstrt\.yaml.*quickstart"),
        (f"{WRITER}-shrt", "'shrt'.*short"),
        (f"{WRITER}-1k-short", r"'1k-short'.*" + re.escape(scenarios.GRAMMAR)),
        (f"{WRITER}-filtered", "'filtered'.*filtered-POOL"),
        ("benchmark", "real.*" + re.escape(scenarios.GRAMMAR)),
    ],
)
def test_a_key_that_is_no_scenario_is_named_with_the_nearest_part(folder: Path, key: str, expected: str) -> None:
    with_scenarios(folder, "real", key)
    text = message(folder)
    assert text.startswith(f"{folder}/experiment/quickstart.yaml: scenarios")
    assert repr(key) in text
    assert re.search(expected, text)


def test_a_filter_needs_a_pool_that_can_be_asked(folder: Path) -> None:
    with_scenarios(folder, "real", f"{WRITER}-filtered-large_recorded")
    assert names(message(folder), "large_recorded")


def test_a_size_that_this_dataset_does_not_define(folder: Path) -> None:
    edit(folder / "dataset/bbeh.yaml", generated_sizes={"7k": 7000})
    with_scenarios(folder, "real", f"{WRITER}-7k")
    text = message(folder)
    assert "dataset/quickstart.yaml" in text
    assert "1k, 2k" in text
    assert names(text, "generated_sizes.7k")


def test_a_size_is_a_number_with_k_or_m(folder: Path) -> None:
    edit(folder / "dataset/quickstart.yaml", generated_sizes={"twice": 120})
    assert "generated_sizes" in message(folder)


def test_short_descriptions_need_a_descriptor(folder: Path) -> None:
    edit(folder / "dataset/quickstart.yaml", descriptor=None)
    with_scenarios(folder, "real", f"{WRITER}-human")
    load(folder)
    with_scenarios(folder, "real", f"{WRITER}-shortest")
    text = message(folder)
    assert names(text, f"{WRITER}-shortest")
    assert re.search(r"dataset/quickstart\.yaml.*descriptor = null", text)


def test_what_is_excluded_needs_nothing(folder: Path) -> None:
    edit(folder / "dataset/quickstart.yaml", descriptor=None)
    key = f"{WRITER}-shortest"
    with_scenarios(folder, "real", WRITER, key, exclude=[{"scenario": key, "reason": "no descriptor"}])
    assert generated.drawn(load(folder)) == [("quickstart", WRITER)]


def test_a_descriptor_needs_reserved_questions(folder: Path) -> None:
    edit(folder / "dataset/quickstart.yaml", reserved_per_task=0)
    assert re.search(r"dataset/quickstart\.yaml: .*reserved_per_task = 0", message(folder))


def test_unknown_descriptor_names_the_nearest(folder: Path) -> None:
    edit(folder / "dataset/quickstart.yaml", descriptor="gemini-2.5-flsh")
    assert names(message(folder), "gemini-2.5-flash")


@pytest.mark.parametrize(("kind", "place"), [("default", "{questions}"), ("shortest", "{description}")])
def test_a_descriptors_prompt_must_show_what_it_is_about(folder: Path, kind: str, place: str) -> None:
    prompts = yaml.safe_load((folder / "descriptor/gemini-2.5-flash.yaml").read_text())["prompts"]
    edit(folder / "descriptor/gemini-2.5-flash.yaml", prompts=prompts | {kind: "ask_reasoning"})
    text = message(folder)
    assert re.search(r"descriptor/gemini-2\.5-flash\.yaml .*ask_reasoning", text)
    assert place in text


def test_a_generator_must_be_allowed_as_many_draws_as_a_size_wants(folder: Path) -> None:
    edit(folder / "dataset/quickstart.yaml", generated_sizes={"9k": 9000})
    with_scenarios(folder, "real", f"{WRITER}-9k")
    text = message(folder)
    assert f"generator/{WRITER}.yaml: max_draws_per_task" in text
    assert names(text, f"{WRITER}-9k")


@pytest.mark.parametrize("suffix", ["short", "human-2k", "filtered-anything", "filtered"])
def test_a_generator_is_not_named_as_another_ones_scenario(folder: Path, suffix: str) -> None:
    shutil.copy(folder / f"generator/{WRITER}.yaml", folder / f"generator/{WRITER}-{suffix}.yaml")
    key = f"{WRITER}-{suffix}"
    assert f"generator/{key}.yaml: " in load_all(folder)[1]["generator", key]
    with_scenarios(folder, "real", key)
    assert f"generator/{key}.yaml" in message(folder)


@pytest.mark.parametrize("name", ["real", "benchmark"])
def test_a_generator_is_not_named_as_real_data(folder: Path, name: str) -> None:
    shutil.copy(folder / f"generator/{WRITER}.yaml", folder / f"generator/{name}.yaml")
    assert f"generator/{name}.yaml" in load_all(folder)[1]["generator", name]


def test_a_filtered_scenario_stands_for_the_whole_set_where_something_is_asked(folder: Path) -> None:
    edit(folder / "pool/quickstart.yaml", title="Other")
    shutil.copy(folder / "pool/quickstart.yaml", folder / "pool/other.yaml")
    key = f"{WRITER}-2k-filtered-other"
    with_scenarios(folder, "real", WRITER, key)
    config = load(folder)
    assert generated.drawn(config) == [("quickstart", WRITER), ("quickstart", f"{WRITER}-2k")]
    asked = generated.asked(config)
    assert list(asked) == [("quickstart", name) for name in ("benchmark", WRITER, f"{WRITER}-2k")]
    assert asked["quickstart", f"{WRITER}-2k"] == ("quickstart", "other")
    assert ("quickstart", key) in sweep.needed(config)
    assert generated.whole(config, key) == f"{WRITER}-2k"
    assert generated.whole(config, "benchmark") == "benchmark"


def test_the_pattern_of_paths_matches_what_can_be_drawn_and_nothing_else(folder: Path) -> None:
    pattern = scenarios.pattern(load(folder))
    for key in (WRITER, f"{WRITER}-short", f"{WRITER}-shortest-1k", f"{WRITER}-human-2k", "qwen2.5-coder-0.5b-2k"):
        assert re.fullmatch(pattern, key)
    for key in ("benchmark", "real", f"{WRITER}-5k", f"{WRITER}-default", f"{WRITER}-1k-filtered-quickstart"):
        assert not re.fullmatch(pattern, key)


def test_a_size_and_other_descriptions_are_drawn_under_the_settings_of_the_generator(folder: Path) -> None:
    config = load(folder)
    plain, sized = (slices.drawing(config, "quickstart", key) for key in (WRITER, f"{WRITER}-short-2k"))
    assert plain == {"queries": 60, "max_draws_per_task": plain["max_draws_per_task"], "seed": 0}
    assert sized == plain | {"queries": 120}


def test_titles_say_the_suffixes_in_words(folder: Path) -> None:
    keys = [WRITER, f"{WRITER}-human", f"{WRITER}-short-2k-filtered-quickstart"]
    with_scenarios(folder, "real", *keys)
    pool = yaml.safe_load((folder / "pool/quickstart.yaml").read_text())["title"]
    assert slices.titles(load(folder))["scenario"] == {
        keys[0]: "Qwen2.5-Coder-1.5B",
        keys[1]: "Qwen2.5-Coder-1.5B, human descriptions",
        keys[2]: f"Qwen2.5-Coder-1.5B, short descriptions, 2k, filtered by {pool}",
    }


def test_what_has_the_same_title_is_told_apart_by_its_key(folder: Path) -> None:
    keys = ("one", "two", "three")
    generator = yaml.safe_load((folder / "generator/qwen2.5-coder-1.5b.yaml").read_text())
    for name, title in zip(keys, ("Same", "Same", "real"), strict=True):
        (folder / f"generator/{name}.yaml").write_text(yaml.safe_dump(generator | {"title": title}))
    edit(folder / "experiment/quickstart.yaml", scenarios=["real", *keys])
    found = slices.titles(load(folder))["scenario"]
    assert set(found) == set(keys)
    assert len({"real", *found.values()}) == 4
    assert found["one"].startswith("Same")


def test_titles_are_those_of_the_experiment_alone(folder: Path) -> None:
    before = slices.titles(load(folder))
    shutil.copy(folder / f"generator/{WRITER}.yaml", folder / "generator/another.yaml")
    assert slices.titles(load(folder)) == before


def test_each_kind_of_description_has_its_own_prompt_and_sees_its_own_source(folder: Path) -> None:
    config = load(folder)
    settings = {
        kind: slices.describing(config, folder, "quickstart", kind) for kind in ("default", "short", "shortest")
    }
    assert len({content["prompt"] for content in settings.values()}) == 3
    assert all(content["way"] == "generate" for content in settings.values())
    assert slices.described(config, "quickstart", "default")["reserved_per_task"] == 2
    assert "reserved_per_task" not in slices.described(config, "quickstart", "short")
