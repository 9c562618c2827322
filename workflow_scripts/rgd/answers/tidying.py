"""Answers in LaTeX without what is only formatting, so that equal ones are more often written alike."""

import re

# Signs that are written for LaTeX commands.
_SIGNS = {
    "−": "-",
    "–": "-",
    "×": r"\times ",
    "·": r"\cdot ",
    "÷": r"\div ",
    "≤": r"\le ",
    "≥": r"\ge ",
    "≠": r"\ne ",
    "π": r"\pi ",
    "∞": r"\infty ",
    "∪": r"\cup ",
    "∩": r"\cap ",
    "°": r"^\circ ",
    "±": r"\pm ",
    "√": r"\sqrt ",
    "θ": r"\theta ",
    "½": r" \frac{1}{2}",
    "¼": r" \frac{1}{4}",
    "¾": r" \frac{3}{4}",
    "⅓": r" \frac{1}{3}",
    "⅔": r" \frac{2}{3}",
    **{sign: f"^{digit}" for digit, sign in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
    **dict(zip("，（）：％", ",():%", strict=True)),
}
_WRITTEN = str.maketrans(_SIGNS)
_LOOKS = re.compile(r"\\(?:left|right|displaystyle)(?![A-Za-z])|(?<!\\)\\!|\{,\}|\\?\$|\\?€|£")
_SPACES = re.compile(r"(?<!\\)\\[,;: ]|(?<!\\)\\q?quad(?![A-Za-z])|~|\s+")
_FRACTION = re.compile(r"\\[dtc]frac(?![A-Za-z])")
# The numbers e and i in another type, and a letter after an operator, which is thus no unit.
_UPRIGHT = re.compile(
    r"(?:(?<=[-+*/^=({])|(?<=\A))\\(?:mathrm|operatorname|mathit|mathbf|mathsf|rm)\s*\{\s*([A-Za-z])\s*\}"
    r"|\\(?:mathrm|operatorname|rm)\s*\{\s*([ei])\s*\}"
)
_TEXT = re.compile(r"\\(?:text|textbf|textit|textrm|mathrm|mbox)\{([^{}]*)\}")
_UNIT = r"(?:[ck]?m|mm|kg|ft|in|mi|hrs?|h|min|secs?|s|days?|mph|lbs?|oz|per|a|sq|(?!hundred|thousand|million|billion|dozen|percent|times|over|plus|minus)[^\W\d_]{4,})"
_WITH_UNIT = re.compile(rf"(-?\d[\d,]*(?:\.\d+)?(?:/\d+)?) ?(?:{_UNIT}(?:\^[23])?(?:[ /]|\Z)){{1,4}}")
_SINGLE = re.compile(r"([_^])\{(\w)\}")
_THOUSANDS = re.compile(r"(?<![\d.])\d{1,3}(?: \d{3})+(?!\d)")
_MIXED = re.compile(r"(?<![\d./])(\d+) +(?:(\d+)/(\d+)(?![\d./])|(?=\\frac))")
_PLAIN_ROOT = re.compile(r"(?<![\\A-Za-z])sqrt\(([^()]*)\)")
_PLAIN_NAME = re.compile(r"(?<![\\A-Za-z])(?:pi|infinity)(?![A-Za-z])")
_KEPT_SPACE = re.compile(r"(?<=[A-Za-z0-9]) (?=[A-Za-z0-9])")
_POWER_OF_TEN = re.compile(r"(-?\d+(?:\.\d+)?)[eE]([-+]?\d+)")
_ROUNDS = 4

_WORDS = re.compile(r"[^\W\d_]+(?:[ '’-]+[^\W\d_]+)*")
_WORD = re.compile(r"[^\W\d_]{4,}")


def tidy(text: str) -> str:
    r"""An answer without pure formatting: dollar signs, sizes of brackets and fractions, and spaces that separate nothing.

    A space between two digits stays, unless it groups thousands; a mixed number is written with ``\frac``.
    """
    for _ in range(_ROUNDS):
        written = _tidied(text)
        if written == text:
            break
        text = written
    return text


def _tidied(text: str) -> str:
    text = _SPACES.sub(" ", _LOOKS.sub("", text.translate(_WRITTEN))).strip().rstrip(".")
    text = _UPRIGHT.sub(lambda match: match.group(1) or match.group(2), _FRACTION.sub(r"\\frac", text))
    text = _PLAIN_NAME.sub(lambda match: r"\pi " if match.group() == "pi" else r"\infty ", text)
    text = _SINGLE.sub(r"\1\2", _PLAIN_ROOT.sub(r"\\sqrt{\1}", text)).replace("**", "^")
    text = _THOUSANDS.sub(lambda match: match.group().replace(" ", ""), text)
    text = _MIXED.sub(
        lambda match: match.group(1) + (rf"\frac{{{match.group(2)}}}{{{match.group(3)}}}" if match.group(2) else ""),
        text,
    )
    quantity = _WITH_UNIT.fullmatch(_TEXT.sub(r"\1", text))
    if quantity:
        return quantity.group(1)
    power = _POWER_OF_TEN.fullmatch(text)
    if power:
        text = rf"{power.group(1)}\times10^{{{int(power.group(2))}}}"
    return _KEPT_SPACE.sub("\0", text).replace(" ", "").replace("\0", " ")


def same_words(first: str, second: str) -> bool | None:
    """Whether two tidy answers are the same words, in any case; None if they are formulas.

    The library takes a word for a product of its letters, so that "east" would be "seat".
    """
    one, other = (_TEXT.sub(r"\1", text).strip() for text in (first, second))
    if len(one) > 1 and _WORDS.fullmatch(one) and one.casefold() == other.casefold():
        return True
    is_text = (
        _WORDS.fullmatch(text) and (_WORD.search(text) or (text != given and len(text) > 1))
        for text, given in ((one, first), (other, second))
    )
    return False if any(is_text) else None
