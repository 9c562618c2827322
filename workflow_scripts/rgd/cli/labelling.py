"""The command ``rgd label``."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rgd.cli.arguments import add_command, add_settings
from rgd.errors import UserError

if TYPE_CHECKING:
    from rgd.cli.arguments import Commands
    from rgd.datasets.given_labels import Asked
    from rgd.tool.labelling import Task

LABELS = "labels"


def add(commands: "Commands") -> None:
    """Add the command to those of ``rgd``."""
    label = add_command(
        commands,
        "label",
        "show the queries whose labels would tell a router most, and keep the labels you give",
        run_label,
    )
    add_settings(label)
    label.add_argument(
        "--bundle", type=Path, metavar="DIR", help="show the queries of this bundle instead of an experiment's"
    )
    label.add_argument(
        "--csv", action="store_true", help="write the queries to a CSV file to fill in, and do not ask for labels here"
    )
    label.add_argument("--labels", metavar="DIR", help="folder of the labels (default: the configuration's, or labels)")


def run_label(options: argparse.Namespace) -> int:
    """``rgd label``."""
    from rgd.tool.labelling import task_of_bundle, tasks_of_experiment, unlabelled

    if options.bundle is not None:
        if options.config:
            raise UserError("--bundle and --config are both given. Give one of them.")
        tasks = [task_of_bundle(options.bundle, options.labels or LABELS)]
    else:
        from rgd.config.command_line import configuration

        config = configuration(options.config, check_data=False)
        if options.labels is not None:
            config = config.model_copy(update={"paths": config.paths.model_copy(update={"labels": options.labels})})
        tasks = tasks_of_experiment(config)
    if options.csv:
        for task in tasks:
            print(
                f"{task.file}: {task.lay_out()} of {len(task.queries)} queries are without a label. Fill in the column label."
            )
        return 0
    total, waiting = sum(len(task.queries) for task in tasks), unlabelled(tasks)
    given = _ask(waiting, total)
    left = len(waiting) - given
    files = ", ".join(str(task.file) for task in tasks)
    print(
        f"\n{total - left} of {total} queries have a label. They are in {files}; the next run of snakemake uses them."
    )
    return 0


def _ask(waiting: Sequence[tuple["Task", "Asked"]], total: int) -> int:
    """Ask for a label of each query; each is kept at once. Returns how many queries got one."""
    from rgd.tool.labelling import shown

    # By place in ``waiting``.
    labels: dict[int, str] = {}
    if waiting:
        print(
            "Write a letter, an option's text or the answer. An empty line skips a query, :b goes back to the one before, where "
            ":d deletes its label, and :q stops."
        )
    place, first = 0, total - len(waiting) + 1
    while place < len(waiting):
        task, query = waiting[place]
        print(f"\n[{first + place} of {total}, {task.dataset}]\n{shown(query)}")
        if place in labels:
            print(f"It has the label {labels[place]}. An empty line keeps it.")
        said = _answer(task, query, labels, place)
        if said is None:
            break
        place += said
    return len(labels)


def _answer(task: "Task", query: "Asked", labels: dict[int, str], place: int) -> int | None:
    """Take lines until one answers a query. Returns 1 to go on, -1 to go back, None to stop."""
    from rgd.datasets.given_labels import label_of, refusal

    while (said := _line()) not in (None, ":q"):
        if not said:
            return 1
        if said == ":b":
            if place:
                return -1
            print("This is the first query.")
        elif said == ":d":
            if place in labels:
                task.take_back(query)
                del labels[place]
            return 1
        elif (label := label_of(said, query)) is None:
            print(refusal(said, query))
        else:
            task.give(query, label)
            labels[place] = label
            return 1
    return None


def _line() -> str | None:
    """A line of the standard input without spaces around it; None at its end."""
    print("Label: ", end="", flush=True)
    try:
        return input().strip()
    except EOFError:
        return None
    except UnicodeDecodeError as error:
        raise UserError(f"the standard input is not in UTF-8 ({error.reason}). Set a UTF-8 locale.") from None
