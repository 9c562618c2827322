"""Tests of the workflow and of its core package."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def names(message: str, name: str) -> bool:
    """Whether ``message`` holds ``name`` by itself, not as a part of a longer name or path."""
    return re.search(rf"(?<![\w./-]){re.escape(name)}(?![/-]|\.?\w)", message) is not None
