"""Extraction against a reference that walks through the text sign by sign."""

import itertools
import math
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from rgd.answers.extraction import choose, extract

COMMANDS = [f"\\{name}{{" for name in ("boxed", "text", "textbf", "mathrm", "mathbf")]
PIECES = [
    *["answer is", "Answer is", "ANSWER IS", "the answer\nis", "answer is:", "option ", "Option", "optional", "not"],
    *["(A)", "(B)", "( C)", "(E)", "\\("],
    *"ABCEIa*${}()[._é\n '’",
    *COMMANDS,
]
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=20).map("".join)


def is_word(text: str, place: int) -> bool:
    return 0 <= place < len(text) and (text[place].isalnum() or text[place] == "_")


def capital(text: str, place: int) -> bool:
    return place < len(text) and text[place] in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def skip_space(text: str, place: int) -> int:
    while place < len(text) and text[place].isspace():
        place += 1
    return place


Target = Callable[[str, int], str | None]


def one_letter(text: str, place: int) -> str | None:
    return text[place] if capital(text, place) and not is_word(text, place + 1) else None


def run_of_letters(text: str, place: int) -> str | None:
    end = place
    while capital(text, end):
        end += 1
    return text[place:end] if end - place > 1 and not is_word(text, end) else None


def after_answer_is(text: str, target: Target = one_letter) -> list[tuple[int, str]]:
    """Where "answer is" stands before the target, and the target."""
    found, place = [], 0
    while place < len(text):
        begin, start = place, skip_space(text, place + len("answer"))
        found_word = text[place : place + len("answer")] in ("answer", "Answer", "ANSWER")
        place += 1
        if not found_word or not text[start - 1].isspace():
            continue
        if text[start : start + 2] not in ("is", "IS"):
            continue
        behind = behind_fillers(text, start + 2, target)
        if behind is not None:
            found.append((begin, behind[1]))
            place = behind[0] + len(behind[1])
    return found


def behind_fillers(text: str, place: int, target: Target) -> tuple[int, str] | None:
    """The target behind the signs that may stand before it, and its place; None where something else stands there."""
    if place >= len(text):
        return None
    if (wanted := target(text, place)) is not None:
        return place, wanted
    for filler in (*COMMANDS, "\\("):
        if text.startswith(filler, place):
            return behind_fillers(text, place + len(filler), target)
    if text[place : place + 6] in ("option", "Option") and not is_word(text, place + 6):
        return behind_fillers(text, place + 6, target)
    if text[place].isspace() or text[place] in ":*_\"'`$({[":
        return behind_fillers(text, place + 1, target)
    return None


def ends_in_several(text: str, letters: str) -> bool:
    runs = [
        begin
        for begin, run in after_answer_is(text, run_of_letters)
        if all(letter in letters for letter in run) and all(a < b for a, b in itertools.pairwise(run))
    ]
    single = [begin for begin, letter in after_answer_is(text) if letter in letters]
    return bool(runs) and (not single or single[-1] < runs[-1])


def boxed(text: str) -> list[str]:
    found, free = [], 0
    for start in range(len(text)):
        if start < free or not text.startswith(COMMANDS[0], start):
            continue
        place = skip_space(text, start + len(COMMANDS[0]))
        for command in COMMANDS[1:]:
            if text.startswith(command, place):
                place = skip_space(text, place + len(command))
                break
        place += text[place : place + 1] == "("
        if not capital(text, place):
            continue
        end = place + 1 + (text[place + 1 : place + 2] == ")")
        end = skip_space(text, end)
        if text[end : end + 1] == "}":
            found.append(text[place])
            free = end + 1
    return found


def parenthesised(text: str) -> list[str]:
    return [text[i + 1] for i in range(len(text) - 2) if text[i] == "(" and capital(text, i + 1) and text[i + 2] == ")"]


def label(text: str) -> list[str]:
    place = 0
    while text[place : place + 1].isspace() or text[place : place + 1] == "*":
        place += 1
    if not capital(text, place):
        return []
    rest = text[place + 1 :]
    if all(sign.isspace() or sign in "*.):" for sign in rest):
        return [text[place]]
    bare = rest.lstrip("*")
    after = bare[1:].lstrip("*")
    is_line = bare[:1] in (".", ")", ":") and after[:1] in (" ", "\t") and "\n" not in after.rstrip()
    return [text[place]] if is_line else []


def standalone_letters(text: str) -> list[str]:
    def apart(place: int) -> bool:
        return not is_word(text, place) and text[place : place + 1] not in ("'", "’")

    return [text[i] for i in range(len(text)) if capital(text, i) and (i == 0 or apart(i - 1)) and apart(i + 1)]


@given(TEXTS, st.sampled_from(["AB", "ABCD", "ABCDEFGHIJ"]), st.booleans())
def test_extraction_agrees_with_the_reference(text, letters, standalone):
    rules = {
        "answer_is": lambda text: [letter for _, letter in after_answer_is(text)],
        "boxed": boxed,
        "parenthesised": parenthesised,
        "label": label,
    }
    if standalone:
        rules["standalone"] = standalone_letters
    expected = (None, "none")
    if ends_in_several(text, letters):
        rules, expected = {}, (None, "several_letters")
    for rule, find in rules.items():
        admissible = [letter for letter in find(text) if letter in letters]
        if admissible:
            expected = (admissible[-1], rule)
            break
    result = extract(text, letters, standalone=standalone)
    assert (result.answer, result.rule) == expected


@given(st.text(), st.sampled_from(["ABCD", "ABCDEFGHIJ"]))
def test_the_requested_ending_is_always_found(text, letters):
    assert extract(f"{text} The answer is ({letters[-1]})", letters).answer == letters[-1]


SCORES = st.floats(-1e6, 0) | st.sampled_from([math.nan, math.inf, -math.inf])


@given(st.lists(SCORES, min_size=1, max_size=10))
def test_the_choice_agrees_with_a_loop(scores):
    best, confidence = None, None
    for place, value in enumerate(scores):
        if math.isfinite(value) and (confidence is None or value > confidence):
            best, confidence = "ABCDEFGHIJ"[place], value
    choice = choose(scores)
    assert (choice.answer, choice.confidence) == (best, confidence)
