"""Server-sent events, read as they come: the form in which servers stream."""

import re
from collections.abc import AsyncIterable, AsyncIterator

# Unlike str.splitlines, which also splits at characters that may stand in a JSON text, such as U+2028.
_END_OF_LINE = re.compile(rb"\r\n|\n|\r(?=[^\n])")
_OTHER_FIELDS = (b"event:", b"id:", b"retry:", b":")


async def read_events(content: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """The data of each event of ``content``, up to the mark ``[DONE]`` or the end.

    Lines that belong to no event come last, as one text: servers report an error as plain JSON in the midst of a stream, and
    some ignore that a stream was asked for.

    Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
    """
    data: list[bytes] = []
    besides: list[bytes] = []
    async for line in _lines(content):
        if line.startswith(b"data:"):
            data.append(line.removeprefix(b"data:").removeprefix(b" "))
        elif not line:
            event = b"\n".join(data).strip()
            data = []
            if event == b"[DONE]":
                break
            if event:
                yield event
        elif not line.startswith(_OTHER_FIELDS):
            besides.append(line)
    for rest in (b"\n".join(data).strip(), b"\n".join(besides).strip()):
        if rest not in (b"", b"[DONE]"):
            yield rest


async def _lines(content: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    begun = b""
    async for piece in content:
        *lines, begun = _END_OF_LINE.split(begun + piece)
        for line in lines:
            yield line
    yield begun.removesuffix(b"\r")
