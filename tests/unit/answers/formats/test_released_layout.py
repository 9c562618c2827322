"""Answers in the released code's files: what is taken over, and one clear message for each fault."""

import json
import pickle
import re
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rgd.answers.formats.recorded import read_embeddings, read_responses
from rgd.answers.formats.released_layout import import_released
from rgd.cli import main
from rgd.datasets.base import validate
from rgd.datasets.multiple_choice import questions as read_questions
from rgd.errors import UserError

TRAIN, TEST = range(4), range(4, 7)


def question(number: int) -> dict[str, Any]:
    return {
        "question_id": number,
        "category": "computer science" if number % 2 else "law",
        "question": f"Question {number}?",
        "options": [f"choice {i} of {number}" for i in range(4)],
        "answer": "ABCD"[number % 4],
    }


def response(nickname: str, number: int, **changes: Any) -> dict[str, Any]:
    said = {f"{nickname}_response": f"The answer is (B) {number}", "avg_logprob": -0.5 - number}
    scores = {"is_correct": 0, "consensus_score": 0.3, "z_score": -1.0}
    return question(number) | said | {"selected_choice": "B"} | scores | changes


def counts(line: str) -> list[int]:
    """The numbers in a line of the report, behind the path."""
    return [int(number) for number in re.findall(r"\d+", line.partition(".parquet: ")[2])]


def write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=4))


@pytest.fixture
def released(tmp_path: Path) -> Path:
    """A folder as the released code leaves it: two splits, a small model, a large one, one of neither pool."""
    folder = tmp_path / "released"
    for part, numbers in (("train", TRAIN), ("test", TEST), ("all", [*TRAIN, *TEST])):
        write(folder / f"Data/MMLU_Pro/{part}.json", [question(number) for number in numbers])
    for nickname in ("Qwen3-8", "OSS120", "Mine"):
        for part, numbers in (("train", TRAIN), ("test", TEST)):
            answers = [response(nickname, number) for number in numbers]
            write(folder / f"Model_Responses/MMLU_Pro-{part}/{nickname}.json", answers)
    return folder


def save_embeddings(folder: Path, content: object, name: str = "MMLU_Pro_only_question_embeddings_early") -> Path:
    import torch

    path = folder / f"artifacts/{name}.pt"
    path.parent.mkdir(exist_ok=True)
    torch.save(content, path)
    return path


def test_answers_questions_and_embeddings_become_recorded_ones(released: Path, tmp_path: Path) -> None:
    import torch

    save_embeddings(released, {number: torch.tensor([3.0, 4.0 + number]) for number in [*TRAIN, *TEST, 99]})
    root = tmp_path / "root"
    report = import_released(released, root)
    columns = {"id": "question_id", "question": "question", "options": "options", "label": "answer", "task": "category"}
    source = {"file": "questions.parquet", "rows": None, "columns": columns | {"label_form": "letter", "part": "part"}}
    settings = {"source": source, "tasks": ["computer_science", "law"]}
    found = read_questions(settings, root / "hub/released/mmlu_pro")
    validate(found)
    assert [item.query_id for item in found] == ["4", "5", "6", "0", "1", "2", "3"]
    assert found[0].label == "A"
    assert {item.part for item in found} == {"train", "test"}
    assert set(pq.read_table(root / "hub/released/mmlu_pro/questions.parquet")["part"].to_pylist()) == {"train", "test"}
    table = pa.table({"query_id": [item.query_id for item in found], "options": [list(item.options) for item in found]})
    for member in ("small/Qwen3-8", "large/OSS120", "other/Mine"):
        responses, absent, outside = read_responses(root / f"recorded/mmlu_pro/{member}.parquet", table)
        assert (absent, outside) == (0, 0)
        assert responses["answer"].to_pylist() == ["B"] * 7
        assert responses["confidence"].to_pylist() == [-4.5, -5.5, -6.5, -0.5, -1.5, -2.5, -3.5]
        assert set(responses["confidence_kind"].to_pylist()) == {"mean_log_probability"}
        assert responses["text"][0].as_py() == "The answer is (B) 4"
    vectors = read_embeddings(root / "recorded/mmlu_pro/embeddings.parquet", table["query_id"], 2)
    assert vectors["embedding"][3].as_py() == pytest.approx([0.6, 0.8])
    assert counts(report[0]) == [7, 2]
    assert counts(report[-1]) == [7, 2]


def test_the_union_is_read_where_there_are_no_parts(released: Path, tmp_path: Path) -> None:
    for part in ("train", "test"):
        (released / f"Data/MMLU_Pro/{part}.json").unlink()
        for path in (released / f"Model_Responses/MMLU_Pro-{part}").iterdir():
            path.unlink()
    write(released / "Model_Responses/MMLU_Pro-all/GLM4.json", [response("GLM4", number) for number in range(7)])
    lines = "\n".join(json.dumps(question(number)) for number in range(7))
    (released / "Data/MMLU_Pro/all.json").unlink()
    (released / "Data/MMLU_Pro/all.jsonl").write_text(lines + "\n")
    import_released(released, tmp_path / "root")
    assert pq.read_table(tmp_path / "root/recorded/mmlu_pro/small/GLM4.parquet").num_rows == 7
    assert pq.read_table(tmp_path / "root/hub/released/mmlu_pro/questions.parquet").num_rows == 7


def test_what_was_not_read_is_missing(released: Path, tmp_path: Path) -> None:
    changes: list[dict[str, Any]] = [
        {"selected_choice": "N/A"},
        {"selected_choice": None, "Qwen3-8_response": ""},
        {"avg_logprob": float("nan")},
        {"avg_logprob": None, "Qwen3-8_response": None},
    ]
    path = released / "Model_Responses/MMLU_Pro-train/Qwen3-8.json"
    answers = [response("Qwen3-8", number, **change) for number, change in enumerate(changes)]
    write(path, [*answers[:3], answers[3] | {"question_id": 70}])
    report = import_released(released, tmp_path / "root")
    table = pq.read_table(tmp_path / "root/recorded/mmlu_pro/small/Qwen3-8.parquet").sort_by("question_id")
    by_id = {row["question_id"]: row for row in table.to_pylist()}
    assert (by_id["0"]["answer"], by_id["1"]["answer"], by_id["2"]["answer"]) == (None, None, "B")
    assert by_id["2"]["mean_log_probability"] is by_id["70"]["mean_log_probability"] is by_id["70"]["text"] is None
    line = next(line for line in report if "Qwen3-8" in line)
    assert counts(line) == [7, 2, 1, 1]


def test_embeddings_of_some_questions_are_told_to_be_too_few(released: Path, tmp_path: Path) -> None:
    import torch

    save_embeddings(released, {number: torch.ones(2) for number in TRAIN})
    save_embeddings(released, {number: torch.ones(2) for number in TEST}, "MMLU_only_question_embeddings")
    assert counts(import_released(released, tmp_path / "root")[-1]) == [4, 2, 3]


class Harmful:
    """What a file may hold to run code when it is unpickled."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (exec, ("raise SystemExit('this code must not run')",))


def test_a_file_of_embeddings_runs_no_code(released: Path, tmp_path: Path) -> None:
    path = save_embeddings(released, {})
    path.write_bytes(pickle.dumps({0: Harmful()}))
    with pytest.raises(UserError, match=rf"{path}.*tensors"):
        import_released(released, tmp_path / "root")


def test_faulty_embeddings_are_named(released: Path, tmp_path: Path) -> None:
    import torch

    def refused(content: object, message: str) -> None:
        save_embeddings(released, content)
        with pytest.raises(UserError, match=message):
            import_released(released, tmp_path / "root")

    refused([torch.ones(2)], r"_early\.pt .*question_id")
    refused({0: torch.ones(2, 2)}, r"_early\.pt .*question_id")
    refused({0: torch.ones(2), 1: torch.ones(3)}, r"_early\.pt: .*MMLU_Pro.*\[2, 3\]")
    refused({70: torch.ones(2)}, r"_early\.pt: .*MMLU_Pro.*\[\]")
    path = save_embeddings(released, {0: torch.ones(2)})
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UserError, match=f"{path}.*damaged"):
        import_released(released, tmp_path / "root")


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("Model_Responses/MMLU_Pro-test/OSS120.json", "{", r"OSS120\.json .*JSON"),
        ("Model_Responses/MMLU_Pro-test/OSS120.json", '{"0": "A"}', r"OSS120\.json .*\bdict\b.*\blist\b"),
        ("Model_Responses/MMLU_Pro-test/OSS120.json", "[[4]]", r"OSS120\.json: .*\b0\b.*question_id"),
        (
            "Model_Responses/MMLU_Pro-test/OSS120.json",
            '[{"question_id": 4}]',
            r"OSS120\.json: .*\b4\b.*selected_choice",
        ),
        (
            "Model_Responses/MMLU_Pro-test/OSS120.json",
            json.dumps([response("OSS120", 0)]),
            r"OSS120: .*\b0\b.*twice",
        ),
        ("Data/MMLU_Pro/test.json", json.dumps([question(0)]), r"Data/MMLU_Pro: .*\b0\b.*twice"),
        ("Data/MMLU_Pro/test.json", '[{"question_id": 4, "category": "law"}]', r"test\.json: .*\b4 .*\bquestion\b"),
        (
            "Data/MMLU_Pro/test.json",
            json.dumps([question(4) | {"options": "A"}]),
            r"test\.json: .*\boptions\b.*\b4\b.*\blist\b",
        ),
    ],
)
def test_faulty_files_are_named(released: Path, tmp_path: Path, file: str, content: str, message: str) -> None:
    (released / file).write_text(content)
    with pytest.raises(UserError, match=message):
        import_released(released, tmp_path / "root")


def test_a_folder_without_answers_or_questions(released: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"empty .*Model_Responses/"):
        import_released(tmp_path / "empty", tmp_path / "root")
    for path in (released / "Data/MMLU_Pro").iterdir():
        path.unlink()
    with pytest.raises(UserError, match=r"Data/MMLU_Pro/SPLIT\.json"):
        import_released(released, tmp_path / "root")


def test_the_command_says_what_it_wrote(released: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import-released", str(released), str(tmp_path / "root")]) == 0
    assert capsys.readouterr().out
    assert (tmp_path / "root/recorded/mmlu_pro/small/Qwen3-8.parquet").is_file()
    assert main(["import-released", str(tmp_path / "nothing"), str(tmp_path / "other")]) == 1
    assert "Model_Responses/" in capsys.readouterr().err


def test_two_tasks_that_differ_only_in_case_are_told(released: Path, tmp_path: Path) -> None:
    (folder,) = [path for path in (released / "Model_Responses").iterdir() if path.name.endswith("-test")][:1]
    shutil.copytree(folder, folder.with_name(folder.name.lower()))
    with pytest.raises(UserError, match=folder.name.lower().rpartition("-")[0]):
        import_released(released, tmp_path / "target")
    assert not (tmp_path / "target").exists()
