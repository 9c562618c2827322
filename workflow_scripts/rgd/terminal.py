"""Text from models, bundles and files on a terminal: what would move the cursor, colour or reorder text is shown instead."""

import io
import os
import re
from typing import TextIO

WATCHED = "RGD_WATCHED"
"""Names the file to which a run that shows its progress sends what its jobs write, which have logs of their own."""

# Control characters but newline and tab, marks that reverse the direction of text, and unpaired UTF-16 surrogates.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
# Bars of progress return to the beginning of their line.
_UNSAFE_BUT_RETURN = re.compile(_UNSAFE.pattern.replace("\x0b-\x1f", "\x0b\x0c\x0e-\x1f"))


def printable(text: str, *, allow_return: bool = False) -> str:
    r"""``text`` with unsafe characters as ``\u001b``, which is also how JSON writes them."""
    pattern = _UNSAFE_BUT_RETURN if allow_return else _UNSAFE
    return pattern.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


class Printable(io.TextIOBase):
    """A stream that writes printable text to ``stream``."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        self.stream.write(printable(text))
        return len(text)

    def flush(self) -> None:
        self.stream.flush()

    def fileno(self) -> int:
        return self.stream.fileno()

    def isatty(self) -> bool:
        return self.stream.isatty()

    def writable(self) -> bool:
        return True


def duration(seconds: float) -> str:
    """A duration in the unit that suits its length."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:,.1f} h"


def watch(path: str) -> None:
    """Tell the jobs that start from now on that what they write to this file need not be there."""
    os.environ[WATCHED] = _identity(path)


def is_watched(descriptor: int) -> bool:
    """Whether this stream is the file of :func:`watch`; a job on another machine has another one."""
    told = os.environ.get(WATCHED)
    return bool(told) and told == _identity(descriptor)


def _identity(file: str | int) -> str:
    """What tells a file or an open one from others; "" if there is none."""
    try:
        status = os.stat(file)
    except OSError:
        return ""
    return f"{status.st_dev}:{status.st_ino}"
