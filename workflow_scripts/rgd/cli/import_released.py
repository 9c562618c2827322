"""The command ``rgd import-released``."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rgd.cli.arguments import add_command

if TYPE_CHECKING:
    from rgd.cli.arguments import Commands


def add(commands: "Commands") -> None:
    """Add the command to those of ``rgd``."""
    command = add_command(
        commands, "import-released", "import answers from the files of the paper's released code", run
    )
    command.add_argument("folder", type=Path, metavar="FOLDER", help="output folder of the released code")
    command.add_argument("target", type=Path, metavar="DIR", help="target folder, to be given as data_root to runs")


def run(options: argparse.Namespace) -> int:
    """``rgd import-released``."""
    from rgd.answers.formats.released_layout import import_released

    print(*import_released(options.folder, options.target), sep="\n")
    return 0
