from hypothesis import given
from hypothesis import strategies as st

from rgd.answers.thoughts import after_reasoning
from rgd.generation.tagged_block import LETTERS, REASONS, ParsedQuery, Rejection, parse, render
from rgd.generation.text import normalise_option

TAGS = ["[QUESTION]", "[ANSWER]", *(f"[OPTION {letter}]" for letter in "ABCDE")]
FRAGMENTS = st.lists(st.sampled_from([*TAGS, "\n", " ", "A", "B", "text", "[", "]"]) | st.text(max_size=4), max_size=40)


def is_plain(text):
    """Whether ``text`` holds neither a tag nor the mark of a thought."""
    return "[" not in text and after_reasoning(text) == text


TEXTS = st.text(min_size=1).map(str.strip).filter(lambda text: text and is_plain(text))
OPTIONS = st.lists(TEXTS, min_size=4, max_size=4, unique_by=normalise_option).map(tuple)
QUERIES = st.builds(ParsedQuery, TEXTS, OPTIONS, st.sampled_from(LETTERS))


@given(FRAGMENTS.map("".join) | st.text(), st.booleans())
def test_every_text_is_a_query_or_a_named_rejection(text, cut_off):
    result = parse(text, cut_off=cut_off)
    if isinstance(result, Rejection):
        assert result.reason in REASONS
    else:
        assert result.question
        assert all(result.options)
        assert len(set(result.options)) == len(LETTERS)
        assert result.answer in LETTERS


@given(QUERIES)
def test_what_is_rendered_is_read_back(query):
    assert parse(render(query)) == query


@given(QUERIES, st.text().filter(is_plain), QUERIES)
def test_text_around_the_first_block_changes_nothing(query, noise, other):
    assert parse(f"{noise}\n{render(query)}\n{noise}\n{render(other)}") == query


@given(QUERIES, st.data())
def test_no_proper_part_of_a_block_is_accepted(query, data):
    text = render(query)
    cut = data.draw(st.integers(0, len(text) - 1))
    assert isinstance(parse(text[:cut], cut_off=True), Rejection)
