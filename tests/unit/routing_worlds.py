"""Synthetic pools with known niches."""

import numpy as np

from rgd.routers.base import TestQueries, TrainingSet
from rgd.routing.neighbours import nearest


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def niches(
    seed: int,
    per_niche: int = 60,
    label_noise: float = 0.0,
    members: tuple[str, ...] = ("m0", "m1", "m2", "m3", "m4", "m5"),
    tests: int = 40,
    strong: float = 0.95,
    weak: float = 0.45,
):
    """Two tasks with two niches each; niche i's expert is member i, the members 4 and 5 are weak everywhere.

    Members answer by chance when wrong, so that agreement points to the right answer, and are surer when right.

    Returns:
        the training set, test queries, their answers, confidences and labels, and the niche of each test query.
    """
    random = np.random.default_rng(seed)
    centres = unit_rows(np.eye(4, 16) + 0.3 * np.eye(4, 16)[[1, 0, 3, 2]])
    niche = np.repeat(np.arange(4), per_niche + tests)
    vectors = unit_rows(centres[niche] + 0.08 * random.normal(size=(len(niche), 16)))
    labels = random.integers(0, 10, len(niche))
    chance = np.full((len(niche), len(members)), weak)
    for member in range(min(4, len(members))):
        chance[niche == member, member] = strong
    right = random.random(chance.shape) < chance
    wrong = (labels[:, None] + random.integers(1, 10, chance.shape)) % 10
    answers = np.where(right, labels[:, None], wrong).astype(np.int32)
    confidence = (random.normal(size=chance.shape) + right).astype(np.float32)
    training = np.tile(np.repeat([True, False], [per_niche, tests]), 4)
    noisy = random.random(len(niche)) < label_noise
    seen_labels = np.where(noisy, random.integers(0, 10, len(niche)), labels).astype(np.int32)
    train = TrainingSet(
        query_ids=np.arange(training.sum()).astype(str),
        tasks=np.where(niche[training] < 2, "first", "second"),
        embeddings=vectors[training],
        members=members,
        answers=answers[training],
        confidence=confidence[training],
        labels=seen_labels[training],
        seed=seed,
    )
    test = ~training
    around, _ = nearest(vectors[test], train.embeddings, 64)
    queries = TestQueries(np.arange(test.sum()).astype(str), vectors[test], around)
    return train, queries, answers[test], confidence[test], labels[test].astype(np.int32), niche[test]


def small(answers, confidence=None, labels=None, tasks=None, embeddings=None, members=None, seed=0) -> TrainingSet:
    """A training set from as little as its answers."""
    answers = np.array(answers, dtype=np.int32)
    n, pool = answers.shape
    if embeddings is None:
        embeddings = np.random.default_rng(0).normal(size=(n, 4))
    return TrainingSet(
        query_ids=np.arange(n).astype(str),
        tasks=np.array(["only"] * n if tasks is None else tasks),
        embeddings=unit_rows(np.array(embeddings, dtype=float)),
        members=members or tuple(f"m{i}" for i in range(pool)),
        answers=answers,
        confidence=np.full((n, pool), np.nan) if confidence is None else np.array(confidence, dtype=np.float32),
        labels=None if labels is None else np.array(labels, dtype=np.int32),
        answer_embeddings=np.eye(8, dtype=np.float32)[answers],
        seed=seed,
    )


def asking(embeddings, train: TrainingSet) -> TestQueries:
    """Test queries at the given places."""
    vectors = unit_rows(np.array(embeddings, dtype=float))
    return TestQueries(np.arange(len(vectors)).astype(str), vectors, nearest(vectors, train.embeddings, 64)[0])
