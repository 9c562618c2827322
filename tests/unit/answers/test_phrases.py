"""Answers in a few words: reading them, and equality in case, punctuation and articles aside."""

import pytest

from rgd.answers.extraction import CUT_OFF
from rgd.answers.phrases import extract_phrase
from rgd.answers.wording import equal_phrases

READINGS: list[tuple[str, str | None]] = [
    ("Paris", "Paris"),
    ("Paris.", "Paris"),
    ("The answer is Paris.", "Paris"),
    ("The answer to the question is Paul McCartney.", "Paul McCartney"),
    ("**Answer:** J. R. R. Tolkien", "J. R. R. Tolkien"),
    ("Answer: St. Louis. It is in Missouri.", "St. Louis"),
    ("The answer is Mr. Smith.", "Mr. Smith"),
    (r"\boxed{\text{Mount Everest}}", "Mount Everest"),
    ("<answer>the Nile</answer>", "the Nile"),
    ('{"answer": "Marie Curie"}', "Marie Curie"),
    ("It must be in France.\n\nAnswer: Lyon, because of the river.", "Lyon"),
    ("At first I think of Rome.\n\nFinal answer: Athens\n", "Athens"),
    ("Answer:\nBerlin", "Berlin"),
    ("Reasoning...\n\nBerlin", "Berlin"),
    ("#### Vienna", "Vienna"),
    ('The correct answer is: "42 km"', "42 km"),
    ("答案是巴黎。", "巴黎"),
    ("Die Antwort lautet München.", "München"),
    ("La respuesta es «Quito».", "Quito"),
    ("Answer: Bonn\n\nQuestion: And of Italy?\nAnswer: Rome", "Bonn"),
    ("The answer is not known.", None),
    ("Answer: unknown", None),
    ("Answer: null", None),
    ("Answer:", None),
    ("Well, that depends on many things, and one cannot say so easily.\nHm.", None),
    ("", None),
]


@pytest.mark.parametrize(("text", "answer"), READINGS)
def test_the_words_that_a_text_commits_itself_to(text: str, answer: str | None) -> None:
    assert extract_phrase(text).answer == answer


def test_a_text_that_was_cut_off_has_no_answer_at_its_end() -> None:
    assert extract_phrase("The answer is the Battle of", cut_off=True).rule == CUT_OFF
    assert extract_phrase("Answer: Bonn. It was the capital until", cut_off=True).answer == "Bonn"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The Nile", "nile"),
        ("U.S.A.", "USA"),
        ("well-being", "well being"),
        ("1,000", "1000"),
        ("Straße", "STRASSE"),
        ("ﬁne", "fine"),
        (r"\text{Paris}", "paris"),
        ("“Hamlet”", "hamlet"),
    ],
)
def test_equal_phrases(one: str, other: str) -> None:
    assert equal_phrases(one, other)
    assert equal_phrases(other, one)


@pytest.mark.parametrize(("one", "other"), [("50%", "50"), ("Paris", "Paris, Texas"), ("año", "ano"), ("!", "?")])
def test_different_phrases(one: str, other: str) -> None:
    assert not equal_phrases(one, other)
