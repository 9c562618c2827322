"""Responses: which confidences are measurements."""

import math

import numpy as np
import pyarrow as pa
import pytest

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
