"""RouterBench: a wide CSV with a column of scores, of replies and of costs for each model.

Prompts and replies are lists of one text as Python prints them. There is no column of right answers: the right answer is the
letter of the models that scored 1. The published file is a pickle, which is not loaded; export it as CSV.
"""

import ast
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from rgd.answers.extraction import extract
from rgd.answers.formats.prompts import split_options
from rgd.answers.formats.reading import csv_rows, reading
from rgd.answers.formats.records import Asked, Record, Settings, needed_text, number_of
from rgd.errors import UserError

PATTERNS = ("*.csv",)
CONFIDENCE = "confidence"
_RESPONSE, _COST = "|model_response", "|total_cost"


def records(paths: Sequence[Path], settings: Settings) -> Iterator[Record]:
    """The records of wide tables, row by row.

    Raises:
        UserError: a file has no column ``prompt`` or no model with a column of replies.
    """
    for path in paths:
        rows = csv_rows(path)
        _, header = next(rows)
        place = {name: number for number, name in enumerate(header)}
        models = [name for name in header if f"{name}{_RESPONSE}" in place]
        with reading(path):
            if not models or "prompt" not in place:
                raise UserError(f"has no columns prompt, MODEL and MODEL{_RESPONSE}")
        for where, row in rows:
            with reading(path, where):
                found = _records(row, place, models, path.stem)
            yield from found


def _records(row: Sequence[str], place: dict[str, int], models: Sequence[str], file: str) -> list[Record]:
    question, options = split_options(needed_text(_only(row[place["prompt"]]), "prompt"))
    replies = {model: _only(row[place[f"{model}{_RESPONSE}"]]) for model in models}
    scores = {model: number_of(row[place[model]]) for model in models}
    letters = "".join(chr(ord("A") + n) for n in range(len(options)))
    answers = {model: extract(text, letters, options).answer if options else None for model, text in replies.items()}
    right = Counter(answer for model, answer in answers.items() if answer is not None and scores[model] == 1)
    gold = right.most_common(1)[0][0] if right else None
    asked = Asked(question, options, gold, task=row[place["eval_name"]] if "eval_name" in place else file)
    return [
        Record(
            model,
            asked,
            said=None if options else replies[model],
            answer=answers[model],
            text=replies[model],
            score=scores[model],
            cost=number_of(row[place[f"{model}{_COST}"]]) if f"{model}{_COST}" in place else None,
        )
        for model in models
    ]


def _only(cell: str) -> str:
    """The text of a cell, which may be the print of a list of one text."""
    if cell.startswith("[") and cell.endswith("]"):
        try:
            value = ast.literal_eval(cell)
        except (ValueError, SyntaxError):
            return cell
        if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
            return value[0]
    return cell
