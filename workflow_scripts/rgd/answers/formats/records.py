"""What every format gives: a record for each answer, with its question."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rgd.errors import UserError


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as one file has it.

    Attributes:
        text: the question without its options.
        options: texts of the options in the file's order; empty if the question has none.
        gold: the right answer as the file has it: a letter, the text of an option, an index, or a free answer; None if unknown.
        first_index: 0 or 1 if ``gold`` is an index that counts from it; None if the file does not say.
        task: the part of the benchmark that the question belongs to.
    """

    text: str
    options: tuple[str, ...] = ()
    gold: str | int | None = None
    first_index: int | None = None
    task: str = ""


@dataclass(slots=True)
class Record:
    """One model's answer to one question.

    Attributes:
        model: the model's name in the file.
        asked: its question; None if the files have no question for this answer.
        said: the text from which the answer is still to be read; None if ``answer`` is read or there is none.
        answer: the answer that the tool itself has read: a letter in the order of the options, or a free answer.
        text: what the model wrote.
        score: how good the answer is, between the limits of the metric (0 to 1 unless the user says otherwise).
        confidence: of the kind that the format names; None if unknown.
        prompt_tokens: length of the prompt.
        completion_tokens: length of the reply.
        cost: in US dollars.
        latency: in seconds.
        is_cut_off: the reply ends at its limit of tokens.
        failed: the call failed, so there is no reply.
        is_other_version: a further reading of an answer that the files have already (another filter, epoch or perturbation).
    """

    model: str
    asked: Asked | None
    said: str | None = None
    answer: str | None = None
    text: str | None = None
    score: float | None = None
    confidence: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost: float | None = None
    latency: float | None = None
    is_cut_off: bool = False
    failed: bool = False
    is_other_version: bool = False


@dataclass(frozen=True)
class Settings:
    """What the user says of the files.

    Attributes:
        columns: columns by what they hold, for the format ``table``.
    """

    columns: Mapping[str, str]


def inside(value: Any, *path: str | int) -> Any:
    """What lies at ``path`` in nested objects and lists; None if there is nothing."""
    for step in path:
        if isinstance(value, Mapping) and isinstance(step, str):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and -len(value) <= step < len(value):
            value = value[step]
        else:
            return None
    return value


def text_of(value: Any) -> str | None:
    """A text, or the joined texts of a message's blocks; None for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        blocks = [block if isinstance(block, str) else inside(block, "text") for block in value]
        texts = [block for block in blocks if isinstance(block, str)]
        return "\n".join(texts) if texts else None
    return None


def number_of(value: Any) -> float | None:
    """A finite number, which may be written as a text or a truth value; None for anything else."""
    if isinstance(value, str):
        word = value.strip().lower()
        if word in ("true", "false"):
            return float(word == "true")
        try:
            value = float(word)
        except ValueError:
            return None
    if not isinstance(value, int | float):
        return None
    try:
        value = float(value)
    except OverflowError:
        return None
    return value if math.isfinite(value) else None


def count_of(value: Any) -> int | None:
    """A number of tokens; None for anything that is none."""
    number = number_of(value)
    return int(number) if number is not None and 0 <= number < 2**31 else None


def needed_text(value: Any, what: str) -> str:
    """``value`` as text that is not empty.

    Raises:
        UserError: it is none.
    """
    text = text_of(value)
    if text is None or not text.strip():
        raise UserError(f"has no {what}")
    return text
