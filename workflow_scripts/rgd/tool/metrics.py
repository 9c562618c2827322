"""Figures of a server for Prometheus."""

from typing import Any

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
SIZES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Counts and times of one server; each server has a registry of its own.

    Attributes:
        requests: by endpoint and HTTP status.
        in_progress: requests that have no reply yet.
        answers: answers by member.
        tokens: by member and kind (prompt, completion).
        decision_seconds: from a query's arrival to the decision on it.
        answer_seconds: by member, until its answer, or its first piece, is here.
        batch: queries that were embedded together.
        unlogged: decisions that the log could not take.
    """

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self.registry = CollectorRegistry()
        kept: dict[str, Any] = {"registry": self.registry}
        self.requests = Counter("rgd_requests", "Requests", ["endpoint", "status"], **kept)
        self.in_progress = Gauge("rgd_requests_in_progress", "Requests without a reply", **kept)
        self.answers = Counter("rgd_answers", "Answers", ["member"], **kept)
        self.tokens = Counter("rgd_tokens", "Tokens", ["member", "kind"], **kept)
        self.decision_seconds = Histogram("rgd_decision_seconds", "Time to a decision", buckets=SECONDS, **kept)
        self.answer_seconds = Histogram(
            "rgd_answer_seconds", "Time to an answer or its first piece", ["member"], buckets=SECONDS, **kept
        )
        self.unlogged = Counter("rgd_unlogged_decisions", "Decisions that the log could not take", **kept)
        self.batch = Histogram("rgd_embedded_together", "Queries of a batch", buckets=SIZES, **kept)

    def text(self) -> tuple[bytes, str]:
        """The figures as text, and the type of the text."""
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

        return generate_latest(self.registry), CONTENT_TYPE_LATEST

    def used(self, member: str, prompt: int, completion: int) -> None:
        """Count a member's answer and its tokens."""
        self.answers.labels(member).inc()
        self.tokens.labels(member, "prompt").inc(prompt)
        self.tokens.labels(member, "completion").inc(completion)
