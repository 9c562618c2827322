"""A recorded member in several folders: of several datasets, of several pools, with the same and with other answers."""

import shutil
from pathlib import Path

import pytest
import yaml

from rgd.config import load
from rgd.config.members import recorded_file, recorded_files, recorded_members
from rgd.config.schema import Config
from rgd.errors import UserError
from tests import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.ci]

MEMBERS = ["first", "second"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "config", tmp_path / "config"))


def answers(folder: Path, dataset: str, pool: str, text: str = "") -> None:
    """Files of two members, which are not read here: any content will do."""
    place = folder.parent / "data/recorded" / dataset / pool
    place.mkdir(parents=True)
    for member in MEMBERS:
        (place / f"{member}.parquet").write_text(f"{member} {text}")


def dataset(folder: Path, name: str) -> None:
    spec = {
        "title": name,
        "adapter": "mathematics",
        "source": {"file": "questions.csv", "columns": {"question": "q"}},
        "embedder": "all-minilm-l6-v2",
        "recorded": name,
    }
    (folder / f"dataset/{name}.yaml").write_text(yaml.safe_dump(spec))
    (folder.parent / "data").mkdir(exist_ok=True)
    (folder.parent / "data/questions.csv").write_text("q\na\n")


def pool(folder: Path, name: str, recorded: str, **changes: object) -> None:
    spec = {"title": name, "recorded": recorded, "members": MEMBERS}
    (folder / f"pool/{name}.yaml").write_text(yaml.safe_dump(spec | changes))


def experiment(folder: Path, datasets: list[str], pools: list[str], **more: object) -> Config:
    spec = {
        "title": "Test",
        "datasets": datasets,
        "pools": pools,
        "scenarios": ["real"],
        "routers": ["majority"],
        "seeds": [0],
    }
    (folder / "experiment/test.yaml").write_text(yaml.safe_dump(spec | more))
    return load(folder, "test", data_root=str(folder.parent / "data"))


def test_each_dataset_has_its_own_folder(folder: Path) -> None:
    for name, place in (("one", "open"), ("two", "all")):
        dataset(folder, name)
        answers(folder, name, place, name)
        pool(folder, name, place)
    config = experiment(folder, ["one"], ["one"], also=[{"datasets": ["two"], "pools": ["two"]}])
    assert recorded_file(config, "one", "first") == "recorded/one/open/first.parquet"
    assert recorded_file(config, "two", "first") == "recorded/two/all/first.parquet"
    # An experiment of one of them is none of the other's business.
    assert recorded_file(experiment(folder, ["two"], ["two"]), "two", "second") == "recorded/two/all/second.parquet"


def test_copies_of_one_file_are_one_member(folder: Path) -> None:
    dataset(folder, "one")
    for name in ("few", "many"):
        answers(folder, "one", name)
        pool(folder, name, name)
    config = experiment(folder, ["one"], ["few", "many"])
    assert len(recorded_files(config, "one", "first")) == 2
    assert recorded_members(config).count("first") == 1


def test_other_answers_of_the_same_name_are_another_member_with_a_key_of_its_own(folder: Path) -> None:
    dataset(folder, "one")
    for name in ("few", "many"):
        answers(folder, "one", name, name)
        pool(folder, name, name)
    # Each alone is no clash.
    for name in ("few", "many"):
        assert (
            recorded_file(experiment(folder, ["one"], [name]), "one", "first") == f"recorded/one/{name}/first.parquet"
        )
    with pytest.raises(UserError, match="files"):
        experiment(folder, ["one"], ["few", "many"])
    keys = {f"{member}-many": member for member in MEMBERS}
    pool(folder, "many", "many", members=list(keys), files=keys)
    config = experiment(folder, ["one"], ["few", "many"])
    assert recorded_file(config, "one", "first") == "recorded/one/few/first.parquet"
    assert recorded_file(config, "one", "first-many") == "recorded/one/many/first.parquet"


def test_a_recorded_model_that_is_also_asked_gets_another_key(folder: Path) -> None:
    dataset(folder, "one")
    answers(folder, "one", "few")
    pool(folder, "few", "few", members=["qwen3-8b", "second"], files={"qwen3-8b": "first"})
    with pytest.raises(UserError, match="files"):
        experiment(folder, ["one"], ["few"])
    pool(folder, "few", "few", members=["qwen3-8b-recorded", "second"], files={"qwen3-8b-recorded": "first"})
    config = experiment(folder, ["one"], ["few"])
    assert recorded_file(config, "one", "qwen3-8b-recorded") == "recorded/one/few/first.parquet"


@pytest.mark.parametrize(
    "changes", [{"files": {"third": "first"}}, {"files": {"first": "../first"}}, {"files": {"first": "absent"}}]
)
def test_a_name_of_nothing_is_refused(folder: Path, changes: dict[str, object]) -> None:
    dataset(folder, "one")
    answers(folder, "one", "few")
    pool(folder, "few", "few", **changes)
    with pytest.raises(UserError):
        experiment(folder, ["one"], ["few"])


def test_a_file_may_be_csv_or_jsonl_but_not_two_at_once(folder: Path) -> None:
    dataset(folder, "one")
    answers(folder, "one", "few")
    pool(folder, "few", "few")
    place = folder.parent / "data/recorded/one/few"
    (place / "first.parquet").rename(place / "first.csv")
    (place / "second.parquet").rename(place / "second.jsonl")
    config = experiment(folder, ["one"], ["few"])
    assert recorded_file(config, "one", "first").endswith("few/first.csv")
    assert recorded_file(config, "one", "second").endswith("few/second.jsonl")
    (place / "first.parquet").write_text("")
    with pytest.raises(UserError, match=r"first\.csv"):
        experiment(folder, ["one"], ["few"])


def test_names_with_dots_are_whole(folder: Path) -> None:
    dataset(folder, "one")
    answers(folder, "one", "few")
    place = folder.parent / "data/recorded/one/few"
    (place / "first.parquet").rename(place / "gpt-4.1.csv")
    (place / "gpt-4.parquet").write_text("another model")
    pool(folder, "few", "few", members=["gpt-4.1", "gpt-4", "second"])
    config = experiment(folder, ["one"], ["few"])
    assert [Path(recorded_file(config, "one", name)).name for name in ("gpt-4.1", "gpt-4")] == [
        "gpt-4.1.csv",
        "gpt-4.parquet",
    ]
