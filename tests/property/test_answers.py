"""Reading answers: what holds for every text, and how long a hostile one takes."""

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rgd.answers.extraction import SEVERAL, choose, extract, official
from rgd.answers.mathematics import extract_latex
from rgd.answers.thoughts import after_reasoning

PIECES = [
    *["answer is", "Answer:", "ANSWER IS", "the correct option is", "option ", "not ", "is correct", " and ", " or "],
    *[
        "(A)",
        "(B)",
        "( C)",
        "(E)",
        "\\(",
        "<answer>",
        "</answer>",
        "<think>",
        "</think>",
        '"answer": "',
        "答案是",
        "选",
    ],
    *["\\boxed{", "\\text{", "\\mathbf{", "Question:", "Therefore", "so ", "####", "**", "\n\n"],
    *"ABCEIa*${}()[._é\n '’3,",
]
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=30).map("".join)
LETTERS = st.sampled_from(["AB", "ABCD", "ABCDEFGHIJ"])
OPTIONS = st.none() | st.just(["iron", "a copper", "12 m", "C", "2", "3", "4", "5", "6", "7"])


@given(TEXTS, LETTERS, OPTIONS, st.booleans())
def test_an_answer_is_one_of_the_questions_letters(text, letters, options, cut_off):
    found = extract(after_reasoning(text), letters, options and options[: len(letters)], cut_off=cut_off)
    assert found.answer is None or (len(found.answer) == 1 and found.answer in letters)
    assert found.answer is None or found.rule not in (SEVERAL, "none", "cut_off")
    assert official(text, letters).answer in (None, *letters)


@given(TEXTS, st.booleans())
def test_mathematics_is_read_from_the_text_and_never_empty(text, cut_off):
    found = extract_latex(after_reasoning(text), cut_off=cut_off)
    assert found.answer is None or found.answer.strip()
    assert (found.answer is None) == (found.rule in ("none", "cut_off"))


# A text that ends in the middle of a label, a denial or a word takes the next words into it.
PROSE = st.lists(
    st.sampled_from(["Water boils.", "P(A) = 0.2.", "Not (B).", "I see.", "Thus x = 3.", "A dose."]), max_size=9
)
ENDINGS = {
    "The answer is ({}).": "sentence",
    "The answer is ({})": "as asked",
    "**Answer: {}**": "bold",
    "Final answer: {}": "colon",
    "$\\boxed{{{}}}$": "box",
    "<answer>{}</answer>": "tag",
    '{{"answer": "{}"}}': "JSON",
    "答案：{}": "Chinese",
    "정답: {}": "Korean",
    "答え：{}": "Japanese",
    "Ответ: {}": "Russian",
    "Antwort: {}": "German",
    "Réponse : {}": "French",
    "Respuesta: {}": "Spanish",
}


@given(PROSE, LETTERS, st.sampled_from(list(ENDINGS)), st.sampled_from(list(ENDINGS)), st.data())
def test_the_last_of_two_endings_is_read_whatever_precedes_them(prose, letters, first, second, data):
    one, two = (data.draw(st.sampled_from(letters)) for _ in range(2))
    text = " ".join(prose)
    assert extract(f"{text}\n\n{first.format(one)}\n\n{text}\n\n{second.format(two)}", letters).answer == two


@given(PROSE, LETTERS, st.sampled_from(list(ENDINGS)), st.data())
def test_two_letters_in_one_commitment_are_none(prose, letters, ending, data):
    pair = data.draw(st.lists(st.sampled_from(letters), min_size=2, max_size=2, unique=True))
    joined = data.draw(st.sampled_from([", ", " and ", " or ", "/"])).join(sorted(pair))
    found = extract(" ".join(prose) + "\n\n" + ending.format(joined), letters)
    assert (found.answer, found.rule) == (None, SEVERAL)


HOSTILE = [
    *[
        "(",
        "[",
        "{",
        "<",
        "*",
        " ",
        "\n",
        "A",
        "A ",
        "(A) ",
        "A,",
        "A and ",
        "answer ",
        "answer is ",
        "answer: ",
        "Answer\n",
    ],
    *[
        "\\boxed{",
        "\\boxed{\\text{",
        "boxed",
        "<think>",
        "</think>",
        "<answer>",
        "[THINK]",
        "is correct ",
        "A is correct ",
        "so ",
    ],
    *[
        "option ",
        "correct option ",
        "the answer is the answer is not ",
        "Question:\n",
        "Question: A\n",
        "选",
        "答案",
        "答案是",
        "정답",
    ],
    *[
        "####",
        '"answer": ',
        "A. x\nB. y\n",
        "<|channel|>",
        "<|channel|>final",
        "i.e. ",
        "matches ",
        "which is option ",
        "1",
        "a.b",
        "．",
    ],
    *[
        "$",
        "$x$ and ",
        "\\boxed{1} and ",
        "\\boxed{1}",
        "}",
        "{}",
        "\\(",
        "\\[",
        "#### 1\n",
        "1,",
        "1 ",
        "= 1 ",
        '"answer": "',
    ],
    *["answer is $", "answer is the ", "The answer is 1 apple ", "so 1 ", "\\", "\n\n", "answer: $1$ and $"],
    *["The answer is A lower dose ", "not A but ", "A (x) is ", "A, x, is the correct ", "Here is my ", "because "],
]


# All of them take a minute: the usual loop tries every seventh.
ALL = [
    piece if number % 7 == 0 else pytest.param(piece, marks=[pytest.mark.slow, pytest.mark.ci])
    for number, piece in enumerate(HOSTILE)
]


@pytest.mark.parametrize("piece", ALL)
def test_a_long_hostile_text_takes_time_in_proportion_to_its_length(piece):
    def seconds(length):
        text = piece * (length // len(piece))
        start = time.process_time()
        extract(after_reasoning(text), "ABCDEFGHIJ", ["x", "y", "(", "12", "A", "B and C", "D", "E", "F", "G"])
        extract_latex(text)
        return time.process_time() - start

    # Quadratic work would take hours.
    assert seconds(1_000_000) < 10


SCORES = st.floats(-1e6, 0) | st.sampled_from([math.nan, math.inf, -math.inf])


@given(st.lists(SCORES, min_size=1, max_size=10))
def test_the_choice_agrees_with_a_loop(scores):
    best, confidence = None, None
    for place, value in enumerate(scores):
        if math.isfinite(value) and (confidence is None or value > confidence):
            best, confidence = "ABCDEFGHIJ"[place], value
    choice = choose(scores)
    assert (choice.answer, choice.confidence) == (best, confidence)
