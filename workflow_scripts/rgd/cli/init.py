"""The commands ``rgd init``: write the files of a dataset, its pools and an experiment."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rgd.cli.arguments import add_command, add_commands

if TYPE_CHECKING:
    from rgd.cli.arguments import Commands


def add(commands: "Commands") -> None:
    """Add the commands to those of ``rgd``."""
    subcommands = add_commands(add_command(commands, "init", "write the configuration of an experiment"))
    recorded = add_command(subcommands, "recorded", "for answers that rgd import has written", run_recorded)
    recorded.add_argument("name", metavar="NAME", help="name of the imported dataset, and of the files")
    recorded.add_argument(
        "--from", dest="folder", type=Path, required=True, metavar="DIR", help="target folder of rgd import"
    )
    recorded.add_argument("--config", type=Path, default=Path("config"), metavar="DIR", help="default: %(default)s")


def run_recorded(options: argparse.Namespace) -> int:
    """``rgd init recorded``."""
    from rgd.tool.recorded_experiment import write_experiment

    print(*write_experiment(options.name, options.folder, options.config), sep="\n")
    print(f"Run: snakemake --cores 2 --config experiment={options.name} data_root={options.folder}")
    return 0
