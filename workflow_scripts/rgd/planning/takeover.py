"""Take over the results of earlier versions, so that a finished project continues without asking or embedding again.

Three things have changed since those versions. First, names: records of what was asked lay in a folder for each rule and
now lie under ``asked/``, and rules, and with them the folders of logs and benchmarks, were renamed. Second, code has moved,
so every fingerprint has changed, even where the code makes the same files, and rules that ask had none. KNOWN_CODE lists,
by rule, the fingerprints of those versions and the present ones that make the same files. The outputs of a rule in this
list stay; every other rule runs again. Third, parameters say more about a model: what lies beside a hashed file and what a
folder holds; and less: a server's max_model_len, which decides nothing.

Answers need no such step: the store finds them under their former keys (:meth:`rgd.store.answers.Store.listing`).
"""

import ast
import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rgd.answers.responses import MEAN_LOG_PROBABILITY, is_mean_log_probability
from rgd.artifacts.digests import digest
from rgd.artifacts.files import write_json
from rgd.artifacts.fingerprint import follow, parameter
from rgd.artifacts.provenance import beside, read_provenance
from rgd.config.products import unique
from rgd.config.slices import canonical
from rgd.errors import UserError
from rgd.planning.adopt import artifacts, is_whole
from rgd.store.answers import SERVED, former_identities
from rgd.weights.content import changed_at
from rgd.workflow.code import questions_beside
from rgd.workflow.run_lock import alone

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
POOLING = "rgd.engines.pooling"
"""The module that rules that embed now name besides their script."""
READ_TODAY = {"no label", "label outside the options"}
"""Why rows were dropped whose labels may be read today."""
NO_CODE = ""
"""Stands in ``before`` for a rule that had no fingerprint."""
DONE = "rgd-taken-over.json"
"""The file among Snakemake's records that says with which KNOWN_CODE the results were taken over."""


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


def take_over(
    root: Path, memory: Callable[[], Memory], models: Iterable[str] = (), state: Path = Path(".snakemake")
) -> int:
    """Take over results that an earlier version made under ``root``, and return the number of files that stay.

    Nothing is done while a run is in progress, or if it was done before. If it is interrupted, the next call finishes it.

    Args:
        root: the results' folder, as the configuration names it.
        memory: opens Snakemake's records.
        models: the present identities of the configuration's models and embedders.
        state: the folder of Snakemake's records.
    """
    done = {"known_code": digest(KNOWN_CODE)}
    former = [name for name in RECORDS if (root / name).is_dir()]
    is_done = not former and _read(state / DONE) == done
    if is_done or not root.is_dir():
        return 0
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(alone(state))
        except UserError:
            return 0
        kept = _move_and_remember(root, memory(), _Known(models), former)
    if kept:
        print(f"Took over {kept:,} files made by an earlier version of this workflow.", file=sys.stderr)
    write_json(state / DONE, done)
    return kept


def _move_and_remember(root: Path, records: Memory, known: "_Known", former: Iterable[str]) -> int:
    """Move the files and rewrite their records; the number of files whose records changed."""
    kept = 0
    for name in artifacts(root):
        path, now = str(root / name), _renamed(name)
        remembered = records.remembered(path)
        content = None if remembered is None else _content(remembered, str(root), path, known)
        if content is not None and (content != remembered or path != str(root / now)):
            records.replace(str(root / now), path, content)
            kept += 1
        # Also of results that Snakemake has no record of, which `rgd adopt` takes over by their provenance.
        _take_over_provenance(root, name, known)
    for name in former:
        _move(root / name, root / RECORDS[name])
    for old, new in RULES.items():
        for folder in ("benchmarks", "logs"):
            _move(root / folder / old, root / folder / new)
    return kept


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _renamed(name: str) -> str:
    """The present path of a file, relative to the results' folder."""
    first, sign, rest = name.partition("/")
    return f"{RECORDS[first]}{sign}{rest}" if first in RECORDS else name


def _content(remembered: Remembered, root: str, path: str, known: "_Known") -> Remembered | None:
    """The new record of the file at ``path``; None if its rule has to run again."""

    def place(path: str) -> str:
        inside = path.startswith(f"{root}/")
        return f"{root}/{_renamed(path.removeprefix(f'{root}/'))}" if inside else path

    if _is_read_otherwise(RULES.get(remembered.rule, remembered.rule), Path(root), path):
        return None
    made = os.stat(path).st_mtime
    parameters = [known.as_now(remembered.rule, text, made) for text in remembered.parameters]
    if any(text is None for text in parameters):
        return None
    if not any(_is_code(_value(text)) for text in remembered.parameters):
        parameters += known.code_of_now(remembered.rule)
    return Remembered(
        RULES.get(remembered.rule, remembered.rule),
        tuple(sorted(map(place, remembered.inputs))),
        tuple(sorted(text for text in parameters if text is not None)),
        {place(path): value for path, value in remembered.checksums.items()},
    )


def _take_over_provenance(root: Path, name: str, known: "_Known") -> None:
    """Put the present names and parameters into a file's provenance; the original code is kept as ``made_with``."""
    content = read_provenance(root / name)
    if content is None or not is_whole(content):
        return
    rule, given = content["rule"], content["parameters"]
    names = {key: {_renamed(each): value for each, value in content[key].items()} for key in ("inputs", "outputs")}
    new = {**content, **names, "rule": RULES.get(rule, rule)}
    parameters = None
    if not _is_read_otherwise(new["rule"], root, str(root / name)):
        parameters = known.parameters_as_now(rule, given, os.stat(root / name).st_mtime)
    if parameters is not None and parameters != given:
        new["parameters"] = parameters
        if "code" in given and parameters["code"] != given["code"]:
            new["made_with"] = given["code"]
    if new != content:
        path = beside(root / name)
        state = path.stat()
        write_json(path, new)
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def _is_read_otherwise(rule: str, root: Path, path: str) -> bool:
    """Whether what a file was made of may be read otherwise today: labels of dropped rows, and impossible confidences."""
    try:
        if rule == "benchmark_questions":
            dataset = Path(path).relative_to(root).parts[1].removesuffix(".parquet")
            reasons = pq.read_table(root / f"dropped/{dataset}.parquet", columns=["reason"])["reason"].to_pylist()
            return not READ_TODAY.isdisjoint(reasons)
        if rule in ("read_answers", "recorded_responses"):
            table = pq.read_table(path, columns=["confidence", "confidence_kind", "completion_tokens"])
            means = table.filter(pc.equal(table["confidence_kind"], MEAN_LOG_PROBABILITY))
            pairs = zip(means["confidence"].to_pylist(), means["completion_tokens"].to_pylist(), strict=True)
            return not all(is_mean_log_probability(value, tokens) for value, tokens in pairs if value is not None)
    except (OSError, pa.ArrowException, KeyError):
        return False
    return False


def plugins_of_now(script: str, plugins: Sequence[str]) -> list[str]:
    """The modules that a script's rule names now, given those that it named before."""
    return list(unique([*plugins, *([POOLING] if script.startswith("embed_") else [])]))


def _value(text: str) -> str:
    """A recorded parameter without the quotes of its ``repr``."""
    return text[1:-1] if text[:1] in "'\"" else text


def _is_code(value: str) -> bool:
    return value.startswith('{"f') and '"fingerprint"' in value


class _Known:
    """Translates parameters of earlier versions into present ones.

    Args:
        models: the present identities of models and embedders.
    """

    def __init__(self, models: Iterable[str]) -> None:
        self._lists = json.loads(KNOWN_CODE.read_text(encoding="utf-8"))
        self._now: dict[str, str | None] = {}
        self._models = {former: now for now in models for former in former_identities(now)}

    def as_now(self, rule: str, text: str, made: float) -> str | None:
        """A recorded parameter in its present form; None if it is a rule's code that may make different files now.

        Args:
            rule: the former or present name of the rule.
            text: the ``repr`` of the parameter.
            made: when the rule's output was written, in seconds since 1970.
        """
        value = _value(text)
        if _is_code(value):
            code = self.code_as_now(rule, value)
            return None if code is None else repr(code)
        if value in self._models:
            return repr(self._model_as_now(value, made))
        return self._settings_as_now(text, made) if '"weights":' in value else text

    def _settings_as_now(self, text: str, made: float) -> str:
        """The settings of a model or an embedder; ``text`` itself if they are as they were."""
        try:
            settings = json.loads(ast.literal_eval(text))
            changed = settings | {"weights": self._model_as_now(settings["weights"], made)}
            if settings["dtype"] == SERVED and "way" in settings:
                changed["max_model_len"] = None
        except (ValueError, SyntaxError, TypeError, KeyError):
            return text
        return text if changed == settings else repr(canonical(changed))

    def _model_as_now(self, identity: str, made: float) -> str:
        """The present identity of the same weights; that of a folder only if it was not written since."""
        now = self._models.get(identity, identity)
        if identity.startswith("path:") and changed_at(identity.removeprefix("path:")) > made:
            return identity
        return now

    def parameters_as_now(self, rule: str, given: Mapping[str, Any], made: float) -> dict[str, Any] | None:
        """A provenance's parameters, by name, in their present form; None if the rule's code may make different files now."""
        found = dict(given)
        for name, value in given.items():
            if isinstance(value, str):
                text = self.as_now(rule, repr(value), made)
                if text is None:
                    return None
                found[name] = ast.literal_eval(text)
        if "code" not in given and (code := self.code_of_now(rule)):
            found["code"] = ast.literal_eval(code[0])
        return found

    def code_of_now(self, rule: str) -> list[str]:
        """The parameter ``code`` of a rule that had none; nothing if the rule has none or may make different files now."""
        name = RULES.get(rule, rule)
        known = self._lists.get(name)
        if known is None or NO_CODE not in known["before"]:
            return []
        script = f"{name}.py"
        now = follow(script)
        return [repr(parameter(now, script))] if now.fingerprint in known["now"] else []

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
        plugins = plugins_of_now(script, plugins)
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
