"""Pools of answers to random and to awkward queries, and the same in the form that the slow twins read."""

import itertools
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rgd.routers.base import TestQueries, TrainingSet
from rgd.routing.neighbours import nearest

NAMES = ("m3", "m0", "m5", "m1", "m4", "m2")
LETTERS = "ABCDE"
# Unit vectors whose inner products are exact in float32, so that ties are ties: +-e_i and (+-1/2, ..., +-1/2).
EXACT = np.array(
    [sign * row for row in np.eye(4) for sign in (1, -1)] + list(itertools.product((0.5, -0.5), repeat=4)),
    dtype=np.float32,
)
CONFIDENCES = (float("nan"), float("-inf"), -2.0, -1.0, -0.5, 0.0, 0.25, 3.0)


@dataclass(frozen=True)
class World:
    """A training set with queries to route, their answers, and a generator's worth of injected k-means labels."""

    train: TrainingSet
    queries: TestQueries
    answers: np.ndarray
    confidence: np.ndarray
    cluster_seed: int


@st.composite
def votes(draw, max_queries=12, max_members=6):
    """Answers (n, M) with missing ones and confidences (n, M) with gaps, constants and infinities."""
    n, pool = draw(st.integers(1, max_queries)), draw(st.integers(1, max_members))
    if draw(st.booleans()):
        random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        answers = random.integers(-1, draw(st.integers(1, 4)), (n, pool)).astype(np.int32)
        return answers, random.choice(CONFIDENCES, (n, pool))
    answers = draw(arrays(np.int32, (n, pool), elements=st.integers(-1, draw(st.integers(0, 3)))))
    confidence = draw(arrays(np.float64, (n, pool), elements=st.sampled_from(CONFIDENCES)))
    return answers, confidence


@st.composite
def worlds(draw, max_train=24, max_test=6):
    """A small world: exact and tied embeddings or random ones, few tasks, any amount of agreement."""
    pool, n, m = draw(st.integers(1, 6)), draw(st.integers(1, max_train)), draw(st.integers(1, max_test))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kinds = draw(st.integers(0, 3))
    if draw(st.booleans()):
        vectors = EXACT[random.integers(0, draw(st.integers(1, len(EXACT))), n + m)]
    else:
        vectors = random.normal(size=(n + m, 3))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    answers = random.integers(-1 if draw(st.booleans()) else 0, kinds + 1, (n + m, pool)).astype(np.int32)
    if draw(st.booleans()):
        confidence = random.choice(CONFIDENCES, (n + m, pool)).astype(np.float32)
    else:
        confidence = random.normal(size=(n + m, pool)).astype(np.float32)
    embeddings = vectors.astype(np.float32)
    train = TrainingSet(
        query_ids=np.array([f"q{i}" for i in range(n)]),
        tasks=np.array([f"t{i}" for i in random.integers(0, draw(st.integers(1, 3)), n)]),
        embeddings=embeddings[:n],
        members=NAMES[:pool],
        answers=answers[:n],
        confidence=confidence[:n],
        labels=random.integers(0, kinds + 1, n).astype(np.int32),
        answer_embeddings=random.choice(np.array([0.0, 0.5, 1.0, -1.0], dtype=np.float32), (n, pool, 3)),
        seed=draw(st.integers(0, 3)),
    )
    return World(
        train,
        queries_of(embeddings[n:], train),
        answers[n:],
        confidence[n:],
        draw(st.integers(0, 1000)),
    )


def queries_of(embeddings: np.ndarray, train: TrainingSet) -> TestQueries:
    """Queries with their nearest rows of ``train``."""
    around, _ = nearest(embeddings, train.embeddings, 64)
    return TestQueries(np.array([f"t{i}" for i in range(len(embeddings))]), embeddings, around)


def without_labels(train: TrainingSet) -> TrainingSet:
    """The same without labels."""
    return replace(train, labels=None)


def reordered(train: TrainingSet, rows: np.ndarray, members: np.ndarray) -> TrainingSet:
    """The same training set with its queries and members in another order."""
    return TrainingSet(
        query_ids=train.query_ids[rows],
        tasks=train.tasks[rows],
        embeddings=train.embeddings[rows],
        members=tuple(train.members[member] for member in members),
        answers=train.answers[rows][:, members],
        confidence=train.confidence[rows][:, members],
        labels=train.labels[rows],
        answer_embeddings=train.answer_embeddings[rows][:, members],
        seed=train.seed,
    )


def twin_votes(answers: np.ndarray, confidence: np.ndarray, members: tuple[str, ...]) -> list[dict]:
    """Queries as {member: (letter or None, confidence or None)}."""
    return [
        {
            member: (
                LETTERS[row[index]] if row[index] >= 0 else None,
                None if np.isnan(level[index]) else float(level[index]),
            )
            for index, member in enumerate(members)
        }
        for row, level in zip(answers, confidence, strict=True)
    ]


def twin_training(train: TrainingSet) -> list[dict]:
    """Training queries as the CASCAL twin reads them."""
    return [
        {
            "task": str(train.tasks[index]),
            "embedding": train.embeddings[index].tolist(),
            "votes": voted,
            "label": LETTERS[train.labels[index]],
        }
        for index, voted in enumerate(twin_votes(train.answers, train.confidence, train.members))
    ]


def twin_correct(train: TrainingSet) -> list[dict]:
    """{member: whether it was right} of every training query."""
    return [
        {member: bool(a >= 0 and a == label) for member, a in zip(train.members, row, strict=True)}
        for row, label in zip(train.answers.tolist(), train.labels.tolist(), strict=True)
    ]


def injected_labels(seed: int, n: int, k: int) -> np.ndarray:
    """Labels that stand for k-means: any partition into at most k clusters, the same for the same seed and size."""
    return np.random.default_rng([seed, n, k]).integers(0, k, n)
