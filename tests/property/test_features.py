"""What an LLM writes about queries: reading it, asking for it, embedding it."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from rgd.answers.features import MOST_KEYWORDS, Features, feature_rows, feature_vectors, parse
from rgd.answers.requests import feature_requests
from rgd.answers.thoughts import after_reasoning
from rgd.artifacts import schemas

TAGS = ["[KEYWORDS]", "[STEP BACK]", "[QUESTION]"]
FRAGMENTS = st.lists(st.sampled_from([*TAGS, "\n", " ", ",", ";", "- ", "1. ", ".", "word", "[", "]"]), max_size=30)
LINES = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="[,;"), min_size=1, max_size=12)
SENTENCES = st.lists(LINES, min_size=1, max_size=6).map(" ".join).filter(lambda text: after_reasoning(text) == text)
KEYWORDS = st.from_regex(r"[A-Za-z]{1,8}( [a-z]{1,8})?", fullmatch=True)
FEATURES = st.builds(
    Features,
    st.lists(KEYWORDS, min_size=1, max_size=MOST_KEYWORDS, unique_by=str.casefold).map(tuple),
    SENTENCES,
)
PROMPT = "[system]\nDescribe it.\n[user]\n{question}\n{options}"


def written(features: Features, separator: str = ", ") -> str:
    return f"[KEYWORDS] {separator.join(features.keywords)}\n[STEP BACK] {features.step_back}"


@given(FRAGMENTS.map("".join) | st.text())
def test_every_text_gives_whole_features_or_none(text):
    found = parse(text)
    if found is not None:
        assert 1 <= len(found.keywords) <= MOST_KEYWORDS
        assert len({keyword.casefold() for keyword in found.keywords}) == len(found.keywords)
        assert found.step_back
        for part in (*found.keywords, found.step_back):
            assert part == " ".join(part.split())
            assert part


@given(FEATURES, st.sampled_from([", ", ",", "; ", "\n- ", "\n", ",\n* "]))
def test_what_is_written_in_the_form_is_read_back(features, separator):
    assert parse(written(features, separator)) == features


@given(FEATURES, st.text().filter(lambda text: "[" not in text), FEATURES)
def test_text_before_the_form_and_a_second_one_change_nothing(features, noise, other):
    assert parse(f"{noise}\n{written(features)}\n{written(other)}") == features


@given(FEATURES)
def test_a_form_without_one_of_its_parts_is_none(features):
    text = written(features)
    keywords, step_back = text.split("\n[")
    assert parse(keywords) is None
    assert parse("[" + step_back) is None
    assert parse(f"[{step_back}\n{keywords}") is None
    assert parse(text.replace("[STEP BACK]", "[STEP BACK]\n[QUESTION]")) is None
    assert parse(text.replace(", ".join(features.keywords), " , ")) is None


@given(FEATURES, st.integers(1, 3))
def test_a_step_back_that_was_cut_off_is_read_as_far_as_it_goes(features, kept):
    cut = Features(features.keywords, features.step_back[:kept].strip())
    assert parse(written(features)[: len(written(features)) - len(features.step_back) + kept]) == cut


def test_small_slips_of_form_are_read():
    text = (
        "Sure!\n  [KEYWORDS]\n1. Long division\n2. remainders.\n3. long  division\n\n[STEP BACK]\nDivide.\n\nThen look."
    )
    assert parse(text) == Features(("Long division", "remainders"), "Divide. Then look.")
    assert parse("[KEYWORDS] a, b, c, d, e, f\n[STEP BACK] x").keywords == ("a", "b", "c", "d", "e")
    assert parse("keywords: a, b\nstep back: c") is None


def test_a_request_shows_the_question_and_no_option():
    questions = pa.table({"question": ["Why?", "How?"], "options": [["because", "so"], ["thus", "so"]]})
    requests = feature_requests(questions, PROMPT)
    assert [request.question for request in requests] == ["Why?", "How?"]
    assert all(request.options == () for request in requests)
    assert [request.messages[-1].content.strip() for request in requests] == ["Why?", "How?"]


def test_rows_and_vectors():
    texts = ["[KEYWORDS] a, b\n[STEP BACK] c", "nothing of the kind", "[KEYWORDS] c\n[STEP BACK] a, b"]
    rows = feature_rows(pa.chunked_array([["x", "y", "z"]]), texts)
    assert rows.schema.equals(schemas.FEATURES)
    assert rows["parsed"].to_pylist() == [True, False, True]
    assert rows["keywords"].to_pylist() == [["a", "b"], [], ["c"]]
    assert rows["step_back"].to_pylist() == ["c", "", "a, b"]
    asked = []

    def embed(distinct):
        asked.extend(distinct)
        return np.array([[len(text), ord(text[0])] for text in distinct], dtype=np.float32)

    vectors = feature_vectors(rows, embed, 2)
    assert sorted(asked) == ["a, b", "c"]
    assert vectors.tolist() == [[4, 97, 1, 99], [0, 0, 0, 0], [1, 99, 4, 97]]
    assert vectors.dtype == np.float32


def test_no_text_asks_the_embedder_nothing():
    rows = feature_rows(pa.chunked_array([["x"]]), [""])
    assert feature_vectors(rows, lambda texts: 1 / 0, 3).tolist() == [[0] * 6]
