"""Take over the results of an earlier version, so that a finished project continues without asking or embedding again.

Two things have changed since that version. First, names: records of what was asked lay in a folder for each rule and now
lie under ``asked/``, and rules, and with them the folders of logs and benchmarks, were renamed. Second, code has moved, so
every fingerprint has changed, even where the code makes the same files. KNOWN_CODE lists, by rule, the fingerprints of
that version and the present ones that make the same files. The outputs of a rule in this list stay; every other rule
runs again.

Answers need no such step: the store's keys are unchanged.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rgd.artifacts.files import write_json
from rgd.artifacts.fingerprint import follow, parameter
from rgd.artifacts.provenance import beside, read_provenance
from rgd.errors import UserError
from rgd.planning.adopt import artifacts
from rgd.workflow.code import questions_beside

RECORDS = {
    "described": "asked/descriptions",
    "draws": "asked/queries",
    "answered": "asked/answers",
    "featurized": "asked/features",
    "refereed": "asked/referee",
}
"""Folders of the results: former name and present name."""
RULES = {
    "descriptions": "human_descriptions",
    "describe": "ask_descriptions",
    "written_descriptions": "read_descriptions",
    "draw_queries": "ask_queries",
    "generated_questions": "read_queries",
    "answer": "ask_answers",
    "responses": "read_answers",
    "features": "read_features",
    "referee_answers": "read_referee",
}
"""Renamed rules: former name and present name; a rule's script has the rule's name."""
KNOWN_CODE = Path(__file__).with_name("known_code.json")
"""For each rule two lists of fingerprints, ``before`` and ``now``; written by `python -m dev.known_code`."""


@dataclass(frozen=True)
class Remembered:
    """Snakemake's record of the job that made a file.

    Attributes:
        rule: its rule.
        inputs: its input files.
        parameters: the ``repr`` of its parameters' values.
        checksums: checksums of its small inputs, by path.
    """

    rule: str
    inputs: tuple[str, ...]
    parameters: tuple[str, ...]
    checksums: Mapping[str, Any]


class Memory(Protocol):
    """Snakemake's records: :class:`rgd.planning.graph.Memory`."""

    def remembered(self, path: str) -> Remembered | None: ...

    def replace(self, path: str, old_path: str, content: Remembered) -> None: ...


def take_over(root: Path, memory: Callable[[], Memory], locks: Path = Path(".snakemake/locks")) -> int:
    """Take over results that an earlier version made under ``root``, and return the number of files that stay.

    Nothing is done while a run is in progress. If the takeover is interrupted, the next call finishes it.

    Args:
        root: the results' folder, as the configuration names it.
        memory: opens Snakemake's records.
        locks: the folder that is not empty while a run is in progress.
    """
    former = [name for name in RECORDS if (root / name).is_dir()]
    if not former or (locks.is_dir() and any(locks.iterdir())):
        return 0
    known, records, kept = _Known(), memory(), 0
    for name in artifacts(root):
        path, now = str(root / name), _renamed(name)
        remembered = records.remembered(path)
        if remembered is not None and (content := _content(remembered, str(root), known)) is not None:
            records.replace(str(root / now), path, content)
            kept += 1
        _take_over_provenance(root, name, known)
    for name in former:
        _move(root / name, root / RECORDS[name])
    for old, new in RULES.items():
        for folder in ("benchmarks", "logs"):
            _move(root / folder / old, root / folder / new)
    print(f"Took over {kept:,} files made by an earlier version of this workflow.", file=sys.stderr)
    return kept


def _renamed(name: str) -> str:
    """The present path of a file, relative to the results' folder."""
    first, sign, rest = name.partition("/")
    return f"{RECORDS[first]}{sign}{rest}" if first in RECORDS else name


def _content(remembered: Remembered, root: str, known: "_Known") -> Remembered | None:
    """The new record of a file that stays; None if its rule has to run again."""

    def place(path: str) -> str:
        inside = path.startswith(f"{root}/")
        return f"{root}/{_renamed(path.removeprefix(f'{root}/'))}" if inside else path

    parameters = [known.as_now(remembered.rule, text) for text in remembered.parameters]
    if any(text is None for text in parameters):
        return None
    return Remembered(
        RULES.get(remembered.rule, remembered.rule),
        tuple(sorted(map(place, remembered.inputs))),
        tuple(sorted(text for text in parameters if text is not None)),
        {place(path): value for path, value in remembered.checksums.items()},
    )


def _take_over_provenance(root: Path, name: str, known: "_Known") -> None:
    """Put the present names into a file's provenance; the original code is kept as ``made_with``."""
    content = read_provenance(root / name)
    if content is None:
        return
    code = known.code_as_now(content.get("rule", ""), content.get("parameters", {}).get("code", ""))
    names = {key: {_renamed(each): value for each, value in content[key].items()} for key in ("inputs", "outputs")}
    new = {**content, **names, "rule": RULES.get(content["rule"], content["rule"])}
    if code is not None:
        new = {
            **new,
            "parameters": {**content["parameters"], "code": code},
            "made_with": content["parameters"]["code"],
        }
    if new != content:
        path = beside(root / name)
        state = path.stat()
        write_json(path, new)
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


class _Known:
    """Translates fingerprints of an earlier version into present ones."""

    def __init__(self) -> None:
        self._lists = json.loads(KNOWN_CODE.read_text(encoding="utf-8"))
        self._now: dict[str, str | None] = {}

    def as_now(self, rule: str, text: str) -> str | None:
        """A recorded parameter in its present form; None if it is a rule's code that may make different files now."""
        value = text[1:-1] if text[:1] in "'\"" else text
        if not value.startswith('{"f') or '"fingerprint"' not in value:
            return text
        code = self.code_as_now(rule, value)
        return None if code is None else repr(code)

    def code_as_now(self, rule: str, text: str) -> str | None:
        """The present parameter ``code`` for an earlier one; None if it is not code or may make different files now."""
        if text not in self._now:
            self._now[text] = self._translated(rule, text)
        return self._now[text]

    def _translated(self, rule: str, text: str) -> str | None:
        known = self._lists.get(RULES.get(rule, rule))
        try:
            code = json.loads(text)
            script, *plugins = code["of"]
        except (ValueError, TypeError, KeyError):
            return None
        if known is None or code["fingerprint"] not in known["before"]:
            return None
        name = script.removesuffix(".py")
        script = f"{RULES.get(name, name)}.py"
        try:
            now = follow(script, plugins, [*code.get("files", ()), *questions_beside(plugins)])
            found = parameter(now, script, plugins)
        except (UserError, OSError):
            return None
        before = code.get("libraries", {})
        # A library that the code no longer uses changes nothing.
        is_same = all(before.get(name, version) == version for name, version in now.libraries.items())
        return found if is_same and now.fingerprint in known["now"] else None


def _move(old: Path, new: Path) -> None:
    """Move the files under ``old`` to ``new``; existing files there stay."""
    if not old.is_dir():
        return
    for folder, _, files in os.walk(old, topdown=False):
        for file in files:
            source = Path(folder) / file
            target = new / source.relative_to(old)
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.exists():
                source.unlink()
            else:
                os.replace(source, target)
        os.rmdir(folder)
