"""LaTeX that a text holds."""

import re

LATEX = "latex"
"""The kind of answer that is mathematics, as against a letter."""

_BOX = re.compile(r"\\(?:boxed|fbox)\s*")


def boxed(text: str) -> str | None:
    r"""What the last whole ``\boxed{...}`` of a text holds, or the one sign of ``\boxed 5``; None where there is none."""
    for start in reversed(list(_BOX.finditer(text))):
        rest = text[start.end() :]
        if not rest.startswith("{"):
            token = re.match(r"[^\s${}\\.,]+", rest)
            if token:
                return token.group()
            continue
        depth = 0
        for place, sign in enumerate(rest):
            # A brace after a backslash is a sign of the formula and opens nothing.
            if sign in "{}" and (place == 0 or rest[place - 1] != "\\"):
                depth += 1 if sign == "{" else -1
            if depth == 0:
                return rest[1:place].strip()
    return None
