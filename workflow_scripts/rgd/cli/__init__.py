"""What a person types besides snakemake: the command ``rgd``.

A module for each group of commands adds them to the parser. Whatever takes time to import is imported by the command that
needs it, so that ``rgd --help`` answers at once.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rgd.cli import data, doctor, import_released, models, planning, store, table, tool
from rgd.cli.arguments import add_commands
from rgd.errors import UserError
from rgd.workflow.checkout import checkout_of, code_problem

# What reads no checkout's configuration and none of its results.
ANYWHERE = ("route", "serve", "import-released")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that ``arguments`` name (default: those of the process); its exit code."""
    options = parser().parse_args(arguments)
    try:
        _refuse_other_code(options)
        code = int(options.run(options))
        sys.stdout.flush()
        return code
    except UserError as error:
        print(f"rgd: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("rgd: interrupted; run the same command again to go on.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader has seen enough, as in `rgd store ls | head`; nothing is left to be flushed at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _refuse_other_code(options: argparse.Namespace) -> None:
    """A command that reads a checkout's files is run by that checkout's code.

    Raises:
        UserError: it is another's.
    """
    if options.command in ANYWHERE:
        return
    named = [getattr(options, name, None) for name in ("store", "config")]
    checkout = checkout_of(next((path for path in named if isinstance(path, Path)), Path.cwd()))
    problem = None if checkout is None else code_problem(checkout)
    if problem is not None:
        raise UserError(problem)


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    top = argparse.ArgumentParser(prog="rgd", description="Routing with Generated Data, beside the workflow.")
    commands = add_commands(top, name="command")
    for group in (planning, table, store, import_released, data, models, doctor, tool):
        group.add(commands)
    return top
