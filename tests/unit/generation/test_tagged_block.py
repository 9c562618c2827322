import pytest

from rgd.generation import tagged_block
from rgd.generation.tagged_block import ParsedQuery, Rejection, parse, render

BLOCK = "[QUESTION] Which is odd?\n[OPTION A] 2\n[OPTION B] 4\n[OPTION C] 5\n[OPTION D] 8\n[ANSWER] C"
QUERY = ParsedQuery("Which is odd?", ("2", "4", "5", "8"), "C")


def test_reads_a_block():
    assert parse(BLOCK) == QUERY


def test_writes_the_block_it_read():
    assert render(QUERY) == BLOCK


@pytest.mark.parametrize(
    "text",
    [
        BLOCK.replace("] ", "]\n"),
        f"Sure, here is one:\n{BLOCK}",
        f"{BLOCK}\n\nBecause 5 is not a multiple of 2.",
        f"{BLOCK}\n\n{BLOCK.replace('odd', 'prime').replace('[ANSWER] C', '[ANSWER] A')}",
        BLOCK.replace("[ANSWER] C", "[ANSWER] (C)."),
        "\n".join("  " + line for line in BLOCK.splitlines()),
        BLOCK.replace("\n", "\r\n"),
    ],
    ids=["texts below tags", "preamble", "explanation", "second block", "brackets", "indented", "carriage returns"],
)
def test_reads_harmless_variations(text):
    assert parse(text) == QUERY


ANSWERS = [
    *[
        "C. 5",
        "C) 5",
        "(C) 5",
        "C: 5",
        "C - 5",
        "C 5",
        "**C**",
        "**C. 5**",
        "**C** 5",
        "[C]",
        "`C`",
        '"C"',
        "c",
        "c) 5",
        "(c)",
        "C.",
    ],
    *[
        "Option C",
        "option c",
        "Answer: C",
        "The correct answer is C",
        "The answer is (C).",
        r"\boxed{C}",
        "$C$",
        "C)",
        "C:",
    ],
    *[
        "C. 5 is not a multiple of 2",
        "C (5)",
        "C: because it has no factor 2",
        "Ｃ",
        "C\n\nExplanation: A, B and D are even.",
    ],
]


@pytest.mark.parametrize("answer", ANSWERS)
def test_the_writers_letter_is_read_as_it_is_written(answer):
    assert parse(BLOCK.replace("[ANSWER] C", f"[ANSWER] {answer}")) == QUERY
    assert parse(BLOCK.replace("[ANSWER] C", f"[ANSWER]\n{answer}")) == QUERY


@pytest.mark.parametrize(
    "answer",
    [
        *[
            "A, C",
            "A and C",
            "A/C",
            "AC",
            "A or C",
            "C. 8",
            "C) 2",
            "Cat",
            "C is odd but so is D",
            "E",
            "E. 9",
            "5",
            "(5)",
            "none",
            "?",
        ],
        *["C. and D. are odd", "A) or C)", "All", "Both", "A number", "not C", "C. not A"],
    ],
)
def test_an_answer_that_names_no_letter_or_contradicts_itself_is_dropped(answer):
    assert parse(BLOCK.replace("[ANSWER] C", f"[ANSWER] {answer}")) == Rejection(tagged_block.ANSWER_NOT_A_LETTER)


TAGS = {
    "bold": "**[{}]**",
    "bold with the text": "**[{}]",
    "bold and a colon": "**[{}]:**",
    "colon after bold": "**[{}]**:",
    "colon": "[{}]:",
    "colon inside": "[{}:]",
    "heading": "### [{}]",
    "list": "- [{}]",
    "spaces": "[ {} ]",
    "italic": "_[{}]_",
}


@pytest.mark.parametrize("tag", TAGS.values(), ids=TAGS)
@pytest.mark.parametrize("case", [str.upper, str.lower, str.title])
def test_tags_are_read_as_models_write_them(tag, case):
    names = ["QUESTION", *(f"OPTION {letter}" for letter in "ABCD"), "ANSWER"]
    text = BLOCK
    for name in names:
        text = text.replace(f"[{name}]", tag.format(case(name)))
    assert parse(text) == QUERY
    if tag == "**[{}]":
        assert parse("".join(f"{line}**\n" for line in text.splitlines())) == QUERY


def test_closed_tags_and_underscores_are_read():
    text = "".join(f"{line}[/{line[1 : line.index(']')]}]\n" for line in BLOCK.splitlines())
    assert parse(text) == QUERY
    assert parse(BLOCK.replace("OPTION ", "OPTION_")) == QUERY
    assert parse(BLOCK.replace("[ANSWER]", "[CORRECT ANSWER]")) == QUERY


THOUGHT = BLOCK.replace("odd", "even").replace("[ANSWER] C", "[ANSWER] A")


@pytest.mark.parametrize(
    "text",
    [
        "<think>{}</think>\n{}",
        "{}</think>\n{}",
        "[THINK]{}[/THINK]{}",
        "<seed:think>{}</seed:think>\n{}",
        "<|channel|>analysis<|message|>{}<|end|><|start|>assistant<|channel|>final<|message|>{}<|return|>",
    ],
)
def test_a_block_inside_a_thought_is_never_read(text):
    assert parse(text.format(THOUGHT, BLOCK)) == QUERY
    assert isinstance(parse(text.format(THOUGHT, "")), Rejection)
    unfinished = text.partition("{}")[0] + THOUGHT
    if unfinished != THOUGHT:
        assert isinstance(parse(unfinished, cut_off=True), Rejection)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (" \n ", tagged_block.EMPTY),
        ("Which is odd? A) 2 B) 5", tagged_block.NO_QUESTION),
        (BLOCK.replace(" Which is odd?", ""), tagged_block.NO_QUESTION),
        (BLOCK.replace("[OPTION C] 5\n", ""), tagged_block.MISSING_OPTION),
        (BLOCK.replace("[OPTION C] 5", "[OPTION C]"), tagged_block.MISSING_OPTION),
        (BLOCK.replace("[ANSWER]", "[OPTION E] 9\n[ANSWER]"), tagged_block.EXTRA_OPTION),
        (BLOCK.replace("[OPTION C] 5", "[OPTION C] 5\n[OPTION C] 7"), tagged_block.TAGS_OUT_OF_ORDER),
        (
            BLOCK.replace("OPTION A", "OPTION X").replace("OPTION B", "OPTION A").replace("OPTION X", "OPTION B"),
            tagged_block.TAGS_OUT_OF_ORDER,
        ),
        (BLOCK.replace("[OPTION C] 5", "[OPTION C] 4."), tagged_block.REPEATED_OPTIONS),
        (BLOCK.replace("\n[ANSWER] C", ""), tagged_block.NO_ANSWER),
        (BLOCK.replace("[ANSWER] C", "[ANSWER]"), tagged_block.NO_ANSWER),
        (BLOCK.replace("[ANSWER] C", "[ANSWER] 5"), tagged_block.ANSWER_NOT_A_LETTER),
        (BLOCK.replace("[ANSWER] C", "[ANSWER] E"), tagged_block.ANSWER_NOT_A_LETTER),
        (BLOCK.replace("[ANSWER] C", "[ANSWER] A, C"), tagged_block.ANSWER_NOT_A_LETTER),
    ],
)
def test_names_why_a_text_is_rejected(text, reason):
    assert parse(text) == Rejection(reason)
    assert reason in tagged_block.REASONS


@pytest.mark.parametrize("end", ["[QUESTION]", "[OPTION B]", "[OPTION D] 8\n", "[ANSWER]"])
def test_a_block_cut_off_by_the_token_limit_is_truncated(end):
    text = BLOCK[: BLOCK.index(end) + len(end)]
    assert parse(text, cut_off=True) == Rejection(tagged_block.TRUNCATED)
    assert parse(text) != Rejection(tagged_block.TRUNCATED)


def test_a_complete_block_is_read_though_the_text_after_it_was_cut_off():
    assert parse(f"{BLOCK}\n[QUESTION] And which", cut_off=True) == QUERY


def test_options_that_differ_in_case_alone_are_different():
    assert isinstance(parse(BLOCK.replace("] 2", "] CO").replace("] 4", "] Co")), ParsedQuery)
