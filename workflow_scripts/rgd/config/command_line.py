"""The configuration of a command, given as for snakemake: ``--config KEY=VALUE ...``."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rgd.config.compose import EXAMPLE, load, load_all
from rgd.config.files import Broken
from rgd.config.hints import nearest
from rgd.config.schema import Config
from rgd.errors import UserError

FOLDER = Path("config")
DEFAULT_EXPERIMENT = "quickstart"
KEYS = ("experiment", "data_root", "overrides")


def configuration(settings: Sequence[str], *, folder: Path = FOLDER, check_data: bool = True) -> Config:
    """The checked configuration of the project in the working directory.

    Args:
        settings: experiment=NAME, data_root=DIR, overrides=[...].
        folder: config/.
        check_data: as in :func:`rgd.config.load`.

    Raises:
        UserError: a malformed or unknown setting, or a mistake in the configuration.
    """
    return compose(folder, _given(settings), check_data=check_data)


def configuration_and_broken(settings: Sequence[str], *, check_data: bool = True) -> tuple[Config, Broken]:
    """As :func:`configuration`, with the faults of the catalogue files that were left out."""
    return load_all(FOLDER, **_arguments(_given(settings)), check_data=check_data)


def compose(folder: Path, given: Mapping[str, Any], *, check_data: bool = True) -> Config:
    """The checked configuration in ``folder`` for what ``--config`` gave.

    Args:
        folder: config/.
        given: experiment, data_root, and overrides (a text, or a list of them).
        check_data: as in :func:`rgd.config.load`.

    Raises:
        UserError: an unknown key, or a mistake in the configuration.
    """
    return load(folder, **_arguments(given), check_data=check_data)


def check_settings(settings: Sequence[str]) -> None:
    """Check the form of what ``--config`` gives.

    Raises:
        UserError: a setting is not KEY=VALUE, as a target that was typed after ``--config``, or its key is unknown.
    """
    for setting in settings:
        if "=" not in setting:
            raise UserError(
                f"--config {setting}: write KEY=VALUE, where KEY is {', '.join(KEYS)}. If {setting} is a target or a file, write it "
                "before --config, which takes all that follows it."
            )
        key, _, value = setting.partition("=")
        _check_key(key, _value(value))


def retold(given: Mapping[str, Any]) -> list[str]:
    """The arguments with which a command of ``rgd`` sees the same configuration as a run to which ``--config`` gave this.

    Args:
        given: experiment, data_root, and overrides (a text, or a list of them).
    """
    name, root, overrides = (given.get(key) for key in KEYS)
    found = [] if name in (None, DEFAULT_EXPERIMENT) else ["--experiment", str(name)]
    found += ["--data-root", str(root)] if root else []
    # JSON is YAML too. It comes last, since --config takes all that follows it.
    return found + (["--config", f"overrides={json.dumps(overrides, ensure_ascii=False)}"] if overrides else [])


def _given(settings: Sequence[str]) -> dict[str, Any]:
    check_settings(settings)
    given: dict[str, Any] = {}
    for setting in settings:
        key, _, value = setting.partition("=")
        given[key] = _value(value)
    return given


def _value(text: str) -> Any:
    """A value as Snakemake reads it: what is no YAML is a text."""
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def _arguments(given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of :func:`rgd.config.load` for what ``--config`` gave."""
    for key in given:
        _check_key(key, given[key])
    overrides = given.get("overrides") or []
    overrides = [overrides] if isinstance(overrides, str) else overrides
    if not isinstance(overrides, list) or not all(isinstance(each, str) for each in overrides):
        raise UserError(
            f"--config overrides={overrides}: it is no text or list of texts as YAML reads it. Put each override in quotes, "
            f"as in {EXAMPLE}."
        )
    return {
        "experiment": str(given.get("experiment", DEFAULT_EXPERIMENT)),
        "overrides": overrides,
        "data_root": given.get("data_root"),
    }


def _check_key(key: str, value: Any) -> None:
    if key not in KEYS:
        raise UserError(f"--config {key}={value}: unknown key. " + _instead(key, value))


def _instead(key: str, value: Any) -> str:
    """What to write in the place of an unknown key of ``--config``."""
    if key.partition(".")[0] not in Config.model_fields:
        return nearest(key, list(KEYS))
    if not isinstance(value, Mapping):
        return f"Keys of the configuration are changed by overrides: --config overrides={key}={json.dumps(value, default=str)}"
    inner = next(iter(value), "KEY")
    return f"Keys of the configuration are changed by overrides, each with its path: --config overrides={key}.{inner}=VALUE"
