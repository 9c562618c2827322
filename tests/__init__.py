"""Tests of the workflow and of its core package."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
