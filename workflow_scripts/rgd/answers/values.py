r"""The values of numbers as they are written, and whether two numbers are equal within a tolerance.

A number is stored as it is written: "1,200 m", "3.5e-4", "3/4", "12%". Its value is found where two numbers are compared, so
another tolerance reads nothing again. Units do not count; a percentage equals its number and its hundredth.
"""

import math
import re
from collections.abc import Callable
from functools import lru_cache

from rgd.answers.tidying import tidy

# 1,200.5, 1.200,5, 3,5, .5 or 12. A comma before three digits groups thousands.
_DIGITS = r"\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d{1,3}(?:\.\d{3})+,\d+|\d+,\d+|\d*\.\d+|\d+"
_BRACED = rf"\{{(?:{_DIGITS})\}}|\d"
_NUMBER = re.compile(
    rf"(?P<sign>[-+]?)(?:(?P<whole>\d+)?\\frac\s?(?P<top>{_BRACED})\s?(?P<bottom>{_BRACED})|(?P<over>{_DIGITS})/(?P<below>{_DIGITS})"
    rf"|10\^\{{?(?P<ten>[-+]?\d+)\}}?|(?P<digits>{_DIGITS})\.?(?:\s?(?:\\times|\\cdot|[x*])\s?10\^\{{?(?P<power>[-+]?\d+)\}}?)?)"
)
_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_BEFORE = re.compile(
    r"(?:about|approximately|approx\.?|roughly|around|nearly|almost|exactly|circa|ca\.|≈|~|\\approx|\\sim|US\$|\\?[$€£¥]|USD|EUR|GBP|\s)*",
    re.IGNORECASE,
)
_PERCENT = re.compile(r"\s*(?:\\?%|percent\b|per cent\b|Prozent\b|pour cent\b|por ciento\b)\s*", re.IGNORECASE)
_SCALES = {"hundred": 1e2, "thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12, "dozen": 12.0}
_SCALE = re.compile(rf"\s*({'|'.join(_SCALES)})s?\b", re.IGNORECASE)
# A unit has no digits but exponents, and is no part of a fraction in words.
_UNIT = re.compile(
    r"(?!\s*(?:half\b|halves\b|quarter|thirds?\b|fourth|fifth|sixth|seventh|eighth|ninth|tenth|hundredth))\s*(?:\\?[°$€£¥]|\^\{?\\circ\}?)?"
    r"\s*(?:[^\W\d_](?:[^\d=+*^]|\^\{?-?[23]|(?<=[a-z])[23](?!\d))*)?",
    re.IGNORECASE,
)
_TEXT = re.compile(r"\\(?:text\w*|mathrm|mbox|operatorname)\s*\{([^{}]*)\}")
_EQUAL = re.compile(r"[=≈]|\\approx")
_WORDS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
)
_WORD = re.compile(
    rf"(?P<sign>minus |negative )?(?P<word>{'|'.join(sorted(_WORDS, key=len, reverse=True))})\b", re.IGNORECASE
)
_LONGEST = 200


@lru_cache(maxsize=4096)
def value(text: str) -> tuple[float, bool] | None:
    """The finite number that ``text`` is, and whether it is a percentage; None if it is no single number."""
    if len(text) > _LONGEST:
        return None
    written = _EQUAL.split(tidy(_TEXT.sub(r" \1", text)).strip("*_`\"' "))[-1]
    start = _BEFORE.match(written).end()  # type: ignore[union-attr]
    word, number = _WORD.match(written, start), _NUMBER.match(written, start)
    if word:
        found, end = (-1.0 if word["sign"] else 1.0) * _WORDS.index(word["word"].lower()), word.end()
    elif number:
        found, end = _value(number), number.end()
    else:
        return None
    while scale := _SCALE.match(written, end):
        found, end = found * _SCALES[scale.group(1).lower()], scale.end()
    percent = _PERCENT.match(written, end)
    end = percent.end() if percent else end
    rest = _UNIT.match(written, end)
    is_whole = rest is not None and not written[rest.end() :].strip(" .")
    return (found, percent is not None) if is_whole and math.isfinite(found) else None


def _value(number: re.Match[str]) -> float:
    sign = -1.0 if number["sign"] == "-" else 1.0
    if number["top"] or number["over"]:
        top, bottom = (_decimal(number["top"] or number["over"]), _decimal(number["bottom"] or number["below"]))
        return sign * (_decimal(number["whole"] or "0") + top / bottom) if bottom else math.nan
    digits = number["digits"]
    power = int(number["ten"] or number["power"] or 0)
    try:
        return sign * (1.0 if digits is None else _decimal(digits)) * 10.0**power
    except OverflowError:
        return math.inf


def _decimal(digits: str) -> float:
    digits = digits.strip("{}")
    if _GROUPED.fullmatch(digits) and not digits.startswith("0"):
        return float(digits.replace(",", ""))
    if "," in digits:
        return float(digits.replace(".", "").replace(",", "."))
    return float(digits)


def equal_numbers(absolute: float, relative: float) -> Callable[[str, str], bool]:
    """Whether two numbers are equal, as a function of their texts.

    Args:
        absolute: the largest difference of equal numbers.
        relative: the same as a share of the larger number.
    """

    def near(one: float, other: float) -> bool:
        return abs(one - other) <= max(absolute, relative * max(abs(one), abs(other)))

    def equal(truth: str, answer: str) -> bool:
        one, other = value(truth), value(answer)
        if one is None or other is None:
            return truth == answer
        if near(one[0], other[0]):
            return True
        # One of them is a percentage: 12% is 0.12.
        return one[1] != other[1] and near(*(number / 100 if percent else number for number, percent in (one, other)))

    return equal
