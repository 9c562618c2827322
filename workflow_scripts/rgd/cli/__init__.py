"""The command ``rgd``, which people use besides snakemake.

A module for each group of commands adds them to the parser. Whatever takes time to import is imported by the command that
needs it, so that ``rgd --help`` answers at once.
"""

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rgd import __version__
from rgd.artifacts.disk import is_full, room
from rgd.cli import data, doctor, imports, init, labelling, models, planning, store, table, tool
from rgd.cli.arguments import add_commands
from rgd.cli.examples import add_examples
from rgd.cli.mistypes import Parser, path_hint
from rgd.errors import UserError
from rgd.terminal import Printable, printable
from rgd.workflow.checkout import checkout_of, code_problem

# Commands that read neither a checkout's configuration nor its results.
ANYWHERE = ("route", "serve", "watch", "import", "import-released")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that ``arguments`` name (default: those of the process), and return its exit code."""
    options = parser().parse_args(arguments)
    try:
        _refuse_other_code(options)
        _refuse_no_configuration(options)
        # Names and texts of bundles, models and files are printed; none of them steers the terminal.
        with contextlib.redirect_stdout(Printable(sys.stdout)):
            code = int(options.run(options))
            sys.stdout.flush()
        return code
    except UserError as error:
        more = f" {_room(options)}" if is_full(error) else path_hint(options, str(error))
        print(printable(f"rgd: {error}{more}"), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("rgd: stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader closed the pipe, as in `rgd store ls | head`; without this, the flush at exit would fail too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        if not is_full(error):
            raise
        # What could not be written may be this command's own output, whose rest would fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        where = error.filename or "the output"
        said = f"cannot write {where}: {error.strerror}. {_room(options)} Make room, then run the same command again."
        print(printable(f"rgd: {said}"), file=sys.stderr)
        return 1


def _room(options: argparse.Namespace) -> str:
    """How much is free where the command may write: the paths that it was given, and the working directory."""
    return room([*(each for each in vars(options).values() if isinstance(each, Path)), Path.cwd()])


def _refuse_other_code(options: argparse.Namespace) -> None:
    """Refuse to read one checkout's files with another checkout's code.

    Raises:
        UserError: the code is another checkout's.
    """
    if options.command in ANYWHERE:
        return
    named = [getattr(options, name, None) for name in ("store", "config_dir")]
    checkout = checkout_of(next((path for path in named if isinstance(path, Path)), Path.cwd()))
    problem = None if checkout is None else code_problem(checkout)
    if problem is not None:
        raise UserError(problem)


def _refuse_no_configuration(options: argparse.Namespace) -> None:
    """Refuse a folder of configuration that is not there.

    Raises:
        UserError: it is not.
    """
    folder = getattr(options, "config_dir", None)
    if folder is not None and not folder.is_dir():
        raise UserError(f"there is no folder {folder}. Run this in the project's folder, or name another --config-dir.")


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    top = Parser(prog="rgd", description="Routing with Generated Data: commands besides the workflow.")
    top.add_argument("--version", action="version", version=f"rgd {__version__}")
    commands = add_commands(top, name="command")
    for group in (planning, table, store, imports, init, labelling, data, models, doctor, tool):
        group.add(commands)
    add_examples(top)
    return top
