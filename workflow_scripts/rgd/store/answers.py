"""Answers on disk: a folder for each setting of a model, in it one immutable Parquet file for each chunk that was asked."""

import dataclasses
import functools
import hashlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rgd.artifacts.files import write_json
from rgd.engines.base import Answer, Request, Sampling
from rgd.errors import UserError
from rgd.store import chunks
from rgd.store.listing import Listing


@dataclass(frozen=True)
class AnswerSettings:
    """All that decides an answer besides the query: where two runs agree in it, they share their answers.

    Attributes:
        weights: identity of the model (:func:`rgd.config.slices.model_identity`).
        way: ``likelihood`` or ``generate``.
        prompt: the texts of the prompt files, not their names.
        chat: further arguments of the chat template.
        max_model_len: decides where a long question is trimmed.
        dtype: precision of the computation.
        sampling: None for likelihood answering, which draws nothing.
        answers_epoch: raised by hand to ask anew.
    """

    weights: str
    way: str
    prompt: str
    max_model_len: int
    dtype: str = "bfloat16"
    chat: Mapping[str, Any] = field(default_factory=dict)
    sampling: Sampling | None = None
    answers_epoch: int = 0

    def __post_init__(self) -> None:
        if self.way not in ("likelihood", "generate"):
            raise UserError(f"unknown way of answering {self.way!r}; write likelihood or generate.")
        if (self.way == "generate") != (self.sampling is not None):
            raise UserError(f"way {self.way!r} {'needs' if self.way == 'generate' else 'takes no'} sampling settings.")

    @classmethod
    def from_mapping(cls, content: Mapping[str, Any]) -> "AnswerSettings":
        """The settings from plain types, as :meth:`content` gives them."""
        sampling = content["sampling"]
        return cls(**{**content, "sampling": None if sampling is None else Sampling(**sampling)})

    def content(self) -> dict[str, Any]:
        """The settings as plain types."""
        return dataclasses.asdict(self) | {"chat": dict(self.chat)}

    @property
    def key(self) -> str:
        """20 hexadecimal digits that name these settings: the folder of their answers."""
        canonical = json.dumps(self.content(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()[:20]


class Store:
    """The answers under ``root``, kept for ever: what is answered is never asked again.

    Writers never share a file, so there is no lock: a chunk is written under a temporary name, synced, renamed. Should
    two writers have answered the same draw of a query, the first file in the order of names counts. A compaction puts
    one large file in the place of many (see :mod:`rgd.store.upkeep`); readers notice and list the files again.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self._listings: dict[str, Listing] = {}

    def folder(self, settings: AnswerSettings) -> Path:
        """Where the answers under ``settings`` lie."""
        return self.root / settings.key

    def prepare(self, settings: AnswerSettings) -> Path:
        """Make the folder of ``settings``, with a file that tells what they are, and give it.

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
        """Which of ``query_keys`` have an answer under ``settings``: as many booleans.

        Args:
            settings: what the answers were given under.
            query_keys: :attr:`Request.query_key` of what is wanted.
            draws: the draw of each; default: 0 of all.

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
        """The answers to ``query_keys``, a row for each in the same order.

        Args:
            settings: what the answers were given under.
            query_keys: :attr:`Request.query_key` of what is wanted.
            draws: the draw of each; default: 0 of all.
            columns: of :data:`rgd.store.chunks.FILE_SCHEMA`; default: those of SCHEMA, all but the provenance.

        Raises:
            UserError: an answer is missing, or a chunk file is damaged.
        """
        return self._listing(settings).read(query_keys, draws, columns)

    def spent(self, weights: str) -> float:
        """What the answers of one model have cost, in US dollars, under whatever settings they were given.

        Args:
            weights: the model, as :attr:`AnswerSettings.weights` names it.

        Raises:
            UserError: a chunk file or a folder's settings are damaged.
        """

        def cost(folder: Path) -> float:
            costs = (chunks.read(folder / name, ["cost"])["cost"] for name in chunks.names(folder))
            return sum(pc.sum(column, min_count=0).as_py() for column in costs)

        def is_mine(path: Path) -> bool:
            try:
                return json.loads(path.read_text(encoding="utf-8"))["weights"] == weights
            except (OSError, ValueError, TypeError, KeyError) as error:
                raise UserError(f"{path} cannot be read ({error}): `rgd store verify` says what to do.") from error

        mine = [path.parent for path in sorted(self.root.glob(f"*/{chunks.SETTINGS_FILE}")) if is_mine(path)]
        return sum(chunks.settled(functools.partial(cost, folder)) for folder in mine)

    def _listing(self, settings: AnswerSettings) -> Listing:
        """What is answered by now; files that an earlier call has listed are not opened again."""
        listing = self._listings.get(settings.key)
        if listing is None:
            listing = self._listings[settings.key] = Listing(self.folder(settings))
        else:
            listing.refresh()
        return listing

    def commit(
        self,
        settings: AnswerSettings,
        requests: Sequence[Request],
        answers: Sequence[Answer],
        provenance: Mapping[str, Any],
    ) -> Path:
        """Keep ``answers`` to ``requests`` as one chunk file, whole or not at all.

        Args:
            settings: what they were given under.
            requests: what was asked.
            answers: one for each request.
            provenance: what computed them; kept beside each and decides nothing.

        Returns:
            The chunk file. If it was there already, it is left as it is.

        Raises:
            UserError: the store cannot be written.
        """
        path = self.prepare(settings) / f"{chunk_key(requests)}.parquet"
        if not path.exists():
            chunks.write(path, _to_table(requests, answers, json.dumps(dict(provenance), sort_keys=True)))
        return path


def chunk_key(requests: Sequence[Request]) -> str:
    """20 hexadecimal digits that name a chunk: what is asked in it, in order."""
    return chunks.key_of((request.query_key, request.draw) for request in requests)


def _to_table(requests: Sequence[Request], answers: Sequence[Answer], provenance: str) -> pa.Table:
    columns = {
        "query_key": [request.query_key for request in requests],
        "draw": [request.draw for request in requests],
        "text": [answer.text for answer in answers],
        "scores": [answer.scores for answer in answers],
        "confidence": [None if math.isnan(answer.confidence) else answer.confidence for answer in answers],
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
