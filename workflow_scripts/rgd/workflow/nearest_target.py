"""What to say of a target that no rule makes: the nearest one."""

import difflib
import functools
import os
from collections.abc import Callable, Iterable
from typing import Any

ABSENT = "absent_target"
"""The attribute of the exit that holds the target."""


def hint(target: str, known: Iterable[str]) -> str:
    """What to say of ``target``, which no rule makes.

    Args:
        target: as it was typed.
        known: the experiment's files and the names of rules.
    """
    typed = os.path.normpath(target)
    if os.path.isabs(typed):
        typed = os.path.relpath(typed)
    names = sorted(set(known))
    # A word is a rule or a file of the folder; a path is no rule.
    alike = [name for name in names if ("/" in name) == ("/" in typed)]
    close = difflib.get_close_matches(typed, alike, n=1, cutoff=0.6)
    if close:
        return f"Did you mean {close[0]}?"
    rules = ", ".join(name for name in names if "/" not in name)
    return f"Targets are files of the experiment and {rules}. Another experiment's need --config experiment=NAME."


def advise(known: Callable[[], Iterable[str]]) -> None:
    """Make Snakemake name the nearest target where no rule makes one that was typed.

    Args:
        known: as for :func:`hint`.
    """
    from snakemake.dag import DAG
    from snakemake.exceptions import MissingRuleException

    own = getattr(DAG.init, "unadvised", DAG.init)

    @functools.wraps(own)
    async def init(self: Any, *arguments: Any, **options: Any) -> None:
        try:
            await own(self, *arguments, **options)
        except MissingRuleException as error:
            named = (str(file) for file in self.targetfiles if str(file) in str(error))
            # The name of one may be a part of another's.
            target = max(named, key=len, default=str(error))
            # Snakemake would print the frames of an exception of its own.
            told = SystemExit(f"Target error: no rule makes {target}. {hint(target, known())}")
            setattr(told, ABSENT, target)
            raise told from None

    init.unadvised = own  # type: ignore[attr-defined]
    DAG.init = init
