"""The rows of a member's responses, extracted from its answers."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from rgd.answers.extraction import (
    CAREFUL,
    CUT_OFF,
    LIKELIHOOD_PER_BYTE,
    OFFICIAL,
    Extraction,
    choose,
    extract,
    official,
)
from rgd.answers.kinds import LATEX, NUMBER, OPTION_TEXT, TEXT, YES_NO
from rgd.answers.mathematics import extract_latex
from rgd.answers.numbers import extract_number
from rgd.answers.option_texts import extract_option
from rgd.answers.phrases import extract_phrase
from rgd.answers.thoughts import after_reasoning
from rgd.engines.prompts import letter

_READERS = {LATEX: extract_latex, NUMBER: extract_number, TEXT: extract_phrase}
"""How answers to questions without options are read, by their kind."""

LIKELIHOOD, GENERATE = "likelihood", "generate"
MEAN_LOG_PROBABILITY = "mean_log_probability"
NO_CONFIDENCE = "none"
UNMEASURED = "unmeasured"
"""The kind of a confidence that is dropped because no model can have it."""

CLAMPED = -9999.0
"""What vLLM writes in place of a token's log-probability of minus infinity."""
# The mean log-probability of a sampled text is higher. Long texts reach a sum of -9999 without any clamped token.
_LOWEST_MEAN = -1.0
# A mean is stored in float32: it may be above 0 by this much, and its sum above the clamped value by this share.
_ROUNDING = 1e-3


def response_rows(
    questions: pa.Table, answers: Sequence[Mapping[str, Any]], way: str, reader: str = CAREFUL
) -> pa.Table:
    """Extract a member's answers: one row for every question, in order.

    Args:
        questions: a table with the columns of schemas.QUESTIONS.
        answers: a row of the store for every question: text, scores, confidence, prompt_tokens, completion_tokens,
            finish_reason.
        way: ``likelihood`` or ``generate``.
        reader: how letters are read from what was generated: ``careful`` or ``official``
            (:func:`rgd.answers.extraction.official`).

    Returns:
        A table with the columns of schemas.RESPONSES. An answer that cannot be read is null, and so is its confidence.
        A confidence that is no measurement is null, and its kind is :data:`UNMEASURED`.
    """
    rows = []
    asked = (questions[name].to_pylist() for name in ("query_id", "options", "answer_kind"))
    for query_id, options, answer_kind, answer in zip(*asked, answers, strict=True):
        if way == LIKELIHOOD:
            choice = choose(answer["scores"])
            given, rule, confidence, kind = choice.answer, LIKELIHOOD, choice.confidence, LIKELIHOOD_PER_BYTE
        else:
            extraction = _read(answer, answer_kind, options, reader)
            given, rule = extraction.answer, extraction.rule
            confidence, kind = answer["confidence"], MEAN_LOG_PROBABILITY
            if given is None or confidence is None or math.isnan(confidence):
                confidence, kind = None, NO_CONFIDENCE
            elif not is_mean_log_probability(confidence, answer["completion_tokens"]):
                confidence, kind = None, UNMEASURED
        rows.append(
            {
                "query_id": query_id,
                "text": answer["text"],
                "answer": given,
                "extraction_rule": rule,
                "confidence": confidence,
                "confidence_kind": kind,
                "prompt_tokens": answer["prompt_tokens"],
                "completion_tokens": answer["completion_tokens"],
                "finish_reason": answer["finish_reason"],
            }
        )
    return pa.Table.from_pylist(rows)


def _read(answer: Mapping[str, Any], answer_kind: str, options: Sequence[str], reader: str) -> Extraction:
    """The answer in what was generated. A text that ends within its thoughts has none, whoever reads it."""
    said, cut_off = after_reasoning(answer["text"]), answer["finish_reason"] == "length"
    letters = "".join(letter(position) for position in range(len(options)))
    if answer_kind in _READERS:
        found = _READERS[answer_kind](said, cut_off=cut_off)
    elif answer_kind in (OPTION_TEXT, YES_NO):
        found = extract_option(said, letters, options, cut_off=cut_off)
    else:
        found = official(said, letters) if reader == OFFICIAL else extract(said, letters, options, cut_off=cut_off)
    if found.answer is None and answer["text"].strip() and not said:
        return Extraction(None, CUT_OFF)
    return found


def is_mean_log_probability(value: float, tokens: int | None) -> bool:
    """Whether ``value`` can be the mean log-probability of a sampled text of ``tokens`` tokens (None: unknown).

    Not if it is positive or infinite, or so low that a clamped token (:data:`CLAMPED`) must be in its sum.
    """
    if not math.isfinite(value) or value > _ROUNDING:
        return False
    return value >= _LOWEST_MEAN or value * (tokens or 0) > CLAMPED * (1 - _ROUNDING)


def option_texts(questions: pa.Table, responses: pa.Table) -> list[str | None]:
    """The text of the option that each response names, or the answer if a question has no options; None without an answer.

    Args:
        questions: query_id and options.
        responses: query_id and answer (a letter, or the answer itself), of the same queries in the same order.

    Raises:
        ValueError: the tables have different queries.
    """
    if not questions["query_id"].equals(responses["query_id"]):
        raise ValueError("the responses and the questions have different queries, or a different order")
    return [
        options[ord(answer) - ord("A")] if answer is not None and options else answer
        for options, answer in zip(questions["options"].to_pylist(), responses["answer"].to_pylist(), strict=True)
    ]
