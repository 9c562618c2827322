"""Answers that are numbers: reading the number of a text. Its value is that of :mod:`rgd.answers.values`."""

from rgd.answers.extraction import Extraction
from rgd.answers.mathematics import NUMBER, WHOLE_TEXT, extract_latex
from rgd.answers.values import value

NO_NUMBER = "no_number"
"""The rule of a text whose answer is no number."""

_SHORT = 200


def extract_number(text: str, *, cut_off: bool = False) -> Extraction:
    """The number that ``text`` commits itself to, as it is written; read as mathematics is.

    A short text with one number needs no cue.

    Args:
        text: what the model wrote, without its thoughts.
        cut_off: the model was stopped by its token limit.
    """
    found = extract_latex(text, cut_off=cut_off)
    if found.answer is not None:
        return found if value(found.answer) is not None else Extraction(None, NO_NUMBER)
    named = NUMBER.findall(text) if len(text) <= _SHORT and not cut_off else ()
    return Extraction(named[0], WHOLE_TEXT) if len(named) == 1 and value(named[0]) is not None else found
