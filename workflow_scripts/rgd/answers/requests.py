"""The requests to members, referees and featurizers, made from questions: all that decides what they are asked.

Rules that ask follow this module and not those that read the answers, so that reading in another way asks nothing again.
"""

from dataclasses import replace

import pyarrow as pa

from rgd.engines.base import Request
from rgd.engines.prompts import render


def requests_for(questions: pa.Table, prompt: str) -> list[Request]:
    """One request for every row of ``questions`` (question, options), in order.

    Args:
        questions: a table with the columns of schemas.QUESTIONS.
        prompt: the text of the prompt file.
    """
    return [
        render(prompt, question, options)
        for question, options in zip(questions["question"].to_pylist(), questions["options"].to_pylist(), strict=True)
    ]


def referee_requests(questions: pa.Table, prompt: str, draws: int) -> list[Request]:
    """The requests of draws 0, 1, ... of every question, a question's draws next to each other.

    Args:
        questions: a table with the columns of schemas.QUESTIONS.
        prompt: the text of the prompt file.
        draws: number of draws of each question.
    """
    return [replace(request, draw=draw) for request in requests_for(questions, prompt) for draw in range(draws)]


def feature_requests(questions: pa.Table, prompt: str) -> list[Request]:
    """One request for every row of ``questions``, in order, with only its question.

    Args:
        questions: a table with a column question.
        prompt: the text of the prompt file.
    """
    return [render(prompt, question) for question in questions["question"].to_pylist()]
