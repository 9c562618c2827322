"""Differences between the parameters that a file was made with and the present ones, in the user's terms."""

import ast
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

LONGEST = 60
"""Length in characters of the longest value shown in full."""

Definitions = Mapping[str, Mapping[str, str]]
Leaf = tuple[tuple[str, ...], Any, Any]
"""Where two trees differ: the keys that lead there, and both values."""


class Change(NamedTuple):
    """A reason to rebuild something.

    ``kind`` is one of configuration, prompt, code, library, inputs, data, new, unknown.
    """

    kind: str
    text: str


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


def shown(old: Any, new: Any) -> str:
    """``old → new``; for lists the added and removed items, for long texts the first line that differs.

    Of a file of which the hash is kept it says that the content has changed.
    """
    if _is_hash(old) and _is_hash(new):
        return "the content has changed"
    if isinstance(old, list) and isinstance(new, list):
        come = [f"+ {_short(item)}" for item in new if item not in old]
        gone = [f"- {_short(item)}" for item in old if item not in new]
        return few([*come, *gone]) or "in a different order"
    if _is_long(old) or _is_long(new):
        before, after = str(old).splitlines(), str(new).splitlines()
        at = next(
            (row for row, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), min(len(before), len(after))
        )
        was, is_now = (lines[at] if at < len(lines) else "nothing" for lines in (before, after))
        return f"line {at + 1}: {_short(was)} → {_short(is_now)}"
    return f"{_short(old)} → {_short(new)}"


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


def _short(value: Any) -> str:
    text = (
        value
        if isinstance(value, str)
        else json.dumps(value, ensure_ascii=False)
        if value is not NOTHING
        else "nothing"
    )
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
