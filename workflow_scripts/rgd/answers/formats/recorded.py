"""Answers that a user already has: one Parquet file per member, instead of a model to ask.

A file has the columns question_id and answer (a letter, or mathematics in LaTeX; null if none could be read), and may have
text, a confidence and the numbers of tokens. The name of the confidence column, one of :data:`CONFIDENCE_COLUMNS`, says
what the confidence is.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rgd.answers.responses import MEAN_LOG_PROBABILITY, UNMEASURED, is_mean_log_probability
from rgd.artifacts import schemas
from rgd.artifacts.files import from_matrix, list_matrix, read_table
from rgd.errors import UserError

RULE = "recorded"
NOT_READ = "none"
CONFIDENCE_COLUMNS = (MEAN_LOG_PROBABILITY, "mean_token_probability", "likelihood_per_byte", "confidence")


def read_responses(path: Path, questions: pa.Table) -> tuple[pa.Table, int, int]:
    """A member's recorded answers as responses: one row for every question, in order.

    Args:
        path: the member's file.
        questions: query_id and options.

    Returns:
        A table with the columns of schemas.RESPONSES, the number of questions without a recorded row, and the number of
        answers that are not a letter of their question's options. Both are missing answers, as are recorded nulls. A mean
        log-probability that is no measurement is null, and its kind is UNMEASURED.

    Raises:
        UserError: the file cannot be read, lacks a column, answers a question twice or none of the questions.
    """
    table = read_table(path)
    for name in ("question_id", "answer"):
        if name not in table.column_names:
            raise UserError(f"{path} has no column {name}, only {table.column_names}: recorded answers need it.")
    rows = rows_of(path, table["question_id"], questions["query_id"])
    found = table.take(rows)
    letters = found["answer"].cast(pa.string())
    limit = pc.list_value_length(questions["options"]).to_numpy()
    position = np.array(
        [ord(letter) - ord("A") if letter and len(letter) == 1 else -1 for letter in letters.to_pylist()]
    )
    # Without options the answer is mathematics, so any text counts.
    given = pc.greater(pc.utf8_length(letters), 0).fill_null(False).to_numpy()
    admissible = np.where(limit == 0, given, (position >= 0) & (position < limit))
    outside = int((~admissible & letters.is_valid().to_numpy()).sum())
    answer = pc.if_else(pa.array(admissible), letters.combine_chunks(), None)
    kind = next((name for name in CONFIDENCE_COLUMNS if name in table.column_names), None)
    nothing = pa.nulls(len(rows))
    confidence = nothing.cast(pa.float32()) if kind is None else found[kind].cast(pa.float32()).combine_chunks()
    confidence = pc.if_else(answer.is_valid(), confidence, None)
    measured = np.ones(len(rows), dtype=bool)
    if kind == MEAN_LOG_PROBABILITY:
        tokens = found["completion_tokens"] if "completion_tokens" in table.column_names else nothing
        pairs = zip(confidence.to_pylist(), tokens.to_pylist(), strict=True)
        measured = np.array(
            [value is None or value != value or is_mean_log_probability(value, n) for value, n in pairs]
        )
        confidence = pc.if_else(pa.array(measured), confidence, None)
    kinds = pc.if_else(confidence.is_valid(), kind or NOT_READ, NOT_READ)
    columns = {
        "query_id": questions["query_id"],
        "text": found["text"] if "text" in table.column_names else nothing,
        "answer": answer,
        "extraction_rule": pc.if_else(answer.is_valid(), RULE, NOT_READ),
        "confidence": confidence,
        "confidence_kind": pc.if_else(pa.array(measured), kinds, UNMEASURED),
        "prompt_tokens": found["prompt_tokens"] if "prompt_tokens" in table.column_names else nothing,
        "completion_tokens": found["completion_tokens"] if "completion_tokens" in table.column_names else nothing,
        "finish_reason": pa.array([RULE] * len(rows)),
    }
    return pa.table(columns).cast(schemas.RESPONSES), rows.null_count, outside


def read_embeddings(path: Path, query_ids: pa.ChunkedArray, dimension: int) -> pa.Table:
    """The given embeddings of the queries, in order, scaled to length 1: columns query_id and embedding.

    Raises:
        UserError: the file cannot be read, or a query's vector is missing, zero or of the wrong dimension.
    """
    table = read_table(path, ["question_id", "embedding"])
    rows = rows_of(path, table["question_id"], query_ids)
    if rows.null_count:
        first = query_ids.filter(rows.is_null())[0].as_py()
        raise UserError(
            f"{path} lacks the embeddings of {rows.null_count} queries, the first of them {first}: compute them instead."
        )
    vectors = list_matrix(table["embedding"].take(rows)).astype(np.float32)
    if vectors.shape[1] != dimension:
        raise UserError(
            f"{path} has vectors of dimension {vectors.shape[1]}, but the dataset's embedder gives {dimension}: name the "
            "embedder that made them."
        )
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not (np.isfinite(length) & (length > 0)).all():
        raise UserError(f"{path} has a vector of length {float(length.min())}: embeddings must be finite and not zero.")
    return pa.table({"query_id": query_ids, "embedding": from_matrix(vectors / length)})


def rows_of(path: Path, question_ids: pa.ChunkedArray, wanted: pa.ChunkedArray) -> pa.Array:
    """The row of every wanted id among ``question_ids``, null if there is none."""
    ids = question_ids.cast(pa.string())
    if len(pc.unique(ids)) < len(ids):
        raise UserError(f"{path} has two rows for one question_id: keep one answer for each.")
    rows = pc.index_in(wanted, value_set=ids.combine_chunks())
    rows = rows.combine_chunks() if isinstance(rows, pa.ChunkedArray) else rows
    if rows.null_count == len(rows):
        raise UserError(
            f"{path} answers none of the dataset's questions (its ids begin {ids.slice(0, 3).to_pylist()})."
        )
    return rows
