"""A stronger model's answers, drawn several times, as a reference for labels (arXiv 2601.09692, section 4.3.2)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from rgd.answers.extraction import CAREFUL
from rgd.answers.responses import response_rows

MAJORITY, TIE, MISSING = "majority", "tie", "missing"


def referee_rows(
    questions: pa.Table, answers: Sequence[Mapping[str, Any]], way: str, draws: int, reader: str = CAREFUL
) -> pa.Table:
    """The referee's verdict on every question, in order: a table with the columns of schemas.REFEREE.

    Args:
        questions: a table with the columns of schemas.QUESTIONS.
        answers: rows of the store (see :func:`rgd.answers.responses.response_rows`), in the order of :func:`rgd.answers.requests.referee_requests`.
        way: ``likelihood`` or ``generate``.
        draws: number of draws of each question.
        reader: how letters are read (:func:`rgd.answers.responses.response_rows`).
    """
    by_draw = [
        response_rows(questions, answers[draw::draws], way, reader)["answer"].to_pylist() for draw in range(draws)
    ]
    given = [list(row) for row in zip(*by_draw, strict=True)]
    verdicts = [majority_of_draws(row) for row in given]
    return pa.table(
        {
            "query_id": questions["query_id"],
            "answers": pa.array(given, pa.list_(pa.string())),
            "answer": pa.array([answer for answer, _ in verdicts], pa.string()),
            "outcome": [outcome for _, outcome in verdicts],
        }
    )


def majority_of_draws(answers: Sequence[str | None]) -> tuple[str | None, str]:
    """The answer that more than half of the draws give, and ``majority``; else None and the reason.

    The reason is ``missing`` if at least half of the draws gave no readable answer (None), which rules out a majority, and
    ``tie`` if the readable answers disagree.
    """
    votes = Counter(answer for answer in answers if answer is not None)
    answer, most = votes.most_common(1)[0] if votes else (None, 0)
    if 2 * most > len(answers):
        return answer, MAJORITY
    return None, TIE if 2 * votes.total() > len(answers) else MISSING
