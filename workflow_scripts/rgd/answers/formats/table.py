"""A table of any tool (CSV, TSV, JSONL or Parquet), whose columns the user names.

A row is one model's answer, and ``model`` names the column of its name; without one the file's name is the model's. Or a row is
a question, and ``models`` names the columns of the models' scores, or ``answers`` those of their answers (``*``: all columns not
named otherwise). An empty cell of these says that the model was not asked.
"""

import ast
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rgd.answers.formats.column_names import ALL, leaving_out, need_columns
from rgd.answers.formats.prompts import split_options
from rgd.answers.formats.reading import reading, table_rows
from rgd.answers.formats.records import Asked, Record, Settings, count_of, needed_text, number_of
from rgd.errors import UserError

PATTERNS = ("*.csv", "*.tsv", "*.jsonl", "*.parquet")
CONFIDENCE = "confidence"

COLUMNS = (
    *("question", "options", "label", "task", "model", "models", "answers", "answer", "text", "score", "confidence"),
    *("prompt_tokens", "completion_tokens", "cost", "latency"),
)
"""What a column may hold."""
_ASKED = ("question", "options", "label", "task")
WIDE = ("models", "answers")
"""What names a column for each model: of scores, or of answers."""


def records(paths: Sequence[Path], settings: Settings) -> Iterator[Record]:
    """The records of tables, row by row.

    Raises:
        UserError: the columns contradict each other, a file lacks one, or a cell has no value of its sort.
    """
    columns = dict(settings.columns)
    if "question" not in columns:
        raise UserError("the format table needs --columns question=COLUMN, by which models are joined.")
    wide = wide_of(columns)
    if wide is not None and set(columns) - {*_ASKED, wide}:
        raise UserError(
            f"{wide} names a column for each model, so --columns can name only the question's columns beside it."
        )
    if wide is None and not {"answer", "text", "score"} & set(columns):
        raise UserError(
            "the format table needs --columns answer=COLUMN, text=COLUMN or score=COLUMN; or with a column for each model "
            "models=* (scores) or answers=*."
        )
    for path in paths:
        if wide is not None:
            yield from _wide(path, columns, wide)
        else:
            for place, row in table_rows(path):
                with reading(path, place):
                    need_columns(path, place, row, _names(columns.values()))
                    record = _record(row, columns, path.stem)
                yield record


def wide_of(columns: Mapping[str, str]) -> str | None:
    """Which of :data:`WIDE` names the columns of the models; None where a row is one model's answer."""
    return next((name for name in WIDE if name in columns), None)


def takes_all(columns: Mapping[str, str]) -> str | None:
    """Which of :data:`WIDE` takes every column that is not named otherwise for a model's; None where none does."""
    wide = wide_of(columns)
    return wide if wide is not None and columns[wide] == ALL else None


def _wide(path: Path, columns: Mapping[str, str], wide: str) -> Iterator[Record]:
    models: list[str] | None = None
    needed = list(_names(columns[key] for key in _ASKED if key in columns))
    for place, row in table_rows(path):
        with reading(path, place):
            need_columns(path, place, row, needed)
            if models is None:
                chosen = list(row) if columns[wide] == ALL else list(_names([columns[wide]]))
                models = [name for name in chosen if name and name not in needed]
                need_columns(path, place, row, models)
                if not models:
                    raise UserError("has no column of a model")
            asked = _asked(row, columns, path.stem)
            cells = {name: row.get(name) for name in models}
            given = {name: cell for name, cell in cells.items() if cell is not None and cell != "" and cell == cell}
            records = [
                Record(name, asked, score=_score(cell, name, models if columns[wide] == ALL else ()))
                if wide == "models"
                else Record(name, asked, said=str(cell))
                for name, cell in given.items()
            ]
        yield from records


def _names(columns: Iterable[str]) -> Iterator[str]:
    """The columns that values of --columns name."""
    return (name for column in columns for name in column.split(","))


def _asked(row: Mapping[str, Any], columns: Mapping[str, str], file: str) -> Asked:
    question = needed_text(row[columns["question"]], "question")
    options: tuple[str, ...]
    if "options" in columns:
        options = _options(row, columns["options"].split(","))
    else:
        question, options = split_options(question)
    label = row[columns["label"]] if "label" in columns else None
    task = row[columns["task"]] if "task" in columns else None
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    return Asked(
        question,
        options,
        label if isinstance(label, str | int) and not isinstance(label, bool) and label != "" else None,
        task=str(task) if task not in (None, "") else file,
    )


def _options(row: Mapping[str, Any], names: Sequence[str]) -> tuple[str, ...]:
    """The options of a list, of the print of one (JSON or Python), or of a column each."""
    cells = [row[name] for name in names]
    if len(cells) > 1:
        while cells and cells[-1] in (None, ""):
            cells.pop()
        return tuple(str(cell) for cell in cells)
    cell = cells[0]
    if isinstance(cell, str):
        try:
            cell = json.loads(cell)
        except ValueError:
            cell = ast.literal_eval(cell)
    if isinstance(cell, Mapping):
        cell = cell.get("text")
    if cell is None:
        return ()
    if not isinstance(cell, list):
        raise UserError(f"the column {names[0]} holds no list of options")
    return tuple(str(option) for option in cell)


def _record(row: Mapping[str, Any], columns: Mapping[str, str], file: str) -> Record:
    def cell(key: str) -> Any:
        value = row[columns[key]] if key in columns else None
        return value[0] if isinstance(value, list) and len(value) == 1 else value

    answer, text = cell("answer"), cell("text")
    said = answer if "answer" in columns else text
    return Record(
        str(cell("model")) if "model" in columns else file,
        _asked(row, columns, file),
        said=None if said is None or said == "" else str(said),
        text=None if text is None else str(text),
        score=_score(cell("score"), columns.get("score", "")),
        confidence=number_of(cell("confidence")),
        prompt_tokens=count_of(cell("prompt_tokens")),
        completion_tokens=count_of(cell("completion_tokens")),
        cost=number_of(cell("cost")),
        latency=number_of(cell("latency")),
    )


def _score(cell: Any, name: str, models: Sequence[str] = ()) -> float | None:
    """The score in a cell of the column ``name``, which was taken for one of ``models`` since nothing else names it."""
    score = number_of(cell)
    if score is None and cell not in (None, "") and cell == cell:
        fix = "A column of answers is named by answer=COLUMN, and those of a table with a column for each model by answers=*"
        if models:
            fix = f"{leaving_out('models', [model for model in models if model != name])}. {fix}"
        raise UserError(f"the column {name} holds {str(cell)[:40]!r}, which is no score. {fix}")
    return score
