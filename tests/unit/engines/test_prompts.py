"""Prompts: turns, placeholders, and what a question that is too long loses."""

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rgd.engines.base import Message
from rgd.engines.prompts import QUESTION_PLACES, fit_context, mistyped_place, parse_prompt, render, unread_turn
from rgd.errors import UserError


class WordTokenizer:
    """A token a word; its chat template puts <role> before each turn."""

    chat_template = "yes"

    def __call__(self, text, add_special_tokens=True):
        return {"input_ids": list(range(len(text.split())))}

    def apply_chat_template(self, turns, **_):
        return " ".join(f"<{turn['role']}> {turn['content']}" for turn in turns)


def test_a_file_without_headers_is_one_text():
    assert parse_prompt("Question: x\nAnswer:\n") == (Message("text", "Question: x\nAnswer:"),)


def test_headers_make_turns_in_order():
    assert parse_prompt("[system]\nBe brief.\n[user]\nHello\n\n[assistant]\nThe answer is\n") == (
        Message("system", "Be brief."),
        Message("user", "Hello"),
        Message("assistant", "The answer is"),
    )


def test_text_before_the_first_header_is_refused():
    with pytest.raises(UserError, match=r"\[user\].*'stray'"):
        parse_prompt("stray\n[user]\nHello")


@pytest.mark.parametrize(
    "line",
    [
        "[user]:",
        "### User:",
        "\u00a0[user]",
        "\u200b[user]",
        "【user】",
        "[user] {question}",
        "[system][user]",
        "[human]",
        "[Developer]",
    ],
)
def test_a_line_like_a_header_that_begins_no_turn_is_found(line):
    assert unread_turn(f"[system]\nBe short.\n{line}\n{{question}}") == (3, line.strip())


@pytest.mark.parametrize(
    "line", ["[User]", "\t[assistant] ", "The user asks:", "See [user] below.", "[1] Human", "AI:"]
)
def test_headers_and_other_lines_are_none_like_a_header(line):
    assert unread_turn(f"[system]\nBe short.\n{line}\n{{question}}") is None


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("{Question}", "{question}"),
        ("{QUESTION}", "{question}"),
        ("{{question}}", "{question}"),
        ("{{ question }}", "{question}"),
        ("{ question }", "{question}"),
        ("{questions}", "{question}"),
        ("{qestion}", "{question}"),
        ("{option}", "{options}"),
        ("{optons}", "{options}"),
        ("{Options}", "{options}"),
        ("{option texts}", "{option_texts}"),
        ("{option-texts}", "{option_texts}"),
        ("{option_text}", "{option_texts}"),
    ],
)
def test_a_mistyped_place_is_found_with_what_was_meant(written, meant):
    template = f"[user]\r\n{{question}}\r\nOf these: {written}\r\n"
    assert mistyped_place(template, QUESTION_PLACES) == (3, written, meant)


@pytest.mark.parametrize(
    "text",
    [
        *QUESTION_PLACES,
        "Put it into \\boxed{}",
        "\\text{option} A",
        "x^{options}",
        '{"question": {question}}',
        '{"answer": "A"}',
        "{x}, {y} and {answer}",
        "${question}$",
        "a set {1, 2}",
        "{}",
        "{ }",
        "{{}}",
    ],
)
def test_other_braces_are_text(text):
    assert mistyped_place(text, QUESTION_PLACES) is None


@given(st.text(alphabet=" \n{}ab_$\\-question"))
def test_what_is_called_mistyped_stands_in_its_line_and_is_no_place(text):
    found = mistyped_place(text, QUESTION_PLACES)
    if found is not None:
        number, written, meant = found
        assert written in text.split("\n")[number - 1]
        assert written not in QUESTION_PLACES
        assert meant in QUESTION_PLACES


def test_placeholders_in_a_question_are_left_alone():
    request = render("{question}\n{options}", "What does {options} mean in {question}?", ["a {question}", "b"])
    assert request.messages[0].content == "What does {options} mean in {question}?\nA. a {question}\nB. b"


def test_query_key_is_of_what_is_asked_and_not_of_the_draw():
    one = render("{question}", "What?", ["a", "b"])
    assert one.query_key == render("{question}", "What?", ["a", "b"], draw=3).query_key
    others = [
        render("{question}", "Why?", ["a", "b"]),
        render("{question}", "What?", ["a", "c"]),
        render("Q: {question}", "What?", ["a", "b"]),
        render("[user]\n{question}", "What?", ["a", "b"]),
    ]
    assert len({one.query_key, *(other.query_key for other in others)}) == 5


@pytest.mark.parametrize("words", [30, 200, 5000])
@pytest.mark.parametrize(
    "template", ["Instruction first.\n{question}\n{options}\nAnswer:", "[user]\nDo it.\n{question}\n{options}"]
)
def test_a_long_question_loses_its_middle_alone(words, template):
    question = " ".join(f"w{index}" for index in range(words))
    request = render(template, question, ["first option", "second option"])
    short, text, ids, trimmed = fit_context(WordTokenizer(), request, {}, room=24)
    assert trimmed
    assert 22 <= len(ids) <= 24
    assert "A. first option\nB. second option" in text
    assert ("Instruction first." in text) or ("Do it." in text)
    assert "w0 w1" in text
    assert f"w{words - 1}\n" in text
    assert "…" in short.question


def test_a_prompt_that_fits_is_left_alone():
    request = render("{question}\nAnswer:", "What is it?")
    assert fit_context(WordTokenizer(), request, {}, room=4) == (request, "What is it?\nAnswer:", [0, 1, 2, 3], False)


def test_options_too_long_for_the_model_are_refused():
    request = render("{question}\n{options}", "What?", ["word " * 50, "b"])
    with pytest.raises(UserError, match="max_model_len"):
        fit_context(WordTokenizer(), request, {}, room=24)


def test_turns_need_a_chat_template():
    tokenizer = WordTokenizer()
    tokenizer.chat_template = None
    tokenizer.name_or_path = "models/plain"
    with pytest.raises(UserError, match=r"models/plain.*chat template"):
        fit_context(tokenizer, render("[user]\n{question}", "What?"), {}, room=24)


def test_a_template_that_refuses_the_turns_is_told():
    class Strict(WordTokenizer):
        def apply_chat_template(self, turns, **_):
            raise jinja2.TemplateError("System role not supported")

    with pytest.raises(UserError, match=r"system, user.*System role not supported"):
        fit_context(Strict(), render("[system]\nBe brief.\n[user]\n{question}", "What?"), {}, room=24)
