"""Kinds of answers other than letters: whatever the options, numbers and words are, a plain commitment is read; hostile texts end."""

import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rgd.answers.numbers import extract_number
from rgd.answers.option_texts import extract_option
from rgd.answers.phrases import extract_phrase
from rgd.answers.values import equal_numbers, value
from rgd.answers.wording import equal_phrases, key, normal

WORD = st.text("abcdefgäöüñçобвгдж", min_size=3, max_size=8)
TEXTS = st.lists(WORD, min_size=1, max_size=3).map(" ".join)
SAYING = st.sampled_from(
    [
        "{}",
        "{}.",
        "**{}**",
        "Answer: {}",
        "The answer is {}.",
        "Some reasons come first.\n\nFinal answer: {}",
        "\\boxed{{{}}}",
        "<answer>{}</answer>",
        '{{"answer": "{}"}}',
        "Let me see.\nAnswer:\n{}\n",
    ]
)
# Words that mean something to the readers themselves.
SAID = ("answer", "not", "null")


@given(st.lists(TEXTS, min_size=2, max_size=6, unique_by=key), SAYING, st.data())
def test_an_option_that_is_plainly_named_is_read(options: list[str], saying: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(options) - 1))
    letters = "ABCDEF"[: len(options)]
    said = data.draw(st.sampled_from([str, str.upper, str.title]))(options[place])
    assume(key(said) == key(options[place]))
    assert extract_option(saying.format(said), letters, options).answer == letters[place]


@given(st.floats(-1e9, 1e9).filter(lambda number: number == 0 or abs(number) > 1e-9), SAYING, st.data())
def test_a_number_that_is_plainly_named_is_read(number: float, saying: str, data: st.DataObject) -> None:
    written = data.draw(st.sampled_from(["{:.6f}", "{:,.3f}", "{:.8e}", "{:.5g}"])).format(number)
    found = extract_number(saying.format(written)).answer
    assert found is not None
    read = value(found)
    assert read is not None
    assert read[0] == pytest.approx(float(written.replace(",", "")), rel=1e-9)


@given(TEXTS, SAYING)
def test_words_that_are_plainly_named_are_read(words: str, saying: str) -> None:
    found = extract_phrase(saying.format(words)).answer
    assert found is not None
    assert equal_phrases(words, found)


@given(st.text(max_size=40))
def test_the_normal_form_is_a_normal_form(text: str) -> None:
    assert normal(normal(text)) == normal(text)
    assert bool(normal(text)) == bool(text.split())


@given(st.text("0123456789.,/%^e-+ \\frac{}x$", max_size=15), st.text("0123456789.,/%", max_size=8))
def test_equality_of_numbers_is_reflexive_and_symmetric(one: str, other: str) -> None:
    equal = equal_numbers(0.0, 0.01)
    assert equal(one, one)
    assert equal(one, other) == equal(other, one)


@given(st.text(max_size=300), st.booleans())
def test_no_text_breaks_a_reader(text: str, cut_off: bool) -> None:
    options = ["yes", "no", "a.b", "(x"]
    assert extract_option(text, "ABCD", options, cut_off=cut_off).answer in (None, *"ABCD")
    number, words = extract_number(text, cut_off=cut_off).answer, extract_phrase(text, cut_off=cut_off).answer
    assert number is None or value(number) is not None
    assert words is None or "\n" not in words


@pytest.mark.parametrize(
    "piece",
    ["answer is ", "yes ", "no, ", "1,", "1e", "\\boxed{", "{", "10^", "the ", " ", "\n", "answer: yes or no ", "not "],
)
def test_reading_is_linear_in_hostile_texts(piece: str) -> None:
    def seconds(length: int) -> float:
        text = piece * (length // len(piece))
        start = time.process_time()
        extract_option(text, "AB", ["Yes", "No"])
        extract_number(text)
        extract_phrase(text)
        return time.process_time() - start

    seconds(20_000)
    assert min(seconds(200_000) for _ in range(2)) < 40 * max(min(seconds(20_000) for _ in range(3)), 5e-3)
