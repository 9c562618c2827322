"""The configuration that a command is meant for, given as one gives it to snakemake: ``--config KEY=VALUE ...``."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rgd.config.compose import load
from rgd.config.hints import nearest
from rgd.config.schema import Config
from rgd.errors import UserError

FOLDER = Path("config")
DEFAULT_EXPERIMENT = "quickstart"
KEYS = ("experiment", "data_root", "overrides")


def configuration(settings: Sequence[str], *, check_data: bool = True) -> Config:
    """The checked configuration of the project in the working directory.

    Args:
        settings: experiment=NAME, data_root=DIR, overrides=[...].
        check_data: as of :func:`rgd.config.load`.

    Raises:
        UserError: a setting that is none, or a mistake in the configuration.
    """
    import yaml

    given: dict[str, Any] = {}
    for setting in settings:
        key, sign, value = setting.partition("=")
        if not sign:
            raise UserError(f"--config {setting}: write KEY=VALUE. " + nearest(key, list(KEYS)))
        given[key] = yaml.safe_load(value)
    return compose(FOLDER, given, check_data=check_data)


def compose(folder: Path, given: Mapping[str, Any], *, check_data: bool = True) -> Config:
    """The checked configuration in ``folder`` for what ``--config`` gave.

    Args:
        folder: config/.
        given: experiment, data_root, and overrides (a text, or a list of them).
        check_data: as of :func:`rgd.config.load`.

    Raises:
        UserError: a key that is none of these, or a mistake in the configuration.
    """
    for key in given:
        if key not in KEYS:
            raise UserError(f"--config {key}={given[key]}: there is no such key. " + nearest(key, list(KEYS)))
    overrides = given.get("overrides", [])
    return load(
        folder,
        experiment=str(given.get("experiment", DEFAULT_EXPERIMENT)),
        overrides=[overrides] if isinstance(overrides, str) else overrides,
        data_root=given.get("data_root"),
        check_data=check_data,
    )
