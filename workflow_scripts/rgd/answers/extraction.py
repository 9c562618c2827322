r"""Reading the letter that a model's text commits itself to, or its final mathematics, or the option that its scores choose.

A text is read as a careful person would. Its last commitment counts, however it is marked. Whatever may be a commitment
begins with a cue of the tables below, so the tables say what is read; :mod:`rgd.answers.labels` says what is a label.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from rgd.answers.labels import Labels, Named, plain, tokens
from rgd.answers.latex import boxed
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
    # What may not stand before the word, and what must.
    after: re.Pattern[str] | None = None
    is_weak: bool = False


# Between a cue and its label: a few words and a verb, or a sign.
_VERBS = r"(?:is|are|was|be|being|ist|lautet|wäre|est|serait|es|sería|é|seria|è|это|является|là|adalah|jest)"
_SIGN = r"(?:[:：=→➜—–]|-+>|-(?=\s))"
_CLOSED = r"[\s*_\"'`)\]}】』」>”’]"
_EUROPEAN = re.compile(
    rf"(?:\w{{0,3}}\s?\((?:[^()\n]{{0,30}})\))?(?:\w{{0,3}}(?:{_CLOSED}*{_SIGN}|[ \t]*[*_\])}}>]+|[ \t]*\n|\s*[(\[]\s*(?=[\"'“]|[A-Z][\])])"
    rf"|\s+(?=[*_(\[]*[A-Z][*_)\]]*\.?[ \t]*(?:\n|\Z)))"
    rf"|\w{{0,3}}\b[^\n.:?!]{{0,60}}?\b{_VERBS}\b)",
    re.IGNORECASE,
)
_EAST_ASIAN = re.compile(
    r"[^\n。，；：:A-Za-z是为為は은는이가]{0,10}?(?:[:：=]|应该是|应是|應該是|应为|是|为為|为|為|选|選|】|\]|は|が|은|는|이|가|\s*(?=[(（]?[A-Z]))"
)
_ADJECTIVE = re.compile(
    r"(?:\A|[^a-z])(?:correct|right|best|final|my|proper|appropriate|suitable|accurate|closest|likely|plausible|chosen|selected"
    r"|only|remaining|matching|valid|true|richtige|korrekte|bonne|correcta|correcte|corretta|correta)"
    r"(?:\s+(?:\w+\s+){0,1})?\Z"
)
_NO_ADJECTIVE_LINE = re.compile(r"(?:\A|\n)[\s*_#>-]*\Z")

_ADJECTIVE_AFTER = re.compile(r"\s+(?:correcta|correta|corretta|correcte|exacte)\s+(?:es|é|è|est|sería|serait)\b")
_KEY = re.compile(r"[\"'](?:\w+_)?\Z")

_ENGLISH = ("answer",)
_OTHER_EUROPEAN = (
    *("antwort", "lösung", "réponse", "reponse", "respuesta", "resposta", "risposta", "antwoord", "ответ"),
    *("odpowied", "cevap", "đáp án", "jawaban"),
)
_ASIAN = ("答案", "答え", "正解", "解答", "回答", "答：", "答:", "正确选项", "正確選項", "정답", "답")

# Before a cue, these take its commitment back: it is denied, supposed, asked for, somebody else's, or an example.
_DENIED = re.compile(
    r"(?:\b(?:not|never|isn['’]t|don['’]t think|doubt|if|whether|suppose|supposing|assum\w+|imagine|wrong|incorrect|false|why"
    r"|suggest(?:s|ed|ion)|hint\w*|claim\w*|your|user['’]?s?|their|student['’]s|e\.g\.|example|format)\s*[\"'“‘*(,]?\s*"
    r"|(?:例如|如果|若|错误|不正确|比如)\s*[:：,，]?\s*)"
    r"(?:that\s+|is\s+|the\s+|correct\s+|right\s+|best\s+|final\s+|true\s+|my\s+|正确\s*|[\[【]\s*)*\Z",
    re.IGNORECASE,
)
_NEGATED = re.compile(r"\b(?:not|cannot|never|neither|nicht)\b|n['’]t\b|不", re.IGNORECASE)
_LISTED = re.compile(r"\s+(?:choices|options|candidates|possibilities)\b|\s+(?:choice|option)s?\s*(?:\(?s\)?)\b")

_CUES = (
    _Cue(ANSWER_IS, _ENGLISH, _EUROPEAN),
    _Cue(ANSWER_IS, _OTHER_EUROPEAN, _EUROPEAN),
    _Cue(ANSWER_IS, _ASIAN, _EAST_ASIAN),
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
        ),
        _EUROPEAN,
        after=_ADJECTIVE,
    ),
    _Cue(
        ANSWER_IS,
        ("option", "choice", "solution", "conclusion", "correct", "verdict"),
        re.compile(rf"[*_]*\s*{_SIGN}"),
        after=_NO_ADJECTIVE_LINE,
    ),
    _Cue(ANSWER_IS, ("####",), re.compile(r"#{0,2}")),
    _Cue(ANSWER_IS, ("ans:", "ans."), re.compile(r"")),
    _Cue(ANSWER_IS, ("opción", "opcion", "opção", "opzione", "alternativa", "option"), _ADJECTIVE_AFTER),
    _Cue(
        ANSWER_IS,
        ("choice", "option", "letter", "prediction", "selection"),
        re.compile(r"\w{0,10}[\"']\s*:"),
        after=_KEY,
    ),
    _Cue(ANSWER_IS, ("finish", "submit", "final"), re.compile(r"\s*[(\[]\s*(?=[\"'“]?[A-Za-z][\"'”]?\s*[)\]])")),
    _Cue(CHOSEN, ("选", "選"), re.compile(r"[择擇]?[:：]?(?![项項])"), after=re.compile(r"(?:\A|[^不首被候])\Z")),
)

_WEAK_CUES = (
    _Cue(
        CHOSEN,
        (
            *("choose", "pick", "select", "go with", "going with", "opt for", "settle on", "vote for"),
            *("wähle", "nehme", "choisis", "elijo", "escolho", "scelgo"),
        ),
        re.compile(r"(?:s|ing|ed)?\s"),
        is_weak=True,
    ),
    _Cue(
        HENCE,
        (
            *("therefore", "thus", "hence", "consequently", "so ", "so,", "∴", "=>"),
            *("it's", "it is", "i think", "i believe", "i guess", "definitely", "probably", "must be"),
            *("因此", "所以", "综上", "따라서", "したがって", "よって", "also", "donc", "por lo tanto"),
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
    r"(?:选项|選項|オプション|옵션|[^A-Za-z0-9]|\A)[(（]?(?P<letter>[A-Z])[)）]?(?:选项|選項|项|項)?(?:的?(?:说法|表述)?[是为為]?|が|は|이|가)\s*(?:唯一)?\Z"
)
_JOINED = re.compile(r"(?<![A-Za-z])(?P<letter>[A-Z])[)*\]]*\s*(?:,|and|or|&|/|,\s*and|,\s*or)\s*[(*\[]*\Z")
_NOUN = re.compile(
    r"\s*(?:answer|option|choice|response|one\b|selection|statement|antwort|réponse|respuesta|opción|答案|选项|選項|的答案|的选项|です|입니다)",
    re.IGNORECASE,
)
_NOUNS = ("answer", "正解", "정답")
_SUBJECT = 130
_MOST_PLACES = 200
_PREDICATES = ("correct", "right", "answer", "best", "richtig", "korrekt", "bonne", "appropriate", "true", "closest")
_ASIAN_PREDICATES = ("正确", "正確", "正解", "정답", "正しい", "正答", "맞")

# Where a text begins another question or turn; what follows is no part of the answer.
_BOUNDARY = re.compile(
    r"^[ \t>#*_]*(?:(?:next|new|another)\s+)?(?:question|problem|exercise|q|问题|题目|問題|질문|문제|вопрос|frage|pregunta)[ \t]*(?:no\.?|#)?[ \t]*\d*[ \t]*[*_]*[ \t]*[:：]"
    r"|^[ \t]*<?(?:human|user|assistant|bot)>?[ \t]*[:：]|^[ \t]*###[ \t]*(?:instruction|input|question|human|user)\b"
    r"|</s>|<\|(?:end\w*|im_end|im_start|eot_id|eom_id|start_header_id|return|user|assistant|START_OF_TURN_TOKEN|END_OF_TURN_TOKEN)\|>"
    r"|<(?:eos\w*|end_of_turn|eoa|eod|start_of_turn)>|\[/?INST\]",
    re.IGNORECASE | re.MULTILINE,
)
_PREAMBLE = 200

_SENTENCE_END = re.compile(r"[.!?][\s*_\"”)]+|[。！？\n]")
_SENTENCE = 600

# A line that begins with a label, alone or before its text.
_AROUND = " \t\n*_#>\"'`“”(){}[]$.:："
_LINE = re.compile(
    r"[\s*_#>\"'`“(\[$-]*(?P<word>(?:option|choice|answer|选项|옵션)\s*)?[*(\[]{0,3}(?P<label>[A-Za-z]|[1-9]\d?)"
    r"(?P<rest>[\s*_)\]}.:：、。\"'`”$]*|[*_]*(?:[)\].:：、]|\s[-–—])[)\]*_]*\s*\S.*)",
    re.IGNORECASE,
)

_DOUBT = re.compile(
    r"\b(?:wait|hmm+|hold on|actually|but|however|alternatively|let me|let['’]s|maybe|perhaps)\b", re.IGNORECASE
)


def extract(text: str, letters: str, options: Sequence[str] | None = None, *, cut_off: bool = False) -> Extraction:
    r"""The letter that ``text`` commits itself to, as the last of its commitments.

    Args:
        text: what the model wrote, without its thoughts (:func:`rgd.answers.thoughts.after_reasoning`).
        letters: the question's letters, as "ABCD"; no other letter is an answer.
        options: the options' texts in the letters' order, for answers that repeat a text or a number instead of a letter.
        cut_off: the model was stopped by its token limit. Only an explicit commitment that no doubt follows then counts.
    """
    text = plain(text)
    labels = Labels(letters, options)
    for start, stop in _parts(text):
        found = _last(text, start, stop, labels, cut_off)
        if found is not None:
            rule, named = found
            return Extraction(named.letters, rule) if len(named.letters) == 1 else Extraction(None, SEVERAL)
    return Extraction(None, CUT_OFF if cut_off else NO_RULE)


# A finder looks for its kind of commitment in a text (given as it is and in lower case) and returns the rule and the last one.
_Found = tuple[str, Named] | None
_Finder = Callable[[str, str, Labels], _Found]


def _parts(text: str) -> Iterator[tuple[int, int]]:
    """The parts of ``text`` that may hold the answer, in order: all of it, or up to the first invented question.

    A mark of a question that only a short beginning precedes opens the asked question, repeated.
    """
    start = 0
    for boundary in _BOUNDARY.finditer(text):
        if text[start : boundary.start()].strip():
            yield start, boundary.start()
            if boundary.start() > _PREAMBLE:
                return
        start = boundary.end()
    yield start, len(text)


def _last(text: str, start: int, stop: int, labels: Labels, cut_off: bool) -> _Found:
    """The last explicit commitment of ``text`` from ``start`` to ``stop``; without one, the last of the weaker ones."""
    inside = text[start:stop]
    lower = inside.lower()
    for finders in [_EXPLICIT] if cut_off else [_EXPLICIT, _WEAKER, _PLAIN]:
        found = [finder(inside, lower, labels) for finder in finders]
        last = max(filter(None, found), key=lambda each: each[1].start, default=None)
        if last is not None:
            return None if cut_off and stop == len(text) and _DOUBT.search(inside, last[1].end) else last
    return None


def _places(word: str, text: str) -> Iterator[int]:
    """The last places of ``word``, the very last first: so many that only a text that goes in circles has more."""
    place = text.rfind(word)
    for _ in range(_MOST_PLACES):
        if place < 0:
            return
        yield place
        place = text.rfind(word, 0, place)


def _cued(cue: _Cue, text: str, lower: str, labels: Labels) -> _Found:
    best: Named | None = None
    for word in cue.words:
        for place in _places(word, lower):
            if best is not None and place < best.start:
                break
            named = _after_cue(cue, text, lower, place, place + len(word), labels)
            if named is not None:
                best = named if best is None or named.start > best.start else best
                break
    return None if best is None else ((BY_TEXT if best.by_text else cue.rule), best)


def _after_cue(cue: _Cue, text: str, lower: str, start: int, end: int, labels: Labels) -> Named | None:
    before = lower[max(0, start - 60) : start]
    if before[-1:].isascii() and before[-1:].isalpha():
        return None
    if cue.after is not None and not cue.after.search(before):
        return None
    link = cue.link.match(text, end)
    if link is None or _LISTED.match(text, end) or _DENIED.search(before) or _NEGATED.search(link.group()):
        return None
    named = labels.after(text, link.end(), anywhere=cue.rule == ANSWER_IS)
    return None if named is not None and cue.is_weak and not labels.ends(text, named.end) else named


def _boxes(text: str, lower: str, labels: Labels) -> _Found:
    for place in _places("boxed", lower) if "boxed" in lower else _places("fbox", lower):
        named = labels.after(text, place + 5 if lower.startswith("boxed", place) else place + 4)
        if named is not None:
            return (BY_TEXT if named.by_text else BOXED), named
    return None


def _said_of(text: str, lower: str, labels: Labels, *, explicit: bool) -> _Found:
    """What is said of a label: "(B) is the correct answer" is explicit, "(B) is correct" may be said of a statement."""
    best: Named | None = None
    letters = set()
    for word in (*_PREDICATES, *_ASIAN_PREDICATES):
        is_noun, pattern = word in _NOUNS, _SAID_OF if word.isascii() else _SAID_OF_ASIAN
        for place in _places(word, lower):
            if explicit and best is not None and place < best.start:
                break
            if (is_noun or _NOUN.match(text, place + len(word)) is not None) != explicit:
                continue
            named = _before_predicate(pattern, text, place, labels)
            if named is not None:
                best = named if best is None or named.start > best.start else best
                letters.add(named.letters)
    # Of several correct statements none is the answer.
    if best is None or (not explicit and len(letters) > 1):
        return None
    return (IS_THE_ANSWER if explicit else IS_CORRECT), best


def _before_predicate(pattern: re.Pattern[str], text: str, place: int, labels: Labels) -> Named | None:
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
        is_alone = not rest.strip(_AROUND)
        return labels.letters[int(label) - 1] if is_alone and labels.is_number(int(label), match["word"]) else None
    letter = label.upper()
    if letter not in labels.letters or re.search(rf"[\s(]{chr(ord(letter) + 1)}[).:]\s", rest):
        return None
    if re.match(r"\.[A-Za-z]\.", rest) or (label in "ei" and rest[:1] != ")"):
        return None
    return letter


def _label_lines(text: str, lower: str, labels: Labels) -> _Found:
    """A text's last or first line that is a label, with or without its text, unless it belongs to a list of options."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    if not lines:
        return None
    for line, neighbour in ((lines[-1], lines[-2:-1]), (lines[0], lines[1:2])):
        letter = _label_line(line, labels)
        if letter is not None and all(_label_line(each, labels) in (None, letter) for each in neighbour):
            at = text.rfind(line) if line is lines[-1] else 0
            return LABEL, Named(letter, at, at + 1)
    if len(lines) == 1:
        named = labels.at(lines[0], len(lines[0]) - len(lines[0].lstrip(_AROUND)))
        if named is not None:
            rest = lines[0][named.end :].lstrip("*)_ ")
            if not rest.strip(_AROUND) or (len(named.letters) == 1 and rest[0] in ",;-–—"):
                return LABEL, named
    return None


def _whole_text(text: str, lower: str, labels: Labels) -> _Found:
    """A text that is an option's text."""
    whole = text.strip()
    if not labels.options or len(whole) > 2 * max(map(len, labels.options)):
        return None
    said = [letter for letter, option in zip(labels.letters, labels.tokens, strict=False) if option == tokens(whole)]
    return (BY_TEXT, Named(said[0], 0, 1, by_text=True)) if len(said) == 1 and tokens(whole) else None


def _last_sentence(text: str, lower: str, labels: Labels) -> _Found:
    """The one bracketed label of the last sentence, or the one option whose text the last sentence holds."""
    whole = text.rstrip()
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


_EXPLICIT: list[_Finder] = [
    *(partial(_cued, cue) for cue in _CUES),
    _boxes,
    partial(_said_of, explicit=True),
    _label_lines,
    _whole_text,
]
_WEAKER: list[_Finder] = [*(partial(_cued, cue) for cue in _WEAK_CUES), partial(_said_of, explicit=False)]
_PLAIN: list[_Finder] = [_last_sentence]


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
