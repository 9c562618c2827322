"""Text files that people write: UTF-8 with or without a byte order mark, and tables of cells with the line of each row."""

import codecs
import contextlib
import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from rgd.errors import UserError

# UTF-32's little-endian mark begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
# What spreadsheets write in the place of commas or tabs.
_SEPARATORS = {";": "semicolons", ",": "commas", "\t": "tabs", "|": "bars"}


@contextlib.contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """Open a text file that a person wrote; line ends are kept as they are.

    Raises:
        UserError: the file is not UTF-8. The message names its probable encoding, and the line where that shows.
        OSError: the file cannot be opened.
    """
    with path.open("rb") as file:
        problem = _wide(path, file.read(4))
    if problem is not None:
        raise UserError(problem)
    with path.open(encoding="utf-8-sig", newline="") as text:
        try:
            yield text
        except UnicodeDecodeError as error:
            raise UserError(encoding_fault(path) or f"{path} is not UTF-8 ({error.reason}).") from error


def read_text(path: Path) -> str:
    """The content of a text file that a person wrote, with ``\\n`` at the end of every line; errors as :func:`open_text`."""
    with open_text(path) as file:
        return file.read().replace("\r\n", "\n").replace("\r", "\n")


def encoding_fault(path: Path) -> str | None:
    """Why a file is no UTF-8 text, and what to do; None if it is.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        problem = _wide(path, file.read(4))
        if problem is not None:
            return problem
        file.seek(0)
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                byte = line[error.start : error.start + 1]
                sign = byte.decode("cp1252", "replace")
                would_be = f", {sign} in Windows-1252 (Latin-1)" if sign.isprintable() and sign != "\ufffd" else ""
                return (
                    f"{path}, line {number}: the byte {byte[0]:#04x}{would_be} is not UTF-8. Save the file as UTF-8, or convert it: "
                    f"iconv -f WINDOWS-1252 -t UTF-8."
                )
    return None


def _wide(path: Path, start: bytes) -> str | None:
    """Why a file that begins with ``start`` has two or four bytes for each character, and what to do."""
    found = next((name for mark, name in _MARKS if start.startswith(mark)), None)
    # Without a mark: every second byte of Latin text is zero.
    if found is None and len(start) == 4 and (start[::2], start[1::2]).count(b"\0\0") == 1:
        found = "UTF-16BE" if start[::2] == b"\0\0" else "UTF-16LE"
    if found is None:
        return None
    return f"{path} is {found}, not UTF-8. Save it as UTF-8, or convert it: iconv -f {found} -t UTF-8."


def csv_records(path: Path, file: TextIO) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV file, or of a TSV file by the name of ``path``, each with the number of its first line.

    A row may span lines, where a cell in quotes does.

    Raises:
        UserError: quotes are not in pairs, or something follows a closing quote.
    """
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    table = csv.reader(file, strict=True, delimiter=separator_of(path))
    start = 1
    try:
        for row in table:
            yield start, row
            start = table.line_num + 1
    except csv.Error as error:
        if "unexpected end" in str(error):
            raise UserError(
                f'{path}, line {start}: a quote (") opens a cell here, and none closes it. Close it; a quote within a cell is '
                'written twice ("").'
            ) from error
        last = f" to {table.line_num}" if table.line_num > start else ""
        raise UserError(
            f"{path}, line{'s' if last else ''} {start}{last}: {error}. A cell in quotes ends at the next quote; a quote within it is "
            'written twice ("").'
        ) from error


def separator_of(path: Path) -> str:
    """What separates the cells of a table, by the ending of its name."""
    return "\t" if path.suffix.lower() == ".tsv" else ","


def other_separator(path: Path, header: list[str]) -> str | None:
    """What probably separates the cells where the header is only one; None if nothing does."""
    if len(header) != 1:
        return None
    wanted = separator_of(path)
    found = max(_SEPARATORS, key=header[0].count)
    if found == wanted or found not in header[0]:
        return None
    return (
        f"{path} is separated by {_SEPARATORS[found]}, but its ending {path.suffix} stands for {_SEPARATORS[wanted]}. "
        f"Save it with {_SEPARATORS[wanted]} between the cells."
    )
