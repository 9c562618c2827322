"""Answers on disk: one folder for each settings of a model, with one immutable Parquet file for each chunk of requests."""

import dataclasses
import functools
import hashlib
import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from rgd.artifacts.files import write_json
from rgd.engines.base import Answer, Sampling
from rgd.engines.prompts import in_one_form, text_in_one_form
from rgd.errors import UserError
from rgd.store import chunks
from rgd.store.listing import Listing
from rgd.weights.content import changed_at

_SHA256, _DIGEST = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9a-f]{20}")
SERVED = "served"
"""The ``dtype`` of a model that a server runs, in a number format that the server chooses."""


@dataclass(frozen=True)
class AnswerSettings:
    """Everything besides the query that determines an answer: runs with equal settings share their answers.

    Attributes:
        weights: identity of the model (:func:`rgd.config.slices.model_identity`).
        way: ``likelihood`` or ``generate``.
        prompt: the texts of the prompt files, not their names.
        chat: extra arguments of the chat template.
        max_model_len: determines where a long question is trimmed; None for a server, which trims nothing.
        dtype: precision of the computation; :data:`SERVED` if a server chooses it.
        sampling: None for likelihood answering, which samples nothing.
        answers_epoch: raised by hand to ask again.
        decoding: sampling parameters that a server is sent besides ``sampling``, and None for those of it that are left out
            (:attr:`rgd.config.schema.Model.decoding`).
    """

    weights: str
    way: str
    prompt: str
    max_model_len: int | None
    dtype: str = "bfloat16"
    chat: Mapping[str, Any] = field(default_factory=dict)
    sampling: Sampling | None = None
    answers_epoch: int = 0
    decoding: Mapping[str, float | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.way not in ("likelihood", "generate"):
            raise UserError(f"unknown way {self.way!r}: set way to likelihood or generate.")
        if (self.way == "generate") != (self.sampling is not None):
            raise UserError(f"way {self.way!r} {'needs' if self.way == 'generate' else 'takes no'} sampling settings.")

    @classmethod
    def from_mapping(cls, content: Mapping[str, Any]) -> "AnswerSettings":
        """The settings from plain types, as :meth:`content` gives them."""
        sampling = content["sampling"]
        return cls(**{**content, "sampling": None if sampling is None else Sampling(**sampling)})

    def content(self) -> dict[str, Any]:
        """The settings as plain types; without ``decoding`` if that is empty, as it was before the key existed."""
        content = dataclasses.asdict(self) | {"chat": dict(self.chat), "decoding": dict(self.decoding)}
        return content if self.decoding else {key: value for key, value in content.items() if key != "decoding"}

    def meaning(self) -> str:
        """What decides the answers, in one form: settings that differ in nothing else have the same answers.

        A store may hold answers under settings that an earlier version wrote down in another form: with the blank lines of
        a prompt file, or with a served model's max_model_len, which trims nothing.
        """
        decides = self.content() | {"prompt": _prompt_in_one_form(self.prompt)}
        if self.dtype == SERVED:
            decides["max_model_len"] = None
        return _canonical(decides)

    @property
    def key(self) -> str:
        """20 hexadecimal digits that name these settings and the folder of their answers."""
        return hashlib.sha256(_canonical(self.content()).encode()).hexdigest()[:20]


class Named(Protocol):
    """What names an answer: a :class:`rgd.engines.base.Request`, or what is known of one that another job has asked."""

    @property
    def query_key(self) -> str:
        """:attr:`rgd.engines.base.Request.query_key`."""

    @property
    def draw(self) -> int:
        """Number of the draw."""


class Store:
    """The answers under ``root``, kept for good: a stored answer is never asked for again.

    Writers never share a file, so they need no lock: a chunk is written under a temporary name, synced and renamed. If
    two writers answered the same draw of a query, the first file by name counts. A compaction replaces many files by one
    large file (see :mod:`rgd.store.upkeep`); readers notice and list the files again.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self._listings: dict[str, Listing] = {}
        self._meanings: dict[str, str | None] = {}

    def folder(self, settings: AnswerSettings) -> Path:
        """The folder of new answers under ``settings``."""
        return self.root / settings.key

    def listing(self, settings: AnswerSettings) -> Listing:
        """All answers under ``settings``, also those under settings that mean the same; nothing of it is cached."""
        return Listing(self.folder(settings), self._others(settings))

    def _others(self, settings: AnswerSettings) -> list[Path]:
        """The folders of other settings that mean the same as ``settings``."""
        wanted, own = settings.meaning(), settings.key
        folders = (path.parent for path in sorted(self.root.glob(f"*/{chunks.SETTINGS_FILE}")))
        former = {dataclasses.replace(settings, weights=each).meaning() for each in former_identities(settings.weights)}
        return [
            folder
            for folder in folders
            if folder.name != own
            and ((meaning := self._meaning(folder)) == wanted or (meaning in former and _is_before(settings, folder)))
        ]

    def _meaning(self, folder: Path) -> str | None:
        """What decides the answers in ``folder``; None for a folder whose settings cannot be read."""
        if folder.name not in self._meanings:
            try:
                content = json.loads((folder / chunks.SETTINGS_FILE).read_text(encoding="utf-8"))
                self._meanings[folder.name] = AnswerSettings.from_mapping(content).meaning()
            except (OSError, ValueError, TypeError, KeyError, AttributeError, UserError):
                # `rgd store verify` names it; its answers stay where they are.
                self._meanings[folder.name] = None
        return self._meanings[folder.name]

    def prepare(self, settings: AnswerSettings) -> Path:
        """Create the folder of ``settings`` with a file that describes them, and return it.

        Raises:
            UserError: the store cannot be written.
        """
        folder = self.folder(settings)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            writable = os.access(folder, os.W_OK)
        except OSError:
            writable = False
        if not writable:
            raise UserError(
                f"cannot write {folder}: check the permissions of the store, then run the same command again."
            )
        if not (folder / chunks.SETTINGS_FILE).exists():
            write_json(folder / chunks.SETTINGS_FILE, settings.content())
        return folder

    def answered(
        self, settings: AnswerSettings, query_keys: Sequence[str], draws: Sequence[int] | None = None
    ) -> np.ndarray:
        """Which of ``query_keys`` have an answer under ``settings``: one boolean each.

        Args:
            settings: settings of the answers.
            query_keys: :attr:`Request.query_key` of the wanted queries.
            draws: the draw of each query; default: 0.

        Raises:
            UserError: a chunk file is damaged.
        """
        return self._listing(settings).find(query_keys, draws).is_valid().to_numpy(zero_copy_only=False)

    def read(
        self,
        settings: AnswerSettings,
        query_keys: Sequence[str],
        draws: Sequence[int] | None = None,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        """The answers to ``query_keys``, one row each in the same order.

        Args:
            settings: settings of the answers.
            query_keys: :attr:`Request.query_key` of the wanted queries.
            draws: the draw of each query; default: 0.
            columns: columns of :data:`rgd.store.chunks.FILE_SCHEMA`; default: those of SCHEMA, all but the provenance.

        Raises:
            UserError: an answer is missing, or a chunk file is damaged.
        """
        return self._listing(settings).read(query_keys, draws, columns)

    def spent(self, weights: str) -> float:
        """The cost of one model's answers in US dollars, summed over all settings.

        Args:
            weights: the model, as :attr:`AnswerSettings.weights` names it.

        Raises:
            UserError: a chunk file or a folder's settings are damaged.
        """

        def cost(folder: Path) -> float:
            return math.fsum(chunks.cost(folder / name) for name in chunks.names(folder))

        def is_mine(path: Path) -> bool:
            try:
                return json.loads(path.read_text(encoding="utf-8"))["weights"] == weights
            except (OSError, ValueError, TypeError, KeyError) as error:
                raise UserError(
                    f"{path} cannot be read ({error}): run `rgd store verify`, which says how to repair it."
                ) from error

        mine = [path.parent for path in sorted(self.root.glob(f"*/{chunks.SETTINGS_FILE}")) if is_mine(path)]
        return sum(chunks.settled(functools.partial(cost, folder)) for folder in mine)

    def _listing(self, settings: AnswerSettings) -> Listing:
        """The current answers; files that an earlier call listed are not opened again."""
        listing = self._listings.get(settings.key)
        if listing is None:
            listing = self._listings[settings.key] = self.listing(settings)
        else:
            listing.refresh()
        return listing

    def commit(
        self,
        settings: AnswerSettings,
        requests: Sequence[Named],
        answers: Sequence[Answer],
        provenance: Mapping[str, Any],
    ) -> Path:
        """Store ``answers`` to ``requests`` as one chunk file, whole or not at all.

        Args:
            settings: settings of the answers.
            requests: the requests that were asked.
            answers: one answer for each request.
            provenance: what computed the answers; recorded with each, but not part of any key.

        Returns:
            The chunk file. An existing file is left unchanged.

        Raises:
            UserError: the store cannot be written.
        """
        path = self.prepare(settings) / f"{chunk_key(requests)}.parquet"
        if not path.exists():
            chunks.write(path, _to_table(requests, answers, json.dumps(dict(provenance), sort_keys=True)))
        return path


def _canonical(content: Mapping[str, Any]) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _prompt_in_one_form(prompt: str) -> str:
    """A prompt's text, or a generator's instruction and examples as JSON, without what the model does not see."""
    try:
        parts = json.loads(prompt)
    except ValueError:
        parts = None
    if isinstance(parts, dict) and parts.keys() == {"instruction", "examples"}:
        examples = [text_in_one_form(example) for example in parts["examples"]]
        return _canonical({"instruction": text_in_one_form(parts["instruction"]), "examples": examples})
    try:
        return in_one_form(prompt)
    except UserError:
        return prompt


def former_identities(weights: str) -> list[str]:
    """Names that earlier versions gave to the same weights: without the digest of a folder or of a tokenizer."""
    if weights.startswith("path:"):
        path, _, digest = weights.rpartition("@")
        return [path] if _DIGEST.fullmatch(digest) else []
    sha256, sign, _ = weights.partition("+")
    return [sha256] if sign and _SHA256.fullmatch(sha256) else []


def _is_before(settings: AnswerSettings, folder: Path) -> bool:
    """Whether answers under a former name can be those of the present weights: a folder was not written after the first one."""
    if not settings.weights.startswith("path:"):
        return True
    path = settings.weights.removeprefix("path:").rpartition("@")[0]
    return changed_at(path) <= (folder / chunks.SETTINGS_FILE).stat().st_mtime


def chunk_key(requests: Sequence[Named]) -> str:
    """20 hexadecimal digits that name a chunk: a hash of its requests, in order."""
    return chunks.key_of((request.query_key, request.draw) for request in requests)


def _to_table(requests: Sequence[Named], answers: Sequence[Answer], provenance: str) -> pa.Table:
    columns = {
        "query_key": [request.query_key for request in requests],
        "draw": [request.draw for request in requests],
        "text": [answer.text for answer in answers],
        "scores": [answer.scores for answer in answers],
        "confidence": [answer.confidence if math.isfinite(answer.confidence) else None for answer in answers],
        "prompt_tokens": [answer.prompt_tokens for answer in answers],
        "completion_tokens": [answer.completion_tokens for answer in answers],
        "finish_reason": [answer.finish_reason for answer in answers],
        "trimmed": [answer.trimmed for answer in answers],
        "attempts": [answer.attempts for answer in answers],
        "cost": [answer.cost for answer in answers],
        "served_model": [answer.served_model for answer in answers],
        chunks.PROVENANCE: [provenance] * len(requests),
    }
    return pa.table(columns, schema=chunks.FILE_SCHEMA)
