r"""From what a model wrote, or from its scores, to the letter it chose.

The order of the extraction rules follows arXiv 2601.09692 and its released code, except that a text without a letter
has no answer here, where the release draws one at random.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rgd.errors import UserError

ANSWER_IS = "answer_is"
BOXED = "boxed"
PARENTHESISED = "parenthesised"
STANDALONE = "standalone"
LIKELIHOOD = "likelihood"
NO_RULE = "none"

LIKELIHOOD_PER_BYTE = "likelihood_per_byte"

_PATTERNS = {
    ANSWER_IS: re.compile(
        r"(?:[Aa]nswer|ANSWER)\s+(?:is|IS)(?:[\s:*_\"'`$({\[]|\\(?:boxed|text|textbf|mathrm|mathbf)\{|\\\(|[Oo]ption\b)*([A-Z])(?!\w)"
    ),
    BOXED: re.compile(r"\\boxed\{\s*(?:\\(?:text|textbf|mathrm|mathbf)\{\s*)?\(?([A-Z])\)?\s*\}"),
    PARENTHESISED: re.compile(r"\(([A-Z])\)"),
    STANDALONE: re.compile(r"(?<![\w'’])([A-Z])(?![\w'’])"),
}


@dataclass(frozen=True)
class Extraction:
    """A letter and the rule that found it; ``answer`` is None and ``rule`` is ``none`` where no rule matched."""

    answer: str | None
    rule: str


def extract(text: str, letters: str, *, standalone: bool = False) -> Extraction:
    r"""The letter that a text written step by step ends in.

    Rules, the first that finds a letter wins, and within a rule the last match: "answer is" followed by a letter; a
    letter in ``\boxed{}``; a letter in parentheses; with ``standalone``, a letter between other signs. Letters are
    capitals, and only those of the question count: "The answer is (F)" is no match where the options end at D.

    Args:
        text: what the model wrote.
        letters: the question's letters, as "ABCD".
        standalone: use the last rule, which takes the words "A" and "I" for answers.
    """
    for rule, pattern in _PATTERNS.items():
        if rule == STANDALONE and not standalone:
            continue
        found = [match for match in pattern.findall(text) if match in letters]
        if found:
            return Extraction(found[-1], rule)
    return Extraction(None, NO_RULE)


@dataclass(frozen=True)
class Choice:
    """The letter chosen by likelihood and its score per byte; both None where no option has a finite score."""

    answer: str | None
    confidence: float | None


def choose(scores: Sequence[float], options: Sequence[str]) -> Choice:
    """The option with the highest log-probability per byte of its UTF-8 text, the first of equals.

    The length normalisation is the ``acc_norm`` convention of lm-evaluation-harness: without it short options win.

    Args:
        scores: for each option the sum of the log-probabilities of its tokens; an infinite or NaN score never wins.
        options: the options' texts, in the same order.

    Raises:
        UserError: an option is empty.
        ValueError: the numbers of scores and options differ.
    """
    if len(scores) != len(options):
        raise ValueError(f"{len(scores)} scores for {len(options)} options")
    if not all(options):
        raise UserError(f"an option is empty among {list(options)!r}: give every option a text in the dataset.")
    per_byte = np.asarray(scores, dtype=np.float64) / [len(option.encode()) for option in options]
    per_byte[~np.isfinite(per_byte)] = -np.inf
    best = int(np.argmax(per_byte))
    if per_byte[best] == -np.inf:
        return Choice(None, None)
    return Choice(chr(ord("A") + best), float(per_byte[best]))
