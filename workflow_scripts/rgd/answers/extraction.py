r"""Extraction of the chosen letter, or of the final mathematics, from a model's text or scores.

The order of the extraction rules follows arXiv 2601.09692 and its released code, with two differences. A text that is only
an option's label, or one line that begins with it, counts as well. A text without a letter has no answer, where the release
draws one at random.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rgd.answers.latex import boxed

ANSWER_IS = "answer_is"
BOXED = "boxed"
PARENTHESISED = "parenthesised"
LABEL = "label"
STANDALONE = "standalone"
SEVERAL = "several_letters"
NO_RULE = "none"

LIKELIHOOD_PER_BYTE = "likelihood_per_byte"

_LEAD = (
    r"(?:[Aa]nswer|ANSWER)\s+(?:is|IS)(?:[\s:*_\"'`$({\[]|\\(?:boxed|text|textbf|mathrm|mathbf)\{|\\\(|[Oo]ption\b)*"
)
_SEVERAL = re.compile(_LEAD + r"([A-Z]{2,})(?!\w)")
_PATTERNS = {
    ANSWER_IS: re.compile(_LEAD + r"([A-Z])(?!\w)"),
    BOXED: re.compile(r"\\boxed\{\s*(?:\\(?:text|textbf|mathrm|mathbf)\{\s*)?\(?([A-Z])\)?\s*\}"),
    PARENTHESISED: re.compile(r"\(([A-Z])\)"),
    # In several lines it may be a list of the options.
    LABEL: re.compile(r"\A[\s*]*([A-Z])(?:[\s*.):]*|[*]*[.):][*]*[ \t][^\n]*\s*)\Z"),
    STANDALONE: re.compile(r"(?<![\w'’])([A-Z])(?![\w'’])"),
}


# The response format of gpt-oss (OpenAI's harmony): <|channel|>NAME<|message|>TEXT, one message after the other.
_CHANNEL = "<|channel|>"
_FINAL_CHANNEL = re.compile(r"<\|channel\|>final\b.*?<\|message\|>", re.DOTALL)
_END_OF_MESSAGE = re.compile(r"<\|(?:end|return|start|call|channel)\|>")


@dataclass(frozen=True)
class Extraction:
    """An answer and the rule that found it; ``answer`` is None if there is none, and ``rule`` says why.

    The rule is ``none`` if no rule matched, and ``several_letters`` if the text ends in several letters in a row, which do
    not answer a question with one right option (although BBEH's hyperbaton asks for them).
    """

    answer: str | None
    rule: str


def after_reasoning(text: str) -> str:
    """``text`` without its marked reasoning; all of ``text`` if nothing is marked.

    The marks are ``<think>`` blocks, and the channels of gpt-oss, where the last channel named ``final`` holds the answer. A
    text that ends within its reasoning gives the empty text.
    """
    if _CHANNEL in text:
        *_, last = _FINAL_CHANNEL.split(text)
        return _END_OF_MESSAGE.split(last)[0].strip() if _FINAL_CHANNEL.search(text) else ""
    _, closed, answer = text.rpartition("</think>")
    if closed:
        return answer.strip()
    return "" if "<think>" in text else text


def extract(text: str, letters: str, *, standalone: bool = False) -> Extraction:
    r"""The letter that a step-by-step text ends in.

    The first rule that finds a letter wins, and within a rule the last match: "answer is" followed by a letter; a letter in
    ``\boxed{}``; a letter in parentheses; an option's label that is the whole text, or begins its only line ("C. Too little
    light"); with ``standalone``, a letter on its own. Only capital letters of the question count: "The answer is (F)" is not
    a match if the options end at D.

    Args:
        text: what the model wrote.
        letters: the question's letters, as "ABCD".
        standalone: use the last rule as well, which mistakes the words "A" and "I" for answers.
    """
    if _ends_in_several(text, letters):
        return Extraction(None, SEVERAL)
    for rule, pattern in _PATTERNS.items():
        if rule == STANDALONE and not standalone:
            continue
        found = [match for match in pattern.findall(text) if match in letters]
        if found:
            return Extraction(found[-1], rule)
    return Extraction(None, NO_RULE)


def _ends_in_several(text: str, letters: str) -> bool:
    """Whether the last "answer is" is followed by several of the letters in their order, such as BDG but not DNA."""
    runs = [match for match in _SEVERAL.finditer(text) if _in_order(match.group(1), letters)]
    if not runs:
        return False
    single = [match for match in _PATTERNS[ANSWER_IS].finditer(text) if match.group(1) in letters]
    return not single or single[-1].start() < runs[-1].start()


def _in_order(run: str, letters: str) -> bool:
    return set(run) <= set(letters) and list(run) == sorted(set(run))


_ANSWER_IS = re.compile(r"(?:[Aa]nswer|ANSWER)\s+(?:is|IS)\b[\s:*_]*")
_MATHEMATICS = re.compile(r"\$\$?(.+?)\$\$?|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)


def extract_latex(text: str) -> Extraction:
    r"""The mathematics that a step-by-step text ends in.

    The first rule that finds something wins: the content of the last ``\boxed{}``; the text after the last "answer is", up
    to the end of the formula or, without a formula, of the line.
    """
    found = boxed(text)
    if found:
        return Extraction(found, BOXED)
    starts = list(_ANSWER_IS.finditer(text))
    if starts:
        rest = text[starts[-1].end() :]
        formula = _MATHEMATICS.match(rest)
        found = next(filter(None, formula.groups())) if formula else rest.partition("\n")[0]
        found = found.strip().rstrip(".*_ ").strip()
        if found:
            return Extraction(found, ANSWER_IS)
    return Extraction(None, NO_RULE)


@dataclass(frozen=True)
class Choice:
    """The letter chosen by likelihood and its score per byte; both None if no option has a finite score."""

    answer: str | None
    confidence: float | None


def choose(scores: Sequence[float]) -> Choice:
    """The option with the highest score; of equals, the first.

    Args:
        scores: for each option its log-probability per byte (:class:`rgd.engines.base.Answer`), the ``acc_norm``
            convention of lm-evaluation-harness; an infinite or NaN score never wins.
    """
    finite = np.asarray(scores, dtype=np.float64)
    finite = np.where(np.isfinite(finite), finite, -np.inf)
    best = int(np.argmax(finite))
    if finite[best] == -np.inf:
        return Choice(None, None)
    return Choice(chr(ord("A") + best), float(finite[best]))
