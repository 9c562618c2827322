"""The command ``rgd doctor``."""

import argparse
import json
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from rgd.cli.arguments import add_command, add_settings

if TYPE_CHECKING:
    from rgd.cli.arguments import Commands


def add(commands: "Commands") -> None:
    """Add the command to those of ``rgd``."""
    command = add_command(commands, "doctor", "check before a long run that everything it needs is available", run)
    command.description = (
        "Check that everything an experiment needs is available: GPUs, memory, disk, weights, data, keys, servers, the cluster. "
        "Exit code 1 if something is missing; nothing is changed."
    )
    add_settings(command)
    command.add_argument(
        "--offline", action="store_true", help="ask neither the hub for the weights nor the models' servers"
    )
    command.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> int:
    """``rgd doctor``; 1 if something has to be fixed."""
    from rgd.config.command_line import configuration_and_broken
    from rgd.doctor import drafts, examine
    from rgd.doctor.findings import FIX

    config, broken = configuration_and_broken(options.config, check_data=False)
    findings = chain(drafts(broken), examine(config, Path.cwd(), network=not options.offline))
    if options.json:
        found = list(findings)
        print(json.dumps([asdict(finding) for finding in found], indent=2, ensure_ascii=False))
        return int(any(finding.level == FIX for finding in found))
    to_fix = 0
    for finding in findings:
        print(finding, flush=True)
        to_fix += finding.level == FIX
    print(f"{to_fix} to fix" if to_fix else "nothing to fix")
    return int(to_fix > 0)
