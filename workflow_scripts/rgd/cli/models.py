"""The commands ``rgd models``: what models need, the commits that are fetched, and fetching their weights."""

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rgd.cli.arguments import add_command, add_commands, add_config_dir, add_settings
from rgd.errors import UserError

if TYPE_CHECKING:
    from rgd.cli.arguments import Commands
    from rgd.config.schema import Config, Embedder, Model, Weights


def add(commands: "Commands") -> None:
    """Add the commands to those of ``rgd``."""
    models = add_command(commands, "models", "the models, what they need, and the commits that are fetched", run_list)
    add_config_dir(models)
    models.add_argument("--json", action="store_true", help="print JSON")
    subcommands = add_commands(models, required=False)
    pin = add_command(subcommands, "pin", "replace branches in the models' files by the hub's present commits", run_pin)
    fetch = add_command(
        subcommands,
        "fetch",
        "fetch an experiment's weights into the cache, such as on a login node for jobs without a network",
        run_fetch,
    )
    for command, default in ((pin, "all"), (fetch, "the experiment's")):
        command.add_argument(
            "names",
            nargs="*",
            metavar="MODEL",
            help=f"files of config/model or config/embedder (default: {default})",
        )
    pin.add_argument(
        "--check",
        action="store_true",
        help="change nothing; ask the hub whether it has the revisions that the files name",
    )
    add_settings(fetch)


def run_list(options: argparse.Namespace) -> int:
    """``rgd models``."""
    import tabulate

    from rgd.config.pinning import catalogue

    rows = catalogue(options.config_dir)
    print(json.dumps(rows, indent=2, ensure_ascii=False) if options.json else tabulate.tabulate(rows, headers="keys"))
    return 0


def run_pin(options: argparse.Namespace) -> int:
    """``rgd models pin``."""
    from rgd.config import pinning

    for found in pinning.pins(options.config_dir, options.names):
        if options.check:
            commit = pinning.commit_on_the_hub(found.repo, found.revision)
            print(f"{found.file}: {found.repo} at {found.revision} is {commit}")
        elif not found.pinned:
            print(f"{found.file}: revision: {pinning.pin(found, pinning.commit_on_the_hub)}")
    return 0


def run_fetch(options: argparse.Namespace) -> int:
    """``rgd models fetch``."""
    from rgd.config.command_line import configuration
    from rgd.weights.cache import ensure_all

    config = configuration(options.config, folder=options.config_dir, check_data=False)
    ensure_all(weights_of(config, options.names), config.paths.cache, use_hub=config.site.use_hub, report=print)
    return 0


def weights_of(config: "Config", names: Sequence[str]) -> "dict[str, Weights]":
    """The weights of the experiment's models and embedders, or only those in ``names``, by the name of their file.

    Raises:
        UserError: the experiment has no weights of that name.
    """
    from rgd.config.hints import nearest
    from rgd.config.needs import embedders, models

    needed: dict[str, Model | Embedder] = {**models(config), **embedders(config)}
    known = {name: spec.weights for name, spec in needed.items() if spec.weights is not None}
    for name in names:
        if name not in known:
            raise UserError(
                f"the experiment {config.name} needs no weights of {name}. {nearest(name, known)} Name another experiment "
                "with --experiment."
            )
    return {name: known[name] for name in names or known}
