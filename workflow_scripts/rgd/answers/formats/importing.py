"""Importing files of another tool: the formats by name, and one function for all of them."""

import hashlib
import importlib
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from rgd.answers.formats.collecting import Collector, Imported
from rgd.answers.formats.reading import checked_files, reading
from rgd.answers.formats.records import Settings
from rgd.answers.formats.table import takes_all
from rgd.answers.kinds import LATEX
from rgd.config.schema.base import KEY_PATTERN
from rgd.errors import UserError

FORMATS = (
    *(
        "helm",
        "inspect",
        "litellm",
        "llmrouterbench",
        "lm_eval",
        "openai_batch",
        "opencompass",
        "routellm",
        "routerarena",
    ),
    *("routerbench", "table"),
)
"""The formats with a module of this package: PATTERNS, CONFIDENCE and ``records(paths, settings)``."""


def import_files(
    name: str,
    paths: Sequence[Path],
    target: Path,
    *,
    dataset: str | None = None,
    pool: str = "all",
    columns: Mapping[str, str] | None = None,
    kind: str = LATEX,
    limits: tuple[float, float] = (0.0, 1.0),
    first_index: int | None = None,
    allow_empty: bool = False,
) -> Imported:
    """Write the answers in files of another tool as recorded answers.

    ``target`` is then a data_root: ``hub/imported/DATASET/questions.parquet`` holds the questions (question_id, category,
    question, options, answer), and ``recorded/DATASET/POOL/MODEL.parquet`` the answers of each model
    (:data:`rgd.answers.formats.collecting.ANSWERS`, and a confidence). Questions without options beside some with options are a
    dataset of their own, DATASET_free. If the dataset exists, models are joined to its questions, which stay as they are.

    Args:
        name: one of :data:`FORMATS`.
        paths: files, or folders of files.
        target: the folder to write to.
        dataset: name of the dataset (default: the format's).
        pool: name of the folder of the models.
        columns: columns by what they hold, for the format ``table``.
        kind: how free answers are read: latex, number or text.
        limits: lowest and highest score of the metric; scores are scaled to 0 to 1.
        first_index: what right answers that are indices count from, where the files do not say.
        allow_empty: keep models of which nothing can be read.

    Raises:
        UserError: a file is missing, damaged, given twice or of another format, or nothing can be read. Nothing is written then.
    """
    dataset = dataset or name
    for key in (dataset, pool):
        if not re.fullmatch(KEY_PATTERN, key) or len(key) > 80:
            raise UserError(f"{key[:80]!r} is no name of a folder: use letters, digits, dot, underscore and hyphen.")
    if not -math.inf < limits[0] < limits[1] < math.inf:
        raise UserError(
            f"--score-range {limits[0]} {limits[1]} is no range: give two finite numbers, the lowest score first."
        )
    source = importlib.import_module(f"rgd.answers.formats.{name}")
    files = checked_files(paths, source.PATTERNS)
    _refuse_copies(files)
    is_new = not target.exists()
    try:
        with Collector(
            target,
            dataset,
            pool=pool,
            confidence=source.CONFIDENCE,
            kind=kind,
            limits=limits,
            first_index=first_index,
            allow_empty=allow_empty,
            wide=takes_all(columns or {}),
        ) as collector:
            for record in source.records(files, Settings(columns or {})):
                collector.add(record)
            return collector.finish()
    finally:
        if is_new and target.is_dir() and not any(target.iterdir()):
            target.rmdir()


def _refuse_copies(files: Sequence[Path]) -> None:
    """Refuse files that are empty, or the same as another."""
    seen: dict[str, Path] = {}
    for path in files:
        with reading(path), path.open("rb") as file:
            if not file.read(1):
                raise UserError("is empty. Copy it again.")
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        other = seen.setdefault(digest, path)
        if other is not path:
            raise UserError(f"{path} is the same as {other}. Give one of them.")
