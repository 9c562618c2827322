"""What a reply holds: texts, reasons, tokens and errors, in the shapes that servers send."""

import json
import math

import pytest

from rgd.engines import gemini, replies
from rgd.engines.replies import ErrorReply, Unreadable, billed_output, clean, read_chat


def reply(message=None, reason="stop", **more):
    return {"model": "m", "choices": [{"message": message or {"content": "text"}, "finish_reason": reason}]} | more


def read(message, reason="stop"):
    reading = read_chat({"choices": [{"message": message, "finish_reason": reason}]})
    return reading.text, reading.finish_reason


THOUGHT = "Water boils at 100. The answer is (A)"


@pytest.mark.parametrize(
    ("message", "reason", "expected"),
    [
        ({"content": "a"}, "stop", ("a", "stop")),
        ({"content": None}, "stop", ("", "empty")),
        ({}, "stop", ("", "empty")),
        (None, "stop", ("", "empty")),
        (None, "content_filter", ("", "blocked")),
        ({"content": " \n"}, "stop", (" \n", "empty")),
        ({"content": "half"}, "length", ("half", "length")),
        ({"content": None}, "length", ("", "length")),
        ({"content": "half"}, "content_filter", ("", "blocked")),
        ({"content": None, "refusal": "I cannot help."}, "stop", ("", "blocked")),
        ({"content": "a", "refusal": ""}, "stop", ("a", "stop")),
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "stop", ("ab", "stop")),
        (
            {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
                    {"type": "text", "text": "b"},
                ]
            },
            "stop",
            ("b", "stop"),
        ),
        ({"content": [{"type": "output_text", "text": "a"}, "b"]}, "stop", ("ab", "stop")),
        ({"content": {"type": "text", "text": {"value": "a"}}}, "stop", ("a", "stop")),
        ({"content": None, "tool_calls": [{"id": "1"}]}, "tool_calls", ("", "empty")),
        ({"content": "a", "tool_calls": []}, "tool_calls", ("a", "stop")),
        ({"content": None, "reasoning_content": THOUGHT}, "stop", (THOUGHT, "stop")),
        ({"content": "", "reasoning": THOUGHT}, "stop", (THOUGHT, "stop")),
        ({"content": "\n\n", "reasoning_content": THOUGHT}, None, (THOUGHT, "stop")),
        ({"content": "a", "reasoning_content": THOUGHT}, "stop", ("a", "stop")),
        ({"content": None, "reasoning_content": THOUGHT}, "length", ("", "length")),
        ({"content": None, "reasoning_content": THOUGHT}, "content_filter", ("", "blocked")),
        ({"content": None, "reasoning_content": {"odd": 1}}, "stop", ("", "empty")),
        ({"content": "a\0b\ud83dc"}, "stop", ("ab\ufffdc", "stop")),
    ],
)
def test_text_and_reason(message, reason, expected):
    assert read(message, reason) == expected


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        (
            (
                "stop",
                "eos",
                "eos_token",
                "end_turn",
                "stop_sequence",
                "STOP",
                "COMPLETE",
                "function_call",
                "tool_use",
                None,
                "",
            ),
            "stop",
        ),
        (
            (
                "length",
                "max_tokens",
                "MAX_TOKENS",
                "max_output_tokens",
                "model_length",
                "model_context_window_exceeded",
            ),
            "length",
        ),
        (
            (
                "content_filter",
                "content_filter: SAFETY",
                "SAFETY",
                "sensitive",
                "refusal",
                "recitation",
                "guardrail_intervened",
            ),
            "blocked",
        ),
    ],
)
def test_synonyms_of_a_finish_reason(words, meaning):
    assert {read({"content": "a"}, word)[1] for word in words} == {meaning}


@pytest.mark.parametrize(
    "reason",
    [
        "error",
        "abort",
        "aborted",
        "insufficient_system_resource",
        "network_error",
        "cancelled",
        "timeout",
        "unknown",
        "new one",
        5,
        True,
        [],
        {"a": 1},
    ],
)
def test_an_error_or_an_unknown_reason_is_no_answer(reason):
    with pytest.raises(Unreadable):
        read({"content": "First consider (B). Then"}, reason)


@pytest.mark.parametrize(
    "odd",
    [
        None,
        [],
        [reply()],
        "text",
        5,
        {},
        {"choices": None},
        {"choices": {}},
        {"choices": [None]},
        {"choices": ["a"]},
        reply({"content": 5}),
        reply({"content": [5]}),
        reply({"content": True}),
        {"choices": [{"message": "a", "finish_reason": "stop"}]},
        {"choices": [{"message": ["a"], "finish_reason": "stop"}]},
    ],
)
def test_what_holds_no_answer_is_unreadable(odd):
    with pytest.raises(Unreadable):
        read_chat(odd)


@pytest.mark.parametrize("error", [{"code": 502, "message": "upstream"}, "upstream", ["upstream"], {"message": "x"}])
def test_an_error_in_the_reply_or_the_choice_is_one(error):
    for body in (reply(error=error), {"choices": [reply()["choices"][0] | {"error": error}]}, {"error": error}):
        with pytest.raises(ErrorReply):
            read_chat(body)


@pytest.mark.parametrize("error", [None, "", {}, False, {"code": None, "message": ""}])
def test_an_empty_error_is_none(error):
    assert read_chat(reply(error=error)).text == "text"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (11, 11),
        (0, 0),
        (11.0, 11),
        (2**31 - 1, 2**31 - 1),
        (2**31, None),
        (-1, None),
        (None, None),
        ("11", None),
        (True, None),
        (math.nan, None),
        (math.inf, None),
        (1.5, None),
        ([], None),
        (10**400, None),
    ],
)
def test_a_number_of_tokens(value, expected):
    assert replies.count(value) == expected


@pytest.mark.parametrize(
    ("logprobs", "expected"),
    [
        ({"content": [{"logprob": -0.5}, {"logprob": -1.5}]}, -1.0),
        ({"content": [{"logprob": 0}]}, 0.0),
        ({"content": [{"logprob": -0.5}, {"logprob": None}]}, math.nan),
        ({"content": [{"logprob": "-0.5"}]}, math.nan),
        ({"content": [{"logprob": math.nan}]}, math.nan),
        ({"content": [{"logprob": -math.inf}]}, math.nan),
        ({"content": [{"logprob": math.inf}, {"logprob": -math.inf}]}, math.nan),
        ({"content": [{"logprob": -1e308}, {"logprob": -1e308}]}, math.nan),
        ({"content": [{"logprob": -(10**400)}]}, math.nan),
        ({"content": [{"logprob": True}]}, math.nan),
        ({"content": [{}]}, math.nan),
        ({"content": ["t"]}, math.nan),
        ({"content": []}, math.nan),
        ({"content": None}, math.nan),
        ({"content": {}}, math.nan),
        ([], math.nan),
        ("x", math.nan),
        (None, math.nan),
    ],
)
def test_confidence(logprobs, expected):
    body = reply()
    body["choices"][0]["logprobs"] = logprobs
    assert read_chat(body).confidence == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (
            {
                "prompt_tokens": 32,
                "completion_tokens": 9,
                "total_tokens": 135,
                "completion_tokens_details": {"reasoning_tokens": 94},
            },
            (32, 103),
        ),
        (
            {"prompt_tokens": 32, "completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 94}},
            (32, 103),
        ),
        ({"prompt_tokens": 32, "completion_tokens": 9, "total_tokens": 135}, (32, 103)),
        (
            {
                "prompt_tokens": 32,
                "completion_tokens": 103,
                "total_tokens": 135,
                "completion_tokens_details": {"reasoning_tokens": 94},
            },
            (32, 103),
        ),
        (
            {
                "prompt_tokens": 32,
                "completion_tokens": 9,
                "total_tokens": 46,
                "completion_tokens_details": {"reasoning_tokens": 5},
            },
            (32, 14),
        ),
        ({"prompt_tokens": 32, "completion_tokens": 9, "total_tokens": 0}, (32, 9)),
        (
            {"prompt_tokens": 32, "completion_tokens": 9, "total_tokens": None, "completion_tokens_details": None},
            (32, 9),
        ),
        (
            {"prompt_tokens": 32, "completion_tokens": 9, "total_tokens": 10**12, "completion_tokens_details": []},
            (32, 9),
        ),
        ({"prompt_tokens": 32, "completion_tokens": None, "total_tokens": 135}, (32, None)),
        ({"prompt_tokens": None, "completion_tokens": 9, "total_tokens": 135}, (None, 9)),
        ({"prompt_tokens": math.nan, "completion_tokens": 2**31}, (None, None)),
        ([], (None, None)),
        (None, (None, None)),
        ("many", (None, None)),
    ],
)
def test_tokens(usage, expected):
    reading = read_chat(reply(usage=usage))
    assert (reading.prompt_tokens, reading.completion_tokens) == expected


def test_output_is_never_more_than_a_column_holds():
    assert billed_output(0, 2**31 - 2, None, 2**31 - 1) is None


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"candidatesTokenCount": 4, "thoughtsTokenCount": 2, "totalTokenCount": 15}, 6),
        ({"candidatesTokenCount": 4, "totalTokenCount": 15}, 6),
        ({"thoughtsTokenCount": 6}, 6),
        ({"candidatesTokenCount": "4"}, None),
    ],
)
def test_geminis_thoughts_are_output(usage, expected):
    body = {
        "candidates": [{"content": {"parts": [{"text": "a"}]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 9} | usage,
    }
    assert gemini.read(body).completion_tokens == expected


@pytest.mark.parametrize("text", ["", "a", "ä€😀", "\ufeffa", "a\u2028b", "\x1b", "\n\r\t"])
def test_sound_text_is_left_as_it_is(text):
    assert clean(text) == text


def test_halves_of_a_character_that_meet_are_joined():
    assert clean("\ud83d" + "\ude00") == "😀"
    assert clean("\ude00\ud83d") == "\ufffd\ufffd"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'\xef\xbb\xbf  {"a": 1}', {"a": 1}),
        (b'{"a": "\xff"}', {"a": "\ufffd"}),
        (b'{"a": "\xe2\x80\xa8"}', {"a": "\u2028"}),
        (b"null", None),
    ],
)
def test_bytes_of_json(content, expected):
    assert replies.parsed(content) == expected


@pytest.mark.parametrize(
    "content", [b"", b"<html>", b'{"a": ', b"[" * 100_000, b'{"a": ' + b"1" * 5000 + b"}", b"\0", b"\xff\xfe"]
)
def test_bytes_that_are_no_json(content):
    with pytest.raises(Unreadable):
        replies.parsed(content)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_of_a_stream_may_end_in_any_way(end):
    event = {"choices": [{"delta": {"content": "a\u2028b\x85"}, "finish_reason": "stop"}]}
    body = f"event: message{end}data:{json.dumps(event, ensure_ascii=False)}{end}{end}data: [DONE]{end}{end}"
    assert read_chat(replies.parsed(body.encode())).text == "a\u2028b\x85"
