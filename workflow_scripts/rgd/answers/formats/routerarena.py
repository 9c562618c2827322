"""RouterArena: cached results, a JSON object a line, with the options in the question.

The right answer is a letter or the index of an option from 0. The letter is read from the reply; the score is the tool's own.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rgd.answers.formats.prompts import split_options
from rgd.answers.formats.reading import json_lines, reading
from rgd.answers.formats.records import Asked, Record, Settings, count_of, inside, needed_text, number_of, text_of

PATTERNS = ("*.jsonl",)
CONFIDENCE = "confidence"


def records(paths: Sequence[Path], settings: Settings) -> Iterator[Record]:
    """The records of files of cached results.

    Raises:
        UserError: a file is no file of cached results.
    """
    for path in paths:
        for place, row in json_lines(path):
            with reading(path, place):
                record = _record(path.stem, row)
            yield record


def _record(file: str, row: Mapping[str, Any]) -> Record:
    question, options = split_options(needed_text(row.get("question"), "question"))
    result = row["evaluation_result"] if row.get("evaluation_result") is not None else {}
    gold = inside(result, "ground_truth")
    text = text_of(row["generated_answer"])
    task = str(row.get("global_index") or "").rpartition("_")[0]
    failed = row.get("success") is False
    return Record(
        str(row.get("llm_selected") or file),
        Asked(question, options, gold if isinstance(gold, str | int) else None, 0, task),
        said=None if failed else text,
        text=text,
        score=number_of(inside(result, "score")),
        prompt_tokens=count_of(inside(row, "token_usage", "input_tokens")),
        completion_tokens=count_of(inside(row, "token_usage", "output_tokens")),
        cost=number_of(inside(result, "inference_cost")),
        failed=failed,
    )
