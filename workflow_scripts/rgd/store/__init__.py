"""Answers kept for ever, and asking for those that are missing."""

from rgd.store.answers import AnswerSettings, Store
from rgd.store.fill import FillCount, fill

__all__ = ["AnswerSettings", "FillCount", "Store", "fill"]
