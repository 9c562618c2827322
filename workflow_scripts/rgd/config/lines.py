"""The line of a file of the configuration where a key or a text stands."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import yaml


def line_of(file: Path, key: str, item: str | None = None) -> int | None:
    """The line where a key stands, or an item of the list under it, counted from 1.

    Args:
        file: a YAML file.
        key: the keys that lead there, joined by dots; a key may contain dots itself.
        item: an item of the list; None: the key's own line.

    Returns:
        None if the file has no such key or item, or cannot be read.
    """
    node: yaml.Node | None = _content(file)
    mark = None
    while key:
        if not isinstance(node, yaml.MappingNode):
            return None
        found = [(name, value) for name, value in node.value if f"{key}.".startswith(f"{name.value}.")]
        if not found:
            return None
        name, node = max(found, key=lambda pair: len(pair[0].value))
        mark, key = name.start_mark, key[len(name.value) + 1 :]
    if item is not None:
        items = node.value if isinstance(node, yaml.SequenceNode) else []
        mark = next((each.start_mark for each in items if each.value == item), None)
    return None if mark is None else mark.line + 1


def line_of_text(file: Path, lines: Sequence[str]) -> int | None:
    """The line of a text file where the last of ``lines`` stands, counted from 1.

    Args:
        file: the file.
        lines: its lines from the first one on; it may have further blank ones between them, and spaces around them.

    Returns:
        None if they do not stand there, or the file cannot be read.
    """
    try:
        rows = enumerate(file.read_text(encoding="utf-8-sig").splitlines(), start=1)
    except (OSError, UnicodeDecodeError):
        return None
    number = None
    for line in lines:
        wanted = line.strip().lower()
        number = next((each for each, row in rows if row.strip().lower() == wanted), None)
    return number


@cache
def _content(file: Path) -> yaml.Node | None:
    try:
        return yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return None
