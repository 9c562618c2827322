"""The same work written plainly, with scikit-learn and a loop over queries: what the routers' times are measured by.

Each reads the same files. CASCAL's stops at the clusters: choosing k by silhouettes is nearly all of its work.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from tests.benchmarks.layout import Layout
from tests.benchmarks.steps import NEIGHBOURS


@dataclass(frozen=True)
class Read:
    """The artifacts as arrays: training and test rows of vectors (n, d), and the training rows' tasks."""

    ids: np.ndarray
    vectors: np.ndarray
    train: np.ndarray
    test: np.ndarray
    tasks: np.ndarray


def read(at: Layout) -> Read:
    """Embeddings, split and tasks."""
    table = pq.read_table(at.embeddings)
    column = table["embedding"].combine_chunks()
    vectors = column.flatten().to_numpy().reshape(len(column), -1)
    part = pq.read_table(at.splits)["part"].to_numpy()
    tasks = pq.read_table(at.questions, columns=["task"])["task"].to_numpy()
    return Read(
        table["query_id"].to_numpy(), vectors, np.flatnonzero(part == "train"), np.flatnonzero(part == "test"), tasks
    )


def correct(at: Layout, members: list[str]) -> np.ndarray:
    """(n, M): which member is right on which query."""
    label = pq.read_table(at.labels)["label"].to_numpy()
    answers = [pq.read_table(at.responses(member), columns=["answer"])["answer"].to_numpy() for member in members]
    return np.column_stack([answer == label for answer in answers])


def neighbours(at: Layout, members: list[str]) -> None:
    """A loop over the test queries, each with a sorted list of similarities."""
    data = read(at)
    training = data.vectors[data.train]
    nearest = [np.argsort(-(training @ query))[:NEIGHBOURS] for query in data.vectors[data.test]]
    assert len(nearest) == len(data.test)


def cascal(at: Layout, members: list[str]) -> None:
    """KMeans and silhouette_score for each task, member and k; then one centroid a test query."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    data = read(at)
    table = pq.read_table(at.consensus, columns=["in_majority"])
    strong = table["in_majority"].to_numpy().reshape(len(members), -1)
    tasks = data.tasks[data.train]
    centroids = []
    for task in sorted(set(tasks)):
        for member in range(len(members)):
            points = data.vectors[data.train[strong[member] & (tasks == task)]]
            best, chosen = 0.05, points.mean(axis=0, keepdims=True)
            for k in range(2, min(5, len(points) - 1) + 1):
                model = KMeans(k, n_init=1, random_state=0).fit(points)
                silhouette = silhouette_score(points, model.labels_, metric="cosine")
                if silhouette > best:
                    best, chosen = silhouette, model.cluster_centers_
            centroids.append(chosen)
    every = np.concatenate(centroids)
    nearest = [np.argmax(every @ query) for query in data.vectors[data.test]]
    assert len(nearest) == len(data.test)


def avengers(at: Layout, members: list[str]) -> None:
    """KMeans with 64 clusters, accuracy in each, nearest cluster of each test query."""
    from sklearn.cluster import KMeans

    data, right = read(at), correct(at, members)
    model = KMeans(64, n_init=1, random_state=0).fit(data.vectors[data.train])
    accuracy = np.array([right[data.train[model.labels_ == cluster]].mean(axis=0) for cluster in range(64)])
    ranking = np.argsort(-accuracy, axis=1)[model.predict(data.vectors[data.test])]
    assert len(ranking) == len(data.test)


def knn(at: Layout, members: list[str], chosen_on: int = 4096) -> None:
    """A loop over as many training queries as choose k, then one over the test queries with their neighbours."""
    data, right = read(at), correct(at, members)
    training, right = data.vectors[data.train], right[data.train].astype(float)
    grid, hits = (1, 3, 5, 10, 20, 40, 64), np.zeros(7)
    for row in range(min(chosen_on, len(training))):
        order = np.argsort(-(training @ training[row]))
        around = order[order != row]
        for index, k in enumerate(grid):
            hits[index] += right[row, np.argmax(right[around[:k]].mean(axis=0))]
    k = grid[int(np.argmax(hits))]
    ranking = [np.argsort(-right[rows[:k]].mean(axis=0)) for rows in training_rows(at)]
    assert len(ranking) == len(data.test)


def smoothie(at: Layout, members: list[str]) -> None:
    """A loop over the training queries for distances, one over the test queries for errors."""
    data = read(at)
    column = pq.read_table(at.answer_embeddings)["embedding"].combine_chunks()
    vectors = column.flatten().to_numpy().reshape(len(data.ids), len(members), -1)
    distances = [((vectors[row, :, None] - vectors[row, None, :]) ** 2).sum(axis=2) for row in data.train]
    pool, ranking = len(members), []
    for rows in training_rows(at):
        around = np.mean([distances[row] for row in rows[:20]], axis=0)
        errors = []
        for member in range(pool):
            others = [other for other in range(pool) if other != member]
            pairs = [(j, k) for j in others for k in others if j < k]
            errors.append(np.mean([(around[member, j] + around[member, k] - around[j, k]) / 2 for j, k in pairs]))
        ranking.append(np.argsort(errors))
    assert len(ranking) == len(data.test)


def training_rows(at: Layout) -> np.ndarray:
    """Each test query's nearest training rows, nearest first, from the shared artifact."""
    return np.array(pq.read_table(at.neighbours, columns=["training_rows"])["training_rows"].to_pylist())


BASELINES: dict[str, Callable[[Layout, list[str]], None]] = {
    "neighbours": neighbours,
    "cascal": cascal,
    "avengers": avengers,
    "knn": knn,
    "smoothie": smoothie,
}


def run_baseline(name: str, members: list[str]) -> None:
    """Run a baseline on the benchmark in the current folder."""
    BASELINES[name](Layout(Path()), members)
