"""Mathematics as an answer: what is read of a text, and the rows of responses to questions without options."""

import pyarrow as pa
import pytest

from rgd.answers.extraction import ANSWER_IS, BOXED, NO_RULE
from rgd.answers.latex import boxed
from rgd.answers.mathematics import extract_latex
from rgd.answers.requests import requests_for
from rgd.answers.responses import option_texts, response_rows


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (r"so \boxed{\frac{1}{2}}.", r"\frac{1}{2}"),
        (r"first \boxed{1}, then \boxed{ 2 }", "2"),
        (r"\boxed{\left\{1,2\right\}}", r"\left\{1,2\right\}"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"\boxed{x_{1}} and \boxed{cut off", "x_{1}"),
        (r"\fbox{7}", "7"),
        (r"\boxed 5.", "5"),
        (r"\boxed{\boxed{3}}", "3"),
        (r"\boxed{{-\frac{\pi}{6}}}", r"-\frac{\pi}{6}"),
        (r"\boxed{{1}{2}}", "{1}{2}"),
        (r"\boxed{\left\{1\right\}}", r"\left\{1\right\}"),
        (r"\boxed{}", None),
        (r"\boxed{5} \boxed{}", "5"),
        (r"\boxed{", None),
        ("no box", None),
    ],
)
def test_the_last_whole_box(text: str, found: str | None) -> None:
    assert boxed(text) == found


@pytest.mark.parametrize(
    ("text", "answer", "rule"),
    [
        (r"The answer is 3. Thus \boxed{4}.", "4", BOXED),
        (r"The answer is $\frac12$.", r"\frac12", ANSWER_IS),
        (r"The answer is 3, no: the final answer is \(x = 5\).", "x = 5", ANSWER_IS),
        ("The answer is: **12**.\nThat is all.", "12", ANSWER_IS),
        (r"The ANSWER IS \[ \sqrt{2} \]", r"\sqrt{2}", ANSWER_IS),
        ("The answer is ", None, NO_RULE),
        (r"It is \boxed{}", None, NO_RULE),
        ("I do not know.", None, NO_RULE),
        ("", None, NO_RULE),
    ],
)
def test_what_a_text_ends_in(text: str, answer: str | None, rule: str) -> None:
    found = extract_latex(text)
    assert (found.answer, found.rule) == (answer, rule)


def questions(**changes: list) -> pa.Table:
    columns = {
        "query_id": ["m", "l"],
        "question": ["1+1?", "Which?"],
        "options": [[], ["x", "y"]],
        "answer_kind": ["latex", "letter"],
    }
    return pa.table({**columns, "options": pa.array(columns["options"], pa.list_(pa.string()))} | changes)


def test_a_response_is_read_by_its_questions_kind_of_answer() -> None:
    counts = {"confidence": -0.5, "prompt_tokens": 1, "completion_tokens": 2, "finish_reason": "stop"}
    said = [{"text": r"It is \boxed{B}.", **counts}, {"text": r"It is \boxed{B}.", **counts}]
    rows = response_rows(questions(), said, "generate")
    assert rows["answer"].to_pylist() == ["B", "B"]
    said = [{"text": r"Thus \boxed{\frac12}.", **counts}] * 2
    rows = response_rows(questions(), said, "generate").to_pylist()
    assert [row["answer"] for row in rows] == [r"\frac12", None]
    assert [row["confidence"] for row in rows] == [-0.5, None]


def test_an_answer_without_options_stands_for_its_own_text() -> None:
    responses = pa.table({"query_id": ["m", "l"], "answer": [r"\frac12", "B"]})
    assert option_texts(questions(), responses) == [r"\frac12", "y"]


def test_a_question_without_options_is_asked_without_them() -> None:
    request = requests_for(questions().slice(0, 1), "[user]\nSolve: {question}")[0]
    assert request.messages[0].content == "Solve: 1+1?"
    assert request.options == ()
