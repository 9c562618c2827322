"""The tagged block in which a generator returns one question: reading it and writing it.

The format is that of arXiv 2601.09692 (appendix with the generation prompt)::

    [QUESTION] What is the capital of France?
    [OPTION A] Lyon
    [OPTION B] Paris
    [OPTION C] Nice
    [OPTION D] Lille
    [ANSWER] B
"""

import re
from dataclasses import dataclass

from rgd.answers.labels import plain
from rgd.answers.thoughts import after_reasoning
from rgd.generation.text import normalise_option

LETTERS = "ABCD"

EMPTY = "empty"
NO_QUESTION = "no_question"
MISSING_OPTION = "missing_option"
EXTRA_OPTION = "extra_option"
TAGS_OUT_OF_ORDER = "tags_out_of_order"
REPEATED_OPTIONS = "repeated_options"
NO_ANSWER = "no_answer"
ANSWER_NOT_A_LETTER = "answer_not_a_letter"
TRUNCATED = "truncated"

REASONS = (
    EMPTY,
    NO_QUESTION,
    MISSING_OPTION,
    EXTRA_OPTION,
    TAGS_OUT_OF_ORDER,
    REPEATED_OPTIONS,
    NO_ANSWER,
    ANSWER_NOT_A_LETTER,
    TRUNCATED,
)

# A tag stands at the start of a line, in any case, and may be bold, or end in a colon.
_TAG = re.compile(
    r"^[ \t>#-]*(?P<mark>[*_]{0,3})\[[ \t]*(?:(?P<name>QUESTION|(?:CORRECT[ _])?ANSWER)|OPTION[ _-](?P<option>[A-Z]))[ \t]*[:：]?[ \t]*\]"
    r"(?P<close>[*_]{0,3}[:：]?[*_]{0,3})",
    re.MULTILINE | re.IGNORECASE,
)
_CLOSING_TAG = re.compile(r"\[/(?:QUESTION|ANSWER|OPTION(?:[ _-][A-Z])?)\]\s*\Z", re.IGNORECASE)
_ANSWER = re.compile(
    r"(?:(?:the )?(?:correct )?(?:answer|option|choice)(?: is)?[ \t]*:?[ \t]*)?(?:\\boxed\{|[*_`\"'(\[{<$])*(?P<letter>[A-D])(?P<end>[*_`\"')\]}>$]*)(?:(?P<separator>[.:)：]+[*_]*|[ \t]+[-–—]|[ \t]+(?=\())[ \t]*(?P<text>.*)|[ \t]+(?P<bare>.+))?",
    re.IGNORECASE,
)
# A further label, so that the letter is not the only one.
_OTHER_LABEL = re.compile(r"(?<![\w'’])[A-D](?![\w'’])")
_ORDER = ["QUESTION", *(f"OPTION {letter}" for letter in LETTERS), "ANSWER"]


@dataclass(frozen=True)
class ParsedQuery:
    """A question with four different options (in the order of the block) and the letter of the writer's answer."""

    question: str
    options: tuple[str, ...]
    answer: str


@dataclass(frozen=True)
class Rejection:
    """Why a text is not one complete block: one of ``REASONS``."""

    reason: str


def parse(text: str, *, cut_off: bool = False) -> ParsedQuery | Rejection:
    """Read the first block of ``text``.

    Thoughts do not count. Text before the first ``[QUESTION]`` and whatever follows the first block, further blocks included, are ignored.
    Tags stand at the start of a line, in capitals or not, bold or not, with or without a colon. The answer is one letter on
    the line of its tag or on the next non-empty line, with or without brackets, emphasis and "Option" before it. The
    option's text may follow it, or an explanation that names no other letter; another option's text may not.

    Args:
        text: what the model wrote.
        cut_off: the model was stopped by its token limit; a block that is incomplete is then ``truncated``.
    """
    if not text.strip():
        return Rejection(EMPTY)
    text = after_reasoning(text)
    if not text:
        return Rejection(TRUNCATED if cut_off else NO_QUESTION)
    sections = _first_block(text)
    if not sections or not sections[0][1]:
        return Rejection(TRUNCATED if cut_off and sections else NO_QUESTION)
    names = [name for name, _ in sections]
    incomplete = names != _ORDER and names == _ORDER[: len(names)]
    if incomplete and cut_off:
        return Rejection(TRUNCATED)
    if any(name.startswith("OPTION") and name not in _ORDER for name in names):
        return Rejection(EXTRA_OPTION)
    if any(name not in names for name in _ORDER[1:-1]):
        return Rejection(MISSING_OPTION)
    if "ANSWER" not in names:
        return Rejection(NO_ANSWER)
    if names != _ORDER:
        return Rejection(TAGS_OUT_OF_ORDER)
    contents = [content for _, content in sections]
    options = tuple(contents[1:-1])
    if not all(options):
        return Rejection(MISSING_OPTION)
    if not contents[-1]:
        return Rejection(TRUNCATED if cut_off else NO_ANSWER)
    answer = _letter(contents[-1].splitlines()[0].strip(), options)
    if answer is None:
        return Rejection(ANSWER_NOT_A_LETTER)
    if len({normalise_option(option) for option in options}) < len(options):
        return Rejection(REPEATED_OPTIONS)
    return ParsedQuery(contents[0], options, answer)


def render(query: ParsedQuery) -> str:
    """``query`` as a block, such that ``parse(render(query)) == query`` for texts that hold no tag themselves."""
    lines = [f"[QUESTION] {query.question}"]
    lines += [f"[OPTION {letter}] {option}" for letter, option in zip(LETTERS, query.options, strict=True)]
    return "\n".join([*lines, f"[ANSWER] {query.answer}"])


def _letter(line: str, options: tuple[str, ...]) -> str | None:
    """The one letter that the writer's answer ``line`` names; None if it names none, or contradicts itself."""
    found = _ANSWER.fullmatch(plain(line))
    if found is None:
        return None
    letter = found["letter"].upper()
    said = normalise_option((found["text"] or found["bare"] or "").strip("*_`\"' "))
    texts = [normalise_option(option) for option in options]
    if not said or said == texts[LETTERS.index(letter)]:
        return letter
    # Without a sign after it, a letter may begin a word or a sentence.
    if found["bare"] or said in texts or _OTHER_LABEL.search(said):
        return None
    return letter


def _first_block(text: str) -> list[tuple[str, str]]:
    """Names and contents of the tags from the first ``[QUESTION]`` to the second one or the end of the text."""
    tags = list(_TAG.finditer(text))
    names = [_name(tag) for tag in tags]
    starts = [number for number, name in enumerate(names) if name == "QUESTION"]
    if not starts:
        return []
    stop = starts[1] if len(starts) > 1 else len(tags)
    ends = [tag.start() for tag in tags[1:]] + [len(text)]
    return [(names[i], _content(tags[i], text[tags[i].end() : ends[i]])) for i in range(starts[0], stop)]


def _name(tag: re.Match[str]) -> str:
    if tag["option"]:
        return f"OPTION {tag['option'].upper()}"
    return "QUESTION" if tag["name"].upper() == "QUESTION" else "ANSWER"


def _content(tag: re.Match[str], content: str) -> str:
    """What follows a tag, without a closing tag and the end of an emphasis that began before the tag."""
    content = _CLOSING_TAG.sub("", content).strip()
    mark = tag["mark"]
    return content.removesuffix(mark).rstrip() if mark and mark not in tag["close"] else content
