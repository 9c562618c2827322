"""What the commands' arguments share."""

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

Run = Callable[[argparse.Namespace], int]
"""What a command does with its options; its exit code."""


def add_command(commands: "Commands", name: str, text: str, run: Run | None = None) -> argparse.ArgumentParser:
    """A command: what it is for in one line, and what runs it; None where only its own commands run."""
    command = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    if run is not None:
        command.set_defaults(run=run)
    return command


def add_commands(command: argparse.ArgumentParser, required: bool = True, name: str = argparse.SUPPRESS) -> "Commands":
    """The commands of a command; ``name`` is the option that says which was given."""
    return command.add_subparsers(title="commands", metavar="COMMAND", required=required, dest=name)


def add_settings(command: argparse.ArgumentParser) -> None:
    """The experiment and its settings, as Snakemake takes them."""
    command.add_argument("--config", nargs="+", default=[], metavar="KEY=VALUE", help="as of snakemake")


def add_experiment(command: argparse.ArgumentParser) -> None:
    """The experiment alone."""
    command.add_argument("--experiment", default="quickstart", metavar="NAME", help="default: %(default)s")
