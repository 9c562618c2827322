"""Inspect (inspect_ai): logs as ``.json`` or ``.eval``, a zip archive with a file for each sample.

The value of a score is C (correct), I (incorrect), P (partly) or N (no answer), a number or a truth value; the letter of the
answer is the score's ``answer``.
"""

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rgd.answers.formats.prompts import last_user_message
from rgd.answers.formats.reading import json_header, json_rows, reading, zipped_json
from rgd.answers.formats.records import Asked, Record, Settings, count_of, inside, needed_text, number_of, text_of
from rgd.errors import UserError

PATTERNS = ("*.json", "*.eval")
CONFIDENCE = "confidence"

VALUES = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0}
_ATTACHMENT = "attachment://"
# A sample's other members, such as its events, can be far larger.
_READ = ("input", "choices", "target", "output", "scores", "epoch", "error", "attachments")


def records(paths: Sequence[Path], settings: Settings) -> Iterator[Record]:
    """The records of logs.

    Raises:
        UserError: a file is no log, or has no samples.
    """
    for path in paths:
        read = _zipped(path) if path.suffix == ".eval" else _json(path)
        number = 0
        for place, evaluated, sample in read:
            with reading(path, place):
                record = _record(evaluated, sample)
            number += 1
            yield record
        if not number:
            raise UserError(f"{path} has no samples. Was the log written with --no-log-samples?")


def _json(path: Path) -> Iterator[tuple[str, Any, Any]]:
    header = json_header(path, ("eval",))
    with reading(path):
        evaluated = header["eval"]
    for number, sample in enumerate(json_rows(path, "samples")):
        yield f"sample {number}", evaluated, sample


def _zipped(path: Path) -> Iterator[tuple[str, Any, Any]]:
    with reading(path), zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        # A log that was not finished has its header in the journal alone.
        header = next((name for name in ("header.json", "_journal/start.json") if name in names), None)
        if header is None:
            raise UserError("has no header.json")
        evaluated = zipped_json(path, archive, header, ("eval",))["eval"]
        for name in sorted(name for name in names if name.startswith("samples/") and name.endswith(".json")):
            yield name, evaluated, zipped_json(path, archive, name, _READ)


def _record(evaluated: Mapping[str, Any], sample: Mapping[str, Any]) -> Record:
    output = sample.get("output")
    text = text_of(inside(output, "choices", 0, "message", "content"))
    text = _attached(sample, text_of(inside(output, "completion")) if text is None else text)
    options = sample.get("choices") or []
    if not isinstance(options, list) or not all(isinstance(option, str) for option in options):
        raise UserError("its choices are no list of texts")
    scored = _scored(sample.get("scores"))
    answer, target = inside(scored, "answer"), sample.get("target")
    if isinstance(target, list):
        target = target[0] if len(target) == 1 else None
    question = _attached(sample, last_user_message(sample.get("input")))
    is_letter = isinstance(answer, str) and len(answer.strip()) == 1
    usage = inside(output, "usage")
    return Record(
        needed_text(evaluated.get("model"), "model"),
        Asked(
            needed_text(question, "input"),
            tuple(options),
            target if isinstance(target, str) else None,
            task=str(evaluated.get("task") or "").rpartition("/")[2],
        ),
        said=None if is_letter else text,
        answer=answer.strip() if isinstance(answer, str) and is_letter else None,
        text=text,
        score=_value(inside(scored, "value")),
        prompt_tokens=count_of(inside(usage, "input_tokens")),
        completion_tokens=count_of(inside(usage, "output_tokens")),
        latency=number_of(inside(output, "time")),
        is_cut_off=inside(output, "choices", 0, "stop_reason") == "max_tokens",
        failed=sample.get("error") is not None,
        is_other_version=(number_of(sample.get("epoch")) or 1) > 1,
    )


def _scored(scores: Any) -> Any:
    """The first score whose value can be read."""
    values = list(scores.values()) if isinstance(scores, Mapping) else []
    return next((score for score in values if _value(inside(score, "value")) is not None), None)


def _value(value: Any) -> float | None:
    return VALUES[value] if isinstance(value, str) and value in VALUES else number_of(value)


def _attached(sample: Mapping[str, Any], text: str | None) -> str | None:
    """A text, which may lie among the sample's attachments."""
    if text is not None and text.startswith(_ATTACHMENT):
        return text_of(inside(sample, "attachments", text.removeprefix(_ATTACHMENT)))
    return text
