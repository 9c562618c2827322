r"""When words are the same: as answers in a few words, as options, and as yes or no.

The normal form of answers is that of SQuAD's evaluation (Rajpurkar et al. 2016, arXiv 1606.05250): lower case, without
punctuation and without the articles a, an and the; here also in Unicode's form NFKC, with hyphens as spaces.
"""

import re
import unicodedata
from functools import lru_cache

YES = ("yes", "yeah", "yep", "yup", "ja", "oui", "sí", "sim", "да", "是", "是的", "对", "はい", "예", "네")
NO = ("no", "nope", "nah", "nein", "non", "não", "нет", "否", "不", "不是", "不对", "いいえ", "아니요", "아니오")
# These name an answer right after a cue or alone; in a sentence they are said of other things.
TRUE, FALSE = ("true", "correct", "right"), ("false", "incorrect", "wrong")

LOOSE = re.compile(r"[\s_-]+")
"""What separates the words of an option."""

_TEXT = re.compile(r"\\(?:text\w*|mathrm|mbox)\s*\{([^{}]*)\}")
_ARTICLE = re.compile(r"\b(?:a|an|the)\b")
_GROUPING = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")


def key(text: str) -> str:
    """``text`` as options are compared: without differences of case, spaces, hyphens and underscores."""
    return LOOSE.sub(" ", text).strip().casefold()


@lru_cache(maxsize=4096)
def normal(text: str) -> str:
    """The form in which equal phrases are the same; never empty where ``text`` is not."""
    folded = unicodedata.normalize("NFKC", _TEXT.sub(r"\1", text)).casefold()
    folded = _GROUPING.sub("", folded)
    spaced = "".join(
        " " if unicodedata.category(sign) in ("Pd", "Zs", "Cc") or sign == "_" else sign for sign in folded
    )
    bare = "".join(sign for sign in spaced if not unicodedata.category(sign).startswith("P") or sign in "%")
    words = _ARTICLE.sub(" ", bare).split()
    return " ".join(words) or " ".join(bare.split()) or " ".join(folded.split())


def equal_phrases(truth: str, answer: str) -> bool:
    """Whether two answers have the same normal form."""
    return normal(truth) == normal(answer)
