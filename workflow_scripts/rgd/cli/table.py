"""The command ``rgd table``: an experiment's main table, also from the cells made so far while jobs run or after some failed."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rgd.cli.arguments import add_command, add_settings
from rgd.errors import UserError

if TYPE_CHECKING:
    from rgd.cli.arguments import Commands
    from rgd.config.schema import Config

Key = tuple[str, str, str, str]
"""Dataset, scenario, pool and router of a cell."""
NOTE = (
    "Accuracy on the test part in per cent, mean ± standard deviation over splits, of the cells that are there; missing: not made "
    "yet, or its job has failed. Whether a cell is up to date, `rgd plan` tells. {state}"
)


def add(commands: "Commands") -> None:
    """Add the command to those of ``rgd``."""
    command = add_command(commands, "table", "the accuracy table, also of an unfinished experiment", run)
    command.add_argument(
        "--partial",
        action="store_true",
        help="use the cells made so far, while jobs run or after some failed; the others read missing",
    )
    command.add_argument(
        "--leaderboard",
        action="store_true",
        help="routers ranked by benchmark and scenario, with the ranks that the test questions can tell apart",
    )
    add_settings(command)


def run(options: argparse.Namespace) -> int:
    """``rgd table``; with --partial it writes tables/EXPERIMENT/accuracy_partial.*, too.

    Raises:
        UserError: the table does not exist yet, or the options exclude each other.
    """
    from rgd.analysis.partial import changed_since
    from rgd.config.analyses import left_out
    from rgd.config.command_line import configuration
    from rgd.config.sweep import reference_cells, tested_cells

    if options.partial and options.leaderboard:
        raise UserError("--partial and --leaderboard exclude each other: a rank needs all routers. Give one of them.")
    config = configuration(options.config)
    if not tested_cells(config) and not reference_cells(config):
        raise UserError(
            f"{config.name} has no labels to measure accuracies by: {'; '.join(left_out(config)) or 'nothing is tested'}."
        )
    folder = Path(config.paths.results) / "tables" / config.name
    if options.leaderboard:
        _print_leaderboard(config, folder)
        return 0
    if options.partial:
        _print_partial(config, folder / "accuracy_partial.parquet")
        return 0
    summary = folder / "summary.txt"
    if not summary.is_file():
        raise UserError(
            f"{summary} does not exist yet. Run snakemake to make it, or add --partial for a table of the cells made so far."
        )
    print(summary.read_text(encoding="utf-8").rstrip("\n"))
    if changed := changed_since(config.paths.results, folder / "accuracy.parquet"):
        said = f"{len(changed)} of the files behind this table have changed since, the first of them {changed[0]}."
        print(f"{said} Run snakemake to update the table.", file=sys.stderr)
    return 0


def _print_leaderboard(config: "Config", folder: Path) -> None:
    from rgd.analysis.partial import changed_since

    text = folder / "leaderboard.md"
    if not text.is_file():
        raise UserError(
            f"{text} does not exist yet. Run `snakemake --cores N leaderboard --config experiment={config.name}` to make it."
        )
    print(text.read_text(encoding="utf-8"), folder / "leaderboard.html", sep="\n")
    if changed := changed_since(config.paths.results, folder / "leaderboard.parquet"):
        said = (
            f"{len(changed)} of the files behind this leaderboard have changed since, the first of them {changed[0]}."
        )
        print(f"{said} Run snakemake to update it.", file=sys.stderr)


def _print_partial(config: "Config", parquet: Path) -> None:
    from rgd.analysis.partial import partial_table, state
    from rgd.analysis.tables import print_summary
    from rgd.analysis.writing import write_all
    from rgd.config import slices, sweep

    results = config.paths.results
    excluded: dict[Key, str] = dict(sweep.excluded_cells(config).items())
    found = partial_table(results, _families(config), slices.tables(config), slices.titles(config), excluded)
    if found.accuracy.empty:
        raise UserError(f"{results}/cells has no cell of {config.name} yet. Run snakemake first.")
    note = NOTE.format(state=state(found))
    paths = write_all(found.accuracy, parquet, found.people, note)
    print(print_summary(found.people), note, "\n".join(map(str, paths)), sep="\n\n")


def _families(config: "Config") -> dict[Key, str]:
    """Every cell of the experiment and the family of its router."""
    from rgd.config import sweep
    from rgd.config.routers import family

    cells = sweep.router_cells(config)
    known = {name: family(config.router[name]) for name in {cell.router for cell in cells}}
    found: dict[Key, str] = {cell: known[cell.router] for cell in cells}
    found.update((cell, "reference") for cell in sweep.reference_cells(config))
    return found
