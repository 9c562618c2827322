"""Reading LaTeX from a text."""

import re

LATEX = "latex"
"""The kind of answers that are mathematics rather than letters."""

_BOX = re.compile(r"\\(?:boxed|fbox)\s*")


def boxed(text: str) -> str | None:
    r"""The content of a text's last complete ``\boxed{...}``, or the one token of ``\boxed 5``; None if there is none."""
    for start in reversed(list(_BOX.finditer(text))):
        rest = text[start.end() :]
        if not rest.startswith("{"):
            token = re.match(r"[^\s${}\\.,]+", rest)
            if token:
                return token.group()
            continue
        depth = 0
        for place, sign in enumerate(rest):
            # A brace after a backslash is part of the formula and opens nothing.
            if sign in "{}" and (place == 0 or rest[place - 1] != "\\"):
                depth += 1 if sign == "{" else -1
            if depth == 0:
                return rest[1:place].strip()
    return None
