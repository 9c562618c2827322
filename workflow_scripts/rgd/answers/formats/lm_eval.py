"""lm-evaluation-harness: ``samples_TASK_TIME.jsonl``, with ``results_TIME.json`` beside them for the model's name.

Multiple choice has a request for each option; its answer is the option with the highest sum of log-probabilities, as in the
metric acc, and its confidence the softmax of the sums. Generated answers are read from the filtered reply. Numbers may be
written as texts. Sources: the files of versions 0.4.2 to 0.4.13.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rgd.answers.formats.prompts import last_user_message, options_of, question_of, split_options
from rgd.answers.formats.reading import json_document, json_lines, reading
from rgd.answers.formats.records import Asked, Record, Settings, inside, needed_text, number_of, text_of
from rgd.errors import UserError

PATTERNS = ("samples_*.jsonl",)
CONFIDENCE = "confidence"

_SAMPLES = re.compile(r"samples_(?P<task>.+)_(?P<time>\d{4}-\d\d-\d\dT.+)\.jsonl")
_METRICS = ("exact_match", "acc", "acc_norm", "prompt_level_strict_acc", "f1", "em", "pass@1")
_INVALID = "[invalid]"


def records(paths: Sequence[Path], settings: Settings) -> Iterator[Record]:
    """The records of files of samples.

    Raises:
        UserError: a file is not one of samples, or is damaged.
    """
    for path in paths:
        named = _SAMPLES.fullmatch(path.name)
        if path.suffix != ".jsonl":
            raise UserError(f"{path} is no file of samples. Give samples_*.jsonl, which --log_samples writes.")
        model = _model(path, named["time"] if named else None)
        task = named["task"] if named else path.stem.removeprefix("samples_")
        first = None
        for place, sample in json_lines(path):
            with reading(path, place):
                record = _record(model, task, sample)
                # Each filter has lines of its own; those of the first are kept.
                name = str(sample.get("filter"))
                first = name if first is None else first
                record.is_other_version = name != first
            yield record


def _model(path: Path, time: str | None) -> str:
    """The model of a file of samples: what the results of the same run say, else the folder."""
    beside = sorted(path.parent.glob("results_*.json"))
    same = [each for each in beside if time is not None and each.stem == f"results_{time}"]
    for results in same or beside[-1:]:
        content = json_document(results)
        name = inside(content, "model_name")
        arguments = inside(content, "config", "model_args")
        if not isinstance(name, str):
            name = inside(arguments, "pretrained") or inside(arguments, "model")
        if not isinstance(name, str) and isinstance(arguments, str):
            found = re.search(r"(?:pretrained|model)=([^,]+)", arguments)
            name = found[1] if found else None
        if isinstance(name, str) and name.strip():
            return name
    return path.resolve().parent.name.replace("__", "/", 1)


def _record(model: str, task: str, sample: Mapping[str, Any]) -> Record:
    document = sample["doc"] if isinstance(sample.get("doc"), Mapping) else {}
    requests = _requests(sample)
    replies = sample.get("filtered_resps", sample.get("resps"))
    if not isinstance(replies, list) or not replies:
        raise UserError("has no filtered_resps")
    score = _score(sample)
    target = sample.get("target")
    sums = [_log_likelihood(reply) for reply in replies]
    if len(sums) > 1 and all(value is not None for value in sums):
        asked = _choice(document, requests, len(sums), target, task)
        values = np.array(sums[: len(asked.options)], dtype=float)
        odds = np.exp(values - values.max())
        best = int(values.argmax())
        return Record(model, asked, answer=chr(ord("A") + best), score=score, confidence=float(odds[best] / odds.sum()))
    said = text_of(replies[0]) if isinstance(replies[0], str) else text_of(inside(replies, 0, 0))
    text = text_of(inside(sample.get("resps"), 0, 0)) or said
    if text is None:
        raise UserError("has neither a reply nor log-likelihoods of several options")
    prompt = last_user_message(_prompt(requests))
    options, start = options_of(document)
    question = question_of(document)
    if question is None:
        question, parsed = split_options(needed_text(prompt, "question in its doc or prompt"))
        options = options or parsed
    gold = document.get("answer") if options and _is_plain(document.get("answer")) else target
    asked = Asked(question, options, _plain(gold), 1 if start == 1 else None, task)
    return Record(model, asked, said=None if said == _INVALID else said, text=text, score=score)


def _choice(
    document: Mapping[str, Any], requests: Sequence[Mapping[str, Any]], count: int, target: Any, task: str
) -> Asked:
    """The question of a multiple choice with ``count`` requests, of which a second half may have no context."""
    continuations = [(text_of(request.get("arg_1")) or "").strip() for request in requests]
    options, _ = options_of(document, count)
    if not options and count % 2 == 0:
        options, _ = options_of(document, count // 2)
    options = options or tuple(continuations)
    question = question_of(document) or needed_text(last_user_message(_prompt(requests)), "question")
    gold = _plain(target)
    if isinstance(gold, str) and gold.strip() in continuations and len(set(continuations)) == len(continuations):
        gold = continuations.index(gold.strip())
    return Asked(question, options, gold, 0, task)


def _requests(sample: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The arguments of the requests, in order; older files have lists in the place of named ones."""
    given = sample.get("arguments")
    if isinstance(given, Mapping):
        return [each for each in given.values() if isinstance(each, Mapping)]
    rows = given if isinstance(given, list) else []
    return [{f"arg_{n}": value for n, value in enumerate(row)} for row in rows if isinstance(row, list)]


def _prompt(requests: Sequence[Mapping[str, Any]]) -> Any:
    """The prompt of the first request: a text, or the messages of a chat, which are written as JSON."""
    prompt = requests[0].get("arg_0") if requests else None
    if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], str):
        prompt = prompt[0]
    if isinstance(prompt, str) and prompt.lstrip().startswith("[{"):
        try:
            return json.loads(prompt)
        except ValueError:
            return prompt
    return prompt


def _log_likelihood(reply: Any) -> float | None:
    pair = reply[0] if isinstance(reply, list) and len(reply) == 1 and isinstance(reply[0], list) else reply
    if not isinstance(pair, list) or len(pair) != 2:
        return None
    is_greedy = str(pair[1]).lower() in ("true", "false")
    return number_of(pair[0]) if is_greedy else None


def _score(sample: Mapping[str, Any]) -> float | None:
    listed = sample.get("metrics")
    names = [name for name in listed if isinstance(name, str)] if isinstance(listed, list) else list(_METRICS)
    values = (number_of(sample.get(name)) for name in names)
    return next((value for value in values if value is not None and 0 <= value <= 1), None)


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _plain(value: Any) -> str | int | None:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if _is_plain(value) else None
