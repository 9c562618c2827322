"""What a check finds, and how commands of the system are run."""

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

OK: Final = "ok"
NOTE: Final = "note"
FIX: Final = "fix"


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        level: ``ok``, ``note`` (good to know) or ``fix`` (the run would fail).
        subject: what was checked.
        text: what was found.
        remedy: what to do.
    """

    level: Literal["ok", "note", "fix"]
    subject: str
    text: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.level:4}  {self.subject}: {self.text}" + (f"\n      -> {self.remedy}" if self.remedy else "")


Run = Callable[[Sequence[str]], str | None]
"""Runs a command and returns its output; None if it is missing, fails, or takes too long."""


def run_command(arguments: Sequence[str]) -> str | None:
    """The output of ``arguments``, see :data:`Run`."""
    try:
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
