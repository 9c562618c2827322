"""Differences between the parameters that a file was made with and the present ones, in the user's terms."""

import ast
import itertools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

LONGEST = 60
"""Length in characters of the longest value shown in full."""
MOST_ITEMS = 3
"""How many items of a list that came or went are named."""
LEAD = 20
"""Characters shown of what two long texts have in common before the place where they differ."""

Definitions = Mapping[str, Mapping[str, str]]
Leaf = tuple[tuple[str, ...], Any, Any]
"""Where two trees differ: the keys that lead there, and both values."""


class Change(NamedTuple):
    """A reason to rebuild something.

    Attributes:
        kind: one of configuration, prompt, code, library, inputs, data, new, unknown.
        text: what has changed, in words.
        line: the line of the configuration's file where the new value stands, counted from 1; None if there is none.
    """

    kind: str
    text: str
    line: int | None = None

    @property
    def placed(self) -> str:
        """The text with the line."""
        return self.text if self.line is None else f"{self.text} (line {self.line})"


class _Nothing:
    """Stands for an absent key, which is not the same as null."""

    def __repr__(self) -> str:
        return "nothing"


NOTHING = _Nothing()


def named(recorded: Sequence[str], now: Mapping[str, Any], told: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The recorded values by parameter name.

    Args:
        recorded: Snakemake's record: the ``repr`` of each value, without its name.
        now: the present parameters.
        told: the parameters by name from the provenance; used only if it has the same values as the record.

    Returns:
        the values that differ now, by name. A value that cannot belong to a present parameter is named by its number.
    """
    if told is not None and sorted(map(repr, told.values())) == sorted(recorded):
        return {name: value for name, value in told.items() if name not in now or repr(now[name]) != repr(value)}
    same = set(recorded) & {repr(value) for value in now.values()}
    left = [_read(text) for text in recorded if text not in same]
    pairs = sorted(
        (
            (_likeness(old, value), name, number)
            for name, value in now.items()
            if repr(value) not in same
            for number, old in enumerate(left)
        ),
        key=lambda pair: (-pair[0], *pair[1:]),
    )
    found: dict[str, Any] = {}
    taken: set[int] = set()
    for likeness, name, number in pairs:
        if likeness > 0 and name not in found and number not in taken:
            found[name] = left[number]
            taken.add(number)
    return found | {f"parameter {number}": value for number, value in enumerate(left) if number not in taken}


def differences(
    before: Mapping[str, Any],
    now: Mapping[str, Any],
    tell: Callable[[str, list[Leaf]], list[Change]],
    definitions: Callable[[str], Definitions | None],
) -> list[Change]:
    """The changes from ``before`` to ``now``.

    Args:
        before: the parameters that a file was made with, by name.
        now: the present parameters by name; there may be more of them.
        tell: puts the leaves in which a parameter differs into words.
        definitions: the definitions behind a fingerprint; None if they are no longer known.
    """
    found = []
    for name, old in before.items():
        new = now.get(name, NOTHING)
        if repr(old) == repr(new):
            continue
        old, new = opened(old), opened(new)
        if _is_code(old) or _is_code(new):
            found += _code_changes(old, new, definitions)
        else:
            found += tell(name, leaves(old, new))
    return found


def leaves(old: Any, new: Any, path: tuple[str, ...] = ()) -> list[Leaf]:
    """Where two trees of plain values differ: the keys that lead there, and both values."""
    old, new = opened(old), opened(new)
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        keys = [*old, *(key for key in new if key not in old)]
        return [
            leaf for key in keys for leaf in leaves(old.get(key, NOTHING), new.get(key, NOTHING), (*path, str(key)))
        ]
    return [] if repr(old) == repr(new) else [(path, old, new)]


def shown(old: Any, new: Any, numbered: bool = True) -> str:
    """``old → new``; for lists the added and removed items, for long texts the first line that differs.

    Of a file of which the hash is kept it says that the content has changed.

    Args:
        old: the value before.
        new: the value now.
        numbered: whether to name the line of a text of several lines.
    """
    if _is_hash(old) and _is_hash(new):
        return "the content has changed"
    if isinstance(old, list) and isinstance(new, list):
        come = [f"+ {_short(item)}" for item in new if item not in old]
        gone = [f"- {_short(item)}" for item in old if item not in new]
        if len(come) + len(gone) > MOST_ITEMS and all(isinstance(item, int | float) for item in [*old, *new]):
            # A grid, say, of which every number is another one.
            return f"{_short(old)} → {_short(new)}"
        return few([*come, *gone], MOST_ITEMS) or "in a different order"
    if _is_long(old) or _is_long(new):
        before, after = str(old).splitlines(), str(new).splitlines()
        at = first_difference(before, after)
        was, is_now = (lines[at] if at < len(lines) else "nothing" for lines in (before, after))
        begin = max(0, _shared(was, is_now) - LEAD)
        number = f"line {at + 1}: " if numbered and max(len(before), len(after)) > 1 else ""
        return f"{number}{_short(was, begin)} → {_short(is_now, begin)}"
    return f"{_short(old)} → {_short(new)}"


def first_difference(before: Sequence[str], after: Sequence[str]) -> int:
    """The number of the first line that differs, from 0; that of the line after the shorter text if it begins the longer."""
    pairs = enumerate(zip(before, after, strict=False))
    return next((row for row, (old, new) in pairs if old != new), min(len(before), len(after)))


def _shared(one: str, other: str) -> int:
    """With how many characters both begin."""
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def few(words: Sequence[str], most: int = 3) -> str:
    """The first of ``words``, and how many more there are."""
    rest = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + rest


def code_changes(before: Definitions, now: Definitions) -> list[str]:
    """Which definitions differ, module by module, such as ``rgd.routers.knn: Knn.fit changed``.

    Definitions in a different order are told only where nothing else differs: no other change explains the fingerprint.
    """
    found, reordered = [], []
    for module in sorted({*before, *now}):
        old, new = before.get(module), now.get(module)
        if old is None or new is None:
            found.append(f"{module}: {'now part of it' if old is None else 'no longer part of it'}")
            continue
        words = [
            f"{name or 'content'} {'new' if name not in old else 'gone' if name not in new else 'changed'}"
            for name in [*old, *(name for name in new if name not in old)]
            if old.get(name) != new.get(name)
        ]
        if words:
            found.append(f"{module}: {', '.join(words)}")
        elif list(old) != list(new):
            reordered.append(f"{module}: in a different order")
    return found or reordered


def _code_changes(old: Any, new: Any, definitions: Callable[[str], Definitions | None]) -> list[Change]:
    if not (_is_code(old) and _is_code(new)):
        return [Change("code", "code: no record of the code that made it")]
    found = []
    if old["fingerprint"] != new["fingerprint"]:
        before, now = definitions(old["fingerprint"]), definitions(new["fingerprint"])
        if before is None or now is None:
            found.append(Change("code", f"{' + '.join(new['of'])}: changed"))
        else:
            found += [Change("code", text) for text in code_changes(before, now)]
    libraries = leaves(old.get("libraries", {}), new.get("libraries", {}))
    return found + [Change("library", f"{path[0]}: {a} → {b}") for path, a, b in libraries]


def kind_of(old: Any, new: Any) -> str:
    """The kind of a change between two values, as in :class:`Change`."""
    if _is_hash(old) and _is_hash(new):
        return "data"
    return "prompt" if _is_long(old) or _is_long(new) else "configuration"


def _is_hash(value: Any) -> bool:
    """Whether a value is the SHA-256 of a file."""
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def _is_code(value: Any) -> bool:
    return isinstance(value, Mapping) and "fingerprint" in value


def _read(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def opened(value: Any) -> Any:
    """``value``, parsed if it is JSON text, as configuration slices are."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _likeness(old: Any, new: Any) -> float:
    """How likely two values belong to the same parameter, from 0 to 1, judged by shared keys or type."""
    old, new = opened(old), opened(new)
    if _is_code(new):
        return 1.0 if _is_code(old) else 0.9 * bool(isinstance(old, str) and re.fullmatch("[0-9a-f]{16}", old))
    if isinstance(old, Mapping) and isinstance(new, Mapping) and not _is_code(old):
        return 0.1 + 0.9 * len(set(old) & set(new)) / max(1, len(set(old) | set(new)))
    return 0.05 * (type(old) is type(new))


def _is_long(value: Any) -> bool:
    return isinstance(value, str) and (len(value) > LONGEST or "\n" in value)


def _short(value: Any, begin: int = 0) -> str:
    """A value in at most ``LONGEST`` characters, of a longer text those from ``begin`` on."""
    text = (
        value
        if isinstance(value, str)
        else json.dumps(value, ensure_ascii=False)
        if value is not NOTHING
        else "nothing"
    )
    if len(text) <= LONGEST:
        return text
    shown = text[begin : begin + LONGEST]
    return f"{'…' if begin else ''}{shown}{'…' if begin + LONGEST < len(text) else ''}"
