"""LiteLLM: logged calls (StandardLoggingPayload), as JSON lines, a list, or one object a file."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rgd.answers.formats.prompts import last_user_message, split_options
from rgd.answers.formats.reading import json_objects, reading
from rgd.answers.formats.records import Asked, Record, Settings, count_of, inside, needed_text, number_of, text_of

PATTERNS = ("*.json", "*.jsonl")
CONFIDENCE = "confidence"


def records(paths: Sequence[Path], settings: Settings) -> Iterator[Record]:
    """The records of logged calls.

    Raises:
        UserError: a file is no log of calls.
    """
    for path in paths:
        for place, row in json_objects(path):
            with reading(path, place):
                record = _record(row)
            yield record


def _record(row: Mapping[str, Any]) -> Record:
    question, options = split_options(needed_text(last_user_message(row["messages"]), "question among its messages"))
    choice = inside(row, "response", "choices", 0)
    text = text_of(inside(choice, "message", "content"))
    return Record(
        needed_text(row.get("model"), "model"),
        Asked(question, options),
        # Without options nothing says that the call was a question with an answer to be read.
        said=text if options else None,
        text=text,
        prompt_tokens=count_of(row.get("prompt_tokens")),
        completion_tokens=count_of(row.get("completion_tokens")),
        cost=number_of(row.get("response_cost")),
        latency=number_of(row.get("response_time")),
        is_cut_off=inside(choice, "finish_reason") == "length",
        failed=row.get("status") == "failure",
    )
