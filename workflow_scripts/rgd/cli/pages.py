"""The reference of the command ``rgd``, generated from its parser: docs/commands.md.

``python -m rgd.cli.pages`` rewrites it. A test fails if it differs from the parser.
"""

import argparse
from collections.abc import Iterator

from rgd.artifacts.files import replacing
from rgd.cli import parser
from rgd.config.pages import DOCS

FILE = DOCS / "commands.md"


def commands_page() -> str:
    """Every command with its usage, its arguments and their defaults, as Markdown."""
    top = parser()
    head = [
        "# Commands",
        "",
        "Generated from the parser (`python -m rgd.cli.pages`). `rgd COMMAND --help` says the same. Besides these commands there is "
        "`snakemake`, which runs the study ([workflow.md](workflow.md)). Exit codes: 0 where all went well, 1 for a mistake that one "
        "message names, 2 for wrong arguments, 130 after Ctrl-C; a command that has others says so.",
    ]
    return "\n".join([*head, *_commands(top, "rgd", 2)]) + "\n"


def _commands(command: argparse.ArgumentParser, name: str, level: int) -> Iterator[str]:
    for action in command._actions:
        if isinstance(action, argparse._SubParsersAction):
            for part, sub in action.choices.items():
                yield from _command(sub, f"{name} {part}", level)


def _command(command: argparse.ArgumentParser, name: str, level: int) -> Iterator[str]:
    actions = [
        action
        for action in command._actions
        if not isinstance(action, argparse._HelpAction | argparse._SubParsersAction)
        and action.help != argparse.SUPPRESS
    ]
    yield from ("", f"{'#' * level} {name}", "", _text(command.description or "", command))
    if command.epilog:
        yield from ("", "```", command.epilog.strip(), "```")
    if actions:
        yield from ("", "| argument | meaning |", "|---|---|")
        for action in actions:
            needed = " (required)" if action.required and action.option_strings else ""
            yield f"| {_spelled(action)} | {_text(action.help or '', command, action)}{needed} |"
    yield from _commands(command, name, level + 1)


def _spelled(action: argparse.Action) -> str:
    """The argument as it is typed, as code."""
    value = action.metavar if isinstance(action.metavar, str) else action.dest
    if action.choices is not None and action.metavar is None:
        value = "{" + ",".join(map(str, action.choices)) + "}"
    many = {"+": f"{value} ...", "*": f"[{value} ...]", "?": f"[{value}]"}.get(str(action.nargs), value)
    if not action.option_strings:
        return f"`{many}`"
    return ", ".join(f"`{option}{'' if action.nargs == 0 else f' {many}'}`" for option in action.option_strings)


def _text(text: str, command: argparse.ArgumentParser, action: argparse.Action | None = None) -> str:
    """A help text with its values filled in, as argparse does, for a cell of a table."""
    values = {"prog": command.prog} | ({} if action is None else vars(action))
    return (text % values if action is not None else text).replace("|", r"\|").replace("<", r"\<")


def main() -> None:
    """Write docs/commands.md."""
    with replacing(FILE) as path:
        path.write_text(commands_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
