"""Leaving thoughts out, in every marking, for whatever reads a model's text."""

import pytest

from rgd.answers.features import parse as parse_features
from rgd.answers.thoughts import after_reasoning
from rgd.generation.describing import descriptions_from
from rgd.generation.tagged_block import NO_QUESTION, TRUNCATED, ParsedQuery, Rejection, parse

HARMONY = (
    "<|channel|>analysis<|message|>Option (C) looks right at first. The answer is (C)? No.<|end|>"
    "<|start|>assistant<|channel|>final<|message|>It is the second one.\n\nThe answer is (B)"
)
MARKS = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<Thought>", "</Thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<seed:think>", "</seed:think>"),
    ("<longcat_think>", "</longcat_think>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<unused94>thought\n", "<unused95>"),
    ("<|channel>thought\n", "<channel|>"),
    ("Here is my thought process:", "Here is my response:"),
    ("<think >", "</think >"),
    ("<|think|>", "<|/think|>"),
    ("Thinking...\n", "...done thinking."),
]


@pytest.mark.parametrize(("opening", "closing"), MARKS)
def test_every_marking_is_left_out_and_a_thought_without_an_end_has_no_answer(opening: str, closing: str) -> None:
    assert after_reasoning(f"{opening}Perhaps (A).{closing}\n\nThe answer is (B)") == "The answer is (B)"
    assert after_reasoning(f"Perhaps (A).{closing}The answer is (B)") == "The answer is (B)"
    assert after_reasoning(f"{opening}Perhaps (A). The answer is (A)") == ""
    assert after_reasoning(f"{opening}One.{closing}First. {opening}Two.{closing}Last.") == "First. Last."
    assert after_reasoning(f"One.{closing}{opening}Two. The answer is (A)") == ""


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (HARMONY, "It is the second one.\n\nThe answer is (B)"),
        (HARMONY + "<|return|>", "It is the second one.\n\nThe answer is (B)"),
        ("<|channel|>final<|message|>The answer is (D)<|return|>", "The answer is (D)"),
        ("<|channel|>final <|constrain|>json<|message|>The answer is (D)", "The answer is (D)"),
        (HARMONY + "<|end|><|start|>assistant<|channel|>final<|message|>The answer is (A)", "The answer is (A)"),
        (HARMONY[:70], ""),
        ("analysisThe user asks. Perhaps (C).assistantfinalThe answer is (B)", "The answer is (B)"),
        ("analysisThe user asks. Perhaps (C).", ""),
        ("analysis of the text shows (B)", "analysis of the text shows (B)"),
        ("<think>The tag <think> opens it.</think>The answer is (B)", "The answer is (B)"),
        ("<think>One <reasoning>two</reasoning> three (A)", ""),
        ("The final analysis: the answer is (B)", "The final analysis: the answer is (B)"),
        ('<details type="reasoning" done="true">\nPerhaps (A).</details>\nThe answer is (B)', "The answer is (B)"),
        ('<details type="reasoning">\nPerhaps (A).', ""),
        ("The answer is (B)\n<details>A proof.</details>", "The answer is (B)\n<details>A proof.</details>"),
        ("I think [the answer] is 3 < 4", "I think [the answer] is 3 < 4"),
        ("", ""),
    ],
)
def test_what_is_marked_as_a_thought_is_left_out(text: str, answer: str) -> None:
    assert after_reasoning(text) == answer


BLOCK = "[QUESTION] Which is {}?\n[OPTION A] 2\n[OPTION B] 4\n[OPTION C] 5\n[OPTION D] 8\n[ANSWER] C"


@pytest.mark.parametrize(("opening", "closing"), MARKS)
def test_no_block_description_or_feature_is_read_in_a_thought(opening: str, closing: str) -> None:
    thought = f"{opening}{BLOCK.format('even')}{closing}\n\n"
    read = parse(thought + BLOCK.format("odd"))
    assert isinstance(read, ParsedQuery)
    assert read.question == "Which is odd?"
    cut_off = f"{opening}{BLOCK.format('even')}"
    assert parse(cut_off, cut_off=True) == Rejection(TRUNCATED)
    assert parse(cut_off) == Rejection(NO_QUESTION)
    answer = {"text": f"{opening}About boats? {closing}\nAbout ships.", "finish_reason": "stop"}
    assert descriptions_from(["t"], [answer])["description"].to_pylist() == ["About ships."]
    features = parse_features(f"{opening}[KEYWORDS] one\n[STEP BACK] Two.{closing}[KEYWORDS] three\n[STEP BACK] Four.")
    assert features is not None
    assert features.step_back == "Four."
