"""Imports of every format: what is joined and counted, what is refused, and that a fault leaves nothing behind."""

import csv
import json
import pickle
import random
import re
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rgd.answers.formats.collecting import Collector, file_name, key_of
from rgd.answers.formats.importing import FORMATS, import_files
from rgd.answers.formats.prompts import split_options
from rgd.answers.formats.records import Asked, Record
from rgd.cli import main
from rgd.cli.imports import FORMATS as NAMED
from rgd.errors import UserError
from tests.unit.answers.formats import worlds


def read(folder: Path, dataset: str, model: str) -> list[dict[str, Any]]:
    return pq.read_table(folder / "recorded" / dataset / "all" / f"{model}.parquet").to_pylist()


def questions(folder: Path, dataset: str) -> list[dict[str, Any]]:
    return pq.read_table(folder / "hub" / "imported" / dataset / "questions.parquet").to_pylist()


def run(name: str, files: list[Path], target: Path, *further: str) -> int:
    columns = ["--columns", *(f"{what}={column}" for what, column in worlds.COLUMNS.items())] if name == "table" else []
    return main(["import", name, *map(str, files), "--to", str(target), *columns, *further])


def refused(code: int, target: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The one message of a command that failed and left nothing."""
    said = capsys.readouterr()
    assert code == 1, said
    assert said.err.startswith("rgd: ")
    assert said.err.count("\n") == 1, said.err
    assert not target.exists()
    return said.err


def test_every_format_has_a_command_and_a_world() -> None:
    assert set(FORMATS) == set(NAMED) == set(worlds.WORLDS)


@pytest.mark.parametrize("name", FORMATS)
def test_models_are_joined_by_their_questions(name: str, tmp_path: Path) -> None:
    files = worlds.WORLDS[name](tmp_path / "files")
    columns = worlds.COLUMNS if name == "table" else None
    imported = import_files(name, files, tmp_path / "data", columns=columns)
    # OpenCompass names models by their folders.
    assert list(imported.models) == list(worlds.NAMES)
    assert imported.datasets == {name: worlds.SIZE}
    assert imported.shared == worlds.SIZE
    for counts, right in zip(imported.models.values(), worlds.RIGHT, strict=True):
        assert (counts.read, counts.joined, counts.repeated, counts.unmatched) == (worlds.SIZE, worlds.SIZE, 0, 0)
        assert counts.answered == (0 if name in worlds.WITHOUT_LETTERS else worlds.SIZE)
        if name != "litellm":
            assert (counts.right, counts.accuracy) == (right, right / worlds.SIZE)
    known = {row["question"]: row for row in questions(tmp_path / "data", name)}
    for n in range(worlds.SIZE):
        row = known[worlds.question(n)]
        assert row["options"] in (worlds.options(n), worlds.options(n)[::-1])
        if name not in worlds.WITHOUT_LABELS:
            assert row["options"][ord(row["answer"]) - ord("A")] == worlds.options(n)[n]
    places = {row["question_id"]: row for row in known.values()}
    if name not in worlds.WITHOUT_LETTERS:
        for model, answers in zip(worlds.NAMES, worlds.ANSWERS, strict=True):
            chosen = {
                places[row["question_id"]]["question"]: places[row["question_id"]]["options"][ord(row["answer"]) - 65]
                for row in read(tmp_path / "data", name, model)
            }
            assert chosen == {
                worlds.question(n): worlds.options(n)["ABCD".index(answers[n])] for n in range(worlds.SIZE)
            }


def test_confidence_tokens_cost_and_latency_are_taken_where_they_are(tmp_path: Path) -> None:
    expected = {
        "openai_batch": {"mean_log_probability": -0.2, "prompt_tokens": 9, "completion_tokens": 2},
        "inspect": {"prompt_tokens": 7, "completion_tokens": 3, "latency": 0.5},
        "helm": {"mean_log_probability": -0.2, "completion_tokens": 1, "latency": 0.25},
        "litellm": {"cost": 0.001, "latency": 0.5, "prompt_tokens": 9},
        "routerbench": {"cost": 0.001},
        "table": {"cost": 1.5},
    }
    for name, values in expected.items():
        files = worlds.WORLDS[name](tmp_path / name)
        import_files(name, files, tmp_path / "data", columns=worlds.COLUMNS if name == "table" else None)
        for row in read(tmp_path / "data", name, worlds.NAMES[0]):
            assert {key: row[key] for key in values} == pytest.approx(values)


def test_a_reply_with_a_token_of_no_probability_has_no_mean(tmp_path: Path) -> None:
    files = worlds.openai_batch(tmp_path)
    text = files[1].read_text().replace("-0.3", "-9999.0")
    files[1].write_text(text)
    import_files("openai_batch", files, tmp_path / "data")
    assert all(row["mean_log_probability"] is None for row in read(tmp_path / "data", "openai_batch", worlds.NAMES[0]))
    assert all(
        row["mean_log_probability"] is not None for row in read(tmp_path / "data", "openai_batch", worlds.NAMES[1])
    )


def test_a_batch_without_a_table_takes_the_questions_of_its_input(tmp_path: Path) -> None:
    _, first, _ = worlds.openai_batch(tmp_path)
    inputs = worlds.lines(
        tmp_path / "input.jsonl",
        [
            {
                "custom_id": f"q{n}",
                "url": "/v1",
                "body": {"model": "m", "messages": [{"role": "user", "content": worlds.prompt(n)}]},
            }
            for n in range(worlds.SIZE)
        ],
    )
    imported = import_files("openai_batch", [first, inputs], tmp_path / "data")
    assert imported.models[worlds.NAMES[0]].answered == worlds.SIZE
    with pytest.raises(UserError):
        import_files("openai_batch", [inputs], tmp_path / "other")


@pytest.mark.parametrize("name", FORMATS)
def test_what_a_model_answers_twice_is_kept_once(name: str, tmp_path: Path) -> None:
    files = worlds.WORLDS[name](tmp_path / "files")
    if name in ("helm", "inspect", "litellm", "llmrouterbench", "opencompass"):
        pytest.skip("documents, of which a copy is refused")
    path = files[-1]
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            rows = list(csv.reader(file))
        worlds.table(path, [*rows, rows[-1]])
    else:
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join([*lines, lines[-1]]))
    imported = import_files(name, files, tmp_path / "data", columns=worlds.COLUMNS if name == "table" else None)
    counts = imported.models[worlds.NAMES[1]]
    assert (counts.read, counts.repeated, counts.joined) == (worlds.SIZE + 1, 1, worlds.SIZE)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("fault", ["cut", "repeated", "empty", "wrong", "missing", "pickle"])
def test_a_faulty_file_is_one_message_and_nothing_is_written(
    name: str, fault: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = worlds.WORLDS[name](tmp_path / "files")
    path = files[0]
    if fault == "cut":
        path.write_bytes(path.read_bytes()[:-20])
    elif fault == "repeated":
        copy = path.parent / "copy" / path.name
        copy.parent.mkdir()
        shutil.copy(path, copy)
        files.append(copy)
    elif fault == "empty":
        path.write_bytes(b"")
    elif fault == "wrong":
        path.write_text('{"weather": "fine"}\n')
    elif fault == "missing":
        path.unlink()
    else:
        path = path.with_suffix(".pkl")
        path.write_bytes(pickle.dumps({"a": 1}))
        files[0] = path
    message = refused(run(name, files, tmp_path / "data"), tmp_path / "data", capsys)
    assert path.name in message or fault == "repeated"


@pytest.mark.parametrize("name", FORMATS)
def test_mangled_files_are_imported_or_refused_in_one_message(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    random.seed(name)
    outcomes = set()
    for attempt in range(60):
        files = worlds.WORLDS[name](tmp_path / f"files{attempt}")
        path = random.choice(files)
        path.write_bytes(mangled(path.read_bytes()))
        target = tmp_path / f"data{attempt}"
        code = run(name, files, target)
        outcomes.add(code)
        if code:
            refused(code, target, capsys)
        else:
            assert capsys.readouterr().err == ""
            assert not list(target.glob(".*"))
    assert 1 in outcomes


ODD_VALUES = (None, True, -1, 1e308, 10**400, "", "x", "\ud800", "../../up", [], {}, [[]], {"a": None}, ["A", "B"])


def mangled(content: bytes) -> bytes:
    """``content`` with bytes changed, a piece gone or twice, or one of its JSON values replaced by an odd one."""
    sort = random.randrange(4)
    place = random.randrange(len(content))
    if sort == 0:
        return content[:place] + bytes([random.randrange(256)]) + content[place + 1 :]
    if sort == 1:
        return content[:place] + content[place + random.randrange(1, 40) :]
    if sort == 2:
        return content[:place] + content[max(0, place - random.randrange(60)) :]
    lines = (
        content.decode("utf-8", "replace").splitlines() if content[:1] == b"{" else [content.decode("utf-8", "replace")]
    )
    chosen = random.randrange(len(lines))
    try:
        value = json.loads(lines[chosen])
    except ValueError:
        return content[: len(content) // 2]
    lines[chosen] = json.dumps(replaced(value))
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def replaced(value: Any) -> Any:
    """``value`` with one value somewhere inside replaced by an odd one."""
    if isinstance(value, dict) and value and random.random() < 0.85:
        key = random.choice(list(value))
        return value | {key: replaced(value[key])}
    if isinstance(value, list) and value and random.random() < 0.85:
        place = random.randrange(len(value))
        return [*value[:place], replaced(value[place]), *value[place + 1 :]]
    return random.choice(ODD_VALUES)


def test_options_in_another_order_are_the_same_question(tmp_path: Path) -> None:
    shown = ("red", "green", "blue")
    with Collector(tmp_path, "d") as collector:
        collector.add(Record("one", Asked("Which  colour?", shown, gold="B"), answer="B"))
        collector.add(Record("two", Asked("which colour?", shown[::-1], gold="B"), answer="C"))
        collector.add(Record("three", Asked("Which colour?", shown[::-1]), said="The answer is C."))
        imported = collector.finish()
    assert imported.datasets == {"d": 1}
    assert [read(tmp_path, "d", model)[0]["answer"] for model in ("one", "two", "three")] == ["B", "A", "A"]


def test_the_same_text_with_other_options_is_another_question() -> None:
    assert key_of("Which is true?", ["a", "b"]) != key_of("Which is true?", ["a", "c"])
    assert key_of("Which  IS true?", ["b", "a"]) == key_of("which is true?", ["A", "b"])


@pytest.mark.parametrize(
    ("golds", "first", "labels"),
    [
        ([0, 1, 2], None, "ABC"),
        ([1, 2, 3], None, "ABC"),
        (["1", "2", "3"], None, "ABC"),
        (["2.0", "0"], None, "CA"),
        ([1, 2], 0, "BC"),
        ([1, 2], 1, "AB"),
        (["a", "(C)"], None, "AC"),
        (["three", "one"], None, "CA"),
        (["D", None], None, [None, None]),
    ],
)
def test_right_answers_are_letters_indices_or_texts(
    golds: list[Any], first: int | None, labels: Any, tmp_path: Path
) -> None:
    with Collector(tmp_path, "d", first_index=first) as collector:
        for n, gold in enumerate(golds):
            collector.add(Record("m", Asked(f"question {n}", ("one", "two", "three"), gold=gold), answer="A"))
        collector.finish()
    assert [row["answer"] for row in questions(tmp_path, "d")] == list(labels)


def test_indices_of_which_none_tells_what_they_count_from_are_refused(tmp_path: Path) -> None:
    with Collector(tmp_path / "data", "d") as collector:
        collector.add(Record("m", Asked("question", ("one", "two", "three"), gold=1), answer="A"))
        with pytest.raises(UserError, match="--index-from"):
            collector.finish()
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("org/model", "org__model"),
        ("../../etc/passwd", "etc__passwd"),
        ("a b:c", "a-b-c"),
        (".hidden", "hidden"),
        ("-rf", "rf"),
        ("x\x00y\ny", "x-y-y"),
    ],
)
def test_a_models_name_is_one_safe_file_name(model: str, name: str) -> None:
    assert file_name(model) == name
    assert len(file_name(model * 90)) <= 80
    assert file_name("é" * 3 + "x") == "x"


def test_two_models_of_one_file_name_are_refused(tmp_path: Path) -> None:
    with Collector(tmp_path / "data", "d") as collector:
        for model in ("Org/m", "org__m"):
            collector.add(Record(model, Asked("q", ("a", "b")), answer="A"))
        with pytest.raises(UserError, match="org__m"):
            collector.finish()
    with pytest.raises(UserError):
        file_name("///")


def test_a_name_of_a_dataset_or_pool_leads_nowhere(tmp_path: Path) -> None:
    files = worlds.routellm(tmp_path / "files")
    for further in ({"dataset": "../up"}, {"pool": "a/b"}, {"dataset": ".x"}):
        with pytest.raises(UserError):
            import_files("routellm", files, tmp_path / "data", **further)
    assert not (tmp_path / "data").exists()


def test_a_second_tool_joins_the_questions_of_the_first(tmp_path: Path) -> None:
    import_files("lm_eval", worlds.lm_eval(tmp_path / "a"), tmp_path / "data", dataset="things", pool="one")
    before = (tmp_path / "data/hub/imported/things/questions.parquet").read_bytes()
    files = worlds.routellm(tmp_path / "b")
    with files[0].open("a") as file:
        file.write("Another question?,True,True\n")
    imported = import_files("routellm", files, tmp_path / "data", dataset="things", pool="two")
    assert all((counts.joined, counts.unmatched) == (worlds.SIZE, 1) for counts in imported.models.values())
    assert (tmp_path / "data/hub/imported/things/questions.parquet").read_bytes() == before
    with pytest.raises(UserError, match="--pool"):
        import_files("routellm", files, tmp_path / "data", dataset="things", pool="two")


def test_scores_of_another_range_are_scaled_and_others_refused(tmp_path: Path) -> None:
    path = worlds.table(tmp_path / "t.csv", [["q", "m"], ["one?", "8"], ["two?", "2"]])
    columns = {"question": "q", "models": "*"}
    with pytest.raises(UserError, match=r"8.*--score-range"):
        import_files("table", [path], tmp_path / "data", columns=columns)
    for limits in ((10, 0), (1, 1), (0, float("inf")), (float("-inf"), 1), (0, float("nan"))):
        with pytest.raises(UserError, match="--score-range"):
            import_files("table", [path], tmp_path / "data", columns=columns, limits=limits)
    import_files("table", [path], tmp_path / "data", columns=columns, limits=(0, 10))
    assert [row["score"] for row in read(tmp_path / "data", "table", "m")] == [0.8, 0.2]


def test_texts_that_fill_the_buffer_are_spilled_and_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rgd.answers.formats.collecting._BUFFER", 100)
    with Collector(tmp_path, "d") as collector:
        for n in range(30):
            collector.add(Record(f"m{n % 2}", Asked(f"question {n}", ("a", "b")), answer="A", text=f"text {n} " * 3))
        collector.finish()
    assert [row["text"] for row in read(tmp_path, "d", "m1")] == [f"text {n} " * 3 for n in range(1, 30, 2)]
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("models", ["*", "first,second"])
def test_a_column_of_answers_for_each_model(form: str, models: str, tmp_path: Path) -> None:
    rows = []
    for n in range(worlds.SIZE):
        options = worlds.options(n)
        said = {"first": "ABCD"[n], "second": f"The answer is ({'AACA'[n]})." if n else None}
        rows.append({"q": worlds.question(n), "a": options[0], "b": options[1], "c": options[2], "d": options[3]})
        rows[-1] |= {"right": "ABCD"[n], **said}
    path = tmp_path / f"t.{form}"
    if form == "csv":
        worlds.table(path, [list(rows[0]), *([cell or "" for cell in row.values()] for row in rows)])
    elif form == "jsonl":
        worlds.lines(path, rows)
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    columns = {"question": "q", "options": "a,b,c,d", "label": "right", "answers": models}
    counts = import_files("table", [path], tmp_path / "data", columns=columns).models
    assert {name: (each.joined, each.right) for name, each in counts.items()} == {"first": (4, 4), "second": (3, 1)}


@pytest.mark.parametrize(
    ("wide", "cells"), [("answers", ["A", "B", "sums"]), ("models", ["1", "0", "sums"])], ids=["answers", "scores"]
)
def test_a_column_that_is_no_models_is_told_to_be_taken_for_one_and_can_be_left_out(
    wide: str, cells: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = worlds.table(tmp_path / "t.csv", [["q", "a", "b", "m1", "m2", "topic"], ["one?", "1", "2", *cells]])
    target = tmp_path / "data"
    given = ["import", "table", str(path), "--to", str(target), "--columns", "question=q", "options=a,b"]
    said = refused(main([*given, f"{wide}=*"]), target, capsys)
    assert "topic" in said
    assert f"{wide}=* " in said
    fix = next(word for word in said.split() if word.startswith(f"{wide}=") and "*" not in word)
    assert main([*given, fix]) == 0
    assert {file.stem for file in target.glob("recorded/table/all/*")} == {"m1", "m2"}


def test_a_named_column_without_an_answer_is_told_nothing_of_other_columns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = worlds.table(tmp_path / "t.csv", [["q", "a", "b", "m1", "topic"], ["one?", "1", "2", "A", "sums"]])
    target = tmp_path / "data"
    columns = ["question=q", "options=a,b", "answers=m1,topic"]
    said = refused(main(["import", "table", str(path), "--to", str(target), "--columns", *columns]), target, capsys)
    assert "topic" in said
    assert "*" not in said


@pytest.mark.parametrize(
    "given",
    [
        {"question": "prmpt", "answers": "*"},
        {"question": "prompt", "options": "a,prmpt", "answers": "*"},
        {"question": "prompt", "models": "score,prmpt"},
        {"question": "prompt", "answer": "prmpt"},
    ],
)
@pytest.mark.parametrize(
    ("form", "place"), [("csv", "line 1:"), ("tsv", "line 1:"), ("jsonl", "line 1:"), ("parquet", "")]
)
def test_a_column_that_is_not_there_is_a_fault_of_the_header(
    form: str, place: str, given: dict[str, str], tmp_path: Path
) -> None:
    rows = [{"prompt": "one?", "a": "1", "score": "1"}, {"prompt": "two?", "a": "2", "score": "0"}]
    path = tmp_path / f"t.{form}"
    if form == "jsonl":
        worlds.lines(path, rows)
    elif form == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        separator = "," if form == "csv" else "\t"
        path.write_text(
            "".join(f"{separator.join(cells)}\n" for cells in [rows[0].keys(), *(row.values() for row in rows)])
        )
    with pytest.raises(UserError, match="prmpt") as error:
        import_files("table", [path], tmp_path / "data", columns=given)
    said = str(error.value)
    assert said.startswith(f"{path}, {place}" if place else f"{path}: ")
    # The nearest column.
    assert re.search(r"\bprompt\b", said)


def test_tables_are_read_in_every_form(tmp_path: Path) -> None:
    rows = [
        {"q": worlds.question(n), "o": worlds.options(n), "said": worlds.options(n)[n], "right": n} for n in range(4)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "mine.parquet")
    worlds.lines(tmp_path / "yours.jsonl", rows[:3])
    columns = {"question": "q", "options": "o", "answer": "said", "label": "right"}
    imported = import_files("table", [tmp_path], tmp_path / "data", columns=columns)
    assert {model: (counts.right, counts.joined) for model, counts in imported.models.items()} == {
        "mine": (4, 4),
        "yours": (3, 3),
    }


@pytest.mark.parametrize("columns", [["x=1"], ["question"], ["question=a", "question=b"], ["answer=a"], ["question=a"]])
def test_columns_that_do_not_fit_are_refused(
    columns: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = worlds.table(tmp_path / "t.csv", [["a"], ["b"]])
    target = tmp_path / "data"
    refused(main(["import", "table", str(path), "--to", str(target), "--columns", *columns]), target, capsys)


def test_examples_and_instructions_are_no_part_of_a_question() -> None:
    prompt = "Which is first?\nA) x\nB) y\nAnswer:\nA\n\nWhich is last?\nA) v\nB) w\nPrint a letter.\nAnswer:"
    assert split_options(prompt) == ("Which is last?", ("v", "w"))
    assert split_options("<|im_start|>user\nWas ist es?A:eins;B:zwei。<|im_end|>\n") == (
        "Was ist es?",
        ("eins", "zwei。"),
    )
    assert split_options("Write a poem.") == ("Write a poem.", ())


def test_the_older_name_of_the_released_format_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["import-released", "x", "y"], ["import", "released", "x", "--to", "y"]):
        assert main(arguments) == 1
        assert "Model_Responses" in capsys.readouterr().err


def test_of_several_filters_of_lm_eval_the_first_is_kept(tmp_path: Path) -> None:
    path = worlds.lm_eval(tmp_path / "files")[1]
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    second = [row | {"filter": "flexible-extract", "filtered_resps": ["(D)"]} for row in rows]
    worlds.lines(path, [*(row | {"filter": "strict-match"} for row in rows), *second])
    (counts,) = import_files("lm_eval", [path], tmp_path / "data").models.values()
    assert (counts.read, counts.repeated, counts.joined, counts.right) == (8, 4, 4, worlds.RIGHT[1])


def test_older_samples_of_lm_eval_have_lists_of_arguments_and_a_folder_for_the_model(tmp_path: Path) -> None:
    for path in worlds.lm_eval(tmp_path / "files"):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        older = [row | {"arguments": [list(each.values()) for each in row["arguments"].values()]} for row in rows]
        worlds.lines(path, older)
        for results in path.parent.glob("results_*.json"):
            results.unlink()
    imported = import_files("lm_eval", [tmp_path / "files"], tmp_path / "data")
    assert {model: counts.right for model, counts in imported.models.items()} == dict(
        zip(worlds.NAMES, worlds.RIGHT, strict=True)
    )


def test_further_epochs_and_perturbed_instances_are_other_versions(tmp_path: Path) -> None:
    evaluated, samples = worlds.inspect_log(worlds.MODELS[0], worlds.ANSWERS[0])
    further = [sample | {"epoch": 2} for sample in samples]
    path = worlds.document(tmp_path / "log.json", {"eval": evaluated, "samples": [*samples, *further]})
    (counts,) = import_files("inspect", [path], tmp_path / "one").models.values()
    assert (counts.joined, counts.repeated) == (worlds.SIZE, worlds.SIZE)
    path = worlds.helm(tmp_path / "runs")[0]
    content = json.loads(path.read_text())
    states = content["request_states"]
    perturbed = [state | {"instance": state["instance"] | {"perturbation": {"name": "typos"}}} for state in states]
    worlds.document(path, content | {"request_states": [*states, *perturbed]})
    (counts,) = import_files("helm", [path], tmp_path / "two").models.values()
    assert (counts.joined, counts.repeated) == (worlds.SIZE, worlds.SIZE)


def test_failed_lines_of_a_batch_count_for_its_model(tmp_path: Path) -> None:
    files = worlds.openai_batch(tmp_path / "files")[:2]
    rows = [json.loads(line) for line in files[1].read_text().splitlines()]
    error = {"status_code": 429, "body": {"error": {"message": "rate limit"}}}
    rows[0] |= {"response": error}
    rows[1] |= {"response": None, "error": {"code": "batch_expired"}}
    worlds.lines(files[1], rows)
    (counts,) = import_files("openai_batch", files, tmp_path / "data").models.values()
    assert (counts.failed, counts.answered, counts.unreadable, counts.accuracy) == (2, 2, 0, 0.5)
