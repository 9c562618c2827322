"""Answers on disk: a folder for each setting of a model, in it one immutable Parquet file for each chunk that was asked."""

import dataclasses
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
import pyarrow.parquet as pq

from rgd.artifacts import replacing, write_json
from rgd.engines.base import Answer, Request, Sampling
from rgd.errors import UserError

SCHEMA = pa.schema(
    {
        "query_key": pa.string(),
        "draw": pa.int32(),
        "text": pa.string(),
        "scores": pa.list_(pa.float32()),
        "confidence": pa.float32(),
        "prompt_tokens": pa.int32(),
        "completion_tokens": pa.int32(),
        "finish_reason": pa.string(),
        "trimmed": pa.bool_(),
        "attempts": pa.int32(),
        "cost": pa.float64(),
        "served_model": pa.string(),
    }
)
# What a chunk file says that was written before these columns were kept.
DEFAULTS: dict[str, Any] = {"attempts": 1, "cost": 0.0, "served_model": ""}
KEY_COLUMNS = ["query_key", "draw"]
PROVENANCE = b"rgd.provenance"


@dataclass(frozen=True)
class AnswerSettings:
    """All that decides an answer besides the query: where two runs agree in it, they share their answers.

    Attributes:
        weights: identity of the model (:attr:`rgd.engines.weights.WeightsSpec.identity`, or an API's model and version).
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
    two writers have answered the same draw of a query, the first file in the order of names counts.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

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
        if not (folder / "settings.json").exists():
            write_json(folder / "settings.json", settings.content())
        return folder

    def answered(self, settings: AnswerSettings) -> set[tuple[str, int]]:
        """The (query key, draw) that have an answer under ``settings``.

        Raises:
            UserError: a chunk file is damaged.
        """
        table = self._table(settings, KEY_COLUMNS)
        return set(zip(table["query_key"].to_pylist(), table["draw"].to_pylist(), strict=True))

    def read(self, settings: AnswerSettings, query_keys: Sequence[str], draws: Sequence[int] | None = None) -> pa.Table:
        """The answers to ``query_keys``, a row for each in the same order.

        Args:
            settings: what the answers were given under.
            query_keys: :attr:`Request.query_key` of what is wanted.
            draws: the draw of each; default: 0 of all.

        Returns:
            A table with the columns of :data:`SCHEMA`.

        Raises:
            UserError: an answer is missing, or a chunk file is damaged.
        """
        table = self._table(settings, SCHEMA.names)
        wanted = _joined(
            pa.array(query_keys, pa.string()),
            pa.array(np.zeros(len(query_keys)) if draws is None else draws, pa.int32()),
        )
        # The index of the first row that has the key: the file that is first by name.
        rows = pc.index_in(wanted, value_set=_joined(table["query_key"], table["draw"]))
        if rows.null_count:
            first = wanted.filter(rows.is_null())[0].as_py()
            raise UserError(
                f"{rows.null_count} of {len(rows)} answers are not in {self.folder(settings)} (the first: query and draw {first}): "
                "run the job that asks this model; it asks only what is missing."
            )
        return table.take(rows).combine_chunks()

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
            provenance: what computed them; goes into the file's metadata and decides nothing.

        Returns:
            The chunk file. If it was there already, it is left as it is.

        Raises:
            UserError: the store cannot be written.
        """
        path = self.prepare(settings) / f"{chunk_key(requests)}.parquet"
        if not path.exists():
            table = _to_table(requests, answers)
            metadata = {PROVENANCE: json.dumps(dict(provenance), sort_keys=True).encode()}
            with replacing(path) as temporary:
                pq.write_table(table.replace_schema_metadata(metadata), temporary, compression="zstd")
        return path

    def provenance(self, path: Path) -> dict[str, Any]:
        """What computed the answers of the chunk file ``path``."""
        return json.loads(_parquet(path, lambda: pq.read_schema(path)).metadata[PROVENANCE])

    def _table(self, settings: AnswerSettings, columns: list[str]) -> pa.Table:
        """All chunks under ``settings``, in the order of file names."""
        paths = sorted(self.folder(settings).glob("*.parquet"))
        tables = [
            _parquet(path, lambda path=path: _complete(pq.ParquetFile(path).read(columns), columns)) for path in paths
        ]
        schema = pa.schema([SCHEMA.field(name) for name in columns])
        return pa.concat_tables([schema.empty_table(), *tables])


def chunk_key(requests: Sequence[Request]) -> str:
    """20 hexadecimal digits that name a chunk: what is asked in it, in order."""
    content = [[request.query_key, request.draw] for request in requests]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:20]


def _parquet(path: Path, read: Any) -> Any:
    try:
        return read()
    except (pa.ArrowException, OSError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"the chunk of answers {path} is damaged ({reason}): delete this one file and run the same command again; "
            "only its answers are asked anew."
        ) from error


def _complete(table: pa.Table, columns: Sequence[str]) -> pa.Table:
    """``columns`` of a chunk file, with :data:`DEFAULTS` for those that an older file lacks.

    Raises:
        KeyError: the file lacks a column that every chunk has.
    """
    for name in columns:
        if name in DEFAULTS and name not in table.column_names:
            value = pa.scalar(DEFAULTS[name], SCHEMA.field(name).type)
            table = table.append_column(SCHEMA.field(name), pa.repeat(value, len(table)))
    return table.select(columns).replace_schema_metadata(None)


def _joined(query_keys: Any, draws: Any) -> Any:
    """``KEY:DRAW`` for each row."""
    return pc.binary_join_element_wise(query_keys, draws.cast(pa.string()), ":")


def _to_table(requests: Sequence[Request], answers: Sequence[Answer]) -> pa.Table:
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
    }
    return pa.table(columns, schema=SCHEMA)
