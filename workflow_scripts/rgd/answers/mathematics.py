r"""Reading the mathematics that a step-by-step text ends in, as LaTeX.

As for letters, the last commitment counts: a box, or what follows a cue such as "The answer is", "**Answer:**", ``####`` or
a JSON field. Without one, a text ends in its conclusion: a last sentence that names one number or formula.
"""

import re
from collections.abc import Iterator

from rgd.answers.extraction import (
    ANSWER_IS,
    ASIAN_ANSWERS,
    BOXED,
    CUT_OFF,
    EUROPEAN_ANSWERS,
    NO_RULE,
    SIGN,
    VERBS,
    Extraction,
    is_denied,
    is_doubted,
    is_inside_word,
    lowered,
    parts,
    places,
)
from rgd.answers.latex import boxes

LAST_SENTENCE = "last_sentence"
LAST_LINE = "last_line"
WHOLE_TEXT = "whole_text"

_SENTENCE = 300
_SHORT = 60
_MOST_WORDS = 5

CUES = (*EUROPEAN_ANSWERS, *ASIAN_ANSWERS, "final result", "result:", "ans:", "ans.", "####")
LINK = re.compile(
    rf"\w{{0,10}}[\"']\s*:\s*(?P<field>)|>\s*(?P<tag>)|\w{{0,3}}\s?(?:\([^()\n]{{0,30}}\))?[ \t*_)\]】}}”’]*(?:{SIGN}|[ \t]*\n)"
    rf"|(?<=[#.:])|[是为為は은는]|\w{{0,3}}\b[^\n.:?!]{{0,80}}?\b{VERBS}\b[ \t]*:?",
    re.IGNORECASE,
)
_FILL = re.compile(
    r"(?:[\s*_`\"'“:：]|(?:about|approximately|approx\.?|roughly|exactly|equal to|simply|just|clearly|therefore|thus|then|hence|indeed|given by"
    r"|found to be|about|≈|~)(?![A-Za-z])){0,20}",
    re.IGNORECASE,
)
# What is said of an answer without giving it.
_NO_ANSWER = re.compile(
    r"(?:not|no|never|none|neither|null|nan|n/a|unknown|unclear|in the (?:form|format)|of the form|expressed|rounded|written|to be|supposed|required"
    r"|cannot|impossible|incorrect|correct|wrong|right|based|obtained|found|an integer|a single|a number)(?![A-Za-z])",
    re.IGNORECASE,
)
NO_VALUE = re.compile(r"[\W_]*|null|none|nan|n/a|unknown|\.\.\.|cannot\b.*", re.IGNORECASE)
# A cue right before its answer, which may then be a word.
_CLOSE = re.compile(rf"\w{{0,3}}[^\w\n]*(?:{VERBS})?[^\w]*", re.IGNORECASE)
_STRING = re.compile(r"\"((?:[^\"\\]|\\.)*)\"|'((?:[^'\\\n]|\\.)*)'", re.DOTALL)
_LIST = re.compile(r"\[([^\[\]{}]{0,300})\]")
_VALUE = re.compile(r"[^\s,}\]][^,}\]\n]{0,100}")

_FORMULA = re.compile(
    r"\$\$([^$]{1,2000})\$\$|(?<![\\$])\$(?=[^\s$])((?:[^$\n]|\n(?!\n)){0,1000}?[^\s\\$])\$(?!\d)|\\\((.{1,1000}?)\\\)|\\\[(.{1,2000}?)\\\]",
    re.DOTALL,
)
_AND = re.compile(
    r"\s*(?:,\s*(?:and\b|or\b)?|;|(?:and|und|et|y|e|и)\b|[和与，、])\s*|\s*(?P<alternative>or|oder|ou|или|或)\s*"
)
# Between two boxes: marks of formulas, and the name of what the next one is.
_AROUND_FORMULA = re.compile(r"\\[()\[\]]|[$*]|\b[A-Za-z]\s*=\s*\Z")
_SENTENCE_END = re.compile(r"[.!?](?=\s|\Z|[*_)\"”'$])|[。！？\n]|</")
REASON = re.compile(r"[,;]?\s+(?:where|since|because|as|when|with|if|for|so that|which)\b")

NUMBER = re.compile(
    r"(?<![\w.^{(/])(?:[-−]\s?)?(?:\\?[$€£]\s?)?(?<![0-9][eE][-+−])(?<!10\^[-+−])(?<!10\^\{[-+−])(?:\d{1,3}(?:,\d{3})+(?![\d,])|\d+(?:,\d+(?![\d,]))?)(?:\.\d+)?"
    r"(?:[eE][-+−]?\d+|/\d+(?:\.\d+)?|\s?(?:[x×*·]|\\times|\\cdot)\s?10\s?\^\s?\{?[-+−]?\d+\}?)?(?:\\?%)?(?![\w^/(=]|[.,]\d|\s*[-+*/×·=<>≤≥])"
)
# Words after a number that belong to it, so that they are no unit.
_PART_OF_NUMBER = re.compile(
    r"\s*(?:hundred|thousand|million|billion|trillion|dozen|percent|per cent|squared|cubed|times|plus|minus|over|divided|factorial|to|pi|and|or|by|mod)\b",
    re.IGNORECASE,
)
_WORDS_ONLY = re.compile(r"(?:\s+[^\W\d_]{2,}[^\W\d_'’-]*|\s*[,;()'’°-]|\s+a\b|\s+per\b)*\s*")
_NEGATION = re.compile(r"\b(?:not|cannot|no)\b|n['’]t\b", re.IGNORECASE)
_PROSE = re.compile(r"(?<![\\A-Za-z])[^\W\d_]{3,}")

_CONCLUSION = re.compile(
    r"(?:therefore|thus|hence|so|consequently|finally|in total|altogether|in conclusion|we (?:get|have|find|obtain)|that (?:is|means|gives)|∴"
    r"|因此|所以|故|综上|共|donc|daher|also|somit|por lo tanto|luego|поэтому|итак|したがって|よって|따라서)",
    re.IGNORECASE,
)
_EQUALS = re.compile(r"=\s*\\?[$€£]?\s*(-?\d[\d,]*(?:\.\d+)?(?:/\d+)?)[^=\d]{0,40}\Z")
_EMPTY_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{\s*\}")
# A number, perhaps a fraction or with a sign of its kind, or a simple fraction in LaTeX.
_VALUE_LINE = re.compile(r"[-−]?\\?[$€£]?\d[\d,]*(?:\.\d+)?(?:/\d+)?\\?%?|-?\\[dt]?frac\{[^{}]+\}\{[^{}]+\}")
_STATED = re.compile(r"\b(?:is|are|was|equals?|gives?|becomes)\s+(?:equal to\s+)?", re.IGNORECASE)
# A calculation without unknowns.
_SUM = re.compile(r"[^A-Za-z\\=]*=")
_MARKS = " \t\n*_`\"'“”.:,;"
_CLOSING = " \t\n*_`\"'“”}{)]>"
_ENDED = ".!。！$*"


def extract_latex(text: str, *, cut_off: bool = False) -> Extraction:
    r"""The mathematics that ``text`` commits itself to, as the last of its commitments.

    Adjacent boxes or formulas ("\boxed{2} and \boxed{3}") are one answer, "2,3"; alternatives are kept as such ("3 or 4").

    Args:
        text: what the model wrote, without its thoughts.
        cut_off: the model was stopped by its token limit. Only an explicit commitment that no doubt follows then counts.
    """
    for start, stop in parts(text):
        part = text[start:stop]
        box = _last_box(part)
        place, end, found = max(box, _last_cue(part, is_sought=box is _NOWHERE), key=lambda each: each[0])
        if place < 0:
            conclusion = None if cut_off else _conclusion(part)
            if conclusion is not None:
                return conclusion
            continue
        is_open = cut_off and stop == len(text) and (not part[end:].strip() or is_doubted(part, end))
        if not (is_open and (found.rule != BOXED or is_doubted(part, end))):
            return found
    return Extraction(None, CUT_OFF if cut_off else NO_RULE)


# Where an answer starts and ends, and the answer; it starts at -1 if there is none.
_Place = tuple[int, int, Extraction]
_NOWHERE: _Place = (-1, -1, Extraction(None, NO_RULE))


def _last_box(text: str) -> _Place:
    found = boxes(text)
    if not found:
        return _NOWHERE
    contents, joint = [found[-1].content], ","
    for box, following in zip(found[-2::-1], found[:0:-1], strict=True):
        match = _AND.fullmatch(_AROUND_FORMULA.sub(" ", text[box.end : following.start]))
        if not match:
            break
        contents.append(box.content)
        joint = " or " if match["alternative"] else joint
    return found[-1].start, found[-1].end, Extraction(joint.join(dict.fromkeys(contents[::-1])), BOXED)


def _last_cue(text: str, *, is_sought: bool) -> _Place:
    """The last answer that a cue names; with ``is_sought`` also words, and what comes later in the cue's sentence."""
    lower = lowered(text)
    for start, word in places(filter(str.isascii, CUES) if lower.isascii() else CUES, lower):
        link = LINK.match(text, start + len(word))
        if link is None or is_inside_word(lower, start) or is_denied(text, start, link.group()):
            continue
        if link["field"] is not None:
            found = field_value(text, link.end())
        else:
            stop = text.find("</", link.end()) if link["tag"] is not None else -1
            is_close = _CLOSE.fullmatch(link.group()) is not None
            found = _sentence(
                text, link.end(), stop if stop >= 0 else None, words=is_sought and is_close, later=is_sought
            )
        if found is not None:
            content, end = found
            return start, end, Extraction(content, ANSWER_IS)
    return _NOWHERE


def field_value(text: str, start: int) -> tuple[str, int] | None:
    """The value of a JSON field that starts at ``start``, and its end."""
    string = _STRING.match(text, start)
    listed = _LIST.match(text, start)
    value = string or listed or _VALUE.match(text, start)
    if value is None:
        return None
    if string:
        # LaTeX in JSON is often written without escapes, so that a parser would take \frac for a form feed.
        content = (string.group(1) or string.group(2) or "").replace("\\\\", "\\").replace('\\"', '"')
    elif listed:
        content = ",".join(each.strip(" \"'\n") for each in listed.group(1).split(","))
    else:
        content = value.group()
    content = _bare(content)
    return (content, value.end()) if content and not NO_VALUE.fullmatch(content) else None


def _bare(content: str) -> str:
    """``content`` without the marks of a formula, a box or emphasis around it."""
    content = content.strip().strip("*`").strip()
    held = boxes(content)
    if held:
        return held[-1].content
    formula = _FORMULA.fullmatch(content)
    return _inside(formula) if formula else content.rstrip(".").strip()


def _inside(formula: re.Match[str]) -> str:
    return next(filter(None, formula.groups())).strip().rstrip(".,;").strip()


def _sentence(text: str, start: int, stop: int | None, *, words: bool, later: bool) -> tuple[str, int] | None:
    """What the sentence at ``start`` names as the answer, and where that ends.

    Args:
        text: the text.
        start: right after a cue.
        stop: where the sentence ends at the latest.
        words: a few words are an answer.
        later: so is the last formula, or the only number, after other words.
    """
    start = _FILL.match(text, start).end()  # type: ignore[union-attr]
    if start >= len(text) or _NO_ANSWER.match(text, start):
        return None
    formulas = _formulas(text, start)
    if formulas is not None:
        return formulas
    limit = min(stop if stop is not None else len(text), start + _SENTENCE)
    ending = _SENTENCE_END.search(text, start, limit)
    end = ending.start() if ending else limit
    found = _named(_without_loose_brackets(text[start:end].strip(_MARKS)), words=words, later=later)
    return (found, end) if found else None


def _formulas(text: str, start: int) -> tuple[str, int] | None:
    """The formula at ``start`` and those that are joined to it as one answer, and the end of the last."""
    formula = _FORMULA.match(text, start)
    if not formula or not _inside(formula):
        return None
    found, end = _inside(formula), formula.end()
    while (joint := _AND.match(text, end)) and (further := _FORMULA.match(text, joint.end())):
        found += (" or " if joint["alternative"] else ",") + _inside(further)
        end = further.end()
    return found, end


def _without_loose_brackets(text: str) -> str:
    """``text`` without the brackets at its end that it does not open."""
    while text[-1:] in (")", "]", "}", ">") and sum(map(text.count, "([{<")) < sum(map(text.count, ")]}>")):
        text = text[:-1].rstrip(_MARKS)
    return text


def _named(sentence: str, *, words: bool, later: bool) -> str | None:
    """The mathematics that a sentence after a cue names (see :func:`_sentence`): its number without a unit, or all of it."""
    if not sentence:
        return None
    number = NUMBER.match(sentence)
    if number:
        rest = sentence[number.end() :]
        if not _PART_OF_NUMBER.match(rest) and _WORDS_ONLY.fullmatch(REASON.split(rest)[0]):
            return number.group()
    if not _PROSE.search(sentence):
        return sentence
    sentence = REASON.split(sentence)[0]
    formulas = [_inside(each) for each in _FORMULA.finditer(sentence)]
    numbers = NUMBER.findall(sentence)
    if later and formulas:
        return formulas[-1]
    if later and len(numbers) == 1 and not number:
        return str(numbers[0])
    is_short = words and len(sentence) <= _SHORT and len(sentence.split()) <= _MOST_WORDS
    return sentence if is_short and not _NEGATION.search(sentence) else None


def _conclusion(text: str) -> Extraction | None:
    """The answer of a text without any cue: all of a short text, its last line, or the one number or formula of its last sentence."""
    whole = text.strip().strip("`").strip()
    last = whole.rpartition("\n")[2].strip()
    if whole == last and (said := _statement(whole)) is not None:
        return Extraction(said, WHOLE_TEXT)
    if 0 < len(last) <= _SHORT and not _PROSE.search(_FORMULA.sub("", last)) and not _EMPTY_BOX.search(last):
        # A line in the middle of a calculation is no conclusion.
        content = _bare(last)
        is_value = any(map(str.isalnum, content)) and (last == whole or _VALUE_LINE.fullmatch(content) is not None)
        if is_value:
            equal = _EQUALS.search(content)
            return Extraction(
                equal.group(1) if equal and _SUM.match(content) else content, WHOLE_TEXT if last == whole else LAST_LINE
            )
    whole = whole.rstrip(_CLOSING)
    if whole[-1:] not in _ENDED and not text.rstrip().endswith(tuple(_ENDED)):
        return None
    sentence = list(_sentences(whole[-_SENTENCE:]))[-1]
    equal = _EQUALS.search(sentence)
    if equal:
        return Extraction(equal.group(1), LAST_SENTENCE)
    if not _CONCLUSION.search(sentence):
        return None
    formulas = [_inside(each) for each in _FORMULA.finditer(sentence)]
    named = formulas or NUMBER.findall(sentence)
    is_one = len(named) == 1 and not (formulas and NUMBER.search(_FORMULA.sub(" ", sentence)))
    return Extraction(str(named[0]), LAST_SENTENCE) if is_one else None


def _statement(line: str) -> str | None:
    """The number that the verb of a short line ends in: "The value of x is 7." """
    said = _STATED.search(line) if len(line) <= _SHORT else None
    number = NUMBER.match(line, said.end()) if said and not _NEGATION.search(line) else None
    if number is None or len(NUMBER.findall(line)) > 1 or _PART_OF_NUMBER.match(line, number.end()):
        return None
    return number.group() if _WORDS_ONLY.fullmatch(line[number.end() :].rstrip(_CLOSING + ".")) else None


def _sentences(text: str) -> Iterator[str]:
    start = 0
    text = text.rstrip(" \n" + _ENDED.replace("$", ""))
    for ending in _SENTENCE_END.finditer(text):
        yield text[start : ending.start()]
        start = ending.end()
    yield text[start:]
