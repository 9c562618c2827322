"""Reading LaTeX from a text."""

import re
from dataclasses import dataclass

# A brace after a backslash is part of the formula and opens nothing.
_BRACE = re.compile(r"\\(?:boxed|fbox)\s*(?:(?P<box>\{)|(?P<token>[^\s${}\\.,]+))|\\.|(?P<brace>[{}])", re.DOTALL)


_LONGEST = 2000
_MOST_BRACES = 3


@dataclass(frozen=True)
class Box:
    r"""The content of a ``\boxed{...}``, and where the command starts and ends in its text."""

    content: str
    start: int
    end: int


def boxes(text: str) -> list[Box]:
    r"""The complete boxes of ``text`` in the order of their beginnings: ``\boxed{...}``, or ``\boxed 5`` with one token.

    Empty boxes, and those too long for an answer, are left out.
    """
    if "boxed" not in text and "fbox" not in text:
        return []
    found: list[Box] = []
    # Where every open box and its content begin; None for another open brace.
    opened: list[tuple[int, int] | None] = []
    for match in _BRACE.finditer(text):
        if match["token"]:
            found.append(Box(match["token"], match.start(), match.end()))
        elif match["box"]:
            opened.append((match.start(), match.end()))
        elif match["brace"] == "{":
            opened.append(None)
        elif match["brace"] and opened and (box := opened.pop()) is not None and match.start() - box[1] <= _LONGEST:
            content = unbraced(text[box[1] : match.start()])
            if content:
                found.append(Box(content, box[0], match.end()))
    return sorted(found, key=lambda box: box.start)


def unbraced(content: str) -> str:
    """``content`` without spaces and whole braces around it."""
    for _ in range(_MOST_BRACES):
        content = content.strip()
        if not content.startswith("{") or _closing(content) != len(content) - 1:
            break
        content = content[1:-1]
    return content.strip()


def _closing(content: str) -> int:
    """Where the brace that begins ``content`` is closed; -1 if nowhere."""
    depth = 0
    for match in _BRACE.finditer(content):
        depth += {"{": 1, "}": -1}.get(match.group()[-1], 0) if match["brace"] or match["box"] else 0
        if depth == 0:
            return match.start()
    return -1


def boxed(text: str) -> str | None:
    r"""The content of a text's last complete ``\boxed{...}``; None if there is none."""
    found = boxes(text)
    return found[-1].content if found else None
