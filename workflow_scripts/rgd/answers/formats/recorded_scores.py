"""Scores that a user already has in the place of answers: one file per member (Parquet, CSV, TSV or JSONL), with question_id and score.

A score is from 0 (the worst) to 1 (the best). As an answer it is stored as the text of that number.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rgd.answers.formats.recorded import NOT_READ, RULE, read_member, rows_of
from rgd.answers.formats.recorded_columns import typed
from rgd.artifacts import schemas
from rgd.errors import UserError


def read_scores(path: Path, questions: pa.Table) -> tuple[pa.Table, int]:
    """A member's recorded scores as responses: one row for every question, in order.

    Args:
        path: the member's file, with question_id and score, and perhaps text, prompt_tokens and completion_tokens.
        questions: query_id.

    Returns:
        A table with the columns of schemas.RESPONSES, whose answers are scores from 0 to 1 as texts of six significant
        digits, and the number of questions without a recorded row. These have no answer, as recorded nulls.

    Raises:
        UserError: the file cannot be read, lacks a column, scores a question twice or none of the questions, or has a score
            outside 0 to 1.
    """
    table = read_member(path, "score")
    rows = rows_of(path, table["question_id"], questions["query_id"])
    found = table.take(rows)
    given = found["score"].cast(pa.float64()).to_numpy(zero_copy_only=False)
    outside = np.flatnonzero((given < 0) | (given > 1))
    if len(outside):
        question = questions["query_id"][int(outside[0])].as_py()
        raise UserError(
            f"{path}: the score {given[outside[0]]:g} of {question!r} is outside 0 to 1. Scale the scores, so "
            "that 0 is the worst and 1 the best."
        )
    answer = pa.array([None if np.isnan(score) else f"{score:.6g}" for score in given.tolist()], pa.string())
    n = len(answer)

    def column(name: str) -> pa.Array | pa.ChunkedArray:
        return found[name] if name in table.column_names else pa.nulls(n)

    columns = {
        "query_id": questions["query_id"],
        "text": column("text"),
        "answer": answer,
        "extraction_rule": pc.if_else(answer.is_valid(), RULE, NOT_READ),
        "confidence": pa.nulls(n),
        "confidence_kind": pa.array([NOT_READ] * n),
        "prompt_tokens": column("prompt_tokens"),
        "completion_tokens": column("completion_tokens"),
        "finish_reason": pa.array([RULE] * n),
    }
    with typed(path):
        return pa.table(columns).cast(schemas.RESPONSES), rows.null_count
