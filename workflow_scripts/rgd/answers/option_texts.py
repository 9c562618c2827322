"""Reading an option by its text, where the prompt shows options without letters: yes or no, or the classes of a task.

The text is read as for letters (:mod:`rgd.answers.extraction`), with the options' texts in the place of their labels. A
letter that stands alone is then no label.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cached_property, partial

from rgd.answers.extraction import (
    AROUND,
    BY_TEXT,
    IS_THE_ANSWER,
    LABEL,
    Extraction,
    Finder,
    Found,
    boxes,
    committed,
    cued,
    is_doubted,
    latest,
    lowered,
)
from rgd.answers.kinds import YES_AND_NO
from rgd.answers.labels import Labels, Named
from rgd.answers.wording import FALSE, LOOSE, NO, TRUE, YES, key

# After an option that is a part of a longer text: the end of a clause, a reason, or a verb of what follows.
_ENDS = re.compile(
    r"[\s*_`\"'”’)\]}>$]*(?:[.,;:!?。，；：！(\[{<|]|[-–—]+\s|\n|\Z|\\)"
    r"|[\s*_`\"'”’)\]}>$]+(?:because|since|as|due|based|given|for|in|on|with|but|and|or|overall|that|this|there|it|he|she|they|we|the|i|is|was"
    r"|weil|da|denn|car|parce|porque|perché|потому)\b",
    re.IGNORECASE,
)
_ASIAN = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]")
_OR = re.compile(
    r"[\s*_`\"'”’)\]}]*(?:,|/|&|;|(?:and/or|and|or|und|oder|et|ou|y|o|e|и|или)\b|[和或及、]|와|과|또는)[\s*_`\"'“‘(\[{]*",
    re.IGNORECASE,
)
_ASKED = re.compile(r"[\s*_`\"'”’)\]}.]*[?？]")
_REJECTED = re.compile(
    r"(?:\b(?:not|cannot|nor|neither|never|than|unlike|except|without|isn['’]t|wasn['’]t|nicht|pas|no es|non è)\s+(?:be\s+|an?\s+|the\s+|really\s+|quite\s+)*"
    r"|不是?|并非|не\s+)[\"'“*_]*\Z",
    re.IGNORECASE,
)
# "Sentiment: positive", as a line of its own.
_FIELD = re.compile(r"[\s*_#>\"'“-]*[^\W\d][\w ]{0,30}[*_\"'”]*\s*(?:[:：=]|->|→)\s*")
_IS_THE_ANSWER = (
    r"[*_`\"'”’)\]}.]*\s+(?:is|was|would be|must be|should be|seems|ist|est|es|é|è)\s+(?:therefore\s+|thus\s+|clearly\s+|most likely\s+)?"
    r"(?:the|our|my|die|la|le|a)\s+(?:most\s+\w+\s+|only\s+|best\s+|final\s+|correct\s+|right\s+)*(?:answer|choice|option|label|class|category)"
)
_RETHOUGHT = re.compile(r"\b(?:wait|hold on|hmm+|actually|on second thought)\b", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?][\s*_\"”)]+|[。！？\n]")
_SENTENCE = 300
_NEAR = 40


class Texts(Labels):
    """The options of a question as their own labels.

    Args:
        letters: the options' letters, in order.
        options: their texts, in the same order.
    """

    def __init__(self, letters: str, options: Sequence[str]) -> None:
        super().__init__(letters, options)
        self.of_text = dict(zip(map(key, options), letters, strict=True))
        self.of_answer = dict(self.of_text)
        # "There is no evidence" does not say no.
        self._is_yes_no = list(self.of_text) == list(map(key, YES_AND_NO))
        if self._is_yes_no:
            for letter, in_sentence, alone in zip(letters, (YES, NO), (TRUE, FALSE), strict=True):
                self.of_text |= dict.fromkeys(in_sentence, letter)
                self.of_answer |= dict.fromkeys((*in_sentence, *alone), letter)

    @cached_property
    def in_sentences(self) -> re.Pattern[str]:
        """An option's text anywhere; of two that begin alike, the longer. The group is named after the option's letter."""
        return re.compile(_any_of(self.of_text), re.IGNORECASE)

    @cached_property
    def as_answers(self) -> re.Pattern[str]:
        """An option's text, or a word for it that is one only where an answer is expected."""
        return re.compile(_any_of(self.of_answer), re.IGNORECASE)

    @cached_property
    def predicated(self) -> re.Pattern[str]:
        """An option's text of which a text says that it is the answer."""
        return re.compile(f"(?:{_any_of(self.of_text)}){_IS_THE_ANSWER}", re.IGNORECASE)

    def at(self, text: str, start: int) -> Named | None:
        """No letter is a label."""
        return None

    def text_at(self, text: str, start: int) -> Named | None:
        """The option whose text stands at ``start`` and ends a clause, or several that are joined."""
        match = self.as_answers.match(text, start)
        if not match or _ASKED.match(text, match.end()):
            return None
        found, end = [_letter(match)], match.end()
        while (joint := _OR.match(text, end)) and (further := self.as_answers.match(text, joint.end())):
            if not self._ends(text, further.end()):
                break
            found.append(_letter(further))
            end = further.end()
        if not self._ends(text, end):
            return None
        return Named("".join(dict.fromkeys(found)), start, end, by_text=True)

    def within(self, text: str, start: int) -> Named | None:
        """The options that the sentence at ``start`` names and does not reject."""
        end = _SENTENCE_END.search(text, start, start + _SENTENCE)
        stop = end.start() + 1 if end else min(len(text), start + _SENTENCE)
        found = [
            match
            for match in self.in_sentences.finditer(text, start, stop)
            if not _REJECTED.search(text[max(start, match.start() - _NEAR) : match.start()])
            and (self._ends(text, match.end()) if self._is_yes_no else text[match.end() : match.end() + 1] != "-")
        ]
        if not found:
            return None
        letters = dict.fromkeys(map(_letter, found))
        return Named("".join(letters), found[0].start(), found[-1].end(), by_text=True)

    def ends(self, text: str, end: int) -> bool:
        """Whether an option that ends at ``end`` is followed by the end of a clause."""
        return self._ends(text, end)

    def _ends(self, text: str, end: int) -> bool:
        return _ENDS.match(text, end) is not None or _ASIAN.match(text, end) is not None


def extract_option(text: str, letters: str, options: Sequence[str], *, cut_off: bool = False) -> Extraction:
    """The letter of the option whose text ``text`` commits itself to, as the last of its commitments.

    Args:
        text: what the model wrote, without its thoughts.
        letters: the options' letters, as "ABCD".
        options: the options' texts in the letters' order; they differ in more than case and spaces.
        cut_off: the model was stopped by its token limit. Only an explicit commitment that no doubt follows then counts.
    """
    return committed(text, lowered(text), Texts(letters, options), _last, cut_off)


def _last(text: str, lower: str, labels: Labels, is_open: bool) -> Found:
    assert isinstance(labels, Texts)
    found = latest(_EXPLICIT, text, lower, labels)
    if found is not None:
        return None if is_open and is_doubted(text, found[1].end) else found
    return (
        None if is_open else latest([partial(cued, is_weak=True)], text, lower, labels) or _last_sentence(text, labels)
    )


def _predicated(text: str, lower: str, labels: Labels) -> Found:
    assert isinstance(labels, Texts)
    found = None
    for match in labels.predicated.finditer(text):
        if not _REJECTED.search(text[max(0, match.start() - _NEAR) : match.start()]):
            found = match
    if found is None:
        return None
    return IS_THE_ANSWER, Named(_letter(found), found.start(), found.end(), by_text=True)


def _lines(text: str, lower: str, labels: Labels) -> Found:
    """The option that a text begins with, or that is its last line, alone or after a name and a colon."""
    assert isinstance(labels, Texts)
    lines = [match.span() for match in re.finditer(r"[^\n]+", text) if match.group().strip(AROUND)]
    if not lines:
        return None
    (start, stop), *_ = lines
    last = _line(text, *lines[-1], labels)
    if last is not None:
        before = _line(text, *lines[-2], labels) if len(lines) > 1 else None
        # Different options below each other are a list.
        listed = last.letters if before is None else "".join(dict.fromkeys(before.letters + last.letters))
        return LABEL, Named(listed, last.start, last.end, by_text=True)
    first = labels.text_at(text, _unmarked(text, start, stop)) or _line(text, start, stop, labels)
    return (LABEL, first) if first is not None and not _RETHOUGHT.search(text, first.end) else None


def _line(text: str, start: int, stop: int, texts: Texts) -> Named | None:
    """The option that is the line from ``start`` to ``stop``, alone or after a name and a colon."""
    field = _FIELD.match(text, start, stop)
    for place in [start, field.end()] if field else [start]:
        named = texts.text_at(text, _unmarked(text, place, stop))
        if named is not None and not text[named.end : stop].strip(AROUND + ",;!"):
            return named
    return None


def _unmarked(text: str, start: int, stop: int) -> int:
    return stop - len(text[start:stop].lstrip(AROUND))


def _last_sentence(text: str, texts: Texts) -> Found:
    """The one option that the last sentence names."""
    whole = text.rstrip()
    first = max(0, len(whole) - _SENTENCE)
    starts = [match.end() for match in _SENTENCE_END.finditer(whole, first, max(first, len(whole) - 1))]
    named = texts.within(whole, starts[-1] if starts else first)
    return (BY_TEXT, named) if named is not None and len(named.letters) == 1 else None


_EXPLICIT: list[Finder] = [partial(cued, is_weak=False), boxes, _predicated, _lines]


def _any_of(texts: Mapping[str, str]) -> str:
    """A pattern for any of the texts, the longest first, each in a group that is named after its letter and its place."""
    ordered = sorted(texts, key=len, reverse=True)
    return "|".join(f"(?P<{texts[text]}{place}>{_words(text)})" for place, text in enumerate(ordered))


def _letter(match: re.Match[str]) -> str:
    return str(match.lastgroup)[0]


def _words(text: str) -> str:
    """A pattern for ``text`` as whole words, where its script has spaces between them."""
    escaped = r"[\s_-]+".join(map(re.escape, LOOSE.split(text)))
    left = r"(?<!\w)" if text[:1].isalnum() and not _ASIAN.match(text) else ""
    right = r"(?!\w)" if text[-1:].isalnum() and not _ASIAN.match(text[-1]) else ""
    return f"{left}{escaped}{right}"
