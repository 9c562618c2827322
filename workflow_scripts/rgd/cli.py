"""What a person types besides snakemake: the command ``rgd``.

Every command imports what it needs when it runs, so that ``rgd --help`` answers at once.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rgd.errors import UserError

DEFAULT_STORE = Path("results/store")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that ``arguments`` name (default: those of the process); its exit code."""
    options = parser().parse_args(arguments)
    try:
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


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    top = argparse.ArgumentParser(prog="rgd", description="Routing with Generated Data, beside the workflow.")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_store(commands.add_parser("store", help="the answers that models gave, kept for ever"))
    _add_import_released(
        commands.add_parser("import-released", help="take over answers in the files of the paper's released code")
    )
    _add_models(commands.add_parser("models", help="the models, what they need, and the commits that are fetched"))
    return top


def _add_models(models: argparse.ArgumentParser) -> None:
    models.add_argument("--config", type=Path, default=Path("config"), metavar="DIR", help="default: %(default)s")
    models.set_defaults(run=_run_models)
    commands = models.add_subparsers(title="commands", metavar="COMMAND")
    pin = commands.add_parser(
        "pin", help="put the hub's present commits in the place of branches, in the models' files"
    )
    pin.add_argument(
        "names", nargs="*", metavar="MODEL", help="files of config/model or config/embedder (default: all)"
    )
    pin.add_argument(
        "--check", action="store_true", help="change nothing: ask the hub whether it has what the files name"
    )
    pin.set_defaults(run=_run_pin)


def _run_models(options: argparse.Namespace) -> int:
    import tabulate

    from rgd.config.pinning import catalogue

    print(tabulate.tabulate(catalogue(options.config), headers="keys"))
    return 0


def _run_pin(options: argparse.Namespace) -> int:
    from rgd.config import pinning

    for found in pinning.pins(options.config, options.names):
        if options.check:
            commit = pinning.commit_on_the_hub(found.repo, found.revision)
            print(f"{found.file}: {found.repo} at {found.revision} is {commit}")
        elif not found.pinned:
            print(f"{found.file}: revision: {pinning.pin(found, pinning.commit_on_the_hub)}")
    return 0


def _add_import_released(command: argparse.ArgumentParser) -> None:
    command.add_argument("folder", type=Path, metavar="FOLDER", help="where the released code has written")
    command.add_argument("target", type=Path, metavar="DIR", help="where to; afterwards the data_root of a run")
    command.set_defaults(run=_run_import_released)


def _run_import_released(options: argparse.Namespace) -> int:
    from rgd.engines.released_layout import import_released

    print(*import_released(options.folder, options.target), sep="\n")
    return 0


def _add_store(store: argparse.ArgumentParser) -> None:
    commands = store.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(name: str, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        command.add_argument(
            "--store", type=Path, default=DEFAULT_STORE, metavar="DIR", help="the store (default: %(default)s)"
        )
        command.set_defaults(run=lambda options: _run_store(name, options))
        return command

    def add_keys(command: argparse.ArgumentParser) -> None:
        command.add_argument(
            "keys", nargs="*", metavar="KEY", help="settings as ls names them, or how they begin (default: all)"
        )

    listing = add("ls", "show what the store holds: for each settings the model, how it was asked, answers, engines")
    listing.add_argument("--json", action="store_true", help="print JSON")
    add_keys(listing)
    add_keys(add("verify", "read everything in the store and check it; exit code 1 if anything is damaged"))
    add_keys(add("compact", "put a few large files in the place of many small ones; other jobs may go on meanwhile"))
    export = add("export", "write answers to a file or folder that another store can import")
    export.add_argument("target", type=Path, metavar="FILE.tar|DIR", help="where to; must not be there yet")
    add_keys(export)
    add("import", "add the answers of an export that this store lacks").add_argument(
        "source", type=Path, metavar="FILE.tar|DIR", help="what `rgd store export` wrote"
    )


def _run_store(name: str, options: argparse.Namespace) -> int:
    from rgd.store import commands

    return commands.COMMANDS[name](options)


if __name__ == "__main__":
    sys.exit(main())
