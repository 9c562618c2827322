"""Questions as other tools have them: inside a prompt, or in the fields of a benchmark's document."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rgd.answers.formats.records import inside, text_of

_MARK = re.compile(
    r"(?:\A|(?<=[\n?？。；;:：.,，)）\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]))[ \t]*[(（]?(?P<letter>[A-Z])[)）.:：、]\s*"
)
# The end of an example in a prompt: its answer, on a line of its own or behind the word.
_EXAMPLE_END = re.compile(r"(?<!\w)(?:answer|ans|答案|정답)[ \t]*[:：]\s*\(?[A-Z0-9]+\)?[ \t]*\n+", re.IGNORECASE)
_TURN = re.compile(
    r"<\|(?:im_start|start_header_id)\|>\s*\w*(?:<\|end_header_id\|>)?|<\|[a-z_]+\|>|\[/?INST\]|<</?SYS>>"
)

_CONTEXTS = ("context", "passage", "premise", "paragraph", "article", "support", "background", "story")
_QUESTIONS = (
    *("question", "problem", "query", "sentence", "prompt", "goal", "ctx", "input", "question_stem", "instruction"),
    *("Question", "Problem", "text", "activity_label"),
)
_OPTION_LISTS = ("choices", "options", "endings", "answers", "gold_choices", "Options")
_OPTION_COLUMNS = (
    *(
        ("option", 1),
        ("choice", 1),
        ("sol", 1),
        ("ending", 0),
        ("ending", 1),
        ("option_", 1),
        ("opt", 1),
        ("answer", 0),
    ),
    *(("choice_", 1), ("ans", 0)),
)
_MOST_OPTIONS = 26


def split_options(prompt: str) -> tuple[str, tuple[str, ...]]:
    """The question of a prompt, and the options that stand in it behind the letters A, B, ….

    Examples before the question are left out where each ends in its answer. A prompt without at least two options is
    returned whole.
    """
    text = _TURN.sub("\n", prompt).strip()
    ends = list(_EXAMPLE_END.finditer(text))
    start = ends[-1].end() if ends else 0
    # The answers of the last question, if the prompt holds them, are no end of an example.
    text = text[start:] if text[start:].strip() else text
    marks = list(_MARK.finditer(text))
    for first in reversed([place for place, mark in enumerate(marks) if mark["letter"] == "A"]):
        run = [marks[first]]
        for mark in marks[first + 1 :]:
            if ord(mark["letter"]) == ord("A") + len(run):
                run.append(mark)
        if len(run) >= 2:
            bounds = [*(mark.start() for mark in run[1:]), len(text)]
            options = [text[mark.end() : bound] for mark, bound in zip(run, bounds, strict=True)]
            # What follows the last option on another line tells the model how to answer.
            options[-1] = options[-1].split("\n", 1)[0]
            stem = re.sub(
                r"\n\s*(?:options|choices)\s*[:：]\s*\Z", "", text[: run[0].start()].rstrip(), flags=re.IGNORECASE
            )
            return stem.strip(), tuple(option.strip().rstrip(";；").strip() for option in options)
    return text, ()


def question_of(document: Mapping[str, Any]) -> str | None:
    """The question in the fields of a benchmark's document, with the passage that it is about; None if no field holds one."""
    parts = [text for name in _CONTEXTS if (text := _filled(document.get(name)))]
    asked = next((text for name in _QUESTIONS if (text := _filled(document.get(name)))), None)
    return "\n\n".join([*parts, *([asked] if asked else [])]) or None


def options_of(document: Mapping[str, Any], count: int | None = None) -> tuple[tuple[str, ...], int | None]:
    """The options in the fields of a benchmark's document, and the number from which its labels count them.

    Args:
        document: the fields.
        count: how many options there must be; None if unknown.

    Returns:
        The options, empty if there are none, and 1 where the fields are numbered from 1, else None.
    """
    candidates: list[tuple[Sequence[Any], int | None]] = []
    for name in _OPTION_LISTS:
        value = document.get(name)
        value = inside(value, "text") if isinstance(value, Mapping) else value
        if isinstance(value, list) and value and isinstance(value[0], Mapping):
            value = [inside(each, "text") for each in value]
        if isinstance(value, list):
            candidates.append((value, None))
    candidates.append((inside(document, "mc1_targets", "choices") or [], None))
    letters = [chr(ord("A") + place) for place in range(_MOST_OPTIONS)]
    candidates.append((_run(document, letters), None))
    for prefix, first in _OPTION_COLUMNS:
        values = _run(document, [f"{prefix}{first + place}" for place in range(_MOST_OPTIONS)])
        candidates.append((values, first))
    for options, start in candidates:
        texts = [str(option) for option in options if isinstance(option, str | int | float)]
        if 2 <= len(texts) == len(options) and len(texts) <= _MOST_OPTIONS and count in (None, len(texts)):
            return tuple(texts), start
    return (), None


def last_user_message(messages: Any) -> str | None:
    """The text of a chat's last message by the user, or of a prompt that is no chat."""
    if not isinstance(messages, list):
        return text_of(messages)
    said = [
        text_of(inside(message, "content")) or text_of(inside(message, "prompt"))
        for message in messages
        if str(inside(message, "role")).lower() in ("user", "human")
    ]
    return said[-1] if said else text_of(messages)


def _run(document: Mapping[str, Any], names: Sequence[str]) -> list[Any]:
    """The values of the first ``names``, as far as there are any."""
    values = []
    for name in names:
        if document.get(name) in (None, ""):
            break
        values.append(document[name])
    return values


def _filled(value: Any) -> str | None:
    return value.strip() if isinstance(value, str) and value.strip() else None
