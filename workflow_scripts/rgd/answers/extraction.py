r"""Reading the letter that a model's text commits itself to, or its final mathematics, or the option that its scores choose.

A text is read as a careful person would. Its last commitment counts, however it is marked. Whatever may be a commitment
begins with a cue of the tables below, so the tables say what is read; :mod:`rgd.answers.labels` says what is a label.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from rgd.answers.labels import ORDINALS, Labels, Named, plain, tokens
from rgd.answers.thoughts import after_reasoning as after_reasoning

ANSWER_IS = "answer_is"
IS_THE_ANSWER = "is_the_answer"
BOXED = "boxed"
LABEL = "label"
CHOSEN = "chosen"
HENCE = "hence"
IS_CORRECT = "is_correct"
NAMES_OPTION = "names_option"
BY_TEXT = "by_text"
PARENTHESISED = "parenthesised"
SEVERAL = "several_letters"
CUT_OFF = "cut_off"
NO_RULE = "none"
OFFICIAL = "official"

LIKELIHOOD_PER_BYTE = "likelihood_per_byte"

CAREFUL = "careful"
READERS = (CAREFUL, OFFICIAL)


@dataclass(frozen=True)
class Extraction:
    """An answer and the rule that found it; ``answer`` is None if there is none, and ``rule`` says why.

    The rule is then ``none`` if nothing was found, ``several_letters`` if the text commits itself to several letters, which
    do not answer a question with one right option (although BBEH's hyperbaton asks for them), and ``cut_off`` if the text
    ends before its answer.
    """

    answer: str | None
    rule: str


@dataclass(frozen=True)
class _Cue:
    """A cue: where one of ``words`` stands in the lower-case text, ``link`` must match, and then a label."""

    rule: str
    words: tuple[str, ...]
    link: re.Pattern[str]
    # What must stand before the word.
    after: re.Pattern[str] | None = None
    is_weak: bool = False


# Between a cue and its label: a few words and a verb, or a sign.
VERBS = r"(?:is|are|was|be|being|ist|lautet|wäre|est|serait|es|sería|é|seria|è|это|является|là|adalah|jest|är|er|هي|هو)"
SIGN = r"(?:[:：=→➜—–]|-+>|-(?=\s))"
_CLOSED = r"[\s*_\"'`)\]}】』」>”’]"
_EUROPEAN = re.compile(
    rf"(?:\w{{0,3}}\s?\((?!\s*[\"'“]|\s*[A-Za-z]\s*\))[^()\n]{{0,30}}\))?(?:\w{{0,3}}(?:\s(?:finale?|correcta?|correta|corretta|correcte|choice|option|letter))?(?:{_CLOSED}*{SIGN}|[ \t]*[*_\])}}>|]+|[ \t]*\n|\s*[(\[]\s*(?=[\"'“]|[A-Z][\])])"
    rf"|\s+(?=[*_(\[]*[A-Z][*_)\]]*\.?[ \t]*(?:\n|\Z)))"
    rf"|\w{{0,3}}\b[^\n.:?!]{{0,60}}?\b{VERBS}\b)",
    re.IGNORECASE,
)
_EAST_ASIAN = re.compile(
    r"[^\n。，；：:A-Za-z是为為は은는이가]{0,10}?(?:[:：=]|应该是|应是|應該是|应为|是|为為|为|為|选|選|】|\]|は|が|은|는|이|가|\s*(?=[(（]?[A-Z]))"
)
_ADJECTIVE = re.compile(
    r"(?:\A|[^a-z])(?:correct|right|best|final|my|proper|appropriate|suitable|accurate|closest|likely|plausible|chosen|selected"
    r"|only|remaining|matching|valid|true|правильны[йм]|верны[йм]|richtige|korrekte|bonne|correcta|correcte|corretta|correta)"
    r"(?:\s+(?:\w+\s+){0,1})?\Z"
)
_NO_ADJECTIVE_LINE = re.compile(r"(?:\A|\n)[\s*_#>-]*\Z")

_ADJECTIVE_AFTER = re.compile(
    rf"\s+(?:correcta|correta|corretta|correcte|exacte)(?:\s+(?:es|é|è|est|sería|serait)(?:\s+a(?=\s+[A-Z]\b))?\b|\s*{SIGN})"
)
_TAG = re.compile(r"<(?:\w+_)?\Z")
_KEY = re.compile(r"[\"'](?:\w+_)?\Z")

EUROPEAN_ANSWERS = (
    *("answer", "antwort", "lösung", "réponse", "reponse", "respuesta", "resposta", "risposta", "antwoord", "ответ"),
    *("odpowied", "odpověď", "válasz", "răspuns", "απάντηση", "відповідь", "svar", "cevap", "đáp án", "jawaban"),
    *("الإجابة", "الجواب", "پاسخ", "התשובה", "उत्तर", "คำตอบ"),
)
ASIAN_ANSWERS = (
    "答案",
    "答え",
    "正解",
    "解答",
    "回答",
    "正答",
    "答：",
    "答:",
    "正确选项",
    "正確選項",
    "正确的选项",
    "正確的選項",
    "정답",
    "답",
)

# Before a cue, these take its commitment back: it is denied, supposed, asked for, somebody else's, or an example.
_DENIED = re.compile(
    r"(?:\b(?:not|never|isn['’]t|don['’]t think|doubt|if|whether|suppose|supposing|assum\w+|imagine|wrong|incorrect|false|why"
    r"|(?:might|may|could|would) (?:say|think|answer|believe|argue|assume|guess|choose)(?: that)?"
    r"|suggest(?:s|ed|ion)|hint\w*|claim\w*|your|user['’]?s?|their|student['’]s|e\.g\.|example|format)\s*[\"'“‘*(,]?\s*"
    r"|(?:例如|如果|若|错误|不正确|比如)\s*[:：,，]?\s*)"
    r"(?:that\s+|is\s+|the\s+|correct\s+|right\s+|best\s+|final\s+|true\s+|my\s+|正确\s*|[\[【]\s*)*\Z",
    re.IGNORECASE,
)
# "If it rained, the answer would be A".
_SUPPOSED = re.compile(r"\b(?:would|were|could|might)\b", re.IGNORECASE)
_IF = re.compile(r"\b(?:if|had|were)\b[^.!?\n]*\Z", re.IGNORECASE)
_NEGATED = re.compile(r"\b(?:not|cannot|never|neither|nicht)\b|n['’]t\b|不", re.IGNORECASE)
_LISTED = re.compile(r"\s+(?:choices|options|candidates|possibilities)\b|\s+(?:choice|option)s?\s*(?:\(?s\)?)\b")

_CUES = (
    _Cue(ANSWER_IS, EUROPEAN_ANSWERS, _EUROPEAN),
    _Cue(ANSWER_IS, ASIAN_ANSWERS, _EAST_ASIAN),
    _Cue(
        ANSWER_IS,
        (
            "option",
            "choice",
            "opción",
            "opção",
            "letter",
            "response",
            "selection",
            "alternative",
            "statement",
            "pick",
            "guess",
            "one",
            "вариант",
        ),
        _EUROPEAN,
        after=_ADJECTIVE,
    ),
    _Cue(
        ANSWER_IS,
        (
            *("option", "choice", "solution", "conclusion", "correct", "verdict", "selection", "letter", "prediction"),
            *(
                "response",
                "decision",
                "result",
                "guess",
                "final",
                "output",
                "richtig",
                "korrekt",
                "correcto",
                "correto",
                "corretto",
            ),
        ),
        re.compile(rf"[^\w\n:：]{{0,4}}{SIGN}"),
        after=_NO_ADJECTIVE_LINE,
    ),
    _Cue(ANSWER_IS, ("####",), re.compile(r"#{0,2}")),
    _Cue(ANSWER_IS, ("ans",), re.compile(rf"\.?\s*{SIGN}|\.")),
    _Cue(ANSWER_IS, ("opción", "opcion", "opção", "opzione", "alternativa", "option"), _ADJECTIVE_AFTER),
    _Cue(
        ANSWER_IS,
        (
            "choice",
            "option",
            "letter",
            "prediction",
            "pred",
            "selection",
            "selected",
            "final",
            "result",
            "response",
            "label",
        ),
        re.compile(r"\w{0,10}[\"']\s*:"),
        after=_KEY,
    ),
    _Cue(
        ANSWER_IS,
        ("ans>", "final>", "choice>", "option>", "result>", "response>", "output>", "letter>"),
        re.compile(""),
        after=_TAG,
    ),
    _Cue(ANSWER_IS, ("richtig ist", "korrekt ist", "correct is", "right is"), re.compile(r"\s")),
    _Cue(ANSWER_IS, ("odpowied", "cevap"), re.compile(r"\w{0,3}(?:\s+(?:to|jest))?\s+(?=[A-Z](?:['’.,)]|\s*\Z))")),
    _Cue(ANSWER_IS, ("finish", "submit", "final"), re.compile(r"\s*[(\[]\s*(?=[\"'“]?[A-Za-z][\"'”]?\s*[)\]])")),
    _Cue(CHOSEN, ("选", "選"), re.compile(r"[择擇]?[:：]?(?![项項])"), after=re.compile(r"(?:\A|[^不首被候])\Z")),
)

_WEAK_CUES = (
    _Cue(
        CHOSEN,
        (
            *(
                "choose",
                "pick",
                "select",
                "go with",
                "going with",
                "opt for",
                "settle on",
                "vote for",
                "lean towards",
                "lean toward",
                "leaning towards",
            ),
            *("wähle", "nehme", "choisis", "elijo", "escolho", "scelgo"),
        ),
        re.compile(r"(?:s|ing|ed)?\s"),
        is_weak=True,
    ),
    _Cue(
        HENCE,
        (
            *("therefore", "thus", "hence", "consequently", "so ", "so,", "no,", "∴", "=>"),
            *("it's", "it is", "i think", "i believe", "i guess", "definitely", "probably", "must be", "should be"),
            *("has to be", "have to be", "needs to be", "i'd say", "i would say", "i’d say", "i'll say", "my vote is"),
            *("而是", "因此", "所以", "综上", "따라서", "したがって", "よって", "also", "donc", "por lo tanto"),
        ),
        re.compile(r"[,:]?\s*(?:(?:it|this|that|we)\s+(?:is|must be|has to be|are left with|get)\s+)?", re.IGNORECASE),
        is_weak=True,
    ),
    _Cue(
        NAMES_OPTION,
        (
            *("corresponds", "corresponding", "matches", "match", "matching", "closest", "which is", "that is", "i.e."),
            *("namely", "equals", "agrees with", "leaves", "leaving", "points to", "consistent with"),
        ),
        re.compile(r"[^\n.:?!()]{0,30}?\s(?=[*\"“]*(?:\(|option|choice|answer|statement))", re.IGNORECASE),
        is_weak=True,
    ),
    _Cue(
        NAMES_OPTION,
        ("left with", "that leaves", "leaves us with", "leaves only", "leaving only", "only remaining"),
        re.compile(r"\s+(?:only\s+)?"),
        is_weak=True,
    ),
    _Cue(
        NAMES_OPTION,
        ("incorrect", "false", "wrong", "untrue", "exception"),
        re.compile(r"(?:\s+(?:statement|option|one|choice))?\s+is\b"),
        is_weak=True,
    ),
)

# "(B) is the correct answer": what is said of a label that stands before it.
_SAID_OF = re.compile(
    r"(?:\A|[\s*_\"'“(:,])(?P<label>(?:(?:option|choice|answer|opción|réponse|antwort)\s+)?[*_\"'“(\[]{0,4}(?P<letter>[A-Za-z]|[1-9]\d?)[)\].,\"”'*_]{0,4})"
    r"(?:,?\s+[^\n.,:;()]{1,60},|\s+\([^()\n]{1,80}\))?\s+(?:is|was|would be|must be|should be|seems|appears to be|remains|ist|est|es|é|è)\s+"
    r"(?:therefore\s+|thus\s+|hence\s+|clearly\s+|indeed\s+|likely\s+|also\s+|probably\s+)?(?:(?:the|our|my|die|der|das|la|le|a)\s+)?"
    r"(?:most\s+likely\s+|most\s+|only\s+|single\s+|best\s+|final\s+|correct\s+|right\s+)?\Z",
    re.IGNORECASE,
)
_SAID_OF_ASIAN = re.compile(
    r"(?:选项|選項|オプション|옵션|[^A-Za-z0-9]|\A)[(（]?(?P<letter>[A-Z])[)）]?\s?(?:选项|選項|项|項)?(?:的?(?:说法|表述)?[是为為]?|が|は|이|가)\s*(?:唯一)?\Z"
)
_JOINED = re.compile(r"(?<![A-Za-z])(?P<letter>[A-Z])[)*\]]*\s*(?:,|and|or|&|/|,\s*and|,\s*or)\s*[(*\[]*\Z")
_NOUN = re.compile(
    r"\s*(?:answer|option|choice|response|one\b|selection|statement|antwort|réponse|respuesta|opción|答案|选项|選項|的答案|的选项|です|입니다)",
    re.IGNORECASE,
)
_NOUNS = ("answer", "正解", "정답")
_COPULAS = (" is ", " was ", " be ", " seems ", " remains ", " ist ", " est ", " es ", " é ", " è ")
_FITS = (
    "fits best",
    "fits the best",
    "fits better",
    "works best",
    "matches best",
    "makes the most sense",
    "makes most sense",
    "stands out",
)
_SUBJECT_OF_FIT = re.compile(
    r"(?:\A|[\s*_(\"'“])(?P<letter>[A-Z])[)\].*_\"'”]{0,3}\s+(?:clearly |definitely |probably |likely |that )?\Z"
)
_ORDINAL_IS = re.compile(
    rf"\b({'|'.join(ORDINALS)}|last) (?:option|choice|answer|alternative|statement|one) (?:is|must be|seems|would be) (?:the )?(?:correct|right|best|true|answer)\b",
    re.IGNORECASE,
)
_NEAR = 50
_SUBJECT = 130
_MOST_PLACES = 200
_END = 800
_PREDICATES = ("correct", "right", "answer", "best", "richtig", "korrekt", "bonne", "appropriate", "true", "closest")
_ASIAN_PREDICATES = ("正确", "正確", "正解", "정답", "正しい", "正答", "맞")

# Where a text begins another question or turn; what follows is no part of the answer. Each pattern begins with a fixed sign,
# which makes the search fast.
_QUESTION = re.compile(
    r"\n[ \t>#*_]*(?:(?:(?:next|new|another)\s+)?(?:question|problem|exercise|q|问题|题目|問題|질문|문제|вопрос|frage|pregunta)[ \t]*(?:no\.?|#)?[ \t]*\d*[ \t]*[*_]*[ \t]*[:：]"
    r"|<?(?:human|user|assistant|bot)>?[ \t]*[:：]|(?<=\#)[ \t]*(?:instruction|input|question|human|user)\b)",
    re.IGNORECASE,
)
_TURN = re.compile(
    r"<(?:/s>|\|(?:end\w*|im_end|im_start|eot_id|eom_id|start_header_id|return|user|assistant|START_OF_TURN_TOKEN|END_OF_TURN_TOKEN)\|>"
    r"|(?:eos\w*|end_of_turn|eoa|eod|start_of_turn)>)",
    re.IGNORECASE,
)
_PART = re.compile(r"\n[ \t>#*_]*(?:problem|exercise)[ \t]*\d", re.IGNORECASE)
_FIRST_PART = re.compile(r"\n[ \t>#*_]*(?:problem|exercise)[ \t]*1\b", re.IGNORECASE)
# A numbered question with options of its own.
_NUMBERED = re.compile(r"\n[ \t*]*\d{1,3}[.)][^\n]{5,400}[?？][ \t*]*\n\s*[(*]*A[.):]")
_INSTRUCTION = re.compile(r"\[/?INST\]")
_PREAMBLE = 200

_SENTENCE_END = re.compile(r"[.!?][\s*_\"”)]+|[。！？\n]")
_COMPLETE = re.compile(r"[.!?。！？:：)）\]}>$*`\"”』」】|]\Z")
_SENTENCE = 600
_SHORT = 200

# A line that begins with a label, alone or before its text.
AROUND = " \t\n*_#>\"'`“”(){}[]$.:："
_FENCES = " \t\r*_#>`-=~"
_LINE = re.compile(
    r"[\s*_#>\"'`“(\[$✅✔☑👉➡→\uFE0F-]*(?P<word>(?:option|choice|answer|opción|opção|opzione|réponse|antwort|вариант|选项|選項|選択肢|옵션)\s*)?[*(\[]{0,3}(?P<label>[A-Za-z]|[1-9]\d?)번?"
    r"(?P<rest>[\s*_)\]}.:：、。\"'`”$]*|[*_]*(?:[)\].:：、]|\s[-–—])[)\]*_]*\s*\S.*|\s*\([^()\n]*\)[\s*_.]*)",
    re.IGNORECASE,
)

# "A. iron: incorrect": what is said of every option in turn.
_VERDICT = re.compile(
    r"(?:^|(?<=[\s*(]))(?:option )?\(?([A-Z])(?:[).:\]]|\s[-–—:])[^\n]{0,200}?(?:\b(?:(?P<no>incorrect|not correct|false|wrong|no|untrue|错误|不正确)|correct|true|right|yes|正确)\b|(?P<cross>[✗✘❌×])|[✓✔✅])",
    re.IGNORECASE | re.MULTILINE,
)
_FEWEST_VERDICTS = 3
_DOUBT = re.compile(
    r"\b(?:wait|hmm+|hold on|actually|but|however|alternatively|let me|let['’]s|maybe|perhaps)\b", re.IGNORECASE
)


Found = tuple[str, Named] | None
"""The rule of a commitment and what it names."""
Finder = Callable[[str, str, Labels], Found]
"""Looks for its kind of commitment in a text (given as it is and in lower case) and returns the last one."""
Last = Callable[[str, str, Labels, bool], Found]
"""Finds the last commitment of a text (as it is and in lower case), which may be cut off at its end."""


def extract(text: str, letters: str, options: Sequence[str] | None = None, *, cut_off: bool = False) -> Extraction:
    r"""The letter that ``text`` commits itself to, as the last of its commitments.

    Args:
        text: what the model wrote, without its thoughts (:func:`rgd.answers.thoughts.after_reasoning`).
        letters: the question's letters, as "ABCD"; no other letter is an answer.
        options: the options' texts in the letters' order, for answers that repeat a text or a number instead of a letter.
        cut_off: the model was stopped by its token limit. Only an explicit commitment that no doubt follows then counts.
    """
    return committed(plain(text), lowered(text), Labels(letters, options), _last, cut_off)


def lowered(text: str) -> str:
    """``text`` in lower case; no place moves."""
    # Only one letter changes its length in lower case.
    return text.replace("İ", "I").lower()


def committed(text: str, lower: str, labels: Labels, last: Last, cut_off: bool) -> Extraction:
    """What the first part of ``text`` that names an option commits itself to.

    Args:
        text: what the model wrote.
        lower: the same in lower case (:func:`lowered`).
        labels: of the question's options.
        last: finds the last commitment of a part.
        cut_off: the model was stopped by its token limit.
    """
    for start, stop in parts(text):
        found = last(text[start:stop], lower[start:stop], labels, cut_off and stop == len(text))
        if found is not None:
            rule, named = found
            if not named.letters:
                return Extraction(None, NO_RULE)
            return Extraction(named.letters, rule) if len(named.letters) == 1 else Extraction(None, SEVERAL)
    return Extraction(None, CUT_OFF if cut_off else NO_RULE)


def parts(text: str) -> Iterator[tuple[int, int]]:
    """The parts of ``text`` that may hold the answer, in order: all of it, or up to the first invented question.

    A mark of a question that only a short beginning precedes opens the asked question, repeated.
    """
    start = 0
    for mark_start, mark_end in _boundaries(text):
        if text[start:mark_start].strip():
            yield start, mark_start
            if mark_start > _PREAMBLE:
                return
        start = mark_end
    yield start, len(text)


def _boundaries(text: str) -> list[tuple[int, int]]:
    """Where the marks of a further question or turn start and end, in order."""
    # A line break before the text makes its first line like the others.
    lines = "\n" + text
    # "Problem 1:" begins the parts of a solution, and "Problem 2:" goes on with them.
    has_parts = _FIRST_PART.search(lines) is not None
    found = [
        (max(0, mark.start() - 1), mark.end() - 1)
        for pattern in (_QUESTION, _NUMBERED)
        for mark in pattern.finditer(lines)
        if not (has_parts and _PART.match(mark.group()))
    ]
    for pattern, sign in ((_TURN, "<"), (_INSTRUCTION, "INST]")):
        if sign in text:
            found += [mark.span() for mark in pattern.finditer(text)]
    return sorted(found)


def _last(text: str, lower: str, labels: Labels, is_open: bool) -> Found:
    """The last explicit commitment of ``text``; without one, the last of the weaker ones.

    Args:
        text: a text or its first part.
        lower: the same in lower case.
        labels: of the question.
        is_open: the text was cut off at its end.
    """
    # Most texts end in their answer, which is found faster in the end alone.
    for start in [len(text) - _END, 0] if len(text) > _END else [0]:
        found = latest(_EXPLICIT, text[start:], lower[start:], labels)
        if found is not None and (start == 0 or found[1].start > _SUBJECT):
            return None if is_open and is_doubted(text, start + found[1].end) else found
    return None if is_open else latest(_WEAKER, text, lower, labels) or _last_sentence(text, lower, labels)


def latest(finders: Sequence[Finder], text: str, lower: str, labels: Labels) -> Found:
    """The last commitment that any of ``finders`` finds."""
    found = filter(None, (finder(text, lower, labels) for finder in finders))
    return max(found, key=lambda each: each[1].start, default=None)


def is_inside_word(text: str, start: int) -> bool:
    """Whether an English letter stands right before ``start``."""
    return start > 0 and text[start - 1].isascii() and text[start - 1].isalpha()


def is_denied(text: str, start: int, link: str) -> bool:
    """Whether the cue at ``start`` of ``text``, with the ``link`` to its label, says what is not the answer, or only may be."""
    if _DENIED.search(text[max(0, start - 60) : start]) or _NEGATED.search(link):
        return True
    return _SUPPOSED.search(link) is not None and _IF.search(text[max(0, start - _SUBJECT) : start]) is not None


def is_doubted(text: str, end: int) -> bool:
    """Whether ``text`` doubts a commitment after its ``end``."""
    return _DOUBT.search(text, end) is not None


def places(words: Iterable[str], lower: str) -> list[tuple[int, str]]:
    """Where each of ``words`` starts in the ``lower`` text, and the word; the last place first.

    Of each word only so many places count that no text that makes sense has more.
    """
    found = []
    for word in words:
        place = lower.rfind(word)
        for _ in range(_MOST_PLACES):
            if place < 0:
                break
            found.append((place, word))
            place = lower.rfind(word, 0, place)
    found.sort(reverse=True)
    return found


@dataclass(frozen=True)
class _ByWord:
    """The cues of a table by their words, for texts of ASCII and for all."""

    all: dict[str, list[_Cue]]
    ascii: dict[str, list[_Cue]]


def _by_word(cues: Iterable[_Cue]) -> _ByWord:
    found: dict[str, list[_Cue]] = {}
    for cue in cues:
        for word in cue.words:
            found.setdefault(word, []).append(cue)
    return _ByWord(found, {word: of_word for word, of_word in found.items() if word.isascii()})


_BY_CUE, _BY_WEAK_CUE = _by_word(_CUES), _by_word(_WEAK_CUES)


def cued(text: str, lower: str, labels: Labels, *, is_weak: bool) -> Found:
    """What the last cue names; of the weak cues or of the others."""
    table = _BY_WEAK_CUE if is_weak else _BY_CUE
    by_word = table.ascii if lower.isascii() else table.all
    for start, word in places(by_word, lower):
        for cue in by_word[word]:
            named = _after_cue(cue, text, lower, start, start + len(word), labels)
            if named is not None:
                return (BY_TEXT if named.by_text else cue.rule), named
    return None


def _after_cue(cue: _Cue, text: str, lower: str, start: int, end: int, labels: Labels) -> Named | None:
    # A closing tag is no cue for what follows it.
    if is_inside_word(lower, start) or text[max(0, start - 2) : start] == "</":
        return None
    if cue.after is not None and not cue.after.search(lower[max(0, start - 60) : start]):
        return None
    link = cue.link.match(text, end)
    if link is None or _LISTED.match(text, end) or is_denied(text, start, link.group()):
        return None
    named = labels.after(text, link.end(), anywhere=cue.rule == ANSWER_IS)
    return None if named is not None and cue.is_weak and not labels.ends(text, named.end) else named


def boxes(text: str, lower: str, labels: Labels) -> Found:
    r"""What the last box names."""
    for start, word in places(("boxed", "fbox"), lower):
        named = labels.after(text, start + len(word))
        if named is not None:
            return (BY_TEXT if named.by_text else BOXED), named
    return None


def _said_of(text: str, lower: str, labels: Labels, *, explicit: bool) -> Found:
    """What is said of a label: "(B) is the correct answer" is explicit, "(B) is correct" may be said of a statement."""
    found = []
    for words, pattern in ((_PREDICATES, _SAID_OF), (_ASIAN_PREDICATES, _SAID_OF_ASIAN)):
        for start, word in places(words, lower) if pattern is _SAID_OF or not lower.isascii() else ():
            if (word in _NOUNS or _NOUN.match(text, start + len(word)) is not None) != explicit:
                continue
            named = _before_predicate(pattern, text, start, labels)
            if named is not None:
                found.append(named)
                if explicit:
                    break
    # Of several correct statements none is the answer.
    if not found or (not explicit and len({named.letters for named in found}) > 1):
        return None
    return (IS_THE_ANSWER if explicit else IS_CORRECT), max(found, key=lambda named: named.start)


def _fits_best(text: str, lower: str, labels: Labels) -> Found:
    """The label of which a text says that it fits best, or the option that an ordinal number calls right."""
    found = []
    for start, _ in places(_FITS, lower):
        said = _SUBJECT_OF_FIT.search(text[max(0, start - _NEAR) : start])
        if said and said["letter"] in labels.letters and not is_denied(text, start, ""):
            found.append(Named(said["letter"], start, start))
    for match in _ORDINAL_IS.finditer(text):
        letter = labels.of_ordinal(match.group(1))
        if letter is not None:
            found.append(Named(letter, match.start(), match.end()))
    return (IS_CORRECT, max(found, key=lambda named: named.start)) if found else None


def _before_predicate(pattern: re.Pattern[str], text: str, place: int, labels: Labels) -> Named | None:
    # Few places have a verb before them, which is found faster than the pattern.
    if pattern is _SAID_OF and not any(verb in text[max(0, place - _NEAR) : place].lower() for verb in _COPULAS):
        return None
    start = max(0, place - _SUBJECT)
    said = pattern.search(text[start:place])
    if not said:
        return None
    letter, at = said["letter"].upper(), start + said.start("letter")
    if letter.isdigit() and said["label"][:1].isalpha() and labels.is_number(int(letter), True):
        letter = labels.letters[int(letter) - 1]
    if letter not in labels.letters or (said["letter"].islower() and "(" not in said.group()):
        return None
    joined = _JOINED.search(text[max(0, at - 20) : at])
    others = joined["letter"] if joined and joined["letter"] in labels.letters else ""
    return Named("".join(dict.fromkeys(others + letter)), at, at + 1)


def _label_line(line: str, labels: Labels) -> str | None:
    """The letter that ``line`` begins with as a label, if the line is no list of labels."""
    match = _LINE.fullmatch(line)
    if not match:
        return None
    label, rest = match["label"], match["rest"]
    if label.isdigit():
        place = int(label) - 1
        is_alone = not rest.strip(AROUND)
        # "3: its text" needs no other sign that the number counts the options.
        has_text = bool(labels.tokens[place : place + 1]) and tokens(rest) == labels.tokens[place]
        is_label = (is_alone and labels.is_number(place + 1, match["word"])) or (has_text and not is_alone)
        return labels.letters[place] if is_label else None
    letter = label.upper()
    following = chr(ord(label) + 1)
    if letter not in labels.letters or re.search(
        rf"(?:[\s(]{following}[).:]\s|[;；,，。]\s*{following}[).:：、])", rest
    ):
        return None
    if re.match(r"\.[A-Za-z]\.", rest) or (label in "ei" and rest[:1] != ")"):
        return None
    return letter


def _label_lines(text: str, lower: str, labels: Labels) -> Found:
    """A text's last or first line that is a label, with or without its text, unless it belongs to a list of options."""
    # Lines of marks alone, as the fences of code, do not count.
    lines = [line.strip() for line in text.split("\n") if line.strip(_FENCES)]
    if not lines:
        return None
    for line, neighbour in ((lines[-1], lines[-2:-1]), (lines[0], lines[1:2])):
        letter = _label_line(line, labels)
        # "(a) First, we ..." begins the parts of a solution.
        if letter is not None and letter not in line[:8] and len(text) > _SHORT:
            continue
        if letter is not None and all(_label_line(each, labels) in (None, letter) for each in neighbour):
            at = text.rfind(line) if line is lines[-1] else 0
            return LABEL, Named(letter, at, at + 1)
    if len(lines) == 1:
        place = len(lines[0]) - len(lines[0].lstrip(AROUND))
        named = labels.at(lines[0], place)
        if named is None and len(lines[0]) < _SHORT and lines[0][place : place + 3].lower() in ("not", "nei"):
            named = labels.after(lines[0], place)
        if named is not None:
            rest = lines[0][named.end :].lstrip("*)_ ")
            if not rest.strip(AROUND) or (len(named.letters) == 1 and rest[0] in ",;-–—"):
                return LABEL, named
    return None


def _verdicts(text: str, lower: str, labels: Labels) -> Found:
    """The one option that a text calls right where it judges each option in turn."""
    judged = [match for match in _VERDICT.finditer(text) if match.group(1).upper() in labels.letters]
    right = [match for match in judged if not match["no"] and not match["cross"]]
    if len({match.group(1) for match in judged}) < min(_FEWEST_VERDICTS, len(labels.letters)) or len(right) != 1:
        return None
    return IS_CORRECT, Named(right[0].group(1).upper(), right[0].start(1), right[0].end(1))


def _whole_text(text: str, lower: str, labels: Labels) -> Found:
    """A text that is an option's text."""
    whole = text.strip()
    if not labels.options or len(whole) > 2 * max(map(len, labels.options)):
        return None
    said = [letter for letter, option in zip(labels.letters, labels.tokens, strict=False) if option == tokens(whole)]
    return (BY_TEXT, Named(said[0], 0, 1, by_text=True)) if len(said) == 1 and tokens(whole) else None


def _last_sentence(text: str, lower: str, labels: Labels) -> Found:
    """The one bracketed label of the last sentence, or the one option whose text the last sentence holds."""
    whole = text.rstrip()
    # A long text that stops in the middle of a sentence was cut off, and a box holds what is no option.
    if (len(whole) > _SHORT and not _COMPLETE.search(whole)) or "boxed{" in lower:
        return None
    first = max(0, len(whole) - _SENTENCE)
    starts = [match.end() for match in _SENTENCE_END.finditer(whole, first, len(whole) - 1)]
    start = starts[-1] if starts else first
    named = labels.within(text, start)
    if named is not None:
        return (PARENTHESISED, named) if len(named.letters) == 1 else None
    if _label_line(whole.rpartition("\n")[2].strip(), labels) is not None:
        return None
    letter = labels.in_sentence(whole[start:])
    return None if letter is None else (BY_TEXT, Named(letter, start, start + 1, by_text=True))


_EXPLICIT: list[Finder] = [
    partial(cued, is_weak=False),
    boxes,
    partial(_said_of, explicit=True),
    _label_lines,
    _whole_text,
]
_WEAKER: list[Finder] = [partial(cued, is_weak=True), partial(_said_of, explicit=False), _fits_best, _verdicts]


def official(text: str, letters: str) -> Extraction:
    """The answer as the published evaluation of MMLU-Pro reads it (``evaluate_from_local.py`` of TIGER-AI-Lab/MMLU-Pro).

    The first "answer is (X)" counts, else "answer: X" in the first line that has one, else the last capital letter that stands
    alone. Where that code draws an answer at random, there is none. It reads A to J, and further letters if there are any.
    """
    last = max("J", letters[-1:])
    for pattern in (
        rf"answer is \(?([A-{last}])\)?",
        rf".*[aA]nswer:\s*([A-{last}])",
        rf"\b([A-{last}])\b(?!.*\b[A-{last}]\b)",
    ):
        match = re.search(pattern, text, re.DOTALL if pattern.startswith(r"\b") else 0)
        if match:
            return Extraction(match.group(1) if match.group(1) in letters else None, OFFICIAL)
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
