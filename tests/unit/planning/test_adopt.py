"""Taking over results that were made elsewhere: what is vouched for, what is not, and in which order files stand."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from rgd.artifacts.digests import digest
from rgd.artifacts.provenance import beside, known_digest, read_provenance, write_provenance
from rgd.errors import UserError
from rgd.planning.adopt import REFUSED, adopt, lines
from rgd.planning.changes import Change
from rgd.planning.explain import Standing, tell
from rgd.planning.explain import lines as story_lines

LIMIT = 1000


class Memory:
    """Snakemake's records, in a dictionary."""

    def __init__(self, *known: str) -> None:
        self.records: dict[str, dict[str, Any]] = {path: {} for path in known}

    def knows(self, path: str) -> bool:
        return path in self.records

    def write(
        self, path: str, rule: str, inputs: list[str], parameters: list[Any], checksums: Mapping[str, str], made: float
    ) -> None:
        self.records[path] = {"rule": rule, "inputs": inputs, "parameters": parameters, "checksums": dict(checksums)}


def make(root: Path, rule: str, outputs: list[str], inputs: list[str], **parameters: Any) -> None:
    """Artifacts as a job leaves them; each says its own name."""
    for name in outputs:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    write_provenance(
        root,
        rule=rule,
        inputs=[str(root / name) for name in inputs],
        outputs=[str(root / name) for name in outputs],
        parameters=parameters,
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "results"
    make(root, "benchmark_questions", ["questions/d/q.parquet", "labels/d/q.parquet"], [], seed=0)
    make(root, "answer", ["asked/answers/d/q/m.json"], ["questions/d/q.parquet"], settings="{}")
    make(root, "table", ["tables/e/a.parquet", "tables/e/a.csv"], ["asked/answers/d/q/m.json"], slice="{}", count=None)
    (root / "store/key").mkdir(parents=True)
    (root / "store/key/chunk.parquet").write_text("answers")
    return root


ALL = 5


def test_everything_that_provenance_vouches_for_is_taken_over_with_what_it_was_made_with(root: Path) -> None:
    memory = Memory()
    done = adopt(root, memory, LIMIT)
    assert (done.adopted, done.known, done.refused) == (ALL, 0, {})
    assert memory.records[f"{root}/tables/e/a.csv"] == {
        "rule": "table",
        "inputs": [f"{root}/asked/answers/d/q/m.json"],
        "parameters": [None, "{}"],
        "checksums": {f"{root}/asked/answers/d/q/m.json": digest(root / "asked/answers/d/q/m.json")},
    }
    assert lines(done)[0].startswith(f"{ALL} ")


def test_an_input_that_a_rule_takes_in_two_places_counts_twice(root: Path) -> None:
    question = "questions/d/q.parquet"
    make(root, "neighbours", ["neighbours/d/real.parquet"], [question, question])
    memory = Memory()
    adopt(root, memory, LIMIT)
    assert memory.records[f"{root}/neighbours/d/real.parquet"]["inputs"] == 2 * [f"{root}/{question}"]


def test_what_snakemake_knows_stays_as_it_is(root: Path) -> None:
    memory = Memory(f"{root}/asked/answers/d/q/m.json")
    done = adopt(root, memory, LIMIT)
    assert (done.adopted, done.known) == (ALL - 1, 1)
    assert memory.records[f"{root}/asked/answers/d/q/m.json"] == {}


def test_another_content_is_not_taken_over_nor_what_was_made_from_it(root: Path) -> None:
    (root / "questions/d/q.parquet").write_text("edited")
    memory = Memory()
    done = adopt(root, memory, LIMIT)
    assert set(done.refused) == {"questions/d/q.parquet", "asked/answers/d/q/m.json"}
    (refusal,) = memory.records[f"{root}/asked/answers/d/q/m.json"]["parameters"]
    assert refusal == REFUSED + done.refused["asked/answers/d/q/m.json"]
    assert "questions/d/q.parquet" in refusal
    assert f"  asked/answers/d/q/m.json: {done.refused['asked/answers/d/q/m.json']}" in lines(done)


def test_a_file_without_provenance_is_not_taken_over(root: Path) -> None:
    beside(root / "asked/answers/d/q/m.json").unlink()
    assert set(adopt(root, Memory(), LIMIT).refused) == {"asked/answers/d/q/m.json"}


def test_a_provenance_that_cannot_be_read_is_none(root: Path) -> None:
    beside(root / "asked/answers/d/q/m.json").write_text("{")
    assert set(adopt(root, Memory(), LIMIT).refused) == {"asked/answers/d/q/m.json"}


def test_a_copy_of_the_last_files_alone_is_taken_over(root: Path) -> None:
    shutil.rmtree(root / "questions")
    shutil.rmtree(root / "asked")
    done = adopt(root, Memory(), LIMIT)
    assert done.refused == {}
    assert done.adopted == 3


def test_no_output_is_older_than_its_inputs_afterwards(root: Path) -> None:
    for age, name in enumerate(
        ["tables/e/a.parquet", "tables/e/a.csv", "asked/answers/d/q/m.json", "questions/d/q.parquet"]
    ):
        os.utime(root / name, (1000 + age, 1000 + age))
    adopt(root, Memory(), LIMIT)
    times = [
        (root / name).stat().st_mtime
        for name in ("questions/d/q.parquet", "asked/answers/d/q/m.json", "tables/e/a.csv")
    ]
    assert times == sorted(times)
    assert beside(root / "asked/answers/d/q/m.json").stat().st_mtime >= times[1]


def test_large_inputs_have_no_checksum_in_the_record(root: Path) -> None:
    memory = Memory()
    adopt(root, memory, 3)
    assert memory.records[f"{root}/asked/answers/d/q/m.json"]["checksums"] == {}


def test_a_known_digest_is_read_from_the_provenance_only_while_that_is_current(root: Path) -> None:
    path = root / "asked/answers/d/q/m.json"
    before = digest(path)
    path.write_text("another")
    os.utime(path, ns=(beside(path).stat().st_mtime_ns + 1,) * 2)
    assert known_digest(path) == digest(path) != before
    os.utime(path, ns=(beside(path).stat().st_mtime_ns,) * 2)
    assert known_digest(path) == before


def test_provenance_names_no_folder_of_the_machine(root: Path, tmp_path: Path) -> None:
    (tmp_path / "own.jsonl").write_text("data")
    write_provenance(
        root,
        rule="r",
        inputs=[str(tmp_path / "own.jsonl")],
        outputs=[str(root / "asked/answers/d/q/m.json")],
        parameters={},
    )
    content = read_provenance(root / "asked/answers/d/q/m.json")
    assert content is not None
    assert list(content["inputs"]) == ["elsewhere/own.jsonl"]
    assert str(tmp_path) not in beside(root / "asked/answers/d/q/m.json").read_text()


def test_the_story_of_a_file_goes_back_to_the_first_one_also_from_an_output_without_provenance_of_its_own(
    root: Path,
) -> None:
    story = tell(root, root / "tables/e/a.csv")
    assert set(story.steps) == {"tables/e/a.csv", "asked/answers/d/q/m.json", "questions/d/q.parquet"}
    stands = Standing("e", "current", [])
    text = "\n".join(story_lines(story, stands, []))
    assert "benchmark_questions" in text
    assert "seed=0" in text
    assert "CHANGE" not in text
    changed = story_lines(story, stands, [(Change("data", "CHANGE"), ["asked/answers/d/q/m.json"])])
    assert changed[-2:] == ["  CHANGE", "    asked/answers/d/q/m.json"]


def test_a_file_of_which_nothing_is_told_is_named(root: Path) -> None:
    beside(root / "questions/d/q.parquet").unlink()
    (root / "questions/d/q.parquet").touch()
    beside(root / "labels/d/q.parquet").unlink()
    assert tell(root, root / "tables/e/a.csv").lost == ("questions/d/q.parquet",)
    with pytest.raises(UserError, match=r"questions/d/q\.parquet .*provenance"):
        tell(root, root / "questions/d/q.parquet")
    with pytest.raises(UserError, match=r"snakemake .*questions/absent\.parquet"):
        tell(root, root / "questions/absent.parquet")


@pytest.mark.parametrize("key", ["outputs", "inputs", "parameters", "made", "rule"])
@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        7,
        "x",
        "9999-99-99",
        {"../../secret": "x"},
        {"/etc/passwd": "x"},
        {"a": None},
        {"a": []},
        [[]],
        True,
    ],
)
def test_a_provenance_that_says_anything_else_takes_nothing_over(root: Path, key: str, value: Any) -> None:
    """Results come from elsewhere, and so does what lies beside them."""
    file = beside(root / "asked/answers/d/q/m.json")
    content = json.loads(file.read_text()) | {key: value}
    file.write_text(json.dumps(content))
    memory = Memory()
    done = adopt(root, memory, LIMIT)
    assert done.adopted + len(done.refused) == ALL
    assert all(
        ".." not in path and path.startswith(f"{root}/")
        for record in memory.records.values()
        for path in record["inputs"]
    )


@pytest.mark.parametrize("text", ["", "[", "[]", "null", "7", "\x00", '{"outputs": 1e999}'])
def test_a_provenance_that_is_none_takes_nothing_over(root: Path, text: str) -> None:
    beside(root / "asked/answers/d/q/m.json").write_text(text)
    assert "asked/answers/d/q/m.json" in adopt(root, Memory(), LIMIT).refused
