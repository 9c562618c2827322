"""The audit of answers: each fault by hand, its limits, and what is unknown."""

import json
import math

import pandas as pd
import pytest

from rgd.analysis.audit import COLUMNS, NOTE, SAMPLE, SAMPLES, audit, audit_for_people, readings, readings_for_people
from rgd.analysis.writing import latex, markdown
from rgd.engines.served import is_asked

TASKS = ["sums", "sums", "sums", "dates", "dates", "dates", "dates", "dates", "dates", "dates"]
QUESTIONS = pd.DataFrame({"query_id": [f"q{i}" for i in range(10)], "task": TASKS})


def responses(**columns):
    plain = {"text": [f"text {i}" for i in range(10)], "answer": ["A"] * 10, "finish_reason": ["stop"] * 10}
    return pd.DataFrame({"query_id": QUESTIONS["query_id"], **plain, **columns})


def stored(engines=("vllm",) * 10, versions=("1",) * 10, served=("",) * 10, **asked):
    made = [json.dumps({"engine": e, "version": v, **asked}) for e, v in zip(engines, versions, strict=True)]
    return pd.DataFrame(
        {"trimmed": [True] + [False] * 9, "cost": [0.25] * 10, "served_model": served, "provenance": made}
    )


def whole(*arguments):
    return audit(QUESTIONS, *arguments).iloc[0]


def test_sound_answers_have_no_flag():
    row = whole(responses(), stored())
    assert pd.isna(row["task"])
    assert (row["answers"], row["flags"], row["engines"]) == (10, "", "vllm 1")
    assert (row["unparsed"], row["truncated"], row["empty"], row["blocked"], row["most_common"]) == (0, 0, 0, 0, 0.1)
    assert (row["trimmed"], row["cost"]) == (0.1, 2.5)


@pytest.mark.parametrize(
    ("columns", "share", "value", "flag"),
    [
        ({"answer": [None, None, *"A" * 8]}, "unparsed", 0.2, "unparsed"),
        ({"answer": [None, *"A" * 9]}, "unparsed", 0.1, ""),
        ({"finish_reason": ["length"] * 3 + ["stop"] * 7}, "truncated", 0.3, "truncated"),
        ({"text": ["", " \n", *map(str, range(8))]}, "empty", 0.2, "empty"),
        ({"finish_reason": ["blocked"] + ["stop"] * 9}, "blocked", 0.1, "blocked"),
        ({"text": ["same"] * 6 + list("abcd")}, "most_common", 0.6, "most common"),
        ({"text": ["same", " same"] * 2 + ["same"] + list("abcde")}, "most_common", 0.5, ""),
    ],
)
def test_each_share_is_flagged_above_its_limit(columns, share, value, flag):
    row = whole(responses(**columns), stored())
    assert row[share] == pytest.approx(value)
    assert row["flags"] == flag


def test_tasks_have_rows_of_their_own():
    table = audit(QUESTIONS, responses(answer=[None] * 3 + ["B"] * 7), stored())
    assert table["task"].isna().tolist() == [True, False, False]
    assert table["task"].tolist()[1:] == ["sums", "dates"]
    assert table["answers"].tolist() == [10, 3, 7]
    assert table["unparsed"].tolist() == [pytest.approx(0.3), 1, 0]
    assert table["flags"].tolist() == ["unparsed", "unparsed", ""]


def test_mixed_engines_and_versions_are_flagged():
    row = whole(responses(), stored(versions=["1"] * 9 + ["2"]))
    assert (row["engines"], row["flags"]) == ("vllm 1, vllm 2", "mixed versions")


def test_a_served_model_that_was_not_asked_for_is_flagged():
    served = ["gpt-4o-2024-08-06"] * 9
    assert whole(responses(), stored(served=[*served, "gpt-4o"], model="gpt-4o"))["flags"] == ""
    row = whole(responses(), stored(served=[*served, "gpt-4o-mini"], model="gpt-4o"))
    assert (row["flags"], row["served_models"]) == ("another model", "gpt-4o-2024-08-06, gpt-4o-mini")


@pytest.mark.parametrize(
    ("served", "asked", "expected"),
    [
        ("gpt-4o", "gpt-4o", True),
        ("gpt-4o-2024-08-06", "gpt-4o", True),
        ("gemini-1.5-pro-002", "gemini-1.5-pro", True),
        ("models/gemini-2.5-flash", "gemini-2.5-flash", True),
        ("gpt-4o-mini", "gpt-4o", False),
        ("gpt-4o-mini-2024-07-18", "gpt-4o", False),
        ("gpt-4", "gpt-4o", False),
        ("gemini-2.5-flash-lite", "gemini-2.5-flash", False),
        ("", "gpt-4o", True),
        ("gpt-4o", None, True),
    ],
)
def test_releases_of_the_model_are_told_from_other_models(served, asked, expected):
    assert is_asked(served, asked) is expected


def test_of_recorded_answers_without_text_only_what_is_known_is_said():
    row = whole(responses(text=[None] * 10, finish_reason=["recorded"] * 10, answer=[None] * 2 + ["A"] * 8), None)
    assert (row["unparsed"], row["flags"], row["engines"]) == (0.2, "unparsed", "")
    assert all(math.isnan(row[name]) for name in ("truncated", "empty", "blocked", "most_common", "trimmed", "cost"))


def test_a_model_that_answers_nothing_is_flagged_for_it():
    row = whole(responses(text=[""] * 10, answer=[None] * 10), stored())
    assert (row["empty"], row["flags"]) == (1, "unparsed, empty")


def test_other_queries_are_refused():
    with pytest.raises(ValueError, match=r"responses.*queries"):
        audit(QUESTIONS, responses().iloc[::-1], None)


def test_the_tables_for_people():
    parts = [
        audit(QUESTIONS, responses(answer=[None] * n + ["A"] * (10 - n)), stored()).assign(
            dataset="quiz", query_set=query_set, member=member
        )
        for query_set in ("benchmark", "writer")
        for member, n in (("one", 0), ("two", 2 if query_set == "benchmark" else 0))
    ]
    table = pd.concat(parts, ignore_index=True)[COLUMNS]
    people = audit_for_people(table, {"dataset": {"quiz": "Quiz"}, "scenario": {"writer": "Writer"}})
    assert list(people) == ["Quiz, benchmark", "Quiz, benchmark: unparsed, task by task", "Quiz, Writer"]
    first, by_task = list(people.values())[:2]
    assert first["member"].tolist() == ["one", "two"]
    assert first["unparsed"].tolist() == ["0.0", "20.0"]
    assert first["flags"].tolist() == ["", "unparsed"]
    assert by_task.to_numpy().tolist() == [["sums", "0.0", "66.7"], ["dates", "0.0", "0.0"]]
    assert "10 (unparsed)" in NOTE
    assert "| member" in markdown(people, NOTE)
    assert r"\toprule" in latex(people, NOTE)


RULES = ["answer_is"] * 6 + ["none"] * 3 + ["label"]


def read_by_rules():
    texts = [f"text {i}\nwith | a bar and " + "words " * 40 + f"end {i}" for i in range(10)]
    return readings(responses(text=texts, answer=["B"] * 6 + [None] * 3 + ["C"]).assign(extraction_rule=RULES))


def test_rules_are_counted_with_samples_the_most_frequent_first():
    table = read_by_rules()
    assert table["rule"].tolist() == ["answer_is", "none", "label"]
    assert table["answers"].tolist() == [6, 3, 1]
    assert table["share"].tolist() == pytest.approx([0.6, 0.3, 0.1])
    first, second, third = table["samples"]
    assert first.count("B: …") == SAMPLES
    assert [f"end {i}" in first for i in range(3)] == [True, True, False]
    assert "none: …" in second
    assert "\n" not in first
    assert len(third) <= SAMPLE + len("C: …")


def test_texts_that_are_not_known_have_no_rules():
    assert readings(responses(text=[None] * 10).assign(extraction_rule="recorded")).empty


def test_people_see_the_rules_of_every_member():
    table = read_by_rules().assign(dataset="d", query_set="benchmark", member="m")
    shown = readings_for_people(table)
    (name,) = shown
    assert shown[name]["share"].tolist() == ["60.0", "30.0", "10.0"]
    assert markdown(shown, NOTE).count("answer_is") == 1
    assert latex(shown, NOTE)
    assert readings_for_people(table.head(0)) == {}
