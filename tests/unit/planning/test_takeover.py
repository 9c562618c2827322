"""Results of an earlier version: what is taken over, what runs again, and that no call twice or cut short does harm."""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rgd.artifacts.fingerprint import ROOT as SCRIPTS
from rgd.artifacts.fingerprint import follow, parameter
from rgd.artifacts.locks import Lock, lock
from rgd.artifacts.provenance import beside, read_provenance, write_provenance
from rgd.config.slices import canonical
from rgd.planning import takeover
from rgd.planning.takeover import KNOWN_CODE, RECORDS, RULES, Remembered, plugins_of_now, take_over
from rgd.workflow import run_lock
from rgd.workflow.code import questions_beside

KNOWN = json.loads(KNOWN_CODE.read_text())


class Memory:
    """Snakemake's records, kept in a mapping that tests look into."""

    def __init__(self) -> None:
        self.records: dict[str, Remembered] = {}

    def remembered(self, path: str) -> Remembered | None:
        return self.records.get(path)

    def replace(self, path: str, old_path: str, content: Remembered) -> None:
        self.records.pop(old_path, None)
        self.records[path] = content


def code(script: str, fingerprint: str, **more: Any) -> str:
    return json.dumps({"fingerprint": fingerprint, "of": [script], **more}, sort_keys=True, separators=(",", ":"))


def libraries(script: str) -> Mapping[str, str]:
    return follow(script).libraries


class World:
    """Results as an earlier version left them."""

    def __init__(self, root: Path) -> None:
        self.root, self.memory = root, Memory()
        self.models: list[str] = []
        before = KNOWN["recorded_responses"]["before"][0]
        self.make("answer", "answered/d/q/m.json", ["questions/d/q.parquet"], settings="{}")
        self.make("draw_queries", "draws/d/g.json", ["questions/d/q.parquet"], settings="{}", slice="{}")
        self.make(
            "recorded_responses",
            "responses/d/q/m.parquet",
            ["answered/d/q/m.json", "questions/d/q.parquet"],
            settings="{}",
            code=code("recorded_responses.py", before),
        )
        self.make("fit", "routers/d/s/p/r.parquet", ["responses/d/q/m.parquet"], code=code("fit.py", "0" * 16))
        (root / "benchmarks/answer/d/q").mkdir(parents=True)
        (root / "benchmarks/answer/d/q/m.jsonl").write_text("{}")

    def make(self, rule: str, name: str, inputs: list[str], **parameters: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
        for item in inputs:
            (self.root / item).parent.mkdir(parents=True, exist_ok=True)
            (self.root / item).touch()
        write_provenance(
            self.root,
            rule=rule,
            inputs=[str(self.root / item) for item in inputs],
            outputs=[str(path)],
            parameters=parameters,
        )
        self.memory.records[str(path)] = Remembered(
            rule,
            tuple(sorted(str(self.root / item) for item in inputs)),
            tuple(sorted(map(repr, parameters.values()))),
            {str(self.root / inputs[0]): "sha256:0"},
        )

    def take_over(self) -> int:
        return take_over(self.root, lambda: self.memory, self.models, self.root.parent / ".snakemake")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "results")


def test_records_of_what_was_asked_move_with_their_times_and_with_what_is_remembered(world: World) -> None:
    old = world.root / "answered/d/q/m.json"
    when = old.stat().st_mtime_ns
    assert world.take_over() == 3
    new = world.root / "asked/answers/d/q/m.json"
    assert new.stat().st_mtime_ns == when
    now = parameter(follow("ask_answers.py"), "ask_answers.py")
    assert world.memory.records[str(new)].parameters == tuple(sorted([repr("{}"), repr(now)]))
    assert world.memory.records[str(new)].rule == "ask_answers"
    assert str(old) not in world.memory.records
    assert not any((world.root / name).exists() for name in RECORDS)
    assert (world.root / "benchmarks/ask_answers/d/q/m.jsonl").is_file()
    told = read_provenance(new)
    assert told is not None
    assert (told["rule"], list(told["outputs"])) == ("ask_answers", ["asked/answers/d/q/m.json"])


def test_code_that_makes_the_same_is_remembered_as_the_code_of_now(world: World) -> None:
    path = world.root / "responses/d/q/m.parquet"
    when = beside(path).stat().st_mtime_ns
    world.take_over()
    remembered = world.memory.records[str(path)]
    now = parameter(follow("recorded_responses.py"), "recorded_responses.py")
    assert repr(now) in remembered.parameters
    assert f"{world.root}/asked/answers/d/q/m.json" in [*remembered.inputs, *remembered.checksums]
    told = read_provenance(path)
    assert told is not None
    assert told["parameters"]["code"] == now
    assert json.loads(told["made_with"])["of"] == ["recorded_responses.py"]
    assert beside(path).stat().st_mtime_ns == when


def test_code_of_a_renamed_rule_that_makes_the_same_is_remembered_as_the_code_of_now(world: World) -> None:
    before = KNOWN["human_descriptions"]["before"][0]
    world.make("descriptions", "descriptions/d/h.parquet", ["sources/d.json"], code=code("descriptions.py", before))
    world.take_over()
    remembered = world.memory.records[f"{world.root}/descriptions/d/h.parquet"]
    assert remembered.rule == "human_descriptions"
    assert repr(parameter(follow("human_descriptions.py"), "human_descriptions.py")) in remembered.parameters


def test_code_that_may_make_something_else_is_left_to_run_again(world: World) -> None:
    before = dict(world.memory.records)
    world.make("responses", "responses/d/q/n.parquet", ["questions/d/q.parquet"], code=code("responses.py", "f" * 16))
    before |= world.memory.records
    world.take_over()
    for name in ("routers/d/s/p/r.parquet", "responses/d/q/n.parquet"):
        assert world.memory.records[str(world.root / name)] == before[str(world.root / name)]


@pytest.mark.parametrize(
    ("dropped", "runs_again"),
    [([], False), (["repeated option"], False), (["repeated option", "label outside the options"], True)],
)
def test_questions_are_read_again_only_if_rows_lacked_a_readable_label(
    world: World, dropped: list[str], runs_again: bool
) -> None:
    adapter = "rgd.datasets.multiple_choice"
    before = KNOWN["benchmark_questions"]["before"][1]
    said = json.dumps(
        {"fingerprint": before, "of": ["benchmark_questions.py", adapter]}, sort_keys=True, separators=(",", ":")
    )
    pq.write_table(pa.table({"reason": pa.array(dropped, pa.string())}), _folder(world.root / "dropped") / "e.parquet")
    world.make("benchmark_questions", "questions/e/benchmark.parquet", ["sources/e.json"], code=said)
    path = f"{world.root}/questions/e/benchmark.parquet"
    old = world.memory.records[path]
    world.take_over()
    assert (world.memory.records[path] == old) == runs_again


@pytest.mark.parametrize(("confidence", "runs_again"), [(-0.2, False), (None, False), (-33.5, True), (0.4, True)])
def test_answers_are_read_again_only_if_a_confidence_is_no_measurement(
    world: World, confidence: float | None, runs_again: bool
) -> None:
    path = world.root / "responses/d/q/m.parquet"
    kind = "none" if confidence is None else "mean_log_probability"
    rows = {"confidence": [-0.1, confidence], "confidence_kind": ["mean_log_probability", kind]}
    pq.write_table(pa.table({**rows, "completion_tokens": [10, 300]}), path)
    old = world.memory.records[str(path)]
    world.take_over()
    assert (world.memory.records[str(path)] == old) == runs_again


def _folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


@pytest.mark.parametrize(
    ("versions", "runs_again"),
    [({"numpy": "0.0.1"}, True), ({**libraries("splits.py"), "of-no-more-use": "1"}, False)],
)
def test_another_version_of_a_library_that_still_counts_runs_again(
    world: World, versions: dict[str, str], runs_again: bool
) -> None:
    path, old = "splits/d.parquet", code("splits.py", KNOWN["splits"]["before"][0], libraries=versions)
    world.make("splits", path, ["questions/d/q.parquet"], code=old)
    before = world.memory.records[str(world.root / path)]
    world.take_over()
    assert (world.memory.records[str(world.root / path)] == before) == runs_again


SHA, FOLDER = "ab" * 32, "path:models/own"
LOCAL = {"chat": {}, "dtype": "float32", "max_model_len": 256, "sampling": None, "way": "likelihood", "weights": SHA}
SERVED = LOCAL | {"dtype": "served", "way": "generate", "weights": "openai:m"}
VECTORS = {"dimension": 8, "dtype": "float32", "max_model_len": 128, "pooling": None, "weights": SHA}


@pytest.mark.parametrize(
    ("before", "now", "models"),
    [
        (LOCAL, LOCAL, [SHA]),
        (LOCAL, LOCAL | {"weights": f"{SHA}+0123456789ab"}, [f"{SHA}+0123456789ab"]),
        (LOCAL | {"weights": FOLDER}, LOCAL | {"weights": f"{FOLDER}@{'0' * 20}"}, [f"{FOLDER}@{'0' * 20}"]),
        (VECTORS, VECTORS | {"weights": f"{SHA}+0123456789ab"}, [f"{SHA}+0123456789ab"]),
        (SERVED, SERVED | {"max_model_len": None}, []),
        (VECTORS | {"dtype": "served"}, VECTORS | {"dtype": "served"}, []),
    ],
)
def test_what_says_more_or_less_about_a_model_runs_nothing_again(
    world: World, before: Any, now: Any, models: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "models/own/config.json"
    own.parent.mkdir(parents=True)
    own.write_text("{}")
    os.utime(own, (1e9, 1e9))
    world.models = models
    world.make("ask_answers", "asked/answers/d/q/n.json", ["questions/d/q.parquet"], settings=canonical(before))
    world.take_over()
    assert repr(canonical(now)) in world.memory.records[f"{world.root}/asked/answers/d/q/n.json"].parameters


def test_weights_written_since_an_output_was_made_run_again(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    world.models = [f"{FOLDER}@{'0' * 20}"]
    said = canonical(LOCAL | {"weights": FOLDER})
    world.make("ask_answers", "asked/answers/d/q/n.json", ["questions/d/q.parquet"], settings=said)
    own = tmp_path / "models/own/config.json"
    own.parent.mkdir(parents=True)
    own.write_text("{}")
    os.utime(own, (2e9, 2e9))
    world.take_over()
    assert repr(said) in world.memory.records[f"{world.root}/asked/answers/d/q/n.json"].parameters


def test_results_without_records_are_taken_over_by_their_provenance(world: World) -> None:
    """As for results that were copied here, which `rgd adopt` records."""
    world.models = [f"{SHA}+0123456789ab"]
    world.make("ask_answers", "asked/answers/d/q/n.json", ["questions/d/q.parquet"], settings=canonical(LOCAL))
    world.memory.records.clear()
    world.take_over()
    told = read_provenance(world.root / "asked/answers/d/q/n.json")
    assert told is not None
    assert told["parameters"] == {
        "settings": canonical(LOCAL | {"weights": f"{SHA}+0123456789ab"}),
        "code": parameter(follow("ask_answers.py"), "ask_answers.py"),
    }
    read = read_provenance(world.root / "responses/d/q/m.parquet")
    assert read is not None
    assert read["parameters"]["code"] == parameter(follow("recorded_responses.py"), "recorded_responses.py")


def test_rules_that_ask_get_the_code_of_now_unless_it_asks_something_else(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"{world.root}/asked/answers/d/q/m.json"
    now = parameter(follow("ask_answers.py"), "ask_answers.py")
    monkeypatch.setattr(takeover, "follow", lambda script, *_: follow("ask_features.py"))
    world.take_over()
    assert repr(now) not in world.memory.records[path].parameters
    monkeypatch.undo()
    (world.root.parent / ".snakemake" / takeover.DONE).unlink()
    world.take_over()
    assert repr(now) in world.memory.records[path].parameters


def test_a_second_call_does_nothing_and_one_that_was_cut_short_is_made_good(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = takeover._move
    monkeypatch.setattr(takeover, "_move", lambda old, new: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        world.take_over()
    monkeypatch.setattr(takeover, "_move", moved)
    world.take_over()
    assert (world.root / "asked/answers/d/q/m.json").is_file()
    assert world.memory.records[f"{world.root}/asked/answers/d/q/m.json"].rule == "ask_answers"
    settled = dict(world.memory.records)
    assert world.take_over() == 0
    assert world.memory.records == settled


def test_nothing_is_touched_while_a_run_is_under_way(world: World, tmp_path: Path) -> None:
    state = tmp_path / ".snakemake"
    state.mkdir(exist_ok=True)
    before = {path: path.read_bytes() for path in world.root.rglob("*") if path.is_file()}
    with (state / run_lock.NAME).open("ab+") as other:
        assert lock(other, wait=False) is Lock.TAKEN
        assert world.take_over() == 0
    assert {path: path.read_bytes() for path in world.root.rglob("*") if path.is_file()} == before


def test_the_list_of_known_code_is_of_this_checkout() -> None:
    """Where this fails, a rule's code has changed since the list was written.

    Does it make the same files as before, for every input? Then write the list anew (python -m dev.known_code OLD, with a
    checkout of the version that it is about). Otherwise take the rule out of the list there: it then runs again in old projects.
    """
    for rule, lists in KNOWN.items():
        plugins = [()] if rule != "benchmark_questions" else _adapters()
        script = f"{rule}.py"
        found = {follow(script, plugins_of_now(script, each), questions_beside(each)).fingerprint for each in plugins}
        assert found <= set(lists["now"]), rule


def _adapters() -> list[tuple[str, ...]]:
    from dev.known_code import ADAPTERS

    return [(f"rgd.datasets.{adapter}",) for adapter in ADAPTERS]


def test_every_rule_with_another_name_is_there() -> None:
    text = "".join(path.read_text() for path in (SCRIPTS.parent / "rules").glob("*.smk"))
    rules = set(re.findall(r"^rule (\w+):", text, re.MULTILINE))
    assert set(RULES.values()) <= rules
    assert not set(RULES) & rules
    assert set(KNOWN) <= rules
    assert os.path.basename(KNOWN_CODE) == "known_code.json"
