"""What a person types besides snakemake: the command ``rgd``.

Every command imports what it needs when it runs, so that ``rgd --help`` answers at once.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rgd.cli.tool import add_parsers
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
    _add_planning(commands)
    _add_table(commands.add_parser("table", help="the accuracy table, also of an experiment that is not finished"))
    _add_store(commands.add_parser("store", help="the answers that models gave, kept for ever"))
    _add_import_released(
        commands.add_parser("import-released", help="take over answers in the files of the paper's released code")
    )
    _add_data(commands.add_parser("data", help="what the datasets read: what of it is here, and fetching the rest"))
    _add_models(commands.add_parser("models", help="the models, what they need, and the commits that are fetched"))
    _add_doctor(commands.add_parser("doctor", help="look before a long run whether all is here that it needs"))
    add_parsers(commands)
    return top


def _add_planning(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    def add(name: str, text: str, run: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        command.set_defaults(run=run)
        return command

    plan = add("plan", "what a run would do and why, what it would ask, how long it takes and what it costs", _run_plan)
    plan.add_argument("targets", nargs="*", metavar="TARGET", help="as of snakemake (default: the experiment)")
    plan.add_argument("--json", action="store_true", help="print JSON, with every job")
    explain = add("explain", "how a file of the results came about, and what has changed since", _run_explain)
    explain.add_argument("path", type=Path, metavar="FILE", help="as results/cells/D/S/P/R.parquet")
    adopt = add(
        "adopt", "take over results that were copied here, after checking them against their provenance", _run_adopt
    )
    adopt.add_argument(
        "--results", type=Path, default=Path("results"), metavar="DIR", help="paths.results (default: %(default)s)"
    )
    prune = add("prune", "list results that no experiment needs any more; the store is never touched", _run_prune)
    prune.add_argument("--yes", action="store_true", help="delete them")
    for command in (plan, explain, prune):
        command.add_argument("--config", nargs="+", default=[], metavar="KEY=VALUE", help="as of snakemake")
    for command in (plan, explain):
        command.add_argument("--profile", metavar="DIR", help="as of snakemake")


def _run_plan(options: argparse.Namespace) -> int:
    import json

    from rgd.planning import plan, workflow

    outlook = plan.look(workflow.build(options.targets, options.config, options.profile))
    if options.json:
        print(json.dumps(plan.content(outlook), indent=2, ensure_ascii=False))
    else:
        print(*plan.lines(outlook), sep="\n")
    return 0


def _run_explain(options: argparse.Namespace) -> int:
    from rgd.planning import explain, workflow

    story, changed = explain.story_of(
        options.path, lambda target: workflow.build(target, options.config, options.profile)
    )
    print(*explain.lines(story, changed), sep="\n")
    return 0


def _run_adopt(options: argparse.Namespace) -> int:
    from rgd.planning import adopt, workflow

    print(*adopt.lines(adopt.adopt(options.results, workflow.Memory(), workflow.checksum_limit())), sep="\n")
    return 0


def _run_prune(options: argparse.Namespace) -> int:
    from rgd.planning import prune, workflow

    given = [each for each in options.config if not each.startswith("experiment=")]
    experiments = sorted(path.stem for path in Path("config/experiment").glob("*.yaml"))
    found = prune.leftovers(workflow.build((), [*given, f"experiment={name}"]) for name in experiments)
    if options.yes:
        prune.remove(found, workflow.Memory())
    print(*prune.lines(found, options.yes), sep="\n")
    return 0


def _add_table(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--partial",
        action="store_true",
        help="make it of the cells that are there, while jobs run or after some have failed; the others read missing",
    )
    command.add_argument("--config", nargs="+", default=[], metavar="KEY=VALUE", help="as of snakemake")
    command.set_defaults(run=_run_table)


def _run_table(options: argparse.Namespace) -> int:
    from rgd.cli.table import table

    print(table(options.config, options.partial))
    return 0


def _add_data(data: argparse.ArgumentParser) -> None:
    commands = data.add_subparsers(title="commands", metavar="COMMAND", required=True)
    fetch = commands.add_parser("fetch", help="fetch datasets at the revisions that their files name into a mirror")
    fetch.add_argument(
        "--data-root", type=Path, required=True, metavar="DIR", help="where to; afterwards the data_root of a run"
    )
    fetch.add_argument(
        "--allow-moving",
        action="store_true",
        help="take the newest commit where a dataset's file names none, and tell which it is",
    )
    fetch.set_defaults(run=_run_data_fetch)
    listing = commands.add_parser("list", help="show the files that datasets read, and which of them are here")
    listing.add_argument(
        "--data-root", type=Path, metavar="DIR", help="where (default: the cache of what runs fetched)"
    )
    listing.add_argument("--json", action="store_true", help="print JSON")
    listing.set_defaults(run=_run_data_list)
    for command, default in ((fetch, "the experiment's"), (listing, "all")):
        command.add_argument(
            "names", nargs="*", metavar="DATASET", help=f"files of config/dataset (default: {default})"
        )
        command.add_argument("--experiment", default="quickstart", metavar="NAME", help="default: %(default)s")
        command.add_argument("--config", type=Path, default=Path("config"), metavar="DIR", help="default: %(default)s")


def _run_data_fetch(options: argparse.Namespace) -> int:
    from rgd.cli.data import fetch_datasets

    fetch_datasets(options.config, options.experiment, options.names, options.data_root, options.allow_moving)
    return 0


def _run_data_list(options: argparse.Namespace) -> int:
    import json

    from rgd.cli.data import files_of_datasets, shown

    rows = files_of_datasets(options.config, options.experiment, options.names, options.data_root)
    print(json.dumps(rows, indent=2) if options.json else shown(rows))
    return 0


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

    fetch = commands.add_parser(
        "fetch",
        help="fetch the weights of an experiment into the cache, as on a login node before jobs that have no network",
    )
    fetch.add_argument(
        "names", nargs="*", metavar="MODEL", help="files of config/model or config/embedder (default: the experiment's)"
    )
    fetch.add_argument("--experiment", default="quickstart", metavar="NAME", help="default: %(default)s")
    fetch.set_defaults(run=_run_models_fetch)


def _run_models_fetch(options: argparse.Namespace) -> int:
    from rgd.cli.weights import fetch_weights
    from rgd.config import load

    fetch_weights(load(options.config, options.experiment, check_data=False), options.names)
    return 0


def _add_doctor(doctor: argparse.ArgumentParser) -> None:
    doctor.description = (
        "Look whether all is here that an experiment needs: GPUs, memory, disk, weights, data, keys, the cluster. "
        "Exit code 1 if something is missing; nothing is changed."
    )
    doctor.add_argument("--config", nargs="+", default=[], metavar="KEY=VALUE", help="as of snakemake")
    doctor.add_argument("--offline", action="store_true", help="do not ask the hub whether it gives out the weights")
    doctor.set_defaults(run=_run_doctor)


def _run_doctor(options: argparse.Namespace) -> int:
    from rgd.config.command_line import configuration
    from rgd.doctor import examine
    from rgd.doctor.findings import FIX

    broken = 0
    for finding in examine(configuration(options.config, check_data=False), Path.cwd(), network=not options.offline):
        print(finding, flush=True)
        broken += finding.level == FIX
    print(f"{broken} to fix" if broken else "all is here")
    return int(broken > 0)


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
    from rgd.answers.formats.released_layout import import_released

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
    from rgd.cli.store import COMMANDS

    return COMMANDS[name](options)


if __name__ == "__main__":
    sys.exit(main())
