"""Arguments that several commands share."""

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

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


def add_settings(command: argparse.ArgumentParser) -> None:
    """The experiment and its settings, as Snakemake takes them."""
    command.add_argument("--config", nargs="+", default=[], metavar="KEY=VALUE", help="as for snakemake")


def positive(text: str) -> int:
    """A whole number from 1 on.

    Raises:
        ArgumentTypeError: it is none.
    """
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return number


def add_experiment(command: argparse.ArgumentParser) -> None:
    """The experiment alone."""
    command.add_argument("--experiment", default="quickstart", metavar="NAME", help="default: %(default)s")
