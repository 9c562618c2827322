"""RouteLLM: a wide CSV with a column ``prompt`` and one of right or wrong (or scores) for each model; no replies."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from rgd.answers.formats.prompts import split_options
from rgd.answers.formats.reading import csv_rows, reading
from rgd.answers.formats.records import Asked, Record, Settings, needed_text, number_of
from rgd.errors import UserError

PATTERNS = ("*.csv",)
CONFIDENCE = "confidence"
_PROMPT = "prompt"


def records(paths: Sequence[Path], settings: Settings) -> Iterator[Record]:
    """The records of wide tables, row by row.

    Raises:
        UserError: a file has no column ``prompt``, no model, or a cell that is no score.
    """
    for path in paths:
        rows = csv_rows(path)
        _, header = next(rows)
        with reading(path):
            prompt = header.index(_PROMPT)
            models = [(place, name) for place, name in enumerate(header) if place != prompt and name.strip()]
            if not models:
                raise UserError("has no column of a model")
        for where, row in rows:
            with reading(path, where):
                question, options = split_options(needed_text(row[prompt], "prompt"))
                asked = Asked(question, options, task=path.stem)
                scores = [_score(row[place], name) for place, name in models]
            for (_, name), score in zip(models, scores, strict=True):
                if score is not None:
                    yield Record(name, asked, score=score)


def _score(cell: str, name: str) -> float | None:
    score = number_of(cell)
    if score is None and cell.strip():
        raise UserError(f"the column {name} holds {cell[:40]!r}, which is no score")
    return score
