"""Answers that a user already has: one file per member (Parquet, CSV, TSV or JSONL), instead of a model to ask.

A file has the columns question_id and answer (a letter, or mathematics in LaTeX; null if none could be read), and may have
text, a confidence and the numbers of tokens. The name of the confidence column, one of :data:`CONFIDENCE_COLUMNS`, says what
the confidence is.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rgd.answers.formats.recorded_columns import counts_of, kind_of, numbers_of, read_columns, texts_of, typed
from rgd.answers.responses import MEAN_LOG_PROBABILITY, UNMEASURED, is_mean_log_probability
from rgd.answers.wording import normal
from rgd.artifacts import schemas
from rgd.artifacts.files import from_matrix, list_matrix
from rgd.errors import UserError

RULE = "recorded"
ANSWER = "answer"
COST = "cost"
NOT_READ = "none"
TEXTS, COUNTS = ("text",), ("prompt_tokens", "completion_tokens")
CONFIDENCE_COLUMNS = (MEAN_LOG_PROBABILITY, "mean_token_probability", "likelihood_per_byte", "confidence")

# A letter alone, or as people mark an option: (B), B., "B".
_PLAIN = re.compile(r"[\s(\[{\"'*]*([A-Za-z])[\s)\]}\"'*.:]*")


def read_responses(path: Path, questions: pa.Table) -> tuple[pa.Table, int, int]:
    """A member's recorded answers as responses: one row for every question, in order.

    Args:
        path: the member's file.
        questions: query_id and options.

    Returns:
        A table with the columns of schemas.RESPONSES, the number of questions without a recorded row, and the number of
        answers that are not an option of their question. Both are missing answers, as are recorded nulls. A mean
        log-probability that is no measurement is null, and its kind is UNMEASURED.

    Raises:
        UserError: the file cannot be read, lacks a column, answers a question twice or none of the questions, or no answer is
            a letter.
    """
    table = read_member(path, ANSWER)
    rows = rows_of(path, table["question_id"], questions["query_id"])
    with typed(path):
        return _responses(path, table, rows, questions)


def _responses(path: Path, table: pa.Table, rows: pa.Array, questions: pa.Table) -> tuple[pa.Table, int, int]:
    found = table.take(rows)
    given = found[ANSWER].to_pylist()
    read = _letters(path, given, questions["options"].to_pylist())
    outside = sum(letter is None and text is not None for letter, text in zip(read, given, strict=True))
    answer = pa.array(read, pa.string())
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


def read_costs(path: Path, query_ids: pa.ChunkedArray) -> np.ndarray | None:
    """What a member's recorded answers cost, in US dollars.

    Args:
        path: the member's file, with question_id and perhaps cost.
        query_ids: of the n queries.

    Returns:
        (n,) float64, NaN for a query without a row or a cost; None if the file has no column cost.

    Raises:
        UserError: the file cannot be read, or a cost is no number, negative or infinite.
    """
    given = read_columns(path, ("question_id",), (COST,))
    if COST not in given:
        return None
    rows = rows_of(path, pa.chunked_array([texts_of(path, "question_id", given["question_id"], is_id=True)]), query_ids)
    costs = numbers_of(path, COST, given[COST]).take(rows).to_numpy(zero_copy_only=False)
    wrong = np.flatnonzero((costs < 0) | np.isinf(costs))
    if len(wrong):
        raise UserError(
            f"{path}: the cost {costs[wrong[0]]:g} of {query_ids[int(wrong[0])].as_py()!r} is not a number of dollars from 0. "
            "Correct it, or leave it empty if it is unknown."
        )
    return np.asarray(costs)


def read_embeddings(path: Path, query_ids: pa.ChunkedArray, dimension: int) -> pa.Table:
    """The given embeddings of the queries, in order, scaled to length 1: columns query_id and embedding.

    Raises:
        UserError: the file cannot be read, or a query's vector is missing, zero or of the wrong dimension.
    """
    given = read_columns(path, ("question_id", "embedding"), ())
    rows = rows_of(path, pa.chunked_array([texts_of(path, "question_id", given["question_id"], is_id=True)]), query_ids)
    embedding = given["embedding"]
    if not isinstance(embedding, pa.ChunkedArray) or not _holds_vectors(embedding.type):
        raise UserError(f"{path}: the column embedding holds {kind_of(embedding)}. Write lists of numbers.")
    if rows.null_count:
        first = query_ids.filter(rows.is_null())[0].as_py()
        raise UserError(
            f"{path} lacks the embeddings of {rows.null_count} queries, the first of them {first}: compute them instead."
        )
    with typed(path):
        vectors = list_matrix(embedding.take(rows)).astype(np.float32)
    if vectors.shape[1] != dimension:
        raise UserError(
            f"{path} has vectors of dimension {vectors.shape[1]}, but the dataset's embedder gives {dimension}: name the "
            "embedder that made them."
        )
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not (np.isfinite(length) & (length > 0)).all():
        raise UserError(f"{path} has a vector of length {float(length.min())}: embeddings must be finite and not zero.")
    return pa.table({"query_id": query_ids, "embedding": from_matrix(vectors / length)})


def _holds_vectors(kind: pa.DataType) -> bool:
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(test(kind) for test in lists) and (
        pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)
    )


def read_member(path: Path, needed: str) -> pa.Table:
    """A member's file (Parquet, CSV, TSV or JSONL): its ids, the column ``needed``, and what else of it is used.

    Args:
        path: the file.
        needed: ``answer`` or ``score``.

    Returns:
        question_id and answer or score; and where the file has them text, prompt_tokens, completion_tokens, and the first of
        :data:`CONFIDENCE_COLUMNS`.

    Raises:
        UserError: the file cannot be read, lacks a column, or holds in one what does not belong there.
    """
    found = read_columns(path, ("question_id", needed), (*TEXTS, *COUNTS, *CONFIDENCE_COLUMNS))
    confidence = next((name for name in CONFIDENCE_COLUMNS if name in found), None)
    columns = {}
    for name, values in found.items():
        if name in COUNTS:
            columns[name] = counts_of(path, name, values)
        elif name in (confidence, "score"):
            columns[name] = numbers_of(path, name, values, from_texts=name != "score")
        elif name not in CONFIDENCE_COLUMNS:
            columns[name] = texts_of(path, name, values, is_id=name == "question_id")
    return pa.table(columns)


def _letters(path: Path, given: Sequence[str | None], options: Sequence[Sequence[str]]) -> list[str | None]:
    """The letters that answers plainly are; an answer to a question without options stays as it is, if it is not empty.

    A letter may have spaces or brackets around it, or be in lower case. If no answer is a letter, answers may be the options'
    texts, or their indices, where a 0 or the number of options tells from what they count.

    Raises:
        UserError: there are answers to questions with options, and none of them can be read.
    """
    read = [_letter(text, len(texts)) if texts else text or None for text, texts in zip(given, options, strict=True)]
    chosen = [place for place, (text, texts) in enumerate(zip(given, options, strict=True)) if text and texts]
    if not chosen or any(read[place] is not None for place in chosen):
        return read
    first = _first_index([(str(given[place]).strip(), len(options[place])) for place in chosen])
    for place in chosen:
        text, texts = str(given[place]).strip(), options[place]
        same = [number for number, option in enumerate(texts) if normal(option) == normal(text)]
        number = same[0] if len(same) == 1 else int(text) - first if first is not None else -1
        read[place] = chr(ord("A") + number) if 0 <= number < len(texts) else None
    if all(read[place] is None for place in chosen):
        raise UserError(
            f"{path}: none of the {len(chosen)} answers is a letter of its question (the first are {[given[place] for place in chosen[:3]]}). "
            "Write letters, or give scores from 0 to 1 in a column score."
        )
    return read


def _letter(text: str | None, count: int) -> str | None:
    found = _PLAIN.fullmatch(text) if text else None
    place = ord(found[1].upper()) - ord("A") if found else -1
    return chr(ord("A") + place) if 0 <= place < count else None


def _first_index(answers: Sequence[tuple[str, int]]) -> int | None:
    """What answers that are whole numbers count from; None if not all are, if nothing tells, or if they may be scores.

    Args:
        answers: each with the number of its question's options.
    """
    if not all(re.fullmatch(r"[0-9]{1,2}", text) for text, _ in answers):
        return None
    indices = [(int(text), count) for text, count in answers]
    if {index for index, _ in indices} <= {0, 1} and any(count > 2 for _, count in indices):
        return None
    from_0, from_1 = any(index == 0 for index, _ in indices), any(index == count for index, count in indices)
    return None if from_0 == from_1 else int(from_1)


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
