"""Which commit of the project is checked out."""

import os
import subprocess


def described(folder: str | os.PathLike[str]) -> str:
    """The commit that is checked out in ``folder``, with ``-dirty`` after it where files differ; empty if git tells none."""
    command = ["git", "-C", os.fspath(folder), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
