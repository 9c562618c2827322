"""Telling a question with its options from any other message of a conversation."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from rgd.datasets.base import MAX_OPTIONS, MIN_OPTIONS
from rgd.engines.prompts import letter

_LABEL = re.compile(r"[ \t]{0,3}(?:\*\*)?(?:(\()([A-Z])\)|([A-Z])([).:]))(?:\*\*)?(?:[ \t]+(.*)|)$")
_FENCE = re.compile(r"[ \t]{0,3}(```+|~~~+)")
# What a question is known by: it asks for a choice, or it ends where an option is to complete it.
_ASKS = re.compile(
    r"[?？]|_{3,}|\b(?:which|what|who|whom|whose|when|where|why|how|choose|select|pick|identify|true|false|correct|incorrect|"
    r"best|most likely|following|option|answer|equals?|find|compute|calculate|determine|solve|evaluate|statements?)\b",
    re.IGNORECASE,
)
_INCOMPLETE = re.compile(r"(?:[\w)\]\"'”’,:…–-]|_{2,}|\.{3})\s*$")
# What a text begins with that asks for something to be done with a list.
_TASK = re.compile(
    r"\W*(?:please\s+|can you\s+|could you\s+)?(?:add|arrange|check|classify|combine|compare|convert|correct|create|describe|draft|"
    r"edit|elaborate|expand|explain|fix|format|generate|here|improve|list|make|merge|order|paraphrase|prioriti[sz]e|proofread|rank|"
    r"reformat|rephrase|review|rewrite|shorten|simplify|sort|summari[sz]e|these|this is my|my|translate|turn|use|write)\b",
    re.IGNORECASE,
)
# What may stand after the options: how to answer.
_HOW = re.compile(
    r"\b(?:answer|letter|option|choice|choose|select|pick|respond|reply|step by step|reason|explain|explanation|justify|"
    r"only one|think)\b",
    re.IGNORECASE,
)
_LONGEST_HOW = 400


class _Label(NamedTuple):
    """A line's number, its label's letter and form, and the rest of the line."""

    line: int
    letter: str
    rest: str
    form: str


def split_options(text: str) -> tuple[str, list[str]]:
    """The question in ``text`` and the options in its lines ``A. …``, ``B. …``; no options unless it plainly is such a question.

    The labels start at A and follow each other: ``A.``, ``A)``, ``A:`` or ``(A)``. An option may span lines
    and hold blocks of code. What stands before them must ask something, unless what stands after them says how to answer;
    nothing else may stand there. A text with several lists of options, or with equal or empty options, is no such question.
    """
    whole = text.strip()
    lines = whole.splitlines()
    found = _run(list(_labels(lines)))
    if not MIN_OPTIONS <= len(found) <= MAX_OPTIONS:
        return whole, []
    question = "\n".join(lines[: found[0].line]).strip()
    if not question:
        return whole, []
    ends = [label.line for label in found[1:]] + [len(lines)]
    parts = [
        "\n".join([label.rest, *lines[label.line + 1 : end]]).strip() for label, end in zip(found, ends, strict=True)
    ]
    spans = any("\n" in part for part in parts[:-1])
    last, after = _last_option(parts[-1], spans=spans)
    options = [*parts[:-1], last]
    says_how = bool(after) and len(after) <= _LONGEST_HOW and bool(_HOW.search(after))
    if not says_how and (after or not _is_question(question)):
        return whole, []
    if not all(options) or len(set(options)) < len(options):
        return whole, []
    return question, options


def _is_question(text: str) -> bool:
    if _TASK.match(text):
        return bool(re.search(r"[?？]", text))
    return bool(_ASKS.search(text) or _INCOMPLETE.search(text))


def _run(labels: list[_Label]) -> list[_Label]:
    """The labels of the one list of options, from A on; none if there are several lists of one form.

    Labels before it, and others than the next letter within it, are text: initials, roman numerals, a legend of another form.
    """
    starts = [place for place, label in enumerate(labels) if label.letter == "A"]
    if not starts:
        return []
    *others, last = starts
    for start, end in zip(others, starts[1:], strict=True):
        is_list = any(label.letter == "B" for label in labels[start + 1 : end])
        if is_list and labels[start].form == labels[last].form:
            return []
    found: list[_Label] = []
    for label in labels[last:]:
        if label.letter == letter(len(found)):
            found.append(label)
    return found


def _labels(lines: list[str]) -> Iterator[_Label]:
    """Every line that begins with a label, outside blocks of code."""
    fence = ""
    for number, line in enumerate(lines):
        match = _LABEL.match(line)
        if match and not fence:
            opening, inside, before, mark, rest = match.groups()
            yield _Label(number, inside or before, rest or "", opening or mark)
            line = rest or ""
        mark_of_fence = _FENCE.match(line)
        if mark_of_fence:
            sign = mark_of_fence.group(1)
            if not fence:
                fence = sign
            elif sign.startswith(fence):
                fence = ""


def _last_option(part: str, *, spans: bool) -> tuple[str, str]:
    """The last option, which ends at a blank line or at a line on how to answer, and what stands after it.

    Args:
        part: everything after the last label.
        spans: whether another option has several lines, so that this one may have.
    """
    lines = part.splitlines()
    fence = ""
    for number, line in enumerate(lines):
        mark = _FENCE.match(line)
        if mark:
            fence = "" if fence and mark.group(1).startswith(fence) else fence or mark.group(1)
        if fence or mark or not number:
            continue
        if not line.strip() or not spans or _HOW.search(line):
            following = "\n".join(lines[number:]).strip()
            if not line.strip() and following and spans and not _HOW.search(following):
                continue
            return "\n".join(lines[:number]).strip(), following
    return part, ""
