"""New files of the configuration: written all or not at all, and never over an existing one."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from rgd.artifacts.files import replacing
from rgd.config import load_all
from rgd.config.files import Broken, fault_of_name
from rgd.config.schema import Config
from rgd.errors import UserError


def check_name(name: str) -> None:
    """Refuse a name that cannot be part of a path.

    Raises:
        UserError: it cannot.
    """
    if (fault := fault_of_name(name)) is not None:
        raise UserError(f"{name}: {fault}")


def as_yaml(content: Mapping[str, Any]) -> str:
    """``content`` as the text of a file."""
    return str(yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True, width=120))


def write_new(files: Mapping[Path, str], check: Callable[[], object], fix: str) -> list[Path]:
    """Write new files and check the configuration with them.

    Args:
        files: the text of each file.
        check: raises UserError if the configuration does not allow what the files say; they are removed then.
        fix: what to do about a file that exists, besides deleting it.

    Returns:
        The files, in order.

    Raises:
        UserError: a file exists or cannot be written, or the check fails. Nothing is written then.
    """
    for path in files:
        if path.exists():
            raise UserError(f"{path} exists. Delete it, or {fix}.")
    written: list[Path] = []
    try:
        for path, text in files.items():
            with replacing(path) as temporary:
                temporary.write_text(text, encoding="utf-8")
            written.append(path)
        check()
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise
    return written


def read_any(config: Path) -> tuple[Config, Broken]:
    """The configuration for some experiment, and what is wrong with files of its catalogues.

    Args:
        config: the folder of configuration.

    Raises:
        UserError: the folder has no experiment, or a mistake that every experiment meets.
    """
    experiments = sorted(path.stem for path in (config / "experiment").glob("*.yaml"))
    if not experiments:
        raise UserError(f"{config}/experiment has no file, so {config} is no configuration. Name another --config-dir.")
    first = "quickstart" if "quickstart" in experiments else experiments[0]
    return load_all(config, first, check_data=False)
