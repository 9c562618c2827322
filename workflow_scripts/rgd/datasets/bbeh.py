"""BIG-Bench Extra Hard: its nine tasks with options or a closed set of answers, 1,720 questions (arXiv 2502.19187)."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rgd.answers.kinds import LETTER
from rgd.artifacts.texts import read_text
from rgd.datasets.base import Question
from rgd.datasets.mirror import source_files
from rgd.errors import UserError

# Tasks whose answers are words that the question names at its end.
WORDS = {
    "boardgame_qa": ("proved", "disproved", "unknown"),
    "causal_understanding": ("Yes", "No", "Ambiguous"),
}
_OPTION = re.compile(r"^[ \t]*\(([A-Z])\)[ \t]*", re.MULTILINE)
_KEY = re.compile(r"\(?([A-Z])\)?")


def questions(settings: Mapping[str, Any], folder: Path | None) -> list[Question]:
    """The questions of the settings' tasks, from a task.json for each.

    Options are taken out of the question's text, in order, and are lettered by position.

    Args:
        settings: source (file) and tasks.
        folder: what the files' names are relative to.

    Raises:
        UserError: there is no source, or a file is not JSON of the expected form.
    """
    if folder is None:
        raise UserError("the adapter bbeh needs a source, but the dataset's file has none. Add source.")
    files = source_files(settings["source"], settings["tasks"])
    return [question for file in files if file.task for question in _task(folder / file.name, file.task)]


def _task(path: Path, task: str) -> list[Question]:
    try:
        examples = json.loads(read_text(path))["examples"]
        return [parse(task, number, example["input"], example["target"]) for number, example in enumerate(examples)]
    except FileNotFoundError as error:
        raise UserError(
            f"{path} is missing. Check that {task} is a task of BBEH and that the mirror is complete."
        ) from error
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise UserError(f"{path} is not a task file of BBEH ({error}). Fetch it again.") from error


def parse(task: str, number: int, text: str, target: str) -> Question:
    """A question of ``task`` from its text and its key; a key that is not one of the options gives an empty label."""
    key = target.strip()
    options: tuple[str, ...]
    if task in WORDS:
        options, body = WORDS[task], text
        label = "ABC"[options.index(key)] if key in options else ""
    else:
        marks = list(_OPTION.finditer(text))
        ends = [mark.start() for mark in marks[1:]] + [len(text)]
        pieces = [text[mark.end() : end] for mark, end in zip(marks, ends, strict=True)]
        # Text after the last option's line belongs to the question, such as how to write the answer.
        last, _, after = pieces[-1].partition("\n") if pieces else ("", "", "")
        options = tuple(piece.strip() for piece in [*pieces[:-1], last])
        before = text[: marks[0].start()] if marks else text
        body = "\n".join(part.strip() for part in (before.removesuffix("Options:\n"), after) if part.strip())
        letters = [mark.group(1) for mark in marks]
        found = _KEY.fullmatch(key)
        # A letter that marks two options means the first.
        label = chr(ord("A") + letters.index(found.group(1))) if found and found.group(1) in letters else ""
    return Question(f"{task}-{number:04d}", task, body.strip(), options, LETTER, label)
