"""The commands ``rgd store``: what the store holds, checking and compacting it, moving answers between stores."""

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rgd.cli.arguments import Run, add_command, add_commands
from rgd.errors import UserError

if TYPE_CHECKING:
    from rgd.cli.arguments import Commands
    from rgd.store.upkeep import Survey

WORDS_OF_A_PROMPT = 12


def add(commands: "Commands") -> None:
    """Add the commands to those of ``rgd``."""
    subcommands = add_commands(add_command(commands, "store", "the store, which keeps every answer of a model"))

    def add_one(name: str, text: str, run: Run) -> argparse.ArgumentParser:
        command = add_command(subcommands, name, text, run)
        command.add_argument(
            "--store", type=Path, default=Path("results/store"), metavar="DIR", help="the store (default: %(default)s)"
        )
        return command

    listing = add_one(
        "ls",
        "show what the store holds: for each set of settings the model, how it was asked, answers, engines",
        run_ls,
    )
    listing.add_argument("--json", action="store_true", help="print JSON")
    verify = add_one(
        "verify", "read everything in the store and check it; exit code 1 if anything is damaged", run_verify
    )
    compact = add_one(
        "compact", "merge many small files into a few large ones; other jobs may run meanwhile", run_compact
    )
    export = add_one("export", "write answers to a file or folder that another store can import", run_export)
    export.add_argument("target", type=Path, metavar="FILE.tar|DIR", help="target, which must not exist yet")
    for command in (listing, verify, compact, export):
        command.add_argument(
            "keys",
            nargs="*",
            metavar="KEY",
            help="keys of settings as ls shows them, or their first characters (default: all)",
        )
    add_one("import", "add the answers of an export that this store lacks", run_import).add_argument(
        "source", type=Path, metavar="FILE.tar|DIR", help="what `rgd store export` wrote"
    )


def run_ls(options: argparse.Namespace) -> int:
    """``rgd store ls``; 1 if anything is damaged."""
    from rgd.store import upkeep

    surveys, damaged = [], []
    for folder in upkeep.folders(options.store, options.keys):
        try:
            surveys.append(upkeep.survey(folder))
        except UserError as error:
            damaged.append(str(error))
    damaged += [line for survey in surveys for line in survey.damaged]
    if options.json:
        print(json.dumps([asdict(survey) for survey in surveys], indent=2, ensure_ascii=False))
    else:
        for survey in surveys:
            print(*map(_printable, _lines(survey)), "", sep="\n")
        print(f"{sum(survey.answers for survey in surveys):,} answers under {len(surveys)} settings in {options.store}")
    for line in damaged:
        print(_printable(line), file=sys.stderr)
    return 1 if damaged else 0


def _printable(line: str) -> str:
    """``line`` without what a terminal would obey; names of models and engines come from servers and imports."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in line)


def _lines(survey: "Survey") -> list[str]:
    settings = survey.settings
    words = settings["prompt"].split()
    prompt = " ".join(words[:WORDS_OF_A_PROMPT]) + (" ..." if len(words) > WORDS_OF_A_PROMPT else "")
    cost = f", {survey.cost:.2f} dollars" if survey.cost else ""
    files = "1 file" if survey.files == 1 else f"{survey.files:,} files"
    lines = [
        survey.key,
        f"  model    {settings['weights']}",
        f"  way      {_way(settings)}",
        f"  prompt   {prompt}",
        f"  answers  {survey.answers:,} in {files}, {survey.bytes / 1e6:.1f} MB{cost}",
        f"  engine   {_counted(survey.computed_by)}",
    ]
    if survey.spent is not None:
        lines.append(f"  spent    {survey.spent:.2f} dollars on this model by all jobs here, failed attempts included")
    if survey.batches:
        lines.append(
            f"  batches  {survey.in_batches:,} requests in {survey.batches:,} batches at the server; the next run collects"
        )
    return [*lines, f"  served   {_counted(survey.served_models)}"] if survey.served_models else lines


def _way(settings: Mapping[str, Any]) -> str:
    parts = [settings["way"]]
    if settings["sampling"] is not None:
        parts += [f"{name} {value}" for name, value in settings["sampling"].items()]
    parts += [f"max_model_len {settings['max_model_len']}", settings["dtype"]]
    parts += [f"{name} {value}" for name, value in settings["chat"].items()]
    return ", ".join([*parts, f"answers_epoch {settings['answers_epoch']}"] if settings["answers_epoch"] else parts)


def _counted(counts: Mapping[str, int]) -> str:
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{name} ({count:,})" for name, count in counts.items()) or "none yet"


def run_verify(options: argparse.Namespace) -> int:
    """``rgd store verify``; 1 if anything is damaged."""
    from rgd.store import upkeep

    found = upkeep.verify(options.store, options.keys)
    for line in found.damaged:
        print(line, file=sys.stderr)
    for line in found.left_over:
        print(line)
    twice = f", {found.duplicates:,} of them duplicates (the first file by name counts)" if found.duplicates else ""
    print(f"{found.answers:,} answers in {found.files:,} files{twice}; {len(found.damaged)} damaged")
    return 1 if found.damaged else 0


def run_compact(options: argparse.Namespace) -> int:
    """``rgd store compact``."""
    from rgd.store import upkeep

    for folder in upkeep.folders(options.store, options.keys):
        done = upkeep.compact(folder)
        twice = f", {done.repeated:,} duplicate answers removed" if done.repeated else ""
        print(f"{done.key}: {done.before:,} files before, {done.after:,} now{twice}")
    return 0


def run_export(options: argparse.Namespace) -> int:
    """``rgd store export``."""
    from rgd.store import exchange

    done = exchange.export_answers(options.store, options.target, options.keys)
    print(f"{options.target}: {done.files:,} files of answers under {done.settings} settings")
    return 0


def run_import(options: argparse.Namespace) -> int:
    """``rgd store import``."""
    from rgd.store import exchange

    done = exchange.import_answers(options.store, options.source)
    print(f"{done.added:,} answers added under {done.settings} settings, {done.known:,} were already in the store")
    return 0
