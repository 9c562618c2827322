"""The command ``rgd import``, and ``rgd import-released``, an older name of ``rgd import released``."""

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from rgd.cli.arguments import add_command, add_commands
from rgd.errors import UserError

if TYPE_CHECKING:
    from rgd.answers.formats.collecting import Imported
    from rgd.cli.arguments import Commands

FORMATS = {
    "helm": "HELM: folders of runs",
    "inspect": "Inspect: logs (.json, .eval)",
    "litellm": "LiteLLM: logged calls",
    "llmrouterbench": "LLMRouterBench: results (.json)",
    "lm_eval": "lm-evaluation-harness: samples_*.jsonl",
    "openai_batch": "OpenAI's batches: output, with input or a table of questions",
    "opencompass": "OpenCompass: predictions",
    "routellm": "RouteLLM: wide CSV of right and wrong",
    "routerarena": "RouterArena: cached results (.jsonl)",
    "routerbench": "RouterBench: wide CSV of scores, replies and costs",
    "table": "any table (CSV, TSV, JSONL, Parquet), with --columns",
}
RELEASED = "released"


def add(commands: "Commands") -> None:
    """Add the commands to those of ``rgd``."""
    top = add_command(commands, "import", "import answers from files of another tool")
    formats = add_commands(top, name="format")
    for name, text in FORMATS.items():
        command = add_command(formats, name, text, run)
        command.add_argument("files", nargs="+", type=Path, metavar="FILE", help="files, or folders of files")
        _add_target(command)
        command.add_argument("--name", metavar="NAME", help="name of the dataset (default: the format's)")
        command.add_argument("--pool", default="all", metavar="NAME", help="name of the pool (default: %(default)s)")
        command.add_argument(
            "--answer-kind",
            choices=("latex", "number", "text"),
            default="latex",
            help="how answers without options are read (default: %(default)s)",
        )
        command.add_argument(
            "--score-range",
            nargs=2,
            type=float,
            default=(0.0, 1.0),
            metavar=("LOW", "HIGH"),
            help="lowest and highest score of the metric (default: 0 1)",
        )
        command.add_argument(
            "--index-from", type=int, choices=(0, 1), help="what right answers that are indices count from"
        )
        command.add_argument(
            "--allow-empty", action="store_true", help="keep models of which no answer and no score can be read"
        )
        if name == "table":
            command.add_argument(
                "--columns",
                nargs="+",
                required=True,
                metavar="WHAT=COLUMN",
                help="question, options, label, task, model, answer, text, score, confidence, prompt_tokens, "
                "completion_tokens, cost, latency; of a table with a column for each model, models=* (scores) or answers=*",
            )
    command = add_command(formats, RELEASED, "the paper's released code: its output folder", run_released)
    _add_folder(command)
    _add_target(command)
    older = add_command(commands, "import-released", "import released, under its older name", run_released)
    _add_folder(older)
    older.add_argument("target", type=Path, metavar="DIR", help="target folder, to be given as data_root to runs")


def run(options: argparse.Namespace) -> int:
    """``rgd import FORMAT``."""
    from rgd.answers.formats.importing import import_files

    imported = import_files(
        options.format,
        options.files,
        options.target,
        dataset=options.name,
        pool=options.pool,
        columns=_columns(getattr(options, "columns", [])),
        kind=options.answer_kind,
        limits=tuple(options.score_range),
        first_index=options.index_from,
        allow_empty=options.allow_empty,
    )
    _report(imported, options.target)
    return 0


def run_released(options: argparse.Namespace) -> int:
    """``rgd import released`` and ``rgd import-released``."""
    from rgd.answers.formats.released_layout import import_released

    print(*import_released(options.folder, options.target), sep="\n")
    return 0


def _add_folder(command: argparse.ArgumentParser) -> None:
    command.add_argument("folder", type=Path, metavar="FOLDER", help="output folder of the released code")


def _add_target(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--to",
        dest="target",
        type=Path,
        required=True,
        metavar="DIR",
        help="target folder, to be given as data_root to runs",
    )


def _columns(given: list[str]) -> dict[str, str]:
    """Columns by what they hold, from WHAT=COLUMN.

    Raises:
        UserError: one is not of this form, or names an unknown or repeated WHAT.
    """
    from rgd.answers.formats.table import COLUMNS
    from rgd.config.hints import nearest

    columns: dict[str, str] = {}
    for text in given:
        what, sign, column = text.partition("=")
        if sign and what not in COLUMNS:
            hint = f"Did you mean {column}={what}?" if column in COLUMNS else nearest(what, COLUMNS)
            raise UserError(f"--columns {text}: give WHAT=COLUMN, but there is no {what}. {hint}")
        if not sign or not column or what in columns:
            raise UserError(f"--columns {text}: give WHAT=COLUMN once, with WHAT one of {', '.join(COLUMNS)}.")
        columns[what] = column
    return columns


def _report(imported: "Imported", target: Path) -> None:
    import tabulate

    names = ("read", "repeated", "unmatched", "joined", "failed", "unreadable", "answered", "scored")
    rows = [
        [model, *(getattr(counts, name) for name in names), "" if counts.accuracy is None else f"{counts.accuracy:.3f}"]
        for model, counts in imported.models.items()
    ]
    print(tabulate.tabulate(rows, headers=["model", *names, "accuracy"], disable_numparse=True))
    for dataset, count in imported.datasets.items():
        print(f"{target}: dataset {dataset}, {count} questions")
    print(f"{imported.shared} of {sum(imported.datasets.values())} questions have an answer of every model")
    for dataset in imported.datasets:
        print(f"Next: rgd init recorded {dataset} --from {shlex.quote(str(target))}")
