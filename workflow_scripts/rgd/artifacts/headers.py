"""How many values a Parquet file of others says that it holds.

Arrow's Python binding tells this by column, but a header that contradicts itself (in a column's statistics, say) makes
``RowGroupMetaData.column`` end the process, since the binding does not catch what the C++ library throws. So the header is read
here: a struct of Thrift's compact protocol (https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md,
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift).
"""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

MOST_BYTES = 2**24
"""Bytes of the largest header that is read. Those of files that this package writes have some thousands."""

_MAGIC = b"PAR1"
# Fields of FileMetaData, RowGroup, ColumnChunk and ColumnMetaData.
_ROW_GROUPS, _COLUMNS, _META_DATA, _NUM_VALUES = 4, 1, 3, 5
_DEEPEST = 32


def value_count(path: Path) -> int:
    """The number of values in all columns of a Parquet file, as its header says.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no Parquet file, or its header is damaged or larger than :data:`MOST_BYTES`.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(size - 8, 0))
        end = file.read()
        length = int.from_bytes(end[:4], "little")
        if len(end) < 8 or end[4:] != _MAGIC or length > size - 8:
            raise ValueError("it is no whole Parquet file")
        if length > MOST_BYTES:
            raise ValueError(f"its header has {length:,} bytes")
        file.seek(size - 8 - length)
        header = file.read(length)
    try:
        groups = _Compact(header).struct()[_ROW_GROUPS]
        counts = [column[_META_DATA][_NUM_VALUES] for group in groups for column in group[_COLUMNS]]
        if min(counts, default=0) < 0:
            raise ValueError("a column has a negative number of values")
        return sum(counts)
    except (KeyError, TypeError, IndexError, struct.error) as error:
        raise ValueError("its header is damaged") from error


class _Compact:
    """Values of Thrift's compact protocol: structs are dictionaries by field number."""

    def __init__(self, content: bytes) -> None:
        self._content, self._at, self._depth = content, 0, 0
        whole = self._whole
        self._readers: dict[int, Callable[[], Any]] = {
            3: self._byte,
            4: whole,
            5: whole,
            6: whole,
            7: lambda: struct.unpack("<d", self._bytes(8)),
            8: lambda: self._bytes(self._number()),
            9: self._list,
            10: self._list,
            11: self._map,
            12: self.struct,
        }

    def struct(self) -> dict[int, Any]:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ValueError("its header is nested too deeply")
        fields: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._whole()
            if number in fields:
                raise ValueError("its header has a field twice")
            kind = head & 15
            # In a struct the kind of a truth value is the value.
            fields[number] = kind == 1 if kind in (1, 2) else self._value(kind)
        self._depth -= 1
        return fields

    def _value(self, kind: int) -> Any:
        if kind in (1, 2):
            return self._byte() == 1
        return self._readers[kind]()

    def _list(self) -> list[Any]:
        head = self._byte()
        size = head >> 4 if head >> 4 < 15 else self._number()
        return [self._value(head & 15) for _ in range(self._possible(size))]

    def _map(self) -> list[tuple[Any, Any]]:
        size = self._possible(self._number())
        kinds = self._byte() if size else 0
        return [(self._value(kinds >> 4), self._value(kinds & 15)) for _ in range(size)]

    def _possible(self, size: int) -> int:
        """A number of elements, each of which has a byte at least."""
        if size > len(self._content) - self._at:
            raise ValueError("its header is cut")
        return size

    def _whole(self) -> int:
        number = self._number()
        return number >> 1 ^ -(number & 1)

    def _number(self) -> int:
        number = shift = 0
        while True:
            byte = self._byte()
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return number
            if shift > 63:
                raise ValueError("its header has a number of more than 64 bits")

    def _byte(self) -> int:
        byte = self._content[self._at]
        self._at += 1
        return byte

    def _bytes(self, size: int) -> bytes:
        found = self._content[self._at : self._at + self._possible(size)]
        self._at += size
        return found
