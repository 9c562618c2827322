"""What is printed cannot steer a terminal, and JSON stays JSON."""

import io
import json
import sys

import pytest

from rgd.terminal import Printable, printable

UNSAFE = [
    "\x1b[2J",
    "\x1b]0;title\x07",
    "\x9b31m",
    "\r",
    "\x08",
    "\x7f",
    "\u202e",
    "\u2066",
    "\u2028",
    "\ud800",
    "\x00",
]


@pytest.mark.parametrize("text", UNSAFE)
def test_control_characters_are_shown(text: str) -> None:
    shown = printable(f"a{text}b")
    assert shown.isprintable()
    assert shown.startswith(f"a\\u{ord(text[0]):04x}")


@pytest.mark.parametrize("text", ["plain", "Küche 数学 مرحبا", "two\nlines\tand a tab", "\U0001f600", "\u200f"])
def test_other_text_stays(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize("text", UNSAFE)
def test_json_says_the_same(text: str) -> None:
    line = json.dumps({"query": text}, ensure_ascii=False)
    assert json.loads(printable(line)) == {"query": text}


def test_a_bar_of_progress_may_return() -> None:
    assert printable("\r50%\x1b", allow_return=True) == "\r50%\\u001b"


def test_a_stream_writes_what_is_printable(monkeypatch: pytest.MonkeyPatch) -> None:
    inner = io.StringIO()
    monkeypatch.setattr(sys, "stdout", Printable(inner))
    print("a\x1b[31m", "b")
    assert inner.getvalue() == "a\\u001b[31m b\n"
    assert sys.stdout.writable()
    assert not sys.stdout.isatty()
