import math

import pytest

from rgd.answers.extraction import Choice, Extraction, after_reasoning, choose, extract


@pytest.mark.parametrize(
    ("text", "answer", "rule"),
    [
        ("So 3 of them. The answer is (B)", "B", "answer_is"),
        ("**The correct answer is: C**", "C", "answer_is"),
        ("The answer is **(D)**.", "D", "answer_is"),
        (r"The answer is $\boxed{\text{A}}$", "A", "answer_is"),
        ("the answer is option B.", "B", "answer_is"),
        ("The answer is\n\n(B)", "B", "answer_is"),
        ("The answer is (A). No: the answer is (B).", "B", "answer_is"),
        ("The answer is (A). Strictly, the answer is unclear.", "A", "answer_is"),
        ("The answer is (C), unlike (D)", "C", "answer_is"),
        ("The answer is (F), or (B)", "B", "parenthesised"),
        ("The answer is Canada", None, "none"),
        ("the answer is a dog", None, "none"),
        (r"Hence \boxed{B} and not (C)", "B", "boxed"),
        (r"Hence \boxed{(A)}, \boxed{D}, \boxed{12}", "D", "boxed"),
        ("Either (A) or (C).", "C", "parenthesised"),
        ("f(x) = (F)", None, "none"),
        ("I pick B", None, "none"),
        ("C", "C", "label"),
        (" **C**\n", "C", "label"),
        ("C.", "C", "label"),
        ("C. The leaves are dry.\n", "C", "label"),
        ("**C:** the leaves are dry", "C", "label"),
        ("C) dry (not A)", "C", "label"),
        ("A succulent", None, "none"),
        ("A.D. 300", None, "none"),
        ("F. Something", None, "none"),
        ("A. The first is wrong.\nB. So is the second.", None, "none"),
        ("B. It is not (A)", "A", "parenthesised"),
        ("", None, "none"),
    ],
)
def test_extracts_the_letter_and_names_the_rule(text, answer, rule):
    assert extract(text, "ABCD") == Extraction(answer, rule)


def test_standalone_letters_are_an_option():
    assert extract("I pick B, it's D's friend", "ABCD", standalone=True) == Extraction("B", "standalone")
    assert extract("Option A is it, I think", "ABCDEFGHI", standalone=True) == Extraction("I", "standalone")


def test_only_letters_of_the_question_count():
    assert extract("The answer is (J)", "ABCDEFGHIJ").answer == "J"
    assert extract("The answer is (J)", "ABCDEFGHI").answer is None


def test_the_first_of_equals_is_chosen():
    assert choose([-3.0, -1.0, -1.0]) == Choice("B", -1.0)


def test_scores_that_are_no_numbers_never_win():
    assert choose([math.nan, -9.0, math.inf, -math.inf]) == Choice("B", -9.0)
    assert choose([math.nan, -math.inf]) == Choice(None, None)


HARMONY = (
    "<|channel|>analysis<|message|>Option (C) looks right at first. The answer is (C)? No.<|end|>"
    "<|start|>assistant<|channel|>final<|message|>It is the second one.\n\nThe answer is (B)"
)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (HARMONY, "It is the second one.\n\nThe answer is (B)"),
        (HARMONY + "<|return|>", "It is the second one.\n\nThe answer is (B)"),
        ("<|channel|>final<|message|>The answer is (D)<|return|>", "The answer is (D)"),
        ("<|channel|>final <|constrain|>json<|message|>The answer is (D)", "The answer is (D)"),
        (HARMONY + "<|end|><|start|>assistant<|channel|>final<|message|>The answer is (A)", "The answer is (A)"),
        (HARMONY[:70], ""),
        ("<think>Perhaps (A). The answer is (A)</think>\n\nThe answer is (B)", "The answer is (B)"),
        ("Perhaps (A).</think>The answer is (B)", "The answer is (B)"),
        ("<think>Perhaps (A). The answer is (A)", ""),
        ("The final analysis: the answer is (B)", "The final analysis: the answer is (B)"),
        ("", ""),
    ],
)
def test_what_is_marked_as_reasoning_is_no_answer(text, answer):
    assert after_reasoning(text) == answer


def test_a_letter_in_the_reasoning_is_not_taken():
    assert extract(after_reasoning(HARMONY), "ABCD").answer == "B"
    assert extract(after_reasoning(HARMONY[:70]), "ABCD").answer is None
    assert extract(HARMONY[:70], "ABCD").answer == "C"


@pytest.mark.parametrize(
    ("text", "answer", "rule"),
    [
        ("The answer is BD.", None, "several_letters"),
        (r"(A) looks right. The answer is \boxed{ABD}", None, "several_letters"),
        ("The answer is (AC)", None, "several_letters"),
        ("The answer is BD. No: the answer is (B)", "B", "answer_is"),
        ("The answer is (B). No: the answer is BD", None, "several_letters"),
        ("The answer is BZ, so (B)", "B", "parenthesised"),
        ("The answer is DB, so (B)", "B", "parenthesised"),
        ("The answer is B", "B", "answer_is"),
    ],
)
def test_several_letters_in_a_row_are_no_answer_and_named(text: str, answer: str | None, rule: str) -> None:
    assert extract(text, "ABCD") == Extraction(answer, rule)
