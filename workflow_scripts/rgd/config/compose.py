"""From the files under config/ and the command line to one checked :class:`Config`."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from rgd.config import generated
from rgd.config.analyses import check_analyses
from rgd.config.hints import nearest
from rgd.config.references import check_references
from rgd.config.schema import KEY_PATTERN, Config, Router, Section
from rgd.errors import UserError

CATALOGUES = ("dataset", "descriptor", "embedder", "featurizer", "generator", "model", "pool", "router")
"""Groups of which every file is part of the tree, under its own name."""


def load(
    folder: str | Path,
    experiment: str = "quickstart",
    overrides: Iterable[str] = (),
    data_root: str | None = None,
    check_data: bool = True,
) -> Config:
    """Compose ``folder`` for ``experiment`` with Hydra ``overrides`` and check the result.

    Without ``check_data`` the files of the datasets need not be there yet.

    An override names a value by group and file, as ``router.avengers.n_clusters=32``; file names may have dots.

    Raises:
        UserError: a file or override that Hydra cannot read, an unknown key or name, a value of the wrong type or out
            of range, a key that is no safe part of a path. The message names the file, the key, the value, the fix.
    """
    folder = Path(folder)
    overrides = list(overrides)
    names = {group: _names(folder, group) for group in CATALOGUES}
    experiments = _names(folder, "experiment")
    if experiment not in experiments:
        raise UserError(
            f"--config experiment={experiment}: there is no {folder}/experiment/{experiment}.yaml. "
            + nearest(experiment, experiments)
        )
    tree = _compose(folder, experiment, names, overrides)
    tree["name"] = experiment
    if data_root is not None:
        tree["paths"]["data_root"] = str(data_root)
    try:
        config = Config.model_validate(tree)
    except ValidationError as error:
        raise UserError(_explain(error, tree, folder, overrides)) from None
    check_references(config, folder, check_data)
    generated.check(config, folder)
    check_analyses(config, folder)
    return config


def _names(folder: Path, group: str) -> list[str]:
    names = sorted(path.stem for path in (folder / group).glob("*.yaml"))
    for name in names:
        if not re.match(KEY_PATTERN, name):
            raise UserError(
                f"{folder}/{group}/{name}.yaml: the name becomes part of paths, so it may hold only letters, digits, "
                "dots, underscores and hyphens, and starts with a letter or digit. Rename the file."
            )
    return names


def _mangled(name: str) -> str:
    # Hydra takes a dot in a package for a level of the tree, and the names of models are full of dots.
    return name.replace(".", "__dot__")


def _compose(folder: Path, experiment: str, names: Mapping[str, list[str]], overrides: list[str]) -> dict[str, Any]:
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    catalogue = [f"+{group}@{group}.{_mangled(name)}={name}" for group in names for name in names[group]]
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(config_dir=str(folder.resolve()), version_base="1.3"):
            tree = compose(
                "config",
                overrides=[
                    *catalogue,
                    f"experiment={experiment}",
                    *(mangled for text in overrides for mangled in _mangle_override(text, names)),
                ],
            )
        plain = OmegaConf.to_container(tree, resolve=True)
    except (HydraException, OmegaConfBaseException, YAMLError) as error:
        raise UserError(_explain_hydra(error, folder, names, overrides)) from None
    assert isinstance(plain, dict)
    for group in names:
        plain[group] = {name: plain[group][_mangled(name)] for name in names[group]}
    return {str(key): value for key, value in plain.items()}


def _mangle_override(text: str, names: Mapping[str, list[str]]) -> list[str]:
    """``text`` as Hydra takes it: maps replace what is there, and a key that the schema has need not be in the file."""
    sign, rest = re.match(r"([+~]*)(.*)", text, re.DOTALL).groups()  # type: ignore[union-attr]
    for group in names:
        # Longest first, so that a name is not taken for the beginning of a longer one.
        for name in sorted(names[group], key=len, reverse=True):
            if rest.startswith(f"{group}.{name}."):
                tail = rest.removeprefix(f"{group}.{name}.")
                if group == "router" and not re.match(rf"({'|'.join(Router.model_fields)})\b", tail):
                    # `router.avengers.n_clusters` is what one means and what one types.
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
    return [text]


def _explain_hydra(error: Exception, folder: Path, names: Mapping[str, list[str]], overrides: list[str]) -> str:
    text = " ".join(str(error).replace("__dot__", ".").split())
    match = re.search(r"Could not override '([^']+)'", text)
    if match:
        path = match.group(1)
        group, _, rest = path.partition(".")
        if group in names:
            known = [name for name in names[group] if rest == name or rest.startswith(name + ".")]
            if not known:
                name = rest.split(".")[0]
                return f"override {path}: there is no {folder}/{group}/{name}.yaml. " + nearest(name, names[group])
            key = path.rsplit(".", 1)[1]
            return f"override {path}: {folder}/{group}/{known[-1]}.yaml has no key {key}. " + nearest(
                key, _keys_of(folder / group / f"{known[-1]}.yaml")
            )
        return f"override {path}: unknown key. " + nearest(group, [*Config.model_fields])
    given = f" (overrides: {overrides})" if overrides else ""
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


def _explain(error: ValidationError, tree: Mapping[str, Any], folder: Path, overrides: list[str]) -> str:
    lines = []
    for problem in error.errors(include_url=False):
        location = [str(part) for part in problem["loc"] if part != "[key]"]
        where, key = _where(location, tree, folder)
        if problem["type"] == "extra_forbidden":
            section = _section(Config, location[:-1])
            known = section.model_fields if section is not None else {}
            lines.append(f"{where}: unknown key {key}. " + nearest(location[-1], known))
        elif problem["type"] == "missing":
            lines.append(f"{where}: the key {key} is missing. Add it; docs/configuration.md says what it means.")
        elif problem["type"] == "string_pattern_mismatch" and problem["ctx"]["pattern"] == KEY_PATTERN:
            lines.append(
                f"{where}: {key} = {problem['input']!r} is no safe part of a path. Use letters, digits, dots, "
                "underscores and hyphens only, starting with a letter or digit."
            )
        elif problem["type"] == "literal_error":
            choices = re.findall(r"'([^']*)'", problem["ctx"]["expected"])
            lines.append(
                f"{where}: {key} = {problem['input']!r} is not one of {choices}. " + nearest(problem["input"], choices)
            )
        else:
            message = problem["msg"].removeprefix("Value error, ")
            # A whole section is too long to show, and who writes an API key where its variable belongs keeps it secret.
            shown = not isinstance(problem["input"], dict) and location[-1:] != ["key_variable"]
            given = f" = {problem['input']!r}" if shown else ""
            lines.append(f"{where}: {key}{given}: {message[0].lower() + message[1:]}.")
    if overrides:
        lines.append(f"(The command line overrides {overrides}.)")
    return "\n".join(lines)


def _where(location: list[str], tree: Mapping[str, Any], folder: Path) -> tuple[str, str]:
    """The file that holds a location, and the key as it is written in that file."""
    if location and location[0] in CATALOGUES and len(location) > 1:
        return f"{folder}/{location[0]}/{location[1]}.yaml", ".".join(location[2:]) or location[1]
    if location and location[0] == "experiment":
        return f"{folder}/experiment/{tree['name']}.yaml", ".".join(location[1:])
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
