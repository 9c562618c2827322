"""What the answers in the store took, in seconds and tokens: the best guide to what further ones will take."""

import functools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from rgd.store import chunks, upkeep
from rgd.store.answers import AnswerSettings

SAMPLE = 24
"""How many files of a settings folder are read to learn a rate."""


class Rate(NamedTuple):
    """What a query of one kind took on average; ``seconds`` is None if unknown."""

    seconds: float | None
    prompt_tokens: float
    completion_tokens: float
    dollars: float


class Rates:
    """Rates of queries, measured on the answers in the store under ``root``; each folder is read once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._read: dict[str, Rate | None] = {}
        self._known: dict[str, AnswerSettings] | None = None

    def of(self, settings: AnswerSettings) -> tuple[Rate | None, str | None]:
        """The rate of queries under these settings, or under the most similar ones with a remark that says so.

        None if the store has no answers of the kind. An answer is never longer than the settings allow.
        """
        own = self._rate(settings.key)
        if own is not None:
            return own, None
        rate = self._first(settings, lambda each: each.weights == settings.weights)
        if rate is not None:
            return _limited(rate, settings), "rate and lengths of its answers under other settings"
        rate = self._first(settings, lambda _: True)
        if rate is not None:
            return _limited(rate._replace(seconds=None), settings), "lengths of other models' answers"
        return None, None

    def _first(self, settings: AnswerSettings, is_alike: Callable[[AnswerSettings], bool]) -> Rate | None:
        alike = (key for key, each in self._settings().items() if each.way == settings.way and is_alike(each))
        return next((rate for key in alike if (rate := self._rate(key)) is not None), None)

    def _settings(self) -> dict[str, AnswerSettings]:
        if self._known is None:
            self._known = {}
            for folder in sorted(self.root.iterdir()) if self.root.is_dir() else []:
                if (folder / chunks.SETTINGS_FILE).is_file():
                    self._known[folder.name] = upkeep.read_settings(folder)
        return self._known

    def _rate(self, key: str) -> Rate | None:
        if key not in self._read:
            self._read[key] = chunks.settled(functools.partial(rate_of, self.root / key))
        return self._read[key]


def _limited(rate: Rate, settings: AnswerSettings) -> Rate:
    if settings.sampling is None:
        return rate
    return rate._replace(completion_tokens=min(rate.completion_tokens, settings.sampling.max_tokens))


def rate_of(folder: Path) -> Rate | None:
    """The rate of one settings folder's queries, measured on some of its files; None if it has none."""
    names = chunks.names(folder)
    columns = ["prompt_tokens", "completion_tokens", "cost", chunks.PROVENANCE]
    tables = [chunks.read(folder / name, columns) for name in names[:: max(1, len(names) // SAMPLE)]]
    rows = sum(table.num_rows for table in tables)
    if not rows:
        return None
    seconds = timed = 0.0
    for table in tables:
        counts: Mapping[str, int] = {
            pair["values"]: pair["counts"] for pair in table[chunks.PROVENANCE].value_counts().to_pylist()
        }
        for text, count in counts.items():
            taken = json.loads(text or "{}").get("seconds")
            if taken is not None:
                seconds, timed = seconds + taken, timed + count
    together = pa.concat_tables(tables)
    means = [sum(together[name].to_pylist()) / rows for name in columns[:3]]
    return Rate(seconds / timed if timed else None, *means)
