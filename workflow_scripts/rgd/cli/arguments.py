"""Arguments that several commands share."""

import argparse
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

Run = Callable[[argparse.Namespace], int]
"""Runs a command with its options, and returns its exit code."""


def add_command(commands: "Commands", name: str, text: str, run: Run | None = None) -> argparse.ArgumentParser:
    """Add a command: its purpose in one line, and what runs it; None if it has only subcommands."""
    command = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    if run is not None:
        command.set_defaults(run=run)
    return command


def add_commands(command: argparse.ArgumentParser, required: bool = True, name: str = argparse.SUPPRESS) -> "Commands":
    """Add subcommands to a command; the option ``name`` holds the one that was given."""
    return command.add_subparsers(title="commands", metavar="COMMAND", required=required, dest=name)


class _Setting(argparse.Action):
    """Adds ``const=VALUE`` to the settings of ``--config``."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        # A text that YAML would read as something else is written in quotes.
        text = json.dumps(values) if re.search(r"[^\w./~-]", values) else values
        setattr(namespace, self.dest, [*getattr(namespace, self.dest), f"{self.const}={text}"])


def add_settings(command: argparse.ArgumentParser, data_root: bool = True) -> None:
    """The experiment and its settings, as Snakemake takes them; they are KEY=VALUE in the option ``config``.

    Args:
        command: to add them to.
        data_root: whether to add ``--data-root``; False where the command has one of its own.
    """
    command.add_argument(
        "--config", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="settings, as for snakemake"
    )
    command.add_argument(
        "--experiment",
        dest="config",
        action=_Setting,
        const="experiment",
        default=[],
        metavar="NAME",
        help="the same as --config experiment=NAME (default: quickstart)",
    )
    if data_root:
        command.add_argument(
            "--data-root",
            dest="config",
            action=_Setting,
            const="data_root",
            default=[],
            metavar="DIR",
            help="the same as --config data_root=DIR",
        )


def add_config_dir(command: argparse.ArgumentParser) -> None:
    """The folder of the configuration."""
    command.add_argument(
        "--config-dir",
        type=Path,
        default=Path("config"),
        metavar="DIR",
        help="folder of the configuration (default: %(default)s)",
    )


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """The type of an argument that is a whole number from ``least`` on, to ``most`` if it is given."""
    wanted = f"from {least} on" if most is None else f"from {least} to {most}"

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least or (most is not None and number > most):
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number {wanted}")
        return number

    return read


positive = whole(1)


def above_zero(text: str) -> float:
    """A number above 0.

    Raises:
        ArgumentTypeError: it is none.
    """
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return number
