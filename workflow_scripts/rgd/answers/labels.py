"""What is a label: reading an option's letter, number or text at a place of a text where an answer is expected."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

# Signs that stand for others: full-width and circled letters and digits, and the Cyrillic capitals that look like A, B, C, E, H.
_ALIKE = {ord(alike): sign for alike, sign in zip("АВСЕН（）．", "ABCEH().", strict=True)}
_ALIKE |= {first + number: chr(ord("A") + number) for first in (0xFF21, 0x24B6) for number in range(26)}
_ALIKE |= {first + number: chr(ord("a") + number) for first in (0xFF41, 0x24D0) for number in range(26)}
_ALIKE |= {first + number: str(number + 1) for first in (0xFF11, 0x2460) for number in range(9)}
_ALIKE[ord("İ")] = "I"
_UNUSUAL = re.compile(f"[{''.join(map(chr, _ALIKE))}]")

# What may stand between a cue and the label.
_WORDS = (
    r"(?:the|option|options|choice|choices|letter|answer|statement|number|item|none other than|daher|also|somit|donc|a letra|à letra|por tanto|la|le|el|die|der|das|lettre|letra|opción|opção"
    r"|вариант|буква|under|both|either|clearly|most|likely|probably|definitely|certainly|therefore|thus|hence|actually|indeed"
    r"|simply|still|then|now|only|closest|to|correctly|given|by|as|follows|represented|in|with|we get|we have)\b|选项|選項|选择|選択肢|오직|옵션|보기|第"
)
_FILL = re.compile(
    r"(?:</?\w{1,12}>|[\s*_~\"'`“”‘’„«»「『【(\[{<$:：=→➜]|->|-(?=\s)|\\(?:boxed|fbox|text\w*|math\w*|bf|rm)\s*\{?|\\[(\[,;:! ]"
    rf"|(?i:{_WORDS})){{0,30}}"
)
_NOT = re.compile(r"(?i:not|never|neither|none|no\b|nicht|non|ni|cannot)\b|不|非|无|没有")
# "None of them" is a commitment, to no option.
_NONE_OF_THEM = re.compile(
    r"(?i:none(?: of (?:the|these|them|those)\b[^\n.]{0,30})?(?=[\s.*})\]\"'”]*(?:\n|\Z|\.|because|since|,))|not (?:listed|given|provided|among|in the (?:list|options)|one of)"
    r"|no (?:correct |right |valid )?(?:answer|option|choice)s?\b)|无(?:正确|答案|选项|解|[\s。<]|\Z)|没有正确|不在选项"
)
_NOT_BUT = re.compile(r"(?i:not|neither)\s+[^\n.]{1,80}?(?:,?\s+but\s+(?:rather\s+)?|;\s*)")
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_ORDINAL = re.compile(rf"(?i:({'|'.join(ORDINALS)}|last)\s+(?:option|choice|answer|alternative|statement|one)\b)")
# After a label that is a part of a longer clause.
_AFTERTHOUGHT = re.compile(
    r"[)\]*_\"']*\s+(?:here|then|now|instead|overall|anyway|after all|as (?:my|the|our)|for (?:this|these|the))\b"
)

_OPENING = "([{'\"`*_$“‘「『【"
# What ends a label: a closing sign, punctuation that no word follows, or the end of the line.
_ENDS = re.compile(
    r"[)\]}】」』”»\"`$<]|[ \t]+[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af|]|\[/|['’][dt][iı]r\b|\*\*|_{1,2}(?![A-Za-z0-9])|[*'’](?!\w)|\.(?:(?!\w)|(?=\d|[A-Z][a-z]))|[:;!,](?![A-Za-z0-9_]|//)|[:](?=[A-Z])|[、，；：。！]|\s*\Z|[ \t]*\n|\\[)\]}]|[ \t]+[-–—→(\[<*]|[-–—](?!\w)"
)
_ASIAN = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]")
_WORD = re.compile(r"[ \t]+(?![=+^<>≤≥∪∩×·≈≠|]|\\(?:cup|cap|times|cdot|to|le|ge|subset|approx|neq?|in)\b)")
# "A" and "I" are labels before these words, and an article and a pronoun before others.
_NO_NOUN = re.compile(
    r"[ \t]+(?:because|since|as|and|or|und|oder|et|ou|is|due|based|which|where|whose|rather|instead|not)\b|[ \t]+[&]"
)
_AND_ANOTHER = re.compile(r"[/,&][A-Z](?![A-Za-z0-9])")
_ASKED = re.compile(r"[)\]}\"'”’*_`$.]*\s*[?？]")
_NUMBER = re.compile(
    r"(?:No\.?\s*)?([1-9]\d?)(?=[)\]}】」』”\"`$*]|[.,:;!](?!\d)|\s*\Z|[ \t]*\n|[ \t]*[번입이。，、]|[ \t]+[-–—(])"
)
_NUMBERED = re.compile(r"(?i:option|choice|number|opción|opção|answer|第|选项|選項)[\s(#*]*\Z")
_RUN = re.compile(r"([A-Z]{2,})(?=[)\]}\"'”*_`$.。]*\s*(?:\Z|\n|<)|[)\]}。])")
_ROMAN = frozenset("IVX")

# What joins the labels of an answer that names several.
_JOIN = re.compile(
    r"[\s)\]}\"'”’*_`$]{0,6}(?:[,;/&+、，；][\s]*(?:(?i:and|or)\b|&)?|(?i:and/or|and|or|und|oder|et|ou|y|o|и|или|as well as)\b|[和或及与與と및]|와|과|또는"
    r"|(?<=[\s,])(?=[A-Z](?:[ \t]+[A-Z])*[)\].]*\s*(?:\n|\Z)))[\s(\[{\"'“‘*_`$]{0,6}(?:(?i:option|choice|选项)s?[\s(*]*)?(?:also\s+|possibly\s+)?"
)
_JOIN_AFTER_TEXT = re.compile(
    r"[)\]*]+\s*[^\n;；.()]{1,60}?[,\s](?:and|or|&)\s+\((?=[A-Z]\))|[)\]*]*[:：.]\s*[^\n;；]{1,200}[;；]\s*(?:and\s+)?\(?(?=[A-Z][).:：])"
)
_CLAUSE = re.compile(
    r"[)\]*]*\s+(?:is|was|has|does|would|will|can|could|cannot|contains|describes|refers|being|does)\b"
)

_NUMERIC = re.compile(r"[^\w\s+=<>-]*\s*(?P<number>\d+)")
_TOKEN = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+|[-+=/%^<>≤≥√π×·|]")
_FRACTION = re.compile(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
_OPERATORS = frozenset("-+/^*·×√")
_ONE_LETTER = 3
_IGNORED = re.compile(r"\\(?:text\w*|math\w*|boxed|left|right|displaystyle|d?frac|[,;! ])")
_BRACKETED = re.compile(r"(?<![\w)}\]])[(\[]([A-Z])[)\]]|(?i:option|choice|选项|選項)\s*\**\(?([A-Z])(?![A-Za-z0-9])")
_REJECTS = re.compile(
    r"(?:\b(?:not|cannot|unlike|than|nor|neither|except|over|without|exclud\w+|reject\w*)|n['’]t)\s+(?:the\s+)?(?:be\s+)?(?:option\s+|choice\s+)?[*_]*\Z",
    re.IGNORECASE,
)
_REASON = re.compile(r"\b(?:because|since|whereas|while|unlike|rather|instead|but)\b|因为|而不是")
_SENTENCE_END = re.compile(r"[.!?][\s*_\"”)]|[。！？\n]")
_SENTENCE = 300
_LONGEST_OPTION = 400
# A longer option that begins with a number is a sentence, which a number alone does not stand for.
_LONGEST_NUMBER = 30
_PARTS = 100


@dataclass(frozen=True)
class Named:
    """The different letters that a text names, where the first stands, where the last ends, and whether by their text."""

    letters: str
    start: int
    end: int
    by_text: bool = False


def plain(text: str) -> str:
    """``text`` with usual signs for those that look like them; no place moves."""
    if text.isascii() or not _UNUSUAL.search(text):
        return text
    return text.translate(_ALIKE)


class Labels:
    """The labels of a question's options.

    Args:
        letters: the options' letters, in order.
        options: their texts, in the same order; None if they are not known.
    """

    def __init__(self, letters: str, options: Sequence[str] | None = None) -> None:
        self.letters = letters
        self.options = options
        self._tokens: list[list[str]] | None = None

    @property
    def tokens(self) -> list[list[str]]:
        """The tokens of each option's text; empty lists if there are none."""
        if self._tokens is None:
            self._tokens = [tokens(option) for option in self.options or ()]
        return self._tokens

    def is_number(self, number: int, is_named: object) -> bool:
        """Whether ``number`` counts an option from 1, said to be an option's (``is_named``) or where it cannot be an option's value."""
        if number > len(self.letters):
            return False
        options = self.options or ()
        numeric = [found for option in options if len(option) <= _LONGEST_NUMBER and (found := _NUMERIC.match(option))]
        is_value = 2 * len(numeric) >= len(options) > 0 or any(int(found["number"]) == number for found in numeric)
        return bool(is_named) or not is_value

    def after(self, text: str, place: int, *, anywhere: bool = False) -> Named | None:
        """What ``text`` names at ``place``, or, with ``anywhere``, later in the same sentence."""
        start = _FILL.match(text, place).end()  # type: ignore[union-attr]
        if _NOT.match(text, start):
            turn = _NOT_BUT.match(text, start)
            named = self.after(text, turn.end()) if turn else self.text_at(text, start)
            return named or (Named("", start, start) if _NONE_OF_THEM.match(text, start) else None)
        named = self.at(text, start) or self.text_at(text, start)
        if named is None and anywhere:
            named = self.within(text, start)
        return named

    def at(self, text: str, start: int) -> Named | None:
        """The label, or the several labels, that stand at ``start``."""
        run = _RUN.match(text, start)
        if run and self._in_order(run.group(1)) and not self._is_option(run.group(1)):
            return Named(run.group(1), start, run.end())
        end = self._one(text, start)
        if end is None or _ASKED.match(text, end):
            return self._number_at(text, start) or self._ordinal_at(text, start)
        found, last = [text[start].upper()], end
        while len(found) <= len(self.letters) and (following := self._joined(text, last)) is not None:
            found.append(text[following - 1].upper())
            last = following
        return Named("".join(dict.fromkeys(found)), start, last)

    def text_at(self, text: str, start: int) -> Named | None:
        """The option whose text stands at ``start``, up to the end of a clause; of several, the longest."""
        if not self.options:
            return None
        line = text[start : start + _LONGEST_OPTION].partition("\n")[0]
        said = tokens(line)
        matching = [
            (len(option), letter)
            for letter, option in zip(self.letters, self.tokens, strict=False)
            if option and said[: len(option)] == option and (len(said) == len(option) or said[len(option)].isalpha())
        ]
        if not matching:
            return None
        longest = max(matching)[0]
        found = [letter for length, letter in matching if length == longest]
        # A word or two at the beginning of a longer text is no repetition of an option.
        if len(found) > 1 or (longest < 3 and len(said) > longest + 2):
            return None
        return Named(found[0], start, start + 1, by_text=True)

    def within(self, text: str, start: int) -> Named | None:
        """The bracketed label later in the sentence that ``start`` is in, if the sentence names one and rejects it not."""
        end = _SENTENCE_END.search(text, start, start + _SENTENCE)
        stop = end.start() + 1 if end else min(len(text), start + _SENTENCE)
        reason = _REASON.search(text, start, stop)
        found = [
            match
            for match in _BRACKETED.finditer(text, start, reason.start() if reason else stop)
            if (match.group(1) or match.group(2)) in self.letters
            and not _REJECTS.search(text, max(start, match.start() - 30), match.start())
        ]
        if not found:
            return None
        letters = dict.fromkeys(match.group(1) or match.group(2) for match in found)
        return Named("".join(letters), found[0].start(), found[-1].end())

    def in_sentence(self, sentence: str) -> str | None:
        """The letter of the one option whose text ``sentence`` holds; an option inside a longer one does not count."""
        if not self.options:
            return None
        said = f" {' '.join(tokens(sentence))} "
        texts = {letter: f" {' '.join(option)} " for letter, option in zip(self.letters, self.tokens, strict=False)}
        # A word of one letter is also an article or a variable.
        texts = {letter: text for letter, text in texts.items() if len(text) > _ONE_LETTER or text.strip().isdigit()}
        held = {letter: text for letter, text in texts.items() if text.strip() and _holds(said, text)}
        longest = [a for a, text in held.items() if not any(text in other for b, other in held.items() if b != a)]
        return longest[0] if len(longest) == 1 else None

    def ends(self, text: str, end: int) -> bool:
        """Whether a label that ends at ``end`` is followed by the end of a clause or by what closes a label."""
        if text[end : end + 1] == "$":
            end += 1
        return any(pattern.match(text, end) for pattern in (_ENDS, _ASIAN, _AFTERTHOUGHT))

    def _one(self, text: str, start: int) -> int | None:
        """The end of the single letter at ``start``; None if it is no label."""
        sign = text[start : start + 1]
        if not sign.isascii() or not sign or sign.upper() not in self.letters:
            return None
        end = start + 1
        opened = start > 0 and text[start - 1] in _OPENING
        if sign.islower():
            # The number e and a roman i are no labels, nor are the article and the first of a question's parts.
            closed = _ENDS.match(text, end) is not None and text[end : end + 1] not in (" ", "\t")
            if closed and text[end : end + 1] == ")" and f"({chr(ord(sign) + 1)})" in text[end : end + _PARTS]:
                return None
            return end if closed and (sign not in "ei" or (opened and sign == "e")) else None
        if _ENDS.match(text, end) or _ASIAN.match(text, end):
            return end
        if _AND_ANOTHER.match(text, end):
            return end
        is_noun = sign in "AI" and not _NO_NOUN.match(text, end) and not self._own_text_follows(text, end, sign)
        return None if is_noun or not _WORD.match(text, end) else end

    def _own_text_follows(self, text: str, end: int, letter: str) -> bool:
        if not self.options:
            return False
        option = self.tokens[self.letters.index(letter)]
        return bool(option) and tokens(text[end : end + _LONGEST_OPTION])[: len(option)] == option

    def _joined(self, text: str, end: int) -> int | None:
        """The end of a further label that is joined to the one that ends at ``end``."""
        join = _JOIN.match(text, end) or _JOIN_AFTER_TEXT.match(text, end)
        if not join or _REASON.search(join.group()):
            return None
        further = self._one(text, join.end())
        return None if further is None or _CLAUSE.match(text, further) else further

    def _number_at(self, text: str, start: int) -> Named | None:
        """The option that a number at ``start`` names, counted from 1."""
        number = _NUMBER.match(text, start)
        if not number or not self.is_number(int(number.group(1)), _NUMBERED.search(text[max(0, start - 20) : start])):
            return None
        return Named(self.letters[int(number.group(1)) - 1], start, number.end())

    def _ordinal_at(self, text: str, start: int) -> Named | None:
        """The option that an ordinal number at ``start`` names: "second option"."""
        match = _ORDINAL.match(text, start)
        letter = None if match is None else self.of_ordinal(match.group(1))
        return None if match is None or letter is None else Named(letter, start, match.end())

    def of_ordinal(self, word: str) -> str | None:
        """The letter of the first, second or last option; None if there are fewer."""
        word = word.lower()
        place = len(self.letters) - 1 if word == "last" else ORDINALS.index(word)
        return self.letters[place] if place < len(self.letters) else None

    def _in_order(self, run: str) -> bool:
        return set(run) <= set(self.letters) and list(run) == sorted(set(run))

    def _is_option(self, run: str) -> bool:
        return any(run.lower() in option for option in self.tokens)


def _holds(said: str, text: str) -> bool:
    """Whether ``said`` holds ``text`` and not as a part of a formula."""
    place = said.find(text)
    while place >= 0:
        before, after = said[:place].rpartition(" ")[2], said[place + len(text) :].partition(" ")[0]
        if before not in _OPERATORS and after not in _OPERATORS:
            return True
        place = said.find(text, place + 1)
    return False


def tokens(text: str) -> list[str]:
    """The words, numbers and signs of ``text``, without its markup and in lower case."""
    if "\\" in text or "π" in text:
        text = _IGNORED.sub(" ", _FRACTION.sub(r" \1 / \2 ", text.replace("π", r"\pi ")))
    return _TOKEN.findall(text.lower())
