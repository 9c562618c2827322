"""Task descriptions that a model writes (arXiv 2601.09692, section 4.1 and appendix D.6).

A descriptor sees the reserved questions of a task, which no router is trained on or tested with, without options or
answers. The shorter descriptions are rewritten from its default one.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from rgd.answers.thoughts import after_reasoning
from rgd.datasets.splits import RESERVED, rows_of_part, split
from rgd.engines.base import Message, Request
from rgd.engines.prompts import parse_prompt
from rgd.errors import UserError

_PLACE = re.compile(r"\{questions\}|\{description\}")
# What models put around a description even when asked for the description only: a heading, a label, emphasis, quotation marks.
_LABEL = re.compile(
    r"^(?:#+\s*)?[*_]*(?:(?:task|question|short(?:er)?)\s+)*description[*_]*\s*(?::[*_]*|\n)\s*", re.IGNORECASE
)
_AROUND = (("**", "**"), ("*", "*"), ('"', '"'), ("“", "”"), ("'", "'"), ("`", "`"))


def reserved_questions(
    questions: pa.Table, per_task: int, own_parts: Mapping[str, str] | None = None
) -> dict[str, list[str]]:
    """The texts of the reserved questions of every task, in the benchmark's order.

    Args:
        questions: query_id, task and question of the benchmark.
        per_task: how many are reserved.
        own_parts: query_id -> train or test, for a benchmark with its own split; else empty.
    """
    query_ids, tasks = (questions[name].to_numpy(zero_copy_only=False) for name in ("query_id", "task"))
    # They are the same for every seed and share, so any split gives them.
    parts = split(query_ids, tasks, [0], 0.5, per_task, own_parts)
    rows = rows_of_part(parts, query_ids, RESERVED)[0]
    texts = questions["question"].take(pa.array(rows)).to_pylist()
    found: dict[str, list[str]] = {str(task): [] for task in np.unique(tasks.astype(np.str_))}
    for task, text in zip(tasks[rows].tolist(), texts, strict=True):
        found[task].append(text)
    return found


def numbered(questions: Sequence[str]) -> str:
    """The questions as one text, each under its number."""
    return "\n\n".join(f"Question {number}:\n{text.strip()}" for number, text in enumerate(questions, start=1))


def requests_for(shown: Mapping[str, str], prompt: str) -> list[Request]:
    """One request for every task, in order.

    Args:
        shown: task -> its numbered questions, or its default description.
        prompt: the text of the prompt's file, with the placeholder {questions} or {description}.

    Raises:
        UserError: there is nothing to show for a task.
    """
    turns = parse_prompt(prompt)
    requests = []
    for task, text in shown.items():
        if not text.strip():
            raise UserError(f"a descriptor has nothing to read about the task {task!r}. Raise reserved_per_task.")
        # Split before filling in, so that nothing in the text is mistaken for a placeholder.
        messages = tuple(Message(turn.role, text.join(_PLACE.split(turn.content))) for turn in turns)
        requests.append(Request(messages, question=text))
    return requests


def clean(text: str) -> str:
    """A description in the form that a generator's prompt needs: on one line, without what models put around it."""
    text = text.strip()
    while (stripped := _without_wrapping(_LABEL.sub("", text, count=1))) != text:
        text = stripped
    return " ".join(text.split())


def _without_wrapping(text: str) -> str:
    text = text.strip()
    for opening, closing in _AROUND:
        inner = text[len(opening) : -len(closing)]
        if text == f"{opening}{inner}{closing}" and inner and opening not in inner and closing not in inner:
            return inner.strip()
    return text


def descriptions_from(tasks: Sequence[str], answers: Sequence[Mapping[str, Any]]) -> pa.Table:
    """The descriptions that a descriptor wrote: the columns of schemas.DESCRIPTIONS.

    Args:
        tasks: in the dataset's order.
        answers: for every task a row of the store: text, finish_reason.

    Raises:
        UserError: a description is empty, or was cut off.
    """
    texts = [clean(after_reasoning(answer["text"])) for answer in answers]
    reasons = [answer["finish_reason"] for answer in answers]
    empty = [f"{task} ({why})" for task, text, why in zip(tasks, texts, reasons, strict=True) if not text]
    if empty:
        raise UserError(
            f"the descriptor wrote nothing for the tasks {', '.join(empty)}. In its file in config/descriptor, change the prompt, "
            "raise max_tokens (if the model thinks before it writes), or raise seed for another draw. Or write the "
            "descriptions yourself under tasks in the dataset's file, and set descriptor: null there."
        )
    cut_off = [task for task, why in zip(tasks, reasons, strict=True) if why == "length"]
    if cut_off:
        raise UserError(
            f"the descriptions of the tasks {', '.join(cut_off)} were cut off. Raise max_tokens in the descriptor's file in "
            "config/descriptor."
        )
    return pa.table({"task": list(tasks), "description": texts})
