"""Recorded answers: what is read of them, and one clear message where they do not fit."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from rgd.answers.formats.recorded import read_costs, read_embeddings, read_responses
from rgd.answers.responses import UNMEASURED, option_texts
from rgd.artifacts import schemas
from rgd.artifacts.files import matrix
from rgd.config import load, load_all, slices
from rgd.config.members import recorded_file
from rgd.datasets.base import validate
from rgd.datasets.mirror import folder_of
from rgd.datasets.multiple_choice import questions as read_questions
from rgd.errors import UserError
from tests import ROOT, recorded_world

CONFIG = ROOT / "config"
QUESTIONS = pa.table(
    {"query_id": ["3", "1", "2", "4"], "options": [["w", "x"], ["w", "x", "y"], ["w"], ["w", "x", "y", "z"]]}
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorded_world.make(tmp_path_factory.mktemp("data") / "root", per_task=4)


def recorded(path: Path, **columns: object) -> Path:
    pq.write_table(pa.table({"question_id": [1, 2, 3, 9], "answer": ["C", "B", None, "A"], **columns}), path)
    return path


def test_answers_are_joined_by_id_and_only_letters_of_the_question_count(tmp_path: Path) -> None:
    path = recorded(
        tmp_path / "m.parquet", mean_token_probability=[0.5, 0.25, 0.75, 1.0], completion_tokens=[10, 20, 30, 40]
    )
    table, absent, outside = read_responses(path, QUESTIONS)
    assert table.schema == schemas.RESPONSES
    assert table["query_id"].to_pylist() == ["3", "1", "2", "4"]
    # 3: null; 1: C, one of three; 2: B, but the question has one option; 4: no row.
    assert table["answer"].to_pylist() == [None, "C", None, None]
    assert (absent, outside) == (1, 1)
    assert table["confidence"].to_pylist() == [None, 0.5, None, None]
    assert table["confidence_kind"].to_pylist() == ["none", "mean_token_probability", "none", "none"]
    assert table["extraction_rule"].to_pylist() == ["none", "recorded", "none", "none"]
    assert table["completion_tokens"].to_pylist() == [30, 10, 20, None]
    assert table["text"].null_count == table["prompt_tokens"].null_count == 4


def test_text_and_other_confidences_are_taken_where_they_are(tmp_path: Path) -> None:
    path = recorded(tmp_path / "m.parquet", text=["c", "b", "-", "a"], mean_log_probability=[-1.0, -2.0, -3.0, -4.0])
    table, _, _ = read_responses(path, QUESTIONS)
    assert table["text"].to_pylist() == ["-", "c", "b", None]
    assert table["confidence"].to_pylist() == [None, -1.0, None, None]
    bare, _, _ = read_responses(recorded(tmp_path / "bare.parquet"), QUESTIONS)
    assert bare["confidence"].null_count == 4
    assert set(bare["confidence_kind"].to_pylist()) == {"none"}


def test_a_log_probability_that_is_no_measurement_is_dropped_and_counted(tmp_path: Path) -> None:
    columns = {"mean_log_probability": [-50.0, 0.0, 3.0, -1.0], "completion_tokens": [200, 20, 30, 40]}
    table, _, _ = read_responses(recorded(tmp_path / "m.parquet", **columns), QUESTIONS)
    assert table["confidence"].to_pylist() == [None] * 4
    assert table["confidence_kind"].to_pylist() == ["none", UNMEASURED, "none", "none"]


def test_faulty_files_are_named(tmp_path: Path) -> None:
    def refused(table: dict, message: str) -> None:
        path = tmp_path / "bad.parquet"
        pq.write_table(pa.table(table), path)
        with pytest.raises(UserError, match=rf"bad\.parquet .*{message}"):
            read_responses(path, QUESTIONS)

    refused({"answer": ["A"]}, r"column question_id.*\['answer'\]")
    refused({"question_id": [1], "letter": ["A"]}, r"column answer.*\['question_id', 'letter'\]")
    refused({"question_id": [1, 1], "answer": ["A", "B"]}, "two .*question_id")
    refused({"question_id": [70], "answer": ["A"]}, r"\['70'\]")
    with pytest.raises(UserError, match=r"absent\.parquet .*missing"):
        read_responses(tmp_path / "absent.parquet", QUESTIONS)


@pytest.mark.parametrize("kind", [pa.float64(), pa.float32(), pa.int64()])
def test_costs_are_joined_by_id(kind: pa.DataType, tmp_path: Path) -> None:
    path = recorded(tmp_path / "m.parquet", cost=pa.array([2, None, 0, 5]).cast(kind))
    found = read_costs(path, QUESTIONS["query_id"])
    assert found is not None
    np.testing.assert_array_equal(found, [0.0, 2.0, np.nan, np.nan])
    assert read_costs(recorded(tmp_path / "bare.parquet"), QUESTIONS["query_id"]) is None


@pytest.mark.parametrize("costs", [[-0.1, 1, 1, 1], [1, 1, float("inf"), 1], ["free", "1", "1", "1"]])
def test_costs_that_are_none_are_refused(costs: list[Any], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"m\.parquet"):
        read_costs(recorded(tmp_path / "m.parquet", cost=costs), QUESTIONS["query_id"])


def test_embeddings_come_in_order_and_at_length_one(tmp_path: Path) -> None:
    path = tmp_path / "e.parquet"
    vectors = np.array([[3.0, 4.0], [0.0, 2.0], [1.0, 0.0], [5.0, 12.0]], dtype=np.float16)
    pq.write_table(pa.table({"question_id": [1, 2, 3, 4], "embedding": list(vectors)}), path)
    found = matrix(read_embeddings(path, QUESTIONS["query_id"], 2)["embedding"])
    assert found == pytest.approx(np.array([[1, 0], [0.6, 0.8], [0, 1], [5 / 13, 12 / 13]]), abs=1e-3)
    with pytest.raises(UserError, match=r"e\.parquet .*\b2\b.*\b3\b"):
        read_embeddings(path, QUESTIONS["query_id"], 3)
    with pytest.raises(UserError, match=r"e\.parquet .*\b1 .*\b7\b"):
        read_embeddings(path, pa.chunked_array([["1", "7"]]), 2)
    pq.write_table(pa.table({"question_id": [1], "embedding": [[0.0, 0.0]]}), path)
    with pytest.raises(UserError, match=r"e\.parquet .*\b0\.0\b"):
        read_embeddings(path, pa.chunked_array([["1"]]), 2)


def test_the_text_of_the_chosen_option() -> None:
    responses = pa.table({"query_id": ["3", "1", "2", "4"], "answer": ["B", None, "A", "D"]})
    assert option_texts(QUESTIONS, responses) == ["x", None, "w", "z"]
    with pytest.raises(ValueError, match="queries"):
        option_texts(QUESTIONS, responses.take([1, 0, 2, 3]))


def test_a_recorded_answer_to_a_question_without_options_is_any_text(tmp_path: Path) -> None:
    questions = pa.table({"query_id": ["1", "2", "3"], "options": pa.array([[], [], []], schemas.STRINGS)})
    file = tmp_path / "m.parquet"
    pq.write_table(pa.table({"question_id": ["1", "2", "3"], "answer": [r"\frac12", "", None]}), file)
    responses, _, outside = read_responses(file, questions)
    assert responses["answer"].to_pylist() == [r"\frac12", None, None]
    assert outside == 1


def test_mmlu_pro_is_read_from_the_mirror(data: Path) -> None:
    config = load(CONFIG, "recorded", data_root=str(data))
    settings = slices.benchmark(config, "mmlu_pro_recorded")
    folder = folder_of(settings["source"], settings["tasks"], [data])
    found = read_questions(settings, folder)
    validate(found)
    assert len(found) == 4 * 14
    assert {question.task for question in found} == set(settings["tasks"])
    assert len(read_questions(settings | {"tasks": ["computer_science"]}, folder)) == 4
    with pytest.raises(UserError, match="alchemy"):
        read_questions(settings | {"tasks": ["alchemy"]}, folder)
    with pytest.raises(UserError, match="data_root=DIR"):
        folder_of(settings["source"], settings["tasks"], [])


def test_the_experiment_needs_its_data(data: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="data_root=DIR"):
        load(CONFIG, "recorded")
    shutil.copytree(data, tmp_path / "data")
    gone = tmp_path / "data/recorded/mmlu_pro/small/Qwen3-8B.parquet"
    gone.rename(gone.with_name("Qwen3-8b.parquet"))
    with pytest.raises(UserError, match=r"recorded/mmlu_pro/small/Qwen3-8B\.parquet.*Qwen3-8b\.parquet"):
        load(CONFIG, "recorded", data_root=str(tmp_path / "data"))
    with pytest.raises(UserError, match=r"scenarios: \[real\]"):
        load(CONFIG, "recorded", ["experiment.scenarios=[real,qwen2.5-coder-0.5b]"], data_root=str(data))


def test_a_recorded_member_is_no_model(tmp_path: Path, data: Path) -> None:
    folder = Path(shutil.copytree(CONFIG, tmp_path / "config"))
    members = ["smollm2-135m-examples", "other"]
    (folder / "pool/again.yaml").write_text(yaml.safe_dump({"title": "x", "recorded": "large", "members": members}))
    assert "config/model/smollm2-135m.yaml" in load_all(folder, "recorded", data_root=str(data))[1]["pool", "again"]


def test_a_file_is_found_by_dataset_pool_and_member(data: Path) -> None:
    config = load(CONFIG, "recorded", data_root=str(data))
    file = recorded_file(config, "mmlu_pro_recorded", "Qwen3-8B")
    assert file == "recorded/mmlu_pro/small/Qwen3-8B.parquet"


OF_FOUR = pa.table({"query_id": ["1", "2", "3", "4"], "options": [["red", "green", "blue", "grey"]] * 4})
"""Four questions with four options."""


@pytest.mark.parametrize(
    ("answers", "letters"),
    [
        (["A", "B", "C", "D"], "ABCD"),
        ([0, 1, 2, 3], "ABCD"),
        ([1, 2, 3, 4], "ABCD"),
        (["0", "3", None, "1"], "AD-B"),
        (["a", "b", "c", "d"], "ABCD"),
        (["(A)", "B.", "[C]", '"D"'], "ABCD"),
        (["A ", " B", "C\n", "\tD"], "ABCD"),
        (["Green", "red", " blue", "grey"], "BACD"),
        ([["A"], ["B"], [], ["C", "D"]], "AB--"),
        (pa.array(["A", "B", None, "D"], pa.string_view()), "AB-D"),
        (pa.array(["A", "B", None, "D"], pa.large_string()), "AB-D"),
        (pa.array(["A", "B", None, "D"]).dictionary_encode(), "AB-D"),
        (["A", "x", "b", "E"], "A-B-"),
        ([None, None, None, None], "----"),
    ],
)
def test_answers_that_are_plainly_letters_are_read(answers: Any, letters: str, tmp_path: Path) -> None:
    ids = pa.array(["1", "2", "3", "4"], pa.string_view())
    pq.write_table(pa.table({"question_id": ids, "answer": answers}), tmp_path / "m.parquet")
    table, _, outside = read_responses(tmp_path / "m.parquet", OF_FOUR)
    assert [answer or "-" for answer in table["answer"].to_pylist()] == list(letters)
    assert outside == sum(
        letter == "-" and answer not in (None, [], ["C", "D"])
        for letter, answer in zip(letters, pa.array(answers).to_pylist(), strict=True)
    )


@pytest.mark.parametrize(
    "answers",
    [[1.0, 0.0, 1.0, 0.0], [0, 1, 1, 0], [1, 2, 2, 1], ["x", "y", "z", "w"], [0, 4, 1, 2], [True, False, True, True]],
    ids=["scores", "whole scores", "no beginning", "words", "both beginnings", "truth values"],
)
def test_answers_of_which_none_is_a_letter_are_refused(answers: list[Any], tmp_path: Path) -> None:
    pq.write_table(pa.table({"question_id": ["1", "2", "3", "4"], "answer": answers}), tmp_path / "m.parquet")
    with pytest.raises(UserError, match=r"m\.parquet"):
        read_responses(tmp_path / "m.parquet", OF_FOUR)


@pytest.mark.parametrize("column", ["confidence", "prompt_tokens", "completion_tokens"])
def test_a_column_of_another_type_is_a_message(column: str, tmp_path: Path) -> None:
    rows = {"question_id": ["1", "2"], "answer": ["A", "B"], column: ["many", "few"]}
    pq.write_table(pa.table(rows), tmp_path / "m.parquet")
    with pytest.raises(UserError, match=r"m\.parquet"):
        read_responses(tmp_path / "m.parquet", OF_FOUR)
