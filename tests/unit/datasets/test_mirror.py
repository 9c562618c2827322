"""Benchmarks read from a mirror: made-up rows of every form, and the real files where a folder of them is at hand."""

import hashlib
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from rgd import datasets
from rgd.config.schema import Dataset
from rgd.datasets import bbeh
from rgd.datasets.base import Question, sample, sound
from rgd.datasets.mirror import MANIFEST, content_digest, divided, folder_of, source_files, state_of_files, task_key
from rgd.errors import UserError
from tests import ROOT

CONFIG = ROOT / "config"
DATA = Path(os.environ.get("RGD_TEST_DATA", ROOT.parent / "shared" / "data"))
needs_data = pytest.mark.skipif(not (DATA / "hub").is_dir(), reason="no mirror of the hub (RGD_TEST_DATA)")
BBEH_TASKS = {
    "boardgame_qa": 200,
    "boolean_expressions": 200,
    "causal_understanding": 200,
    "disambiguation_qa": 120,
    "geometric_shapes": 200,
    "hyperbaton": 200,
    "movie_recommendation": 200,
    "nycc": 200,
    "shuffled_objects": 200,
}


# Of the questions as the adapters of one benchmark each, which this table-reading one replaced, read them.
DIGESTS = {
    "mmlu_pro": "f71f4a1dfb158c6fb9761734037da97d492da7a000884de6d4bee316fb4572bb",
    "supergpqa": "a831a8ebe190dbc25f916cac4e190ea1f2777c8582be3e9e5025d8889c4c9b44",
    "medmcqa": "0e1545a3159e971ce8cc8ef7e784fcc3b7e20bf15bf0326a7e1fcc48d49448a6",
    "bbeh": "39ba3a6ca0c1b2e8bd9bebe2aba05ca48f7dd52d8680a9906ff06a8d25255e30",
}


def real(key: str, tasks: list[str] | None = None, file: str | None = None) -> list[Question]:
    """The usable questions of config/dataset/KEY.yaml in the folder of real data."""
    spec = Dataset.model_validate(yaml.safe_load((CONFIG / f"dataset/{key}.yaml").read_text()))
    assert spec.source is not None
    source = spec.source.model_dump() | ({"file": file} if file else {})
    settings = {"source": source, "tasks": tasks or list(spec.tasks)}
    folder = folder_of(source, settings["tasks"], [DATA])
    return sound(datasets.load(spec.adapter).questions(settings, folder), source["accept"])[0]


def bbeh_settings(*tasks: str) -> dict[str, Any]:
    return {"source": {"file": "tasks/bbeh_{task}/task.json"}, "tasks": list(tasks)}


def test_task_keys_are_safe() -> None:
    assert task_key("Social & Preventive Medicine") == "Social_Preventive_Medicine"
    assert task_key(" computer science ") == "computer_science"


def test_options_are_lettered_by_place_and_taken_out_of_the_text() -> None:
    text = "Which one?\nOptions:\n(A) red\n(B) green\n(C) blue\n\nAnswer with a letter."
    question = bbeh.parse("nycc", 3, text, "(B)")
    assert question.question == "Which one?\nAnswer with a letter."
    assert question.options == ("red", "green", "blue")
    assert (question.query_id, question.label) == ("nycc-0003", "B")


def test_an_option_of_several_lines_and_a_letter_that_stands_twice() -> None:
    question = bbeh.parse("nycc", 0, "Which?\n(A) one\nand more\n(B) two\n(A) three", "(A)")
    assert question.options == ("one\nand more", "two", "three")
    assert question.label == "A"


@pytest.mark.parametrize(
    ("task", "target", "label"), [("boardgame_qa", "unknown", "C"), ("causal_understanding", "No", "B")]
)
def test_words_are_options(task: str, target: str, label: str) -> None:
    question = bbeh.parse(task, 0, "Is it so?", target)
    assert question.options == bbeh.WORDS[task]
    assert question.label == label
    assert bbeh.parse(task, 0, "Is it so?", "perhaps").label == ""


def test_faulty_rows_are_dropped_and_named() -> None:
    good = Question("a", "t", "What?", ("x", "y"), "letter", "A")
    rows = [good, Question("b", "t", "What?", ("x", "y"), "letter", "C"), good]
    kept, dropped = sound(rows)
    assert kept == [good]
    assert [(row, query_id, reason) for row, query_id, reason, _ in dropped] == [
        (1, "b", "label outside the options"),
        (2, "a", "repeated id"),
    ]
    assert "label 'C' is outside" in dropped[0].detail
    assert "row 0 has the same query_id" in dropped[1].detail


def test_faults_that_a_published_benchmark_may_keep() -> None:
    one = Question("a", "t", "What?", ("x",), "letter", "A")
    twice = Question("b", "t", "What?", ("x", "x "), "letter", "B")
    assert sound([one, twice])[0] == []
    assert sound([one, twice], ["one_option", "repeated_option"])[0] == [one, twice]


def test_a_sample_is_of_its_part_and_named_by_its_seed() -> None:
    rows = [
        Question(str(row), "t", "What?", (), "latex", "1", part)
        for row, part in enumerate(["train"] * 30 + ["test"] * 10)
    ]
    found = sample(rows, {"train": 12}, seed=3)
    assert Counter(question.part for question in found) == {"train": 12, "test": 10}
    assert [int(question.query_id) for question in found] == sorted(int(question.query_id) for question in found)
    assert found == sample(rows, {"train": 12}, seed=3) != sample(rows, {"train": 12}, seed=4)
    assert sample(rows, {"train": 99}, seed=3) == rows
    assert set(sample(rows, {"train": 5}, 3)) < set(found)


def test_a_source_names_a_file_for_each_task_and_part() -> None:
    files = source_files({"file": "{task}/{part}.parquet"}, ["algebra", "geometry"])
    assert [file.name for file in files] == [
        "algebra/train.parquet",
        "algebra/test.parquet",
        "geometry/train.parquet",
        "geometry/test.parquet",
    ]
    assert files[1] == ("algebra/test.parquet", "algebra", "test")
    assert source_files({"file": "all.csv"}, ["a", "b"]) == [("all.csv", None, None)]


@pytest.mark.parametrize(
    ("file", "folder", "name"),
    [
        ("/data/mine/a.csv", "/data/mine", "a.csv"),
        ("/data/{task}/a.csv", "/data", "{task}/a.csv"),
        ("/data/{part}.csv", "/data", "{part}.csv"),
        ("a.csv", "", "a.csv"),
    ],
)
def test_a_path_is_divided_before_its_first_place(file: str, folder: str, name: str) -> None:
    assert divided(file) == (folder, name)


def test_a_mirror_of_another_revision_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "hub/o/n"
    folder.mkdir(parents=True)
    source = {"repo": "o/n", "revision": "a" * 40, "file": "x.csv"}
    with pytest.raises(UserError, match=r"hub/o/n/x\.csv .*rgd data fetch"):
        folder_of(source, ["t"], [tmp_path])
    (folder / "x.csv").write_text("a\n")
    assert folder_of(source, ["t"], [tmp_path]) == folder
    (folder / ".rgd-fetched.json").write_text(json.dumps({"files": {"x.csv": {"revision": "b" * 40}}}))
    with pytest.raises(UserError, match=rf"x\.csv .*{'b' * 40}.*{'a' * 40}"):
        folder_of(source, ["t"], [tmp_path])
    assert folder_of(source | {"revision": "b" * 40}, ["t"], [tmp_path]) == folder
    (folder / ".rgd-fetched.json").write_text("{")
    with pytest.raises(UserError, match=r"\.rgd-fetched\.json.*rgd data fetch"):
        folder_of(source, ["t"], [tmp_path])


def test_the_content_of_ones_own_files_decides_their_digest(tmp_path: Path) -> None:
    settings = {"source": {"file": "{part}.csv"}, "tasks": ["t"]}
    (tmp_path / "train.csv").write_text("a")
    (tmp_path / "test.csv").write_text("b")
    before = content_digest(settings, tmp_path)
    (tmp_path / "test.csv").write_text("c")
    assert content_digest(settings, tmp_path) != before
    (tmp_path / "test.csv").write_text("b")
    assert content_digest(settings, tmp_path) == before


def test_a_broken_task_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"bbeh_nycc/task\.json"):
        bbeh.questions(bbeh_settings("nycc"), tmp_path)
    with pytest.raises(UserError, match=r"bbeh.*source"):
        bbeh.questions(bbeh_settings("nycc"), None)
    file = tmp_path / "tasks/bbeh_nycc/task.json"
    file.parent.mkdir(parents=True)
    for content in ("{", json.dumps({"items": []}), json.dumps([1])):
        file.write_text(content)
        with pytest.raises(UserError, match=r"bbeh_nycc/task\.json"):
            bbeh.questions(bbeh_settings("nycc"), tmp_path)


@needs_data
def test_all_rows_of_bbeh_have_options_and_a_letter() -> None:
    assert Counter(question.task for question in real("bbeh")) == BBEH_TASKS


@needs_data
@pytest.mark.parametrize(
    ("key", "tasks", "file"),
    [
        ("mmlu_pro", None, None),
        ("supergpqa", ["Medicine", "Science"], None),
        ("medmcqa", None, "validation.parquet"),
        ("bbeh", None, None),
    ],
)
def test_real_rows_are_read_as_ever(key: str, tasks: list[str] | None, file: str | None) -> None:
    rows = [
        [question.query_id, question.task, question.question, list(question.options), question.label]
        for question in real(key, tasks, file)
    ]
    assert hashlib.sha256(json.dumps(rows, ensure_ascii=False).encode()).hexdigest() == DIGESTS[key]


def test_the_state_of_each_file_of_a_source(tmp_path: Path) -> None:
    source = {"repo": "some/one", "revision": "abc", "file": "{task}.csv"}
    folder = tmp_path / "hub/some/one"
    folder.mkdir(parents=True)
    (folder / "own.csv").write_text("four")
    (folder / "fetched.csv").write_text("fetched")
    entries = {name: {"revision": "abc"} for name in ("fetched.csv", "lost.csv")}
    (folder / MANIFEST).write_text(json.dumps({"files": entries}))
    rows = state_of_files(source, ["own", "fetched", "lost"], tmp_path)
    assert [row["file"] for row in rows] == [str(folder / f"{name}.csv") for name in ("own", "fetched", "lost")]
    assert [(row["state"], row["bytes"], row["revision"]) for row in rows] == [
        ("present", 4, ""),
        ("fetched", 7, "abc"),
        ("missing", None, ""),
    ]
