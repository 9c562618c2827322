"""What to say of a mistyped command, option, choice or path: the nearest one that there is."""

import argparse
import difflib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

CUTOFF = 0.6
"""How alike two names are at least, from 0 to 1, for one to be meant by the other."""


class Parser(argparse.ArgumentParser):
    """A parser that names the nearest command, choice or option after one that it does not know, as those below it do."""

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        # argparse has it from Python 3.14 on, for commands and choices.
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError:
            from rgd.config.hints import nearest

            hint = nearest(value, map(str, action.choices or ()))
            raise argparse.ArgumentError(action, f"invalid choice: {value!r}. {hint}") from None

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """As argparse's, but what it does not know is refused here, where the options are those of the command.

        Raises:
            SystemExit: there is an argument that no command takes.
        """
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            options = [option for option in self._option_string_actions if option.startswith("--")]
            typed = next((each.partition("=")[0] for each in unknown if each.startswith("--")), "")
            close = difflib.get_close_matches(typed, options, n=1, cutoff=CUTOFF)
            hint = f". Did you mean {close[0]}?" if close else ""
            self.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
        return found, []


def path_hint(options: argparse.Namespace, said: str) -> str:
    """What to add to a message about a path that is not there: the nearest path that is; nothing where none is near.

    Args:
        options: of the command; paths among them are those that a person typed.
        said: the message.
    """
    if "Did you mean" in said:
        return ""
    absent = (path for path in _paths(options) if _names(said, path) and not os.path.exists(path))
    near = map(nearest_path, absent)
    return next((f" Did you mean {path}?" for path in near if path is not None), "")


def nearest_path(path: Path) -> Path | None:
    """The path that exists and was probably meant by one that does not, as far as every part of it has a near name.

    Returns:
        The path; None if its first part that does not exist is near nothing that does.
    """
    here, is_mended = Path(path.anchor), False
    for part in path.parts[len(here.parts) :]:
        if not os.path.exists(here / part):
            close = difflib.get_close_matches(part, _names_in(here), n=1, cutoff=CUTOFF)
            if not close:
                return here if is_mended else None
            part, is_mended = close[0], True
        here /= part
    return here


def _names_in(folder: Path) -> list[str]:
    """The names in a folder, sorted; none if it cannot be listed."""
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _names(said: str, path: Path) -> bool:
    """Whether a message names a path, or something in it."""
    return re.search(rf"(?<![\w./-]){re.escape(str(path))}(?![\w-])", said) is not None


def _paths(options: argparse.Namespace) -> Iterator[Path]:
    """The paths that a person typed for what is read; what is written is called target."""
    for name, value in vars(options).items():
        if name != "target":
            yield from (each for each in (value if isinstance(value, list) else [value]) if isinstance(each, Path))
