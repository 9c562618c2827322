"""From the files under config/ and the command line to one checked :class:`Config`."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from rgd.artifacts.address import masked
from rgd.artifacts.texts import encoding_fault
from rgd.config import generated
from rgd.config.analyses import check_analyses
from rgd.config.checks import check_catalogues, check_experiment
from rgd.config.files import CATALOGUES, Broken, fault_of_name, file_of, names_in, other_endings, searched
from rgd.config.hints import nearest
from rgd.config.products import unique
from rgd.config.schema import KEY_PATTERN, Config, Router, Section
from rgd.errors import UserError

EXAMPLE = """--config "overrides=[\\"dataset.mine.title='Mine: the first'\\"]\""""
"""An override whose value is in quotes, as it is typed in a shell."""


def load(
    folder: str | Path,
    experiment: str = "quickstart",
    overrides: Iterable[str] = (),
    data_root: str | None = None,
    check_data: bool = True,
) -> Config:
    """Compose ``folder`` for ``experiment`` with Hydra ``overrides`` and check the result.

    Without ``check_data`` the files of the datasets need not be there yet. Catalogue files that have a mistake, and that
    the experiment does not use, are left out of the result.

    An override names a value by group and file, as ``router.avengers.n_clusters=32``; file names may have dots.

    Raises:
        UserError: a file or override that Hydra cannot read, an unknown key or name, a value of the wrong type or out
            of range, a key that cannot be part of a path. The message names the file, the key, the value, the fix.
    """
    return load_all(folder, experiment, overrides, data_root, check_data)[0]


def load_all(
    folder: str | Path,
    experiment: str = "quickstart",
    overrides: Iterable[str] = (),
    data_root: str | None = None,
    check_data: bool = True,
) -> tuple[Config, Broken]:
    """As :func:`load`, and what is wrong with the catalogue files that were left out."""
    folder, overrides = Path(folder), list(overrides)
    folders = searched(folder, experiment)
    names, broken = _entries(folders)
    tree = _compose(folders, experiment, names, overrides, broken)
    tree["name"] = experiment
    if data_root is not None:
        tree["paths"]["data_root"] = str(data_root)
    config = check_catalogues(_validated(tree, folder, overrides, broken), folder, broken)
    for (group, name), fault in broken.items():
        if any(text.lstrip("+~").startswith(f"{group}.{name}.") for text in overrides):
            # The file may be right.
            raise UserError("\n".join(dict.fromkeys([*fault.splitlines(), _with_overrides(overrides)])))
    check_experiment(config, folders, broken, check_data)
    generated.check(config, folder)
    check_analyses(config, folder)
    config.set_overridden(_overridden(names, overrides))
    return config, broken


def _entries(folders: list[Path]) -> tuple[dict[str, list[str]], Broken]:
    """The names of the files of every catalogue, and those of them that cannot be used for their name."""
    names = {group: names_in(folders, group) for group in CATALOGUES}
    broken: Broken = {}
    for group, found in names.items():
        for name, fault in other_endings(folders, group).items():
            if name not in found:
                broken[group, name] = fault
        for name in found:
            if unsafe := fault_of_name(name):
                broken[group, name] = f"{file_of(folders[0], group, name)}: {unsafe}"
    return _without(names, broken), broken


def _without(names: Mapping[str, list[str]], broken: Broken) -> dict[str, list[str]]:
    return {group: [name for name in found if (group, name) not in broken] for group, found in names.items()}


def _mangled(name: str) -> str:
    # Hydra takes a dot in a package for a level of the tree, and the names of models are full of dots.
    return name.replace(".", "__dot__")


def _compose(
    folders: list[Path], experiment: str, names: Mapping[str, list[str]], overrides: list[str], broken: Broken
) -> dict[str, Any]:
    """The tree of the files that can be read; ``broken`` gets the others."""
    from hydra.errors import HydraException
    from omegaconf import Container, OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    try:
        while True:
            try:
                tree = _tree(folders, experiment, names, overrides)
                break
            except (HydraException, OmegaConfBaseException, YAMLError, UnicodeDecodeError) as error:
                unread = {
                    (group, name): fault
                    for group, found in names.items()
                    for name in found
                    if (fault := _fault_of_file(file_of(folders[0], group, name), str(error), f"{group}/{name}"))
                }
                if not unread:
                    raise
                broken |= unread
                names = _without(names, broken)
        plain: dict[str, Any] = {
            str(key): OmegaConf.to_container(tree[key], resolve=True) if isinstance(tree[key], Container) else tree[key]
            for key in tree
            if key not in names
        }
    except UnicodeDecodeError as error:
        others = (file for folder in folders for file in sorted(folder.rglob("*.yaml")))
        fault = next(filter(None, map(encoding_fault, others)), None)
        raise UserError(fault or f"the configuration in {folders[0]} is not UTF-8 ({error}).") from None
    except (HydraException, OmegaConfBaseException, YAMLError) as error:
        raise UserError(_explain_hydra(error, folders[0], names, overrides, broken)) from None
    for group, found in names.items():
        plain[group] = {}
        for name in found:
            try:
                node = tree[group][_mangled(name)]
                is_section = isinstance(node, Container)
                plain[group][name] = OmegaConf.to_container(node, resolve=True) if is_section else node
            except OmegaConfBaseException as error:
                broken[group, name] = f"{file_of(folders[0], group, name)}: {_one_line(error)}"
    return plain


def _tree(folders: list[Path], experiment: str, names: Mapping[str, list[str]], overrides: list[str]) -> Any:
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    catalogue = [f"+{group}@{group}.{_mangled(name)}={name}" for group in names for name in names[group]]
    further = ",".join(_quoted(f"file://{folder.resolve()}") for folder in folders[1:])
    GlobalHydra.instance().clear()
    with initialize_config_dir(config_dir=str(folders[0].resolve()), version_base="1.3"):
        return compose(
            "config",
            overrides=[
                *catalogue,
                f"experiment={experiment}",
                f"hydra.searchpath=[{further}]",
                *(mangled for text in overrides for mangled in _mangle_override(text, names)),
            ],
        )


def _quoted(text: str) -> str:
    """``text`` as Hydra's grammar takes any text: in quotes, with its own quotes and backslashes escaped."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _fault_of_file(file: Path, said: str, name: str) -> str | None:
    """What is wrong with a catalogue's file that cannot be composed; None where nothing is.

    Args:
        file: the file.
        said: the error of the whole composition.
        name: what that calls the file.
    """
    from omegaconf import DictConfig, OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    try:
        content = OmegaConf.load(file)
    except UnicodeDecodeError as error:
        return encoding_fault(file) or f"{file} cannot be read: {error}"
    except (OSError, ValueError, OmegaConfBaseException, YAMLError) as error:
        return f"{file} cannot be read: {_one_line(error)}"
    if not isinstance(content, DictConfig):
        return f"{file} cannot be read: it does not consist of keys and values"
    # A list of defaults that names what does not exist.
    return f"{file} cannot be read: {' '.join(said.split())}" if f"In '{name}'" in said else None


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).replace("__dot__", ".").split())
    if "Incompatible key type 'NoneType'" in text:
        return f"a key is empty, null or ~, which YAML reads as nothing. Put a name in quotes ({text})"
    return text


def _validated(tree: dict[str, Any], folder: Path, overrides: list[str], broken: Broken) -> Config:
    """The tree as the schema reads it, without entries of catalogues that have a mistake: ``broken`` gets these.

    Raises:
        UserError: a mistake elsewhere.
    """
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        faults: dict[tuple[str, str] | None, list[ErrorDetails]] = {}
        for problem in error.errors(include_url=False):
            location = problem["loc"]
            is_entry = location[0] in CATALOGUES and len(location) > 1
            faults.setdefault((str(location[0]), str(location[1])) if is_entry else None, []).append(problem)
        if None in faults:
            raise UserError(_explain(faults[None], tree, folder, overrides)) from None
        broken |= {entry: _explain(found, tree, folder, overrides) for entry, found in faults.items() if entry}
        sound = {
            group: {name: tree[group][name] for name in tree[group] if (group, name) not in faults}
            for group in CATALOGUES
        }
        return Config.model_validate(tree | sound)


def _mangle_override(text: str, names: Mapping[str, list[str]]) -> list[str]:
    """``text`` in Hydra's form: a map replaces the existing one, and a key of the schema need not be in the file."""
    sign, rest = re.match(r"([+~]*)(.*)", text, re.DOTALL).groups()  # type: ignore[union-attr]
    for group in names:
        # Longest first, so that a name is not taken for the beginning of a longer one.
        for name in sorted(names[group], key=len, reverse=True):
            if rest.startswith(f"{group}.{name}."):
                tail = rest.removeprefix(f"{group}.{name}.")
                if group == "router" and not re.match(rf"({'|'.join(Router.model_fields)})\b", tail):
                    # Users write `router.avengers.n_clusters`.
                    tail = f"parameters.{tail}"
                path, _, value = f"{group}.{_mangled(name)}.{tail}".partition("=")
                if not sign and value.startswith("{"):
                    # Hydra would merge the two.
                    return [f"++{path}=null", f"++{path}={value}"]
                section = _section(Config, [group, name])
                key = re.split(r"[.=]", tail)[0]
                if not sign and section is not None and key in section.model_fields and key != "parameters":
                    sign = "++"
                return [f"{sign}{group}.{_mangled(name)}.{tail}"]
    path, assigns, value = rest.partition("=")
    *sections, key = path.split(".")
    section = _section(Config, sections)
    # A section of the root is a choice among files.
    is_key = section is not None and key in section.model_fields and (sections or not _section(Config, [key]))
    return [f"++{rest}"] if is_key and assigns and not sign and not value.startswith("{") else [text]


def _overridden(names: Mapping[str, list[str]], overrides: list[str]) -> tuple[str, ...]:
    """The keys that ``overrides`` set, each once; a choice among files, such as site=slurm, is none."""
    mangled = (each for text in overrides for each in _mangle_override(text, names))
    keys = (each.lstrip("+~").partition("=")[0].replace("__dot__", ".") for each in mangled)
    return unique(key for key in keys if key not in (*CATALOGUES, "experiment", "site"))


def _explain_hydra(
    error: Exception, folder: Path, names: Mapping[str, list[str]], overrides: list[str], broken: Broken
) -> str:
    from hydra.errors import OverrideParseException

    text = _one_line(error)
    match = re.search(r"Could not override '([^']+)'", text)
    if match:
        path = match.group(1)
        group, _, rest = path.partition(".")
        if group in names:
            known = [name for name in names[group] if rest == name or rest.startswith(name + ".")]
            if not known:
                for (of, name), fault in broken.items():
                    if of == group and rest.startswith(f"{name}."):
                        return fault
                name = rest.split(".")[0]
                return f"override {path}: there is no {folder}/{group}/{name}.yaml. " + nearest(name, names[group])
            key, file = path.rsplit(".", 1)[1], file_of(folder, group, known[-1])
            told = f"override {path}: {file} has no key {key}. " + nearest(key, _keys_of(file))
            is_parameter = group == "router" and "Did you mean" not in told
            return told + (" A parameter of the router has to stand in its parameters first." if is_parameter else "")
        return f"override {path}: unknown key. " + nearest(group, [*Config.model_fields])
    if isinstance(error, OverrideParseException):
        override = masked(error.override.replace("__dot__", ".").lstrip("+"))
        return (
            f"override {override}: it cannot be read as KEY=VALUE. Put a value with colons, commas or brackets in quotes "
            f"of its own, as in {EXAMPLE}."
        )
    given = masked(f" (overrides: {overrides})") if overrides else ""
    return f"the configuration in {folder} cannot be composed: {text}{given}"


def _keys_of(file: Path) -> list[str]:
    import yaml

    found: list[str] = []

    def walk(node: object) -> None:
        if isinstance(node, dict):
            for key, value in node.items():
                found.append(str(key))
                walk(value)

    walk(yaml.safe_load(file.read_text()))
    return found


# By mistake: a key in the place of its variable's name, or an address with credentials.
_MAY_HOLD_SECRETS = ("key_variable", "base_url")


_PLAIN = {"bool_parsing": "write true or false", "bool_type": "write true or false"}
"""Messages of pydantic in plainer words, by its name of the mistake."""


def _explain(problems: Iterable[ErrorDetails], tree: Mapping[str, Any], folder: Path, overrides: list[str]) -> str:
    lines = []
    for location, problem in _one_each(problems):
        where, key = _where(location, tree, folder)
        if "[key]" in problem["loc"] and problem["type"] == "string_type":
            _, parent = _where(location[:-1], tree, folder)
            lines.append(f"{where}: {parent} has the key {_as_yaml(problem['input'])}. {_quote(problem['input'])}")
        elif problem["type"] == "string_type" and isinstance(problem["input"], bool | int | float):
            lines.append(
                f"{where}: {key} = {_as_yaml(problem['input'])}, where a text is expected. {_quote(problem['input'])}"
            )
        elif problem["type"] == "extra_forbidden":
            section = _section(Config, location[:-1])
            known = section.model_fields if section is not None else {}
            lines.append(f"{where}: unknown key {key}. " + nearest(location[-1], known))
        elif problem["type"] == "missing":
            lines.append(f"{where}: the key {key} is missing. Add it; docs/configuration.md says what it means.")
        elif problem["type"] == "string_pattern_mismatch" and problem["ctx"]["pattern"] == KEY_PATTERN:
            lines.append(
                f"{where}: {key} = {problem['input']!r} cannot be part of a path. Use only letters, digits, dots, "
                "underscores and hyphens, starting with a letter or digit."
            )
        elif problem["type"] == "literal_error":
            choices = re.findall(r"'([^']*)'", problem["ctx"]["expected"])
            lines.append(
                f"{where}: {key} = {problem['input']!r} is not one of {choices}. " + nearest(problem["input"], choices)
            )
        else:
            message = _PLAIN.get(problem["type"]) or problem["msg"].removeprefix("Value error, ")
            # A whole section is too long to show.
            shown = not isinstance(problem["input"], dict) and location[-1] not in _MAY_HOLD_SECRETS
            given = f" = {problem['input']!r}" if shown else ""
            end = "" if message.endswith("?") else "."
            lines.append(f"{where}: {key}{given}: {message[0].lower() + message[1:]}{end}")
    if overrides:
        lines.append(_with_overrides(overrides))
    return "\n".join(lines)


def _with_overrides(overrides: list[str]) -> str:
    return masked(f"(The command line overrides {overrides}.)")


def _one_each(problems: Iterable[ErrorDetails]) -> list[tuple[list[str], ErrorDetails]]:
    """The problems with the keys that lead to them; of a value that may have several types, only those of the nearest type.

    Pydantic tells the problems of each type, and names the type as one more key.
    """
    found: list[tuple[list[str], ErrorDetails]] = []
    several: dict[tuple[str, ...], dict[str, list[tuple[list[str], ErrorDetails]]]] = {}
    for problem in problems:
        location = [str(part) for part in problem["loc"] if part != "[key]"]
        at = _branch(location)
        if at is None:
            found.append((location, problem))
            continue
        value, kind, rest = tuple(location[:at]), location[at], location[at + 1 :]
        several.setdefault(value, {}).setdefault(kind, []).append(([*value, *rest], problem))

    def is_of_another_type(value: tuple[str, ...], each: Iterable[tuple[list[str], ErrorDetails]]) -> bool:
        return any(tuple(keys) == value and problem["type"].endswith("_type") for keys, problem in each)

    for value, kinds in several.items():
        found += min(kinds.values(), key=lambda each: is_of_another_type(value, each))
    return found


def _branch(location: list[str]) -> int | None:
    """The place in ``location`` that is not a key but one of the types that a value may have; None if there is none."""
    section: type[BaseModel] | None = Config
    for place, part in enumerate(location):
        field = section.model_fields.get(part) if section is not None else None
        if field is None:
            # An entry of a catalogue, or an item of a list.
            section = _section(Config, location[: place + 1])
            continue
        kinds = [kind for kind in get_args(field.annotation) if kind is not type(None)]
        is_union = get_origin(field.annotation) in (Union, UnionType) and len(kinds) > 1
        if is_union and place + 1 < len(location):
            return place + 1
        section = _section(Config, location[: place + 1])
    return None


def _as_yaml(value: object) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def _quote(value: object) -> str:
    """What to do where YAML reads a name as something else."""
    if isinstance(value, bool):
        return f"YAML reads {'yes, on' if value else 'no, off'} and {_as_yaml(value)} without quotes as a truth value. Put the name in quotes."
    return "YAML reads it as a number without quotes. Put the name in quotes."


def _where(location: list[str], tree: Mapping[str, Any], folder: Path) -> tuple[str, str]:
    """The file that holds a location, and the key as it is written in that file."""
    if location and location[0] in CATALOGUES and len(location) > 1:
        return str(file_of(folder, location[0], location[1])), ".".join(location[2:]) or location[1]
    if location and location[0] == "experiment":
        return str(file_of(folder, "experiment", tree["name"])), ".".join(location[1:])
    return f"{folder}/config.yaml", ".".join(location)


def _section(section: type[BaseModel], location: list[str]) -> type[BaseModel] | None:
    """The schema's section at ``location``, or None where it is no section."""
    if not location:
        return section
    field = section.model_fields.get(location[0])
    if field is None:
        return None
    kind, rest = field.annotation, location[1:]
    if get_origin(kind) in (dict, list):
        kind, rest = get_args(kind)[-1], rest[1:]
    for candidate in (kind, *get_args(kind)):
        if isinstance(candidate, type) and issubclass(candidate, Section):
            return _section(candidate, rest)
    return None
