"""Benchmarks read from a mirror: made-up rows of every form, and the real files where a folder of them is at hand."""

import json
import os
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rgd.datasets import bbeh, medmcqa, supergpqa
from rgd.datasets.base import Question, sound
from rgd.errors import UserError
from rgd.mirror import task_key

DATA = Path(os.environ.get("RGD_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
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


def settings(repo: str, file: str, *tasks: str, rows: int | None = None) -> dict:
    return {"source": {"repo": repo, "file": file, "rows": rows}, "tasks": list(tasks)}


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
    assert [query_id for query_id, _ in dropped] == ["b", "a"]
    assert "label 'C' is outside" in dropped[0][1]
    assert "repeats an id" in dropped[1][1]


def test_medmcqa_takes_the_first_rows_and_letters_by_number(tmp_path: Path) -> None:
    folder = tmp_path / "hub/o/medmcqa"
    folder.mkdir(parents=True)
    rows = {
        "id": ["1", "2", "3"],
        "question": ["Q1", "Q2", "Q3"],
        **{name: [f"{name}{i}" for i in range(3)] for name in medmcqa.OPTIONS},
        "cop": [2, -1, 0],
        "subject_name": ["Skin"] * 3,
    }
    pq.write_table(pa.table(rows), folder / "train.parquet")
    found = medmcqa.questions(settings("o/medmcqa", "train.parquet", "Skin", rows=2), tmp_path)
    assert [question.label for question in found] == ["C", ""]
    assert found[0].options == ("opa0", "opb0", "opc0", "opd0")


def test_a_broken_task_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nycc a task of BBEH"):
        bbeh.questions(settings("g/bbeh", "tasks", "nycc"), tmp_path)
    file = tmp_path / "hub/g/bbeh/tasks/bbeh_nycc/task.json"
    file.parent.mkdir(parents=True)
    for content in ("{", json.dumps({"items": []}), json.dumps([1])):
        file.write_text(content)
        with pytest.raises(UserError, match="no task file of BBEH"):
            bbeh.questions(settings("g/bbeh", "tasks", "nycc"), tmp_path)


@needs_data
def test_all_rows_of_bbeh_have_options_and_a_letter() -> None:
    found = bbeh.questions(settings("google-deepmind/bbeh", "benchmark_tasks", *BBEH_TASKS), DATA)
    kept, dropped = sound(found)
    assert Counter(question.task for question in found) == BBEH_TASKS
    assert [fault for _, fault in dropped if "label" in fault] == []
    assert len(kept) == 1720, dropped[:3]


@needs_data
def test_real_rows_of_supergpqa_and_medmcqa() -> None:
    source = settings("m-a-p/SuperGPQA", "train.parquet", "Science", "Medicine")
    kept, dropped = sound(supergpqa.questions(source, DATA))
    assert len(kept) + len(dropped) == 8489
    assert len(dropped) < 100, Counter(fault.split(";")[0][:20] for _, fault in dropped)
    source = settings("openlifescienceai/medmcqa", "validation.parquet", "Physiology", "Skin")
    kept, dropped = sound(medmcqa.questions(source, DATA))
    assert {question.task for question in kept} == {"Physiology", "Skin"}
    assert {len(question.options) for question in kept} == {4}
