"""Answers in a few words: reading them. When two of them are equal is in :mod:`rgd.answers.wording`."""

import re
from collections.abc import Iterator

from rgd.answers.extraction import (
    ANSWER_IS,
    BOXED,
    CUT_OFF,
    NO_RULE,
    Extraction,
    is_denied,
    is_doubted,
    is_inside_word,
    lowered,
    parts,
    places,
)
from rgd.answers.latex import boxes
from rgd.answers.mathematics import CUES, LAST_LINE, LINK, NO_VALUE, REASON, WHOLE_TEXT, field_value

_LONGEST = 300
_SHORT = 100
_MARKS = " \t\n*_`#>\"'“”‘’«»「」$"
# An answer does not end within an abbreviation or after an initial: "St. Louis", "J. R. R. Tolkien", "Washington, D.C."
_SENTENCE_END = re.compile(
    r"(?<!\b[^\W\d_])(?<!\b(?:Mr|Dr|St|Mt|Ms|Jr|Sr|vs|No))(?<!\b(?:Mrs|Inc|Ltd|Col|Gen|Lt.|Rev|Hon|etc))(?<!\bProf)"
    r"[.!?](?=[\s*_\"”')\]]|\Z)|[。！？\n]|</"
)
_TEXT = re.compile(r"\\(?:text\w*|mathrm|mbox)\s*\{([^{}]*)\}")
# What is said instead of an answer.
_NO_ANSWER = re.compile(
    r"(?:not|unknown|unclear|impossible|incorrect|correct|wrong|right|based|obtained|found|given|to be)\b(?!\s+(?:the|a|an)\b)",
    re.IGNORECASE,
)


def extract_phrase(text: str, *, cut_off: bool = False) -> Extraction:
    """The few words that ``text`` commits itself to, as the last of its commitments; a text of one short line is its answer.

    Args:
        text: what the model wrote, without its thoughts.
        cut_off: the model was stopped by its token limit. Only a commitment that no doubt follows then counts.
    """
    for start, stop in parts(text):
        part = text[start:stop]
        place, end, found = max(_box(part), _cue(part), key=lambda each: each[0])
        is_open = cut_off and stop == len(text)
        if place >= 0:
            if not is_open or (part[end:].strip() and not is_doubted(part, end)):
                return found
        elif not is_open and next(_links(part), None) is None:
            alone = _alone(part)
            if alone is not None:
                return alone
    return Extraction(None, CUT_OFF if cut_off else NO_RULE)


_Place = tuple[int, int, Extraction]
_NOWHERE: _Place = (-1, -1, Extraction(None, NO_RULE))


def _box(text: str) -> _Place:
    found = boxes(text)
    words = _words(found[-1].content) if found else ""
    return (found[-1].start, found[-1].end, Extraction(words, BOXED)) if words else _NOWHERE


def _cue(text: str) -> _Place:
    for start, link in _links(text):
        found = field_value(text, link.end()) if link["field"] is not None else _sentence(text, link)
        if found is not None and (words := _words(found[0])):
            return start, found[1], Extraction(words, ANSWER_IS)
    return _NOWHERE


def _links(text: str) -> Iterator[tuple[int, re.Match[str]]]:
    """Where a cue starts, and what joins it to its answer; the last first."""
    lower = lowered(text)
    for start, word in places(filter(str.isascii, CUES) if lower.isascii() else CUES, lower):
        link = LINK.match(text, start + len(word))
        if link is not None and not is_inside_word(lower, start) and not is_denied(text, start, link.group()):
            yield start, link


def _sentence(text: str, link: re.Match[str]) -> tuple[str, int] | None:
    """The words after a cue, up to the end of its sentence, its tag or a reason, and where they end."""
    start = link.end() + len(text[link.end() :]) - len(text[link.end() :].lstrip(_MARKS + ":："))
    stop = text.find("</", start) if link["tag"] is not None else -1
    limit = min(stop if stop >= 0 else len(text), start + _LONGEST)
    ending = _SENTENCE_END.search(text, start, limit)
    end = ending.start() if ending else limit
    # Answers are short; what goes on for longer is none.
    if end == start + _LONGEST or _NO_ANSWER.match(text, start):
        return None
    return REASON.split(text[start:end])[0], end


def _alone(text: str) -> Extraction | None:
    """All of a text of one line, or its last line where that is short and no sentence."""
    lines = [line for line in text.split("\n") if line.strip(_MARKS + "-=")]
    if not lines:
        return None
    if len(lines) == 1:
        ending = _SENTENCE_END.search(lines[0].strip())
        whole = lines[0].strip()[: ending.start()] if ending else lines[0]
        words = _words(whole)
        return Extraction(words, WHOLE_TEXT) if words and len(words) <= _SHORT else None
    words = _words(lines[-1])
    is_sentence = lines[-1].strip(_MARKS)[-1:] in ".!?。！？:："
    return Extraction(words, LAST_LINE) if words and len(words) <= _SHORT and not is_sentence else None


def _words(text: str) -> str:
    """``text`` on one line, without marks around it; empty if it says that there is no answer."""
    plain = " ".join(_TEXT.sub(r"\1", text).split()).strip(_MARKS).rstrip(".").strip(_MARKS)
    return "" if NO_VALUE.fullmatch(plain) else plain
