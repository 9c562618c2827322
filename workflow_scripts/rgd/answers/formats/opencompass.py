"""OpenCompass: ``predictions/MODEL/TASK.json``, an object of numbered predictions.

A reference may be a sentence, as "正确答案：B。" in LawBench. It then shows the form of an answer: the answer is the first letter
that follows the same words in the prediction.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rgd.answers.formats.prompts import last_user_message, split_options
from rgd.answers.formats.reading import json_members, reading
from rgd.answers.formats.records import Asked, Record, Settings, needed_text, text_of
from rgd.errors import UserError

PATTERNS = ("*.json",)
CONFIDENCE = "confidence"

_REFERENCE = re.compile(r"\s*(?P<words>[^A-Za-z\s:：]{2,20})[:：]\s*(?P<letter>[A-Z])\s*[。.]?\s*")


def records(paths: Sequence[Path], settings: Settings) -> Iterator[Record]:
    """The records of files of predictions; the model is the folder, the task the file.

    Raises:
        UserError: a file is no file of predictions.
    """
    for path in paths:
        model = path.resolve().parent.name
        # A large task is written in parts: TASK_0.json, TASK_1.json.
        task = re.sub(r"_\d+\Z", "", path.stem)
        is_empty = True
        for key, row in json_members(path):
            is_empty = False
            with reading(path, f"prediction {key[:20]}"):
                record = _record(model, task, row)
            yield record
        if is_empty:
            raise UserError(f"{path} holds no predictions. Is it a file of predictions?")


def _record(model: str, task: str, row: Mapping[str, Any]) -> Record:
    question, options = split_options(needed_text(last_user_message(row["origin_prompt"]), "origin_prompt"))
    gold = row.get("gold", row.get("refr"))
    text = text_of(row["prediction"])
    if text is None:
        raise UserError("has no prediction")
    form = _REFERENCE.fullmatch(gold) if isinstance(gold, str) else None
    if form is None or not options:
        known = gold if isinstance(gold, str | int) and not isinstance(gold, bool) else None
        return Record(model, Asked(question, options, known, task=task), said=text, text=text)
    found = re.search(rf"{re.escape(form['words'])}[\s\]】:：]{{1,5}}([A-Z])", text)
    return Record(
        model, Asked(question, options, form["letter"], task=task), answer=found[1] if found else None, text=text
    )
