"""The files of a dataset and an experiment for a domain of one's own, of which there are only descriptions."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from rgd.answers.formats.column_names import need_columns
from rgd.answers.formats.reading import reading, table_rows
from rgd.config import load
from rgd.errors import UserError
from rgd.tool.new_files import as_yaml, check_name, write_new

MODEL = "own"
"""The shipped dataset and experiment that give everything which is not asked for."""
DESCRIPTOR = "qwen2.5-coder-1.5b"
MOST_EXAMPLES = 5


def write_own_experiment(
    name: str,
    config: Path,
    tasks: Mapping[str, str],
    examples: Mapping[str, Sequence[str]] | None = None,
    pools: Sequence[str] = (),
    generators: Sequence[str] = (),
    descriptor: str | None = None,
    queries: int | None = None,
) -> list[Path]:
    """Write ``config/dataset/NAME.yaml`` and ``config/experiment/NAME.yaml``.

    Args:
        name: of the files.
        config: the folder of configuration.
        tasks: the description of each task; with examples it may be empty, and a descriptor writes it.
        examples: questions of each task, without answers; these tasks need not be among ``tasks``.
        pools: who answers; none for the shipped experiment's.
        generators: who writes the queries; none for the shipped experiment's.
        descriptor: who writes descriptions from examples; None for :data:`DESCRIPTOR`.
        queries: how many queries are generated; None for the shipped dataset's number.

    Returns:
        The two files, of which the second is the experiment's.

    Raises:
        UserError: there is no task, a file exists already, or the configuration does not allow what the files would say.
            Nothing is written then.
    """
    check_name(name)
    examples = examples or {}
    described = {**tasks, **{task: "" for task in examples if task not in tasks}}
    if not described:
        raise UserError("no task is given. Add --task NAME=DESCRIPTION for each, or --tasks FILE.")
    dataset = _shipped(config / "dataset")
    dataset |= {"title": name, "tasks": described}
    if queries is not None:
        dataset["generated_queries"] = queries
    if examples:
        fewest = min(len(examples.get(task, ())) for task in described)
        dataset |= {
            "descriptor": descriptor or DESCRIPTOR,
            "reserved_per_task": max(1, min(MOST_EXAMPLES, fewest)),
            "examples": {task: list(texts) for task, texts in examples.items()},
        }
    elif descriptor is not None:
        raise UserError("--descriptor writes descriptions from questions. Give them with --examples.")
    experiment = _shipped(config / "experiment")
    experiment |= {"title": name, "datasets": [name]}
    experiment |= {"pools": list(pools)} if pools else {}
    experiment |= {"scenarios": list(generators)} if generators else {}
    files = {
        config / "dataset" / f"{name}.yaml": as_yaml(dataset),
        config / "experiment" / f"{name}.yaml": as_yaml(experiment),
    }
    return write_new(files, lambda: load(config, name), "give another NAME")


def tasks_given(texts: Iterable[str]) -> dict[str, str]:
    """Tasks from NAME=DESCRIPTION, in order.

    Raises:
        UserError: one is not of this form, or repeats a name.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, sign, description = (part.strip() for part in text.partition("="))
        if not sign or not name or name in found:
            raise UserError(f"--task {text}: give NAME=DESCRIPTION, and each NAME once.")
        found[name] = description
    return found


def tasks_of(path: Path) -> dict[str, str]:
    """Tasks from a table (CSV, TSV, JSONL or Parquet) with the columns task and description.

    Raises:
        UserError: the file cannot be read, or a row lacks a task, repeats one, or has no description.
    """
    found: dict[str, str] = {}
    for place, (task, description) in _rows(path, "task", "description"):
        if task in found:
            raise UserError(f"{path}, {place}: the task {task} is there twice. Describe each task once.")
        found[task] = description
    return found


def examples_of(path: Path) -> dict[str, list[str]]:
    """Questions from a table (CSV, TSV, JSONL or Parquet) with the columns task and question.

    Raises:
        UserError: the file cannot be read, or a row lacks a task or a question.
    """
    found: dict[str, list[str]] = {}
    for _, (task, question) in _rows(path, "task", "question"):
        found.setdefault(task, []).append(question)
    return found


def _rows(path: Path, *columns: str) -> list[tuple[str, list[str]]]:
    """The place of each row, and its texts in ``columns``, none of them empty."""
    found = []
    for place, row in table_rows(path):
        need_columns(path, place, row, columns)
        with reading(path, place):
            cells = [row[column] for column in columns]
            for column, cell in zip(columns, cells, strict=True):
                if not isinstance(cell, str) or not cell.strip():
                    raise UserError(
                        f"the column {column} holds {cell!r}. Write a text; the columns are {' and '.join(columns)}."
                    )
            found.append((place, [str(cell).strip() for cell in cells]))
    if not found:
        raise UserError(f"{path} has no rows. Write a row for each, with the columns {' and '.join(columns)}.")
    return found


def _shipped(folder: Path) -> dict[str, Any]:
    path = folder / f"{MODEL}.yaml"
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"{path}, which new files follow, cannot be read ({error}). Restore it.") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}, which new files follow, does not consist of keys and values. Restore it.")
    return content
