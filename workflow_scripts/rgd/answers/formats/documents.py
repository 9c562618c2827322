"""JSON documents that are larger than memory, read value by value.

The values are decoded by Python's own decoder, so they are what ``json.load`` would give: NaN, infinities, integers of any
length and halves of surrogate pairs, all of which other tools write, and which streaming parsers such as ijson refuse or change.
"""

import json
from collections.abc import Iterator
from typing import Any, TextIO

CHUNK = 2**20
"""Characters that are read at a time, at least."""

# The end of what has been read may be the beginning of a longer number, literal or escape, all of which are shorter than this
# after their last digit.
_MARGIN = 16
_SPACES = " \t\n\r"
_DECODER = json.JSONDecoder()


class Document:
    """A JSON text of which one value at a time is in memory.

    Args:
        file: the text, at its beginning.
        chunk: characters to read at a time, at least.
    """

    def __init__(self, file: TextIO, chunk: int = CHUNK) -> None:
        self._file, self._chunk = file, chunk
        self._text, self._at, self._is_whole = "", 0, False
        self._lines, self._column = 1, 1

    def kind(self) -> str:
        """The first character of the next value; empty at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _SPACES:
                self._at += 1
            if self._at < len(self._text) or self._is_whole:
                return self._text[self._at : self._at + 1]
            self._more()

    def value(self) -> Any:
        """The next value, whole.

        Raises:
            ValueError: it is no JSON; the message has its line and column.
        """
        self.kind()
        while True:
            near_end = len(self._text) - _MARGIN
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                is_cut = error.pos > near_end or error.msg.startswith("Unterminated string")
                if self._is_whole or not is_cut:
                    raise self._fault(error.msg, error.pos) from error
            else:
                if self._is_whole or end <= near_end or self._text[end - 1] in '"]}':
                    self._at = end
                    return value
            self._more()

    def items(self) -> Iterator[Any]:
        """The values of the list that comes next.

        Raises:
            ValueError: no list comes next, or it is no JSON.
        """
        yield from (self.value() for _ in self._places("[", "]"))

    def members(self) -> Iterator[str]:
        """The keys of the object that comes next; the caller reads or skips the value of a key before the next one.

        Raises:
            ValueError: no object comes next, or it is no JSON.
        """
        for _ in self._places("{", "}"):
            if self.kind() != '"':
                raise self._fault("Expecting property name enclosed in double quotes", self._at)
            key = self.value()
            self._take(":")
            yield key

    def skip(self) -> None:
        """Read the next value without keeping it.

        Raises:
            ValueError: it is no JSON.
        """
        if self.kind() == "[":
            for _ in self.items():
                pass
        elif self.kind() == "{":
            for _ in self.members():
                self.value()
        else:
            self.value()

    def end(self) -> None:
        """Check that nothing follows.

        Raises:
            ValueError: something does.
        """
        if self.kind():
            raise self._fault("Extra data", self._at)

    def _places(self, opening: str, closing: str) -> Iterator[None]:
        """Stand before each element of a list or an object; the caller reads it."""
        self._take(opening)
        if self.kind() == closing:
            self._at += 1
            return
        while True:
            yield
            if self.kind() == closing:
                self._at += 1
                return
            self._take(",")

    def _take(self, character: str) -> None:
        if self.kind() != character:
            raise self._fault(f"Expecting {character!r}", self._at)
        self._at += 1

    def _more(self) -> None:
        """Drop what has been used and read on: as much again as is left, so that a long value is decoded a few times only."""
        self._lines, self._column = self._position(self._at)
        kept = self._text[self._at :]
        read = self._file.read(max(self._chunk, len(kept)))
        self._text, self._at, self._is_whole = kept + read, 0, not read

    def _position(self, at: int) -> tuple[int, int]:
        """The line and the column, both from 1, of a place of the text in memory."""
        breaks = self._text.count("\n", 0, at)
        column = at - self._text.rfind("\n", 0, at) if breaks else self._column + at
        return self._lines + breaks, column

    def _fault(self, what: str, at: int) -> ValueError:
        line, column = self._position(at)
        return ValueError(f"{what}: line {line} column {column}")
