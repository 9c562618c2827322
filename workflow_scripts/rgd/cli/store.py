"""What ``rgd store`` prints."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

from rgd.store import exchange, upkeep

WORDS_OF_A_PROMPT = 12


def ls(options: argparse.Namespace) -> int:
    """Print what the store holds."""
    surveys = [upkeep.survey(folder) for folder in upkeep.folders(options.store, options.keys)]
    if options.json:
        print(json.dumps([survey.content() for survey in surveys], indent=2, ensure_ascii=False))
        return 0
    for survey in surveys:
        print(*_lines(survey), "", sep="\n")
    print(f"{sum(survey.answers for survey in surveys):,} answers under {len(surveys)} settings in {options.store}")
    return 0


def _lines(survey: upkeep.Survey) -> list[str]:
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


def verify(options: argparse.Namespace) -> int:
    """Print what is wrong with the store; 1 if anything is damaged."""
    found = upkeep.verify(options.store, options.keys)
    for line in found.damaged:
        print(line, file=sys.stderr)
    for line in found.left_over:
        print(line)
    twice = f", {found.duplicates:,} of them twice (the first file by name counts)" if found.duplicates else ""
    print(f"{found.answers:,} answers in {found.files:,} files{twice}; {len(found.damaged)} damaged")
    return 1 if found.damaged else 0


def compact(options: argparse.Namespace) -> int:
    """Compact each settings' folder and say what became of its files."""
    for folder in upkeep.folders(options.store, options.keys):
        done = upkeep.compact(folder)
        twice = f", {done.repeated:,} answers that stood there twice left out" if done.repeated else ""
        print(f"{done.key}: {done.before:,} files before, {done.after:,} now{twice}")
    return 0


def export_(options: argparse.Namespace) -> int:
    """Write an export."""
    done = exchange.export_answers(options.store, options.target, options.keys)
    print(f"{options.target}: {done.files:,} files of answers under {done.settings} settings")
    return 0


def import_(options: argparse.Namespace) -> int:
    """Take in an export."""
    done = exchange.import_answers(options.store, options.source)
    print(f"{done.added:,} answers added under {done.settings} settings, {done.known:,} were in the store already")
    return 0


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "ls": ls,
    "verify": verify,
    "compact": compact,
    "export": export_,
    "import": import_,
}
