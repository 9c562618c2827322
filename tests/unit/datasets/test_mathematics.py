"""The adapter of mathematical questions: rows of our own in the layout of MATH, its sample and its own parts."""

import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from rgd.answers.latex import boxed
from rgd.config.schema import Dataset
from rgd.datasets.base import Question, sample, sound
from rgd.datasets.mathematics import questions
from rgd.datasets.splits import split
from rgd.errors import UserError
from tests import ROOT

DATA = Path(os.environ.get("RGD_TEST_DATA", ROOT.parent / "shared" / "data"))
MATH_500 = DATA / "hub/HuggingFaceH4/MATH-500/test.parquet"
MATH = yaml.safe_load((ROOT / "config/dataset/math.yaml").read_text())


def write(folder: Path, train: int = 12, test: int = 5) -> dict[str, Any]:
    """Problems in every subject of config/dataset/math.yaml; its settings, with a sample of 50 of the train part."""
    spec = Dataset.model_validate(MATH)
    assert spec.source is not None
    for task in spec.tasks:
        (folder / task).mkdir()
        for part, count in (("train", train), ("test", test)):
            rows = [
                {
                    "problem": f"In {task}, {part}: halve {number}.",
                    "level": "Level 1",
                    "type": task.title(),
                    "solution": rf"Half of {number} is $\boxed{{\frac{{{number}}}{{2}}}}$.",
                }
                for number in range(count)
            ]
            pq.write_table(pa.Table.from_pylist(rows), folder / task / f"{part}.parquet")
    return {
        "source": spec.source.model_dump() | {"sample": {"train": 50}},
        "tasks": list(spec.tasks),
        "seed": spec.seed,
    }


def test_the_rows_of_all_subjects_and_parts(tmp_path: Path) -> None:
    settings = write(tmp_path)
    found = questions(settings, tmp_path)
    assert Counter(question.part for question in found) == {"train": 7 * 12, "test": 7 * 5}
    assert found[3] == Question(
        "algebra-train-00003", "algebra", "In algebra, train: halve 3.", (), "latex", r"\frac{3}{2}", "train"
    )
    kept, dropped = sound(found)
    assert (kept, dropped) == (found, [])
    chosen = sample(kept, settings["source"]["sample"], settings["seed"])
    assert Counter(question.part for question in chosen) == {"train": 50, "test": 7 * 5}


def test_a_solution_without_a_box_is_dropped(tmp_path: Path) -> None:
    settings = write(tmp_path, train=1, test=1)
    rows = [{"problem": "P?", "solution": solution} for solution in ("It is 3.", None, r"\boxed{3}")]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "algebra/train.parquet")
    kept, dropped = sound(questions(settings, tmp_path))
    assert [(fault.query_id, fault.reason) for fault in dropped] == [
        ("algebra-train-00000", "no label"),
        ("algebra-train-00001", "no label"),
    ]
    assert kept[0].label == "3"


def test_a_label_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text('q,a\nHalf of 3?," \\frac32 "\n')
    columns = {
        "id": None,
        "question": "q",
        "options": None,
        "label": "a",
        "label_form": "text",
        "task": None,
        "part": None,
    }
    settings = {"source": {"file": "own.csv", "rows": None, "columns": columns}, "tasks": ["halves"]}
    assert questions(settings, tmp_path) == [
        Question("row-00000", "halves", "Half of 3?", (), "latex", r"\frac32", None)
    ]
    with pytest.raises(UserError, match=r"mathematics.*source"):
        questions(settings, None)


@pytest.mark.skipif(not MATH_500.is_file(), reason="no mirror of the hub (RGD_TEST_DATA)")
def test_the_answers_of_math_500_are_the_boxes_of_its_solutions() -> None:
    rows = pq.read_table(MATH_500).to_pylist()
    assert [boxed(row["solution"]) for row in rows] == [row["answer"] for row in rows]


def test_own_parts_are_kept_under_every_seed_and_the_test_part_stays_whole() -> None:
    ids = np.array([f"q{row}" for row in range(40)], dtype=object)
    tasks = np.array(["a", "b"] * 20, dtype=object)
    parts = {query_id: "test" if row >= 25 else "train" for row, query_id in enumerate(ids.tolist())}
    table = split(ids, tasks, [0, 1], 0.6, 3, parts).to_pandas()
    for _, of_seed in table.groupby("seed"):
        assert Counter(of_seed["part"]) == {"test": 15, "train": 19, "reserved": 6}
        assert set(of_seed[of_seed["part"] == "test"]["query_id"]) == {name for name in ids if parts[name] == "test"}
    assert split(ids, tasks, [0, 1], 0.6, 3, {}).equals(split(ids, tasks, [0, 1], 0.6, 3))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"columns": None}, r"mathematics.*source\.columns"),
        ({"columns": {"question": "q", "label": "a", "label_form": "letter"}}, r"label_form = letter.*text, boxed"),
        (
            {"columns": {"question": "q", "label": "a", "label_form": "text", "options": "o"}},
            r"source\.columns\.options.*mathematics",
        ),
        ({"file": "all.parquet", "remote": None}, r"source\.columns\.task"),
        ({"file": "{subject}.parquet"}, r"\{subject\}.*\{task\}.*\{part\}"),
        ({"file": "../{task}.parquet"}, r"\.\./\{task\}\.parquet"),
        ({"repo": None}, "revision .*remote .*repo"),
    ],
)
def test_a_file_that_cannot_be_is_told(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Dataset.model_validate(MATH | {"source": MATH["source"] | change})
