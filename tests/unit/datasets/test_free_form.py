"""Questions without options, and options that are the same for every question: what each kind of answer takes for a label."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from rgd.answers.kinds import YES_AND_NO
from rgd.config.schema import Dataset
from rgd.datasets import free_form, multiple_choice
from rgd.datasets.base import sound

COLUMNS: dict[str, Any] = {
    "id": None,
    "question": "question",
    "options": None,
    "same_options": None,
    "label": "label",
    "label_form": "text",
    "task": None,
    "part": None,
}


def read(folder: Path, kind: str, labels: list[Any], suffix: str = ".jsonl", **columns: Any) -> list[tuple[str, str]]:
    """The label of each usable question and the reasons of the others, in the order of the rows."""
    file = folder / f"rows{suffix}"
    if suffix == ".csv":
        with file.open("w", newline="") as rows:
            csv.writer(rows).writerows([("question", "label"), *((f"Which {n}?", x) for n, x in enumerate(labels))])
    else:
        file.write_text(
            "".join(json.dumps({"question": f"Which {n}?", "label": x}) + "\n" for n, x in enumerate(labels))
        )
    source = {"file": file.name, "rows": None, "columns": COLUMNS | columns}
    adapter = multiple_choice if kind == "option_text" else free_form
    found = adapter.questions({"source": source, "tasks": ["t"], "answer_kind": kind}, folder)
    assert {question.answer_kind for question in found} == {kind}
    kept, dropped = sound(found)
    outcomes = {question.query_id: ("kept", question.label) for question in kept}
    outcomes |= {row.query_id: ("dropped", row.reason) for row in dropped}
    return [outcomes[question.query_id] for question in found]


def test_labels_that_are_numbers(tmp_path: Path) -> None:
    found = read(tmp_path, "number", [12, 3.5, "1,200 m", "3/4", "50%", "", None, "about two", "3 to 4"])
    assert found == [
        *(("kept", label) for label in ("12", "3.5", "1,200 m", "3/4", "50%")),
        *[("dropped", "no label")] * 2,
        ("kept", "about two"),
        ("dropped", "label is no number"),
    ]


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_labels_that_are_words(tmp_path: Path, suffix: str) -> None:
    listed = json.dumps if suffix == ".csv" else list
    labels = ["The Nile", listed(["Paris", "paris."]), listed(["Rome", "Athens"]), "", "[sic]"]
    assert read(tmp_path, "text", labels, suffix) == [
        ("kept", "The Nile"),
        ("kept", "Paris"),
        ("dropped", "several accepted answers"),
        ("dropped", "no label"),
        ("kept", "[sic]"),
    ]


def test_labels_that_are_yes_or_no(tmp_path: Path) -> None:
    labels = [True, "yes", "Y e s", 1, "TRUE", False, "no", 0, "False", "maybe", "", None]
    assert read(tmp_path, "yes_no", labels) == [
        ("kept", "A"),
        ("kept", "A"),
        ("dropped", "label outside the options"),
        ("kept", "A"),
        ("kept", "A"),
        *[("kept", "B")] * 4,
        ("dropped", "label outside the options"),
        *[("dropped", "no label")] * 2,
    ]
    assert YES_AND_NO == ("Yes", "No")


def test_options_that_are_the_same_for_every_question(tmp_path: Path) -> None:
    found = read(tmp_path, "option_text", ["bad", "Good", "so so", "great"], same_options=["bad", "good", "so-so"])
    assert found == [("kept", "A"), ("kept", "B"), ("kept", "C"), ("dropped", "label outside the options")]
    alike = read(tmp_path, "option_text", ["yes", "no"], same_options=["yes", "Yes", "no"])
    assert alike == [("dropped", "options alike")] * 2


GIVEN: dict[str, Any] = {
    "title": "Own",
    "adapter": "free_form",
    "source": {"file": "a.csv", "columns": {"question": "q", "label": "a", "label_form": "text"}},
    "tasks": {"t": "A task."},
    "embedder": "e",
    "generated_queries": 1,
}


@pytest.mark.parametrize(
    ("changes", "columns", "named"),
    [
        ({"answer_kind": "latex"}, {}, "answer_kind"),
        ({"answer_kind": "letter"}, {}, "answer_kind"),
        ({"answer_kind": "nubmer"}, {}, "answer_kind"),
        ({"answer_kind": "text", "answer_tolerance": {"relative": 0.1}}, {}, "answer_tolerance"),
        ({"answer_tolerance": {"relative": 1.5}}, {}, "relative"),
        ({"answer_tolerance": {"absolute": -1}}, {}, "absolute"),
        ({}, {"options": "o"}, "options"),
        ({}, {"same_options": ["x", "y"]}, "same_options"),
        ({}, {"label_form": "letter"}, "label_form"),
        ({"adapter": "multiple_choice"}, {}, "same_options"),
        ({"adapter": "multiple_choice"}, {"options": "o", "same_options": ["x", "y"]}, "same_options"),
        ({"adapter": "multiple_choice", "answer_kind": "number"}, {"options": "o"}, "answer_kind"),
        ({"adapter": "mathematics", "answer_kind": "number"}, {}, "answer_kind"),
        ({"adapter": "quickstart", "source": None, "answer_kind": "text"}, {}, "answer_kind"),
    ],
)
def test_a_kind_that_the_adapter_does_not_have_is_refused(
    changes: dict[str, Any], columns: dict[str, Any], named: str
) -> None:
    given = GIVEN | changes
    if given["source"] is not None:
        given["source"] = {"file": "a.csv", "columns": GIVEN["source"]["columns"] | columns}
    with pytest.raises(ValidationError, match=named):
        Dataset.model_validate(given)


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, "number"),
        ({"answer_kind": "text"}, "text"),
        ({"answer_kind": "yes_no"}, "yes_no"),
        ({"adapter": "mathematics"}, "latex"),
        ({"adapter": "quickstart", "source": None}, "letter"),
    ],
)
def test_the_kind_of_a_datasets_answers(changes: dict[str, Any], kind: str) -> None:
    assert Dataset.model_validate(GIVEN | changes).kind == kind


def test_questions_with_scores_have_no_label(tmp_path: Path) -> None:
    given = GIVEN | {"answer_kind": "score", "source": {"file": "a.csv", "columns": {"question": "q"}}}
    assert Dataset.model_validate(given).kind == "score"
    with pytest.raises(ValidationError, match="label"):
        Dataset.model_validate(GIVEN | {"answer_kind": "score"})
    found = read(tmp_path, "score", [None, None], label=None, label_form=None)
    assert [outcome for outcome, _ in found] == ["kept", "kept"]
