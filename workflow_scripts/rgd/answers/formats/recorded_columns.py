"""The columns of recorded files (Parquet, CSV, TSV, JSONL) as texts and numbers, whatever types their writers chose.

What is plain is read: dictionaries, views and other encodings of texts, numbers in the place of texts, lists of one. Anything
else is one message with the file, the column, what it holds and what to write instead.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rgd.answers.formats.reading import reading, table_rows
from rgd.config.hints import nearest
from rgd.errors import UserError

PARQUET, TEXT_TABLES = ".parquet", (".csv", ".tsv")
MOST_TOKENS = 2**31 - 1
_NOTHING = frozenset(("", "nan", "null", "none", "na", "n/a", "<na>"))
_TRUTH = {"true": 1.0, "false": 0.0}

Values: TypeAlias = "pa.ChunkedArray | list[Any]"
"""A column: typed, or Python objects of any sorts."""


class NotPlain(ValueError):
    """A value that is not what its column should hold."""


def read_columns(path: Path, needed: Sequence[str], further: Sequence[str]) -> dict[str, Values]:
    """The columns ``needed``, and those of ``further`` that are there.

    Raises:
        UserError: the file is missing or cannot be read, lacks a needed column, or has one of them twice.
    """
    wanted = [*needed, *further]
    if path.suffix.lower() == PARQUET:
        with reading(path), pq.ParquetFile(path, memory_map=True) as file:
            names = file.schema_arrow.names
            _check_names(path, names, needed, wanted)
            table = file.read(columns=[name for name in wanted if name in names])
        return {name: table[name] for name in wanted if name in names}
    rows = [row for _, row in table_rows(path)]
    names = list(dict.fromkeys(name for row in rows for name in row))
    _check_names(path, names, needed, wanted)
    is_text = path.suffix.lower() in TEXT_TABLES
    return {
        name: [None if is_text and row.get(name) == "" else row.get(name) for row in rows]
        for name in wanted
        if name in names
    }


def row_count(path: Path) -> int:
    """How many rows a recorded file has.

    Raises:
        UserError: it cannot be read.
    """
    if path.suffix.lower() == PARQUET:
        with reading(path):
            return int(pq.read_metadata(path).num_rows)
    return sum(1 for _ in table_rows(path))


def texts_of(path: Path, name: str, values: Values, is_id: bool = False) -> pa.Array:
    """A column as strings: whole numbers have no point, an empty list is nothing, and so is a list of several, except as an id.

    Raises:
        UserError: the column holds what is no text; or, as an id, nothing.
    """
    found = _decoded(path, name, values)
    if isinstance(found, pa.ChunkedArray) and (pa.types.is_string(found.type) or pa.types.is_null(found.type)):
        texts = found.cast(pa.string()).combine_chunks()
        texts = pa.concat_arrays(texts.chunks) if isinstance(texts, pa.ChunkedArray) else texts
    else:
        texts = pa.array(_each(path, name, found, lambda value: _text(value, is_id), "Write texts"), pa.string())
    if is_id and texts.null_count:
        row = texts.is_null().to_pylist().index(True)
        raise UserError(f"{path}: row {row} has nothing in the column {name}. Give every row the id of its question.")
    return texts


def numbers_of(path: Path, name: str, values: Values, from_texts: bool = True) -> pa.Array:
    """A column as float64; what is no number at all (NaN) is null.

    Args:
        path: the file.
        name: the column.
        values: its values.
        from_texts: whether texts that are numbers may stand for them; in CSV they always do.

    Raises:
        UserError: the column holds what is no number.
    """
    found = _decoded(path, name, values)
    from_texts = from_texts or path.suffix.lower() in TEXT_TABLES
    if isinstance(found, pa.ChunkedArray) and _is_number(found.type):
        flat = np.asarray(found.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)
        return pa.array(flat, from_pandas=True)
    numbers = _each(path, name, found, lambda value: _number(value, from_texts), "Write numbers")
    return pa.array(numbers, pa.float64())


def counts_of(path: Path, name: str, values: Values) -> pa.Array:
    """A column as int32, of counts from 0 on.

    Raises:
        UserError: the column holds what is no count.
    """
    numbers = numbers_of(path, name, values)
    flat = numbers.to_numpy(zero_copy_only=False)
    odd = np.flatnonzero((flat < 0) | (flat > MOST_TOKENS) | (np.floor(flat) != flat) & ~np.isnan(flat))
    if len(odd):
        raise UserError(
            f"{path}: the column {name} has {flat[odd[0]]:g} in row {odd[0]}, which is no number of tokens. Write whole numbers from 0 on."
        )
    return numbers.cast(pa.int32())


@contextlib.contextmanager
def typed(path: Path) -> Iterator[None]:
    """Report columns of another type as one message.

    Raises:
        UserError: the block met a value that its column should not hold.
    """
    try:
        yield
    except (pa.ArrowException, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{path} has a column of another type than recorded answers have ({reason}).") from error


def kind_of(values: Values) -> str:
    """What a column holds, in words."""
    if isinstance(values, pa.ChunkedArray):
        return str(values.type)
    return " and ".join(sorted({type(value).__name__ for value in values if value is not None})) or "nothing"


def _check_names(path: Path, names: Sequence[str], needed: Sequence[str], wanted: Sequence[str]) -> None:
    for name in needed:
        if name not in names:
            raise UserError(f"{path} has no column {name}, only {list(names)}. {nearest(name, names)}")
    for name in wanted:
        if names.count(name) > 1:
            raise UserError(f"{path} has {names.count(name)} columns called {name}. Keep one of them.")


def _decoded(path: Path, name: str, values: Values) -> Values:
    """A column without dictionaries, views and other encodings of texts."""
    if not isinstance(values, pa.ChunkedArray):
        return values
    kind = values.type
    with typed(path):
        if isinstance(kind, pa.BaseExtensionType):
            return _decoded(path, name, pa.chunked_array([chunk.storage for chunk in values.chunks], kind.storage_type))
        if pa.types.is_dictionary(kind):
            return _decoded(path, name, values.cast(kind.value_type))
        if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
            return values.cast(pa.string())
    return values


def _is_number(kind: pa.DataType) -> bool:
    tests = (pa.types.is_floating, pa.types.is_integer, pa.types.is_boolean, pa.types.is_null, pa.types.is_decimal)
    return any(test(kind) for test in tests)


def _each(path: Path, name: str, values: Values, read: Callable[[Any], Any], fix: str) -> list[Any]:
    found = []
    for row, value in enumerate(values.to_pylist() if isinstance(values, pa.ChunkedArray) else values):
        try:
            found.append(read(value))
        except NotPlain as error:
            raise UserError(
                f"{path}: the column {name} holds {kind_of(values)}, and row {row} {error}. {fix}, one for each row."
            ) from error
    return found


def _text(value: Any, is_id: bool) -> str | None:
    if isinstance(value, list):
        if len(value) > 1 and is_id:
            raise NotPlain(f"has a list of {len(value)}")
        return _text(value[0], is_id) if len(value) == 1 else None
    if isinstance(value, dict):
        raise NotPlain(f"has {str(value)[:60]}")
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise NotPlain("has bytes that are no text in UTF-8") from None
    if value is None or value != value:
        return None
    if isinstance(value, float | Decimal) and abs(float(value)) < 2**53 and value == int(value):
        return str(int(value))
    return str(value)


def _number(value: Any, from_texts: bool) -> float | None:
    if isinstance(value, list):
        if len(value) > 1:
            raise NotPlain(f"has a list of {len(value)}")
        return _number(value[0], from_texts) if value else None
    if isinstance(value, bytes | str) and from_texts:
        text = (value if isinstance(value, str) else value.decode(errors="replace")).strip()
        if text.lower() in _NOTHING:
            return None
        try:
            return _TRUTH.get(text.lower()) if text.lower() in _TRUTH else float(text)
        except ValueError:
            raise NotPlain(f"has {text[:60]!r}") from None
    if value is None or (isinstance(value, float | Decimal) and value != value):
        return None
    if isinstance(value, bool | int | float | Decimal):
        return float(value)
    raise NotPlain(f"has {str(value)[:60]!r}")
