"""Questions with options, told from other messages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rgd.datasets.base import MAX_OPTIONS
from rgd.engines.prompts import letter
from rgd.tool.choices import split_options

HOW = ["", "\nAnswer with the letter.", "\n\nThink step by step, then choose one option.", "\nAnswer:"]


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("Which prints 3?\nA. print(1 + 1)\nB. x = 3\nprint(y)\nC. print(3)\nD. print(4)", 4),
        ("When does it leave?\nA. 6\nB. 7\nC. 8", 3),
        ("The capital of France is\nA. Paris\nB. Rome", 2),
        ("Find the degree of the extension.\n(A) 0\n(B) 4", 2),
        ("Which is right?\nA.\n```python\nA. x = 1\n```\nB.\n```python\nprint(2)\n```\nC. neither", 3),
        ("Which hold?\nI. One\nII. Two\nA. I only\nB. II only\nC. both", 3),
        ("Key:\nA: reads\nB: plays\nWhich says (A and B)?\nA. reads and plays\nB. reads or plays", 2),
        ("**Which?**\n\n**A.** one\n\n**B.** two\n", 2),
        ("Statement 1 | all. Statement 2 | none.\nA. True, True\nB. False, False", 2),
        # Not plainly a question with options.
        ("Rewrite these steps as prose.\nA. Boil water\nB. Add tea\nC. Wait\nUse a friendly tone.", 0),
        ("Summarise:\nA. First point\nB. Second point", 0),
        ("Please translate into French:\nA. Hello\nB. Bye", 0),
        ("Here is my list:\nA. Milk\nB. Eggs\nWhat should I cook?", 0),
        ("1. Which?\nA. x\nB. y\n2. What?\nA. z\nB. w", 0),
        ("What is wrong in this code?\n```\nA. foo\nB. bar\n```", 0),
        ("Which?\nA. one\nB. one", 0),
        ("Which?\nA. one\nB.\nC. three", 0),
        ("Which?\nA. one\nB. two\n\nAlso, what is the weather like in Paris today, and will it rain?", 0),
        ("A. one\nB. two", 0),
    ],
)
def test_a_message_is_a_question_with_options_only_if_it_plainly_is(text: str, options: int) -> None:
    question, found = split_options(text)
    assert len(found) == options
    assert question == (text.strip() if not options else question)
    assert question
    assert question in text


TEXTS = st.text(
    st.characters(categories=["L", "N", "Zs"], exclude_characters="\u2028\u2029\x85"), min_size=1, max_size=30
)
LINES = TEXTS.map(str.strip).filter(lambda text: bool(text) and len(text) > 3)


@given(
    question=LINES,
    options=st.lists(LINES, min_size=2, max_size=MAX_OPTIONS, unique=True),
    form=st.sampled_from(["{}. ", "{}) ", "({}) ", "{}: "]),
    how=st.sampled_from(HOW),
    gap=st.sampled_from(["\n", "\n\n"]),
)
def test_every_question_is_read_back(question: str, options: list[str], form: str, how: str, gap: str) -> None:
    listed = gap.join(form.format(letter(place)) + option for place, option in enumerate(options))
    assert split_options(f"{question}?{gap}{listed}{how}") == (f"{question}?", options)


@given(st.text(max_size=300))
def test_no_text_is_an_error_and_none_is_lost(text: str) -> None:
    question, options = split_options(text)
    assert len(set(options)) == len(options) != 1
    assert all(part.strip() and part in "\n".join(text.splitlines()) for part in options)
    if not options:
        assert question == text.strip()
