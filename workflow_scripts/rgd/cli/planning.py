"""The commands ``rgd plan``, ``explain``, ``adopt`` and ``prune``."""

import argparse
import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from rgd.cli.arguments import add_command, add_settings, positive
from rgd.errors import UserError

if TYPE_CHECKING:
    from rgd.cli.arguments import Commands


def add(commands: "Commands") -> None:
    """Add the commands to those of ``rgd``."""
    plan = add_command(
        commands,
        "plan",
        "what a run would do and why, what it would ask, how long it takes and what it costs",
        run_plan,
    )
    plan.add_argument("targets", nargs="*", metavar="TARGET", help="as for snakemake (default: the experiment)")
    plan.add_argument("--json", action="store_true", help="print JSON, with every job")
    plan.add_argument(
        "--gpus", type=positive, metavar="N", help="also say how long the run takes with N GPUs, and what to raise"
    )
    explain = add_command(
        commands,
        "explain",
        "whether a file of the results is up to date, and why not; how it came about, and what has changed since",
        run_explain,
    )
    explain.add_argument(
        "path",
        type=Path,
        metavar="FILE",
        help="such as results/cells/D/S/P/R.parquet; tells the experiment too, if none is given",
    )
    explain.add_argument("--json", action="store_true", help="print JSON, with every step's parameters")
    adopt = add_command(
        commands, "adopt", "take over results that were copied here, checked against their provenance", run_adopt
    )
    adopt.add_argument(
        "--results", type=Path, default=Path("results"), metavar="DIR", help="paths.results (default: %(default)s)"
    )
    prune = add_command(
        commands, "prune", "list results that no experiment needs any longer; the store is never touched", run_prune
    )
    prune.add_argument("--yes", action="store_true", help="delete them")
    for command in (plan, explain, prune):
        add_settings(command)
    for command in (plan, explain):
        command.add_argument("--profile", metavar="DIR", help="as for snakemake")


def run_plan(options: argparse.Namespace) -> int:
    """``rgd plan``."""
    from rgd.planning import graph, plan

    outlook = plan.look(graph.build(options.targets, options.config, options.profile), options.gpus)
    if options.json:
        print(json.dumps(plan.content(outlook), indent=2, ensure_ascii=False))
    else:
        print(*plan.lines(outlook), sep="\n")
    return 0


def run_explain(options: argparse.Namespace) -> int:
    """``rgd explain``."""
    from rgd.config.command_line import FOLDER
    from rgd.planning import explain, graph

    config = list(options.config)
    if not any(setting.startswith("experiment=") for setting in config):
        name = explain.experiment_of(options.path, explain.lists_of(FOLDER / "experiment"))
        config += [] if name is None else [f"experiment={name}"]
    found = explain.story_of(options.path, lambda target: graph.build(target, config, options.profile))
    if options.json:
        print(json.dumps(explain.content(*found), indent=2, ensure_ascii=False))
    else:
        print(*explain.lines(*found), sep="\n")
    return 0


def run_adopt(options: argparse.Namespace) -> int:
    """``rgd adopt``.

    Raises:
        UserError: there is no such folder, or a run is in progress.
    """
    from rgd.planning import adopt, graph
    from rgd.workflow import run_lock

    if not options.results.is_dir():
        raise UserError(f"there is no folder {options.results}. Name another one with --results.")
    with run_lock.alone():
        done = adopt.adopt(options.results, graph.Memory(), graph.checksum_limit())
    print(*adopt.lines(done), sep="\n")
    return 0


def run_prune(options: argparse.Namespace) -> int:
    """``rgd prune``."""
    from rgd.config.command_line import configuration
    from rgd.planning import graph, prune
    from rgd.workflow import run_lock

    given = [each for each in options.config if not each.startswith("experiment=")]
    # A run that began after the plans were made would lose the files that they do not need.
    with run_lock.alone() if options.yes else contextlib.nullcontext():
        plans, unplanned = prune.survey(
            sorted(path.stem for path in Path("config/experiment").glob("*.yaml")),
            lambda name: graph.build((), [*given, f"experiment={name}"]),
            lambda name: configuration([*given, f"experiment={name}"], check_data=False),
        )
        found = prune.leftovers(plans, unplanned)
        if options.yes:
            prune.remove(found, graph.Memory())
    print(*prune.lines(found, unplanned, options.yes), sep="\n")
    return 0
