"""Responses: which confidences are measurements, and what of a text counts as an answer."""

import math

import numpy as np
import pyarrow as pa
import pytest

from rgd.answers.extraction import CUT_OFF, READERS
from rgd.answers.responses import MEAN_LOG_PROBABILITY, NO_CONFIDENCE, UNMEASURED, response_rows


def read(confidence: float | None, tokens: int, text: str = "The answer is (B).") -> tuple[float | None, str]:
    question = pa.table({"query_id": ["q"], "options": [["x", "y"]], "answer_kind": ["letter"]})
    answer = {
        "text": text,
        "scores": None,
        "confidence": confidence,
        "prompt_tokens": 9,
        "completion_tokens": tokens,
        "finish_reason": "stop",
    }
    (row,) = response_rows(question, [answer], "generate").to_pylist()
    return row["confidence"], row["confidence_kind"]


@pytest.mark.parametrize("tokens", [1, 7, 200, 1000, 3000, 8000])
@pytest.mark.parametrize("usual", [0.0, -0.05, -0.3, -2.0])
def test_the_mean_over_a_clamped_token_is_no_measurement(tokens: int, usual: float) -> None:
    mean = (usual * (tokens - 1) - 9999) / tokens
    assert read(mean, tokens) == read(float(np.float32(mean)), tokens) == (None, UNMEASURED)


@pytest.mark.parametrize(
    ("value", "tokens"), [(0.0, 5), (-0.3, 200), (-0.35, 32_000), (-6.9, 1), (-2.5, 3000), (-30.0, 2)]
)
def test_a_mean_that_a_model_can_have_is_kept(value: float, tokens: int) -> None:
    assert read(value, tokens) == (value, MEAN_LOG_PROBABILITY)


@pytest.mark.parametrize("value", [math.inf, -math.inf, 0.5, 12.0])
def test_an_infinite_or_positive_log_probability_is_no_measurement(value: float) -> None:
    assert read(value, 20) == (None, UNMEASURED)


def test_without_a_confidence_or_an_answer_there_is_none() -> None:
    assert read(None, 20) == read(math.nan, 20) == read(-0.2, 20, "?") == (None, NO_CONFIDENCE)


CUT_THOUGHTS = [
    "Let me see what melts first. It could be (B), but then again (C) has the weaker bond",
    *(
        f"{mark}It could be (B), but hold on, (C)"
        for mark in (
            "<think>",
            "[THINK]",
            "<seed:think>",
            "<thought>",
            "<reasoning>",
            "◁think▷",
            "<|channel|>analysis<|message|>",
        )
    ),
    "<think>The answer is (B).",
    "The answer is (B). But wait, that is",
]


def row(text: str, finish: str, kind: str = "letter", reader: str = "careful") -> dict:
    options = ["w", "x", "y", "z"] if kind == "letter" else []
    question = pa.table(
        {"query_id": ["q"], "options": pa.array([options], pa.list_(pa.string())), "answer_kind": [kind]}
    )
    answer = {
        "text": text,
        "scores": None,
        "confidence": -0.2,
        "prompt_tokens": 9,
        "completion_tokens": 9,
        "finish_reason": finish,
    }
    return response_rows(question, [answer], "generate", reader).to_pylist()[0]


@pytest.mark.parametrize("text", CUT_THOUGHTS)
def test_a_text_cut_off_in_its_thoughts_has_no_answer_and_no_confidence(text: str) -> None:
    found = row(text, "length")
    assert (found["answer"], found["confidence"], found["extraction_rule"]) == (None, None, CUT_OFF)
    assert row("<think>So it is 12, and \\boxed{12}", "length", "latex")["answer"] is None


def test_an_answer_given_before_the_limit_counts() -> None:
    assert row("Answer: B\n\nThis is so because the", "length")["answer"] == "B"
    assert row("<think>(C)?</think>The answer is (B).", "length")["answer"] == "B"
    assert row("Thus \\boxed{12}. To check this, we", "length", "latex")["answer"] == "12"
    assert row("The answer is 12", "length", "latex")["answer"] is None
    assert row("The answer is 12", "stop", "latex")["answer"] == "12"


def test_the_reader_is_chosen_and_thoughts_count_for_none() -> None:
    text = "The answer is (B). No: the answer is (C)."
    assert row(text, "stop")["answer"] == "C"
    assert row(text, "stop", reader="official")["answer"] == "B"
    assert row(text, "stop", reader="official")["extraction_rule"] == "official"
    for reader in READERS:
        assert row("<think>The answer is (A).</think>The answer is (D).", "stop", reader=reader)["answer"] == "D"


@pytest.mark.parametrize(
    ("kind", "options", "text", "answer"),
    [
        ("option_text", ["good", "bad"], "The answer is bad.", "B"),
        ("option_text", ["good", "bad"], "The answer is B.", None),
        ("yes_no", ["Yes", "No"], "No, it is not.", "B"),
        ("number", [], "Answer: 1,200 m", "1,200 m"),
        ("number", [], "Answer: many", None),
        ("text", [], "<think>Rome?</think>Answer: the Nile.", "the Nile"),
        ("text", [], "<think>Rome? The answer is", None),
    ],
)
def test_an_answer_of_every_kind_is_read_without_its_thoughts(
    kind: str, options: list[str], text: str, answer: str | None
) -> None:
    question = pa.table(
        {"query_id": ["q"], "options": pa.array([options], pa.list_(pa.string())), "answer_kind": [kind]}
    )
    said = {"text": text, "confidence": None, "prompt_tokens": 1, "completion_tokens": 1, "finish_reason": "stop"}
    assert response_rows(question, [said], "generate")["answer"].to_pylist() == [answer]
