"""LLMRouterBench: ``DATASET/SPLIT/MODEL/TIME.json`` with the fields of the run and its ``records``."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rgd.answers.formats.prompts import split_options
from rgd.answers.formats.reading import json_header, json_rows, reading
from rgd.answers.formats.records import Asked, Record, Settings, count_of, needed_text, number_of, text_of
from rgd.errors import UserError

PATTERNS = ("*.json",)
CONFIDENCE = "confidence"


def records(paths: Sequence[Path], settings: Settings) -> Iterator[Record]:
    """The records of files of results.

    Raises:
        UserError: a file is no file of results.
    """
    for path in paths:
        header = json_header(path, ("model_name", "dataset_name"))
        model = str(header.get("model_name") or path.resolve().parent.name)
        task = str(header.get("dataset_name") or "")
        number = -1
        for number, row in enumerate(json_rows(path, "records")):
            with reading(path, f"record {number}"):
                record = _record(model, task, row)
            yield record
        if number < 0:
            raise UserError(f"{path} has no records. Is it a file of results?")


def _record(model: str, task: str, row: Mapping[str, Any]) -> Record:
    question, options = split_options(needed_text(row.get("origin_query") or row.get("prompt"), "origin_query"))
    prediction, gold = row["prediction"], row.get("ground_truth")
    return Record(
        model,
        Asked(
            question, options, gold if isinstance(gold, str | int) and not isinstance(gold, bool) else None, task=task
        ),
        said=None if prediction is None else str(prediction),
        text=text_of(row.get("raw_output")),
        score=number_of(row.get("score")),
        prompt_tokens=count_of(row.get("prompt_tokens")),
        completion_tokens=count_of(row.get("completion_tokens")),
        cost=number_of(row.get("cost")),
    )
