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
