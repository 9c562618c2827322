"""The commands ``rgd data``: what the datasets read, which files are here, and fetching the rest."""

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rgd.cli.arguments import add_command, add_commands, add_config_dir, add_settings
from rgd.errors import UserError

if TYPE_CHECKING:
    from rgd.cli.arguments import Commands
    from rgd.config.schema import Config

MADE = "made by the project"


def add(commands: "Commands") -> None:
    """Add the commands to those of ``rgd``."""
    data = add_command(commands, "data", "show what the datasets read and which files are here, and fetch the rest")
    subcommands = add_commands(data)
    fetch = add_command(
        subcommands, "fetch", "fetch datasets into a mirror, at the revisions that their files name", run_fetch
    )
    fetch.add_argument(
        "--data-root", type=Path, required=True, metavar="DIR", help="target folder, to be given as data_root to runs"
    )
    fetch.add_argument(
        "--allow-moving",
        action="store_true",
        help="take the newest commit if a dataset's file names none, and report it",
    )
    listing = add_command(
        subcommands, "list", "show the files that datasets read, and which of them are here", run_list
    )
    listing.add_argument(
        "--data-root", type=Path, metavar="DIR", help="folder to look in (default: the cache of what runs fetched)"
    )
    listing.add_argument("--json", action="store_true", help="print JSON")
    for command, default in ((fetch, "the experiment's"), (listing, "all")):
        command.add_argument(
            "names", nargs="*", metavar="DATASET", help=f"files of config/dataset (default: {default})"
        )
        add_settings(command, data_root=False)
        add_config_dir(command)


def run_fetch(options: argparse.Namespace) -> int:
    """``rgd data fetch``: each source once, even if several datasets share it."""
    from rgd.config.products import listed
    from rgd.config.slices import fetching
    from rgd.datasets.hub import fetch

    config = _config(options)
    done: list[dict[str, Any]] = []
    for name in _named(config, options, listed(config).datasets):
        source = config.dataset[name].source
        if source is None or source.repo is None:
            where = "the project makes it" if source is None else f"it is a file of your own, {source.file}"
            print(f"{name}: nothing to fetch, {where}")
            continue
        wanted = fetching(config, name)
        if wanted not in done:
            fetch(wanted["source"], wanted["tasks"], options.data_root, allow_moving=options.allow_moving, report=print)
            done.append(wanted)
    return 0


def run_list(options: argparse.Namespace) -> int:
    """``rgd data list``."""
    import tabulate

    from rgd.datasets.hub import readable_size

    config = _config(options)
    rows = [row for name in _named(config, options, config.dataset) for row in _files(config, name)]
    if options.json:
        print(json.dumps(rows, indent=2))
        return 0
    cells = [
        [
            row["dataset"],
            row["state"],
            "" if row["bytes"] is None else readable_size(row["bytes"]),
            row["revision"][:12],
            row["file"],
        ]
        for row in rows
    ]
    print(tabulate.tabulate(cells, headers=["dataset", "state", "size", "revision", "file"]))
    return 0


def _config(options: argparse.Namespace) -> "Config":
    from rgd.config.command_line import configuration

    config = configuration(options.config, folder=options.config_dir, check_data=False)
    if options.data_root is None:
        return config
    return config.model_copy(update={"paths": config.paths.model_copy(update={"data_root": str(options.data_root)})})


def _named(config: "Config", options: argparse.Namespace, default: Iterable[str]) -> list[str]:
    from rgd.config.hints import nearest

    for name in options.names:
        if name not in config.dataset:
            raise UserError(
                f"unknown dataset {name}: there is no {options.config_dir}/dataset/{name}.yaml. "
                + nearest(name, config.dataset)
            )
    return options.names or list(default)


def _files(config: "Config", name: str) -> list[dict[str, Any]]:
    """A row for each file that a dataset reads: dataset, file, state, bytes, revision."""
    from rgd.config.slices import data_roots, fetching
    from rgd.datasets.mirror import state_of_files

    source = config.dataset[name].source
    if source is None:
        return [{"dataset": name, "file": "", "state": MADE, "bytes": None, "revision": ""}]
    roots = data_roots(config, name)
    found = state_of_files(**fetching(config, name), root=Path(roots[0]) if roots else Path())
    return [{"dataset": name, **row} for row in found]
