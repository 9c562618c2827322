"""Conversion of answers in the layout of the authors' released code (tianyiniu/RoutingGenData) to recorded answers.

Known from the code's own readers and writers: ``Data/{TASK}/{split}.json`` and
``Model_Responses/{TASK}-{split}/{nickname}.json`` are lists of objects; a question has question_id, category, question,
options and answer (a letter); a response repeats its question and adds ``{nickname}_response`` (the text),
``selected_choice`` (the letter read from it, "N/A" or null) and ``avg_logprob``; an embedding file is a dictionary of
tensors by question_id, written by torch.save.

Inferred, since no such file is published: that a task's splits are disjoint and ``all`` is their union, so ``all`` is
read only if there is no other; that a file of embeddings is called
``artifacts/{TASK}_only_question_embeddings{anything}.pt``; that NaN stands for an answer without tokens; that a response
may lack its text or its log-probability (a model behind an API); that a file may have one object per line, since the
authors' readme names one ``.jsonl``. The log-probability is the mean over tokens of the first entry of each token's dictionary,
which need not be the sampled token's; it is stored as mean_log_probability nevertheless.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from rgd.artifacts.files import from_matrix, write_table
from rgd.artifacts.texts import read_text
from rgd.errors import UserError

POOLS = {
    "large": ("Llama70", "Qwen3-32", "GLM4-32", "Gemma3-27", "Exaone4-32", "OSS120"),
    "small": ("Gemma", "Qwen3-8", "Exaone", "GLM4", "DpskMath", "Yi15"),
}
"""The pools of the paper, in the released code's nicknames."""

OTHER_POOL = "other"
ALL = "all"
MIRROR = "released"

QUESTIONS = pa.schema(
    [
        ("question_id", pa.string()),
        ("category", pa.string()),
        ("question", pa.string()),
        ("options", pa.list_(pa.string())),
        ("answer", pa.string()),
        ("part", pa.string()),
    ]
)
ANSWERS = pa.schema(
    [
        ("question_id", pa.string()),
        ("answer", pa.string()),
        ("text", pa.string()),
        ("mean_log_probability", pa.float64()),
    ]
)


@dataclass(frozen=True)
class Found:
    """A file of a task: the part of its questions that it covers (train, test, all), and its path."""

    part: str
    path: Path


def import_released(folder: Path, target: Path) -> list[str]:
    """Convert ``folder``, in the released code's layout, to ``target``, a folder to give as ``data_root``.

    For each task D (in lower case) this writes ``hub/released/D/questions.parquet`` in MMLU-Pro's columns, which a dataset
    with the adapter multiple_choice reads (``columns.part: part`` keeps the released split); ``recorded/D/P/M.parquet`` for
    every member M of the pool P (large and small as in the paper, ``other`` for further models); and
    ``recorded/D/embeddings.parquet`` if there are embeddings.

    Returns:
        Lines for the user that say what was written and what is missing.

    Raises:
        UserError: there are no answers, a file is damaged, lacks a column, or answers a question twice.
    """
    tasks: dict[str, dict[str, list[Found]]] = {}
    for path in sorted(folder.glob("Model_Responses/*/*.json*")):
        task, _, part = path.parent.name.rpartition("-")
        tasks.setdefault(task or part, {}).setdefault(path.stem, []).append(Found(part, path))
    if not tasks:
        raise UserError(
            f"{folder} contains no Model_Responses/TASK-SPLIT/MODEL.json: give the folder in which the released code was run."
        )
    report = []
    datasets = [task.lower() for task in tasks]
    if twice := sorted({name for name in datasets if datasets.count(name) > 1}):
        raise UserError(
            f"{folder}: two tasks are called {twice[0]} but for the case, and would be one dataset: rename one."
        )
    for task, members in sorted(tasks.items()):
        report += _import_task(folder, target, task, members)
    return report


def _import_task(folder: Path, target: Path, task: str, members: Mapping[str, list[Found]]) -> list[str]:
    dataset = task.lower()
    rows: list[dict[str, Any]] = []
    files = [Found(path.stem, path) for path in sorted(folder.glob(f"Data/{task}/*.json*"))]
    for found in _without_all(files):
        rows += [_question(found, row) for row in _read(found.path)]
    if not rows:
        raise UserError(
            f"{folder}/Data/{task}/SPLIT.json, which holds the questions of {task}, is missing: copy it there."
        )
    ids = _distinct(folder / "Data" / task, [row["question_id"] for row in rows])
    questions = pa.Table.from_pylist(rows, QUESTIONS)
    path = target / "hub" / MIRROR / dataset / "questions.parquet"
    write_table(path, questions, QUESTIONS)
    categories = sorted(set(questions["category"].to_pylist()))
    report = [f"{path}: {len(ids)} questions of {len(categories)} tasks ({', '.join(categories)})"]
    for nickname, answered in sorted(members.items()):
        answers = pa.Table.from_pylist(_answers(nickname, _without_all(answered)), ANSWERS)
        pool = next((name for name, models in POOLS.items() if nickname in models), OTHER_POOL)
        path = target / "recorded" / dataset / pool / f"{nickname}.parquet"
        write_table(path, answers, ANSWERS)
        given = set(answers["question_id"].to_pylist())
        report.append(
            f"{path}: {len(given)} answers, {answers['answer'].null_count} of them without a letter; {len(ids - given)} "
            f"questions have no answer, {len(given - ids)} answers belong to no question"
        )
    return report + _import_embeddings(folder, target, task, ids)


def _without_all(files: list[Found]) -> list[Found]:
    """The files to read: those of the parts, or else the one of ``all``."""
    return [file for file in files if file.part != ALL] or files


def _question(found: Found, row: Mapping[str, Any]) -> dict[str, Any]:
    for name in ("category", "question", "options", "answer"):
        if name not in row:
            raise UserError(f"{found.path}: the question {row['question_id']} has no {name}: add it.")
    kept = {name: row[name] for name in QUESTIONS.names if name in row}
    if not isinstance(kept["options"], list):
        raise UserError(f"{found.path}: the options of the question {row['question_id']} are not a list.")
    return kept | {"options": [str(option) for option in kept["options"]], "part": found.part}


def _answers(nickname: str, files: list[Found]) -> list[dict[str, Any]]:
    """A member's answers from all its files: question_id, answer (null if none was read), text, mean_log_probability."""
    answers = []
    for found in files:
        for row in _read(found.path):
            if "selected_choice" not in row:
                raise UserError(
                    f"{found.path}: the answer to {row['question_id']} has no selected_choice: check that this is a file of answers."
                )
            letter, text, confidence = row["selected_choice"], row.get(f"{nickname}_response"), row.get("avg_logprob")
            if not isinstance(confidence, int | float) or math.isnan(confidence):
                confidence = None
            answers.append(
                {
                    "question_id": row["question_id"],
                    "answer": letter if isinstance(letter, str) and re.fullmatch("[A-Z]", letter) else None,
                    "text": text if isinstance(text, str) else None,
                    "mean_log_probability": confidence,
                }
            )
    _distinct(files[0].path.parent, [answer["question_id"] for answer in answers], f"{nickname}: ")
    return answers


def _read(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON file (a list, or one per line in ``.jsonl``), each with its question_id as text."""
    try:
        text = read_text(path)
        rows = (
            [json.loads(line) for line in text.split("\n") if line.strip()]
            if path.suffix == ".jsonl"
            else json.loads(text)
        )
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as JSON ({error}): copy it again.") from error
    if not isinstance(rows, list):
        raise UserError(f"{path} contains {type(rows).__name__}, not a list as the released code writes it.")
    for number, row in enumerate(rows):
        if not isinstance(row, dict) or not isinstance(row.get("question_id"), str | int):
            raise UserError(f"{path}: entry {number} has no question_id.")
        row["question_id"] = str(row["question_id"])
    return rows


def _distinct(where: Path, ids: list[str], what: str = "") -> set[str]:
    distinct = set(ids)
    if len(distinct) < len(ids):
        first = next(name for name in ids if ids.count(name) > 1)
        raise UserError(f"{where}: {what}the question {first} occurs twice, perhaps in two splits: keep one of them.")
    return distinct


def _import_embeddings(folder: Path, target: Path, task: str, ids: set[str]) -> list[str]:
    files = sorted(folder.glob(f"artifacts/{task}_only_question_embeddings*.pt"))
    if not files:
        return []
    vectors: dict[str, np.ndarray] = {}
    for path in files:
        vectors |= _read_embeddings(path)
    known = [name for name in vectors if name in ids]
    lengths = {len(vectors[name]) for name in known}
    if len(lengths) != 1:
        raise UserError(
            f"{files[0]}: the vectors for the questions of {task} have the lengths {sorted(lengths)}: give vectors of one length."
        )
    table = pa.table({"question_id": known, "embedding": from_matrix(np.stack([vectors[name] for name in known]))})
    path = target / "recorded" / task.lower() / "embeddings.parquet"
    write_table(path, table, table.schema)
    lacking = len(ids) - len(known)
    line = f"{path}: {len(known)} vectors of {lengths.pop()} numbers"
    further = len(vectors) - len(known)
    told = [f"{files[0].parent}: {further} vectors belong to no question of {task} and are left out"] if further else []
    return [*told, f"{line}; {lacking} questions have none: compute the embeddings instead" if lacking else line]


def _read_embeddings(path: Path) -> dict[str, np.ndarray]:
    """Vectors by question_id from a file of torch.save; code in the file is never run."""
    import torch

    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{path} is damaged, or contains more than tensors and is not loaded: {reason}") from error
    if not isinstance(loaded, dict) or not all(
        isinstance(key, str | int) and isinstance(value, torch.Tensor) and value.ndim == 1
        for key, value in loaded.items()
    ):
        raise UserError(f"{path} contains no dictionary of vectors by question_id, which the released code writes.")
    return {str(key): value.float().numpy() for key, value in loaded.items()}
