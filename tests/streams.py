"""Streams of answers in tests: what came before a failure."""

from collections.abc import Sequence

from rgd.engines.base import Answer, Engine, Request, Sampling
from rgd.errors import UserError


class Stopped(UserError):
    """The error that a stream ended with, and the answers that came before it, in the order of the requests."""

    def __init__(self, error: UserError, answered: list[tuple[Request, Answer]]) -> None:
        super().__init__(str(error))
        self.answered = answered


def answers_of(engine: Engine, requests: Sequence[Request], sampling: Sampling) -> list[Answer]:
    """The answers in the order of ``requests``.

    Raises:
        Stopped: the stream ended with an error.
    """
    came: list[tuple[Request, Answer]] = []
    try:
        for ended in engine.stream(requests, sampling):
            came.append(ended)
    except UserError as error:
        order = {request: place for place, request in enumerate(requests)}
        raise Stopped(error, sorted(came, key=lambda pair: order[pair[0]])) from error
    answers = dict(came)
    return [answers[request] for request in requests]
