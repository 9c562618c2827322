"""The configuration that a command is meant for, given as one gives it to snakemake: ``--config KEY=VALUE ...``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rgd.config.compose import load
from rgd.config.hints import nearest
from rgd.config.schema import Config
from rgd.errors import UserError

FOLDER = Path("config")
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
        if not sign or key not in KEYS:
            raise UserError(f"--config {setting}: write KEY=VALUE. " + nearest(key, list(KEYS)))
        given[key] = yaml.safe_load(value)
    overrides = given.get("overrides", [])
    return load(
        FOLDER,
        experiment=str(given.get("experiment", "quickstart")),
        overrides=[overrides] if isinstance(overrides, str) else overrides,
        data_root=given.get("data_root"),
        check_data=check_data,
    )
