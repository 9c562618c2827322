"""The commands ``rgd init``: write new files of the configuration."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rgd.cli.arguments import add_command, add_commands, positive
from rgd.errors import UserError

if TYPE_CHECKING:
    from rgd.cli.arguments import Commands


def add(commands: "Commands") -> None:
    """Add the commands to those of ``rgd``."""
    subcommands = add_commands(add_command(commands, "init", "write new files of the configuration"))
    own = add_command(subcommands, "own", "dataset and experiment for tasks of your own, without labels", run_own)
    own.add_argument("name", metavar="NAME", help="name of the dataset, of the experiment, and of the files")
    own.add_argument("--task", action="append", default=[], metavar="NAME=DESCRIPTION", help="a task; repeat for each")
    own.add_argument("--tasks", type=Path, metavar="FILE", help="table with the columns task and description")
    own.add_argument(
        "--examples",
        type=Path,
        metavar="FILE",
        help="table with the columns task and question, from which a model writes the descriptions",
    )
    own.add_argument("--descriptor", metavar="NAME", help="who writes them: a file of config/descriptor")
    own.add_argument(
        "--pool", nargs="+", default=[], metavar="POOL", help="who answers (default: that of experiment own)"
    )
    own.add_argument(
        "--generator", nargs="+", default=[], metavar="NAME", help="who writes queries (default: the same)"
    )
    own.add_argument(
        "--queries", type=positive, metavar="N", help="queries to generate (default: those of dataset own)"
    )
    _add_config(own)
    recorded = add_command(subcommands, "recorded", "for answers that rgd import has written", run_recorded)
    recorded.add_argument("name", metavar="NAME", help="name of the imported dataset, and of the files")
    recorded.add_argument(
        "--from", dest="folder", type=Path, required=True, metavar="DIR", help="target folder of rgd import"
    )
    _add_config(recorded)


def _add_config(command: argparse.ArgumentParser) -> None:
    command.add_argument("--config", type=Path, default=Path("config"), metavar="DIR", help="default: %(default)s")


def run_own(options: argparse.Namespace) -> int:
    """``rgd init own``."""
    from rgd.tool.own_experiment import examples_of, tasks_given, tasks_of, write_own_experiment

    if options.task and options.tasks:
        raise UserError("give tasks with --task or with --tasks, not with both.")
    files = write_own_experiment(
        options.name,
        options.config,
        tasks_of(options.tasks) if options.tasks else tasks_given(options.task),
        examples_of(options.examples) if options.examples else None,
        options.pool,
        options.generator,
        options.descriptor,
        options.queries,
    )
    print(*files, sep="\n")
    print(f"Run: snakemake --cores 2 --config experiment={options.name}")
    return 0


def run_recorded(options: argparse.Namespace) -> int:
    """``rgd init recorded``."""
    from rgd.tool.recorded_experiment import write_experiment

    print(*write_experiment(options.name, options.folder, options.config), sep="\n")
    print(f"Run: snakemake --cores 2 --config experiment={options.name} data_root={options.folder}")
    return 0
