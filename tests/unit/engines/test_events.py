"""Server-sent events, however the network cuts them."""

import asyncio
import itertools
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rgd.engines.events import read_events


def events(pieces: list[bytes]) -> list[bytes]:
    async def content() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    async def read() -> list[bytes]:
        return [event async for event in read_events(content())]

    return asyncio.run(read())


@given(
    st.lists(st.text("ab\u2028\x85\x0b\x0c ", min_size=1, max_size=4).filter(str.strip), max_size=4),
    st.sampled_from(["\n", "\r", "\r\n"]),
    st.lists(st.integers(0, 60), max_size=6),
)
def test_the_cuts_and_the_kind_of_line_end_change_nothing(texts: list[str], end: str, cuts: list[int]) -> None:
    whole = "".join(f": note{end}event: x{end}data: [{text}]{end}{end}" for text in texts).encode()
    edges = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    pieces = [whole[first:last] for first, last in itertools.pairwise(edges)]
    assert events(pieces) == [f"[{text}]".encode() for text in texts]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b"data: a\n\ndata: [DONE]\n\ndata: b\n\n", [b"a"]),
        (b"data:a\ndata: b\n\n", [b"a\nb"]),
        (b"data: a", [b"a"]),
        (b"data: a\n\ndata: [DONE]", [b"a"]),
        (b"data: a\n\n{\n  1\n}\n", [b"a", b"{\n  1\n}"]),
        (b"{}", [b"{}"]),
    ],
)
def test_what_is_an_event(content: bytes, expected: list[bytes]) -> None:
    assert events([content]) == expected
