"""Benchmark routing: one member for a whole new task, chosen by what was learned on other tasks (arXiv 2309.15789).

Words used here: a member's *correctness predictor* g_m(x) is the share of x's k nearest training queries that m answered
correctly; the *thresholded* predictor says "right" where g_m(x) > 1/2. The task being routed is d'; d is any other one.
No label of d' is used, save those of a share alpha of its training queries.

What is known of a task d when d' is routed is measured on d's training queries as if d were new as well: with the
training queries of neither d nor d', and with the share alpha of d's own. ``-1`` stands for "no task" in every index
of a left-out task, which numpy reads as the last entry: a task that was never trained on leaves none out.
"""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Literal, Self

import numpy as np
from annotated_types import Ge, Lt

from rgd.errors import UserError
from rgd.routers.base import Count, Router, TestQueries, TrainingSet, group_means
from rgd.routing.neighbours import nearest, nearest_both_ways
from rgd.routing.rounding import DECIMALS
from rgd.seeds import generator

Estimate = Literal["s1", "s2", "s3", "average"]

THRESHOLD = 0.5
# Bandwidths to choose from, as parts of the range of the tasks' distances, smoothest first.
BANDWIDTHS = (2.0, 1.0, 0.5, 0.2, 0.1, 0.05, 0.02)
# Distances come from float32 similarities: a range below this is rounding, and the tasks are equally far.
SMALLEST_RANGE = 1e-6
# Candidates sorted at once: 32 MiB of int64.
BLOCK_ENTRIES = 4 * 1024 * 1024


@dataclass(frozen=True)
class Neighbours:
    """Training rows near each query, along the last axis nearest first.

    Attributes:
        rows: int32; -1 where there is no further row.
        similarity: float32 cosine, of the shape of ``rows``; -inf where there is no further row.
    """

    rows: np.ndarray
    similarity: np.ndarray

    @classmethod
    def none(cls, *shape: int) -> Self:
        """No neighbour anywhere."""
        return cls(np.full(shape, -1, dtype=np.int32), np.full(shape, -np.inf, dtype=np.float32))

    def first(self, k: int) -> Self:
        """The ``k`` nearest."""
        return type(self)(self.rows[..., :k], self.similarity[..., :k])


def places_of(tasks: np.ndarray, names: np.ndarray) -> np.ndarray:
    """The place of every task (n,) among the sorted ``names`` (T,), int64 (n,); -1 where it is none of them."""
    place = np.minimum(np.searchsorted(names, tasks), len(names) - 1)
    return np.where(names[place] == tasks, place, -1)


def labelled_share(tasks: np.ndarray, alpha: float, seed: int) -> np.ndarray:
    """The training queries whose labels are known for their own task too: round(alpha n) of each task's n, at random.

    One query of a task always stays unlabelled, so that the predictor can be tested on it. A larger alpha only adds
    queries to those of a smaller one.

    Args:
        tasks: (n,) the training queries' tasks.
        alpha: the share, in [0, 1).
        seed: each task draws with a seed of its own, derived from this one by the task's name.

    Returns:
        (n,) bool.
    """
    labelled = np.zeros(len(tasks), dtype=bool)
    for task in np.unique(tasks).tolist():
        rows = np.flatnonzero(tasks == task)
        count = min(int(alpha * len(rows) + 0.5), len(rows) - 1)
        labelled[generator(seed, "benchmark_routing", task).permutation(rows)[:count]] = True
    return labelled


def nearest_by_task(queries: np.ndarray, training: np.ndarray, task_of: np.ndarray, k: int) -> Neighbours:
    """The ``k`` nearest training rows of every task: (n, T, k).

    Args:
        queries: (n, d) float32, L2-normalised.
        training: (m, d) float32, L2-normalised.
        task_of: (m,) the place of each training row's task, every place of 0..T-1 occurring.
        k: rows kept of a task.
    """
    count = int(task_of.max()) + 1
    found = Neighbours.none(len(queries), count, k)
    for task in range(count):
        rows = np.flatnonzero(task_of == task)
        columns, similarity = nearest(queries, training[rows], k)
        _write(found, (slice(None), task), rows[columns], similarity)
    return found


def nearest_in_other_tasks(training: np.ndarray, task_of: np.ndarray, k: int) -> Neighbours:
    """The ``k`` nearest training rows of every other task to each training row: (m, T, k), none of its own task.

    Two tasks' rows are compared once, for both.

    Args:
        training, task_of, k: as in :func:`nearest_by_task`.
    """
    count = int(task_of.max()) + 1
    found = Neighbours.none(len(training), count, k)
    rows = [np.flatnonzero(task_of == task) for task in range(count)]
    vectors = [training[mine] for mine in rows]
    for one in range(count):
        for other in range(one + 1, count):
            forth, back = nearest_both_ways(vectors[one], vectors[other], k)
            _write(found, (rows[one], other), rows[other][forth[0]], forth[1])
            _write(found, (rows[other], one), rows[one][back[0]], back[1])
    return found


def nearest_labelled(
    queries: np.ndarray, own: np.ndarray, training: np.ndarray, task_of: np.ndarray, labelled: np.ndarray, k: int
) -> Neighbours:
    """The ``k`` nearest rows of each query's own task that are ``labelled`` (m,): (n, k)."""
    found = Neighbours.none(len(queries), k)
    for task in np.unique(task_of[labelled]):
        mine, rows = np.flatnonzero(own == task), np.flatnonzero((task_of == task) & labelled)
        columns, similarity = nearest(queries[mine], training[rows], k)
        _write(found, (mine,), rows[columns], similarity)
    return found


def _write(found: Neighbours, place: tuple, rows: np.ndarray, similarity: np.ndarray) -> None:
    """Put the nearest rows, which may be fewer than there is room for, into ``found`` at ``place``."""
    width = rows.shape[1]
    found.rows[(*place, slice(0, width))] = rows
    found.similarity[(*place, slice(0, width))] = similarity


def usable(by_task: Neighbours, own: np.ndarray, labelled: Neighbours) -> Neighbours:
    """Each query's nearest rows of other tasks and of the labelled share of its own: (n, 2k), equal ones by row.

    2k are enough for :func:`without_task` to find k after it has left out any one other task, since ``by_task`` keeps
    no more than k rows of each.

    Args:
        by_task: (n, T, k), as :func:`nearest_by_task` or :func:`nearest_in_other_tasks` gives it.
        own: (n,) the place of each query's task; -1 a task that was never trained on.
        labelled: (n, k), as :func:`nearest_labelled` gives it.
    """
    n, count, k = by_task.rows.shape
    merged = Neighbours.none(n, 2 * k)
    block = max(1, BLOCK_ENTRIES // (count * k))
    for start in range(0, n, block):
        part = slice(start, start + block)
        rows, similarity = by_task.rows[part].copy(), by_task.similarity[part].copy()
        trained = np.flatnonzero(own[part] >= 0)
        rows[trained, own[part][trained]] = labelled.rows[part][trained]
        similarity[trained, own[part][trained]] = labelled.similarity[part][trained]
        rows, similarity = rows.reshape(len(rows), -1), similarity.reshape(len(rows), -1)
        order = np.lexsort((rows, -similarity), axis=1)[:, : 2 * k]
        merged.rows[part, : order.shape[1]] = np.take_along_axis(rows, order, axis=1)
        merged.similarity[part, : order.shape[1]] = np.take_along_axis(similarity, order, axis=1)
    return merged


def without_task(near: Neighbours, task_of: np.ndarray, task: int) -> Neighbours:
    """The k nearest of :func:`usable`'s (n, 2k) that are not of ``task`` (-1: leave none out): (n, k)."""
    n, k = near.rows.shape[0], near.rows.shape[1] // 2
    allowed = (near.rows < 0) | (task_of[near.rows] != task)
    chosen = allowed & (np.cumsum(allowed, axis=1) <= k)
    return Neighbours(near.rows[chosen].reshape(n, k), near.similarity[chosen].reshape(n, k))


def correctness(near: Neighbours, correct: np.ndarray) -> np.ndarray:
    """g_m(x): the share of each query's neighbours that each member answered correctly, float64 (n, M).

    Where there are fewer than k neighbours, the share of those there are; 0 where there is none. Of scores it is the mean.

    Args:
        near: (n, k).
        correct: (m, M) of the training rows: 0 or 1, or scores in [0, 1].
    """
    there = near.rows >= 0
    # Whole numbers add up exactly; scores must not be cut to them.
    exact = np.float64 if np.issubdtype(correct.dtype, np.floating) else np.int64
    hits = (correct[near.rows] * there[:, :, None]).sum(axis=1, dtype=exact)
    return hits / np.maximum(there.sum(axis=1), 1)[:, None]


def mean_distances(near: Neighbours) -> np.ndarray:
    """Mean cosine distance of each query to its neighbours, float64 (n,); 0 where there is none."""
    there = near.rows >= 0
    distance = np.where(there, 1.0 - near.similarity.astype(np.float64), 0.0)
    return distance.sum(axis=1) / np.maximum(there.sum(axis=1), 1)


def tasks_without(near: Neighbours, task_of: np.ndarray, count: int) -> list[Neighbours]:
    """For each task left out, 0..T-1 and then none, every training row's k nearest: T + 1 times (m, k)."""
    return [without_task(near, task_of, task) for task in [*range(count), -1]]


def task_distances(nested: list[Neighbours], task_of: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """u(d): mean distance of the queries of d to their neighbours, float64 (T + 1, T): the task left out, and d.

    Args:
        nested: as :func:`tasks_without` gives it, of as many neighbours as the distance takes.
        task_of: (m,) the place of each training row's task.
        measured: (m,) bool, the rows to measure on: those that are not in the labelled share.
    """
    return np.stack(
        [group_means(mean_distances(near)[measured, None], task_of[measured], len(nested) - 1)[:, 0] for near in nested]
    )


def predictor_accuracies(
    nested: list[Neighbours], task_of: np.ndarray, measured: np.ndarray, correct: np.ndarray
) -> np.ndarray:
    """p(d, m): how often the thresholded predictor is right on d, float64 (T + 1, T, M): the task left out, and d.

    Args:
        nested: as :func:`tasks_without` gives it, of the predictor's k neighbours.
        task_of, measured: as in :func:`task_distances`.
        correct: (m, M) in [0, 1], of the training rows; a score above 1/2 counts as right.
    """
    truth = correct > THRESHOLD
    return np.stack(
        [
            group_means(
                ((correctness(near, correct) > THRESHOLD) == truth)[measured], task_of[measured], len(nested) - 1
            )
            for near in nested
        ]
    )


def smoothed(at: np.ndarray, distances: np.ndarray, values: np.ndarray, bandwidth: float) -> np.ndarray:
    """Gaussian kernel smoother (Nadaraya-Watson): means of ``values`` (t, M) weighted by nearness, float64 (q, M).

    Args:
        at: (q,) where the smooth is wanted.
        distances: (t,) where the values were found.
        values: (t, M).
        bandwidth: standard deviation of the kernel.
    """
    return _weighted_means(_exponents(at, distances, bandwidth), values)


def _exponents(at: np.ndarray, distances: np.ndarray, bandwidth: float) -> np.ndarray:
    return -((at[:, None] - distances) ** 2) / (2.0 * bandwidth**2)


def _weighted_means(exponents: np.ndarray, values: np.ndarray) -> np.ndarray:
    # Relative to the nearest, so that far from all of them the weights do not all vanish.
    weights = np.exp(exponents - exponents.max(axis=1, keepdims=True))
    return weights @ values / weights.sum(axis=1, keepdims=True)


def best_bandwidth(distances: np.ndarray, values: np.ndarray) -> float:
    """The bandwidth that best predicts each task's values (t, M) from the other tasks', by mean squared error.

    One for all members; the smoothest of equals. Where the tasks are equally far every bandwidth is the plain mean, and
    1 is given.

    Args:
        distances: (t,) u(d) of at least two tasks.
        values: (t, M) p(d, m).
    """
    spread = float(np.ptp(distances))
    if spread < SMALLEST_RANGE:
        return 1.0
    errors = []
    for part in BANDWIDTHS:
        exponents = _exponents(distances, distances, part * spread)
        np.fill_diagonal(exponents, -np.inf)
        errors.append(((_weighted_means(exponents, values) - values) ** 2).mean())
    return BANDWIDTHS[int(np.argmin(np.round(errors, DECIMALS)))] * spread


def estimated_accuracy(distance: float, distances: np.ndarray, accuracies: np.ndarray) -> np.ndarray:
    """p(d', m) from the other tasks' u(d) (t,) and p(d, m) (t, M), at u(d') = ``distance``: float64 (M,)."""
    bandwidth = best_bandwidth(distances, accuracies)
    return smoothed(np.array([distance]), distances, accuracies, bandwidth)[0]


def predicted_share(g: np.ndarray) -> np.ndarray:
    """S2: the share of queries that the thresholded predictor calls right, from g (n, M): float64 (M,)."""
    return (g > THRESHOLD).mean(axis=0)


def corrected_share(share: np.ndarray, accuracy: np.ndarray) -> np.ndarray:
    """S3 = S2 p + (1 - S2)(1 - p): the share right where the predictor itself is right with probability p, (M,)."""
    return share * accuracy + (1.0 - share) * (1.0 - accuracy)


def average_accuracy(correct: np.ndarray, task_of: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Mean over the tasks ``others`` of each member's accuracy on the task's training queries, float64 (M,)."""
    return group_means(correct, task_of, int(task_of.max()) + 1)[others].mean(axis=0)


def others_of(task: int, count: int, estimate: Estimate, name: str) -> np.ndarray:
    """The places of the tasks that the ranking for ``task`` is estimated from.

    Raises:
        UserError: there are too few.
    """
    others = np.flatnonzero(np.arange(count) != task)
    needed = 2 if estimate == "s3" else 1
    if len(others) < needed:
        raise UserError(
            f"benchmark routing with estimate = {estimate} routes the task {name} by what other tasks teach and needs "
            f"at least {needed} of them, but the training queries have {len(others)}: "
            + ("add tasks, or use estimate s1, s2 or average." if len(others) else "add tasks, or use another method.")
        )
    return others


@dataclass(kw_only=True)
class BenchmarkRouting(Router):
    """Query-answer router: the test queries of a task all go to the one member that is expected to do best on it.

    The training queries of a test task are forgotten before it is routed (leave-one-task-out), but for the share
    ``alpha``. Four ways to say what to expect of a member m:

    - ``s1``: mean of g_m over the task's test queries.
    - ``s2``: share of them that the thresholded predictor calls right.
    - ``s3``: that share, corrected by how often the predictor is expected to be right itself, p(d', m): the other
      tasks' p(d, m), smoothed over the distance u of a task from the others.
    - ``average``: mean accuracy on the other tasks (best model on average; ``alpha`` plays no part).

    Equal expectations go by member key. The test queries of a task are looked at together, never their labels.

    - A test task that was never trained on leaves no training queries out and has no labelled share.
    - A task with one query is a task like any other: as a test task its one query decides S1 and S2, as a training task
      its p(d, m) is 0 or 1, and it has no labelled share.
    - Where a query has fewer than k (or distance_neighbours) training queries, all there are count.
    - With one other task only there is nothing to smooth: ``s3`` needs two, the others need one, else a UserError.

    Args:
        estimate: how to estimate a member's accuracy on a task, ``s1``, ``s2``, ``s3`` or ``average``.
        k: number of neighbours in the correctness predictor.
        distance_neighbours: a task's distance from the others is the mean cosine distance to this many neighbours.
        alpha: share of a task's own training queries that are labelled and added when the task is routed, in [0, 1).

    Learned:
        tasks_ (T,) str, task_of_ (n,) int32, correct_ (n, M) int8 (float64 of scores), labelled_ (n,) bool; under ``s3`` also
        distances_ (T + 1, T) and accuracies_ (T + 1, T, M): u(d) and p(d, m) for each task left out, and for none.
    """

    needs_labels = True
    needs_training_embeddings = True
    needs_test_tasks = True
    transductive = True
    family = "query-answer"
    variants = MappingProxyType({"top1": 1})
    aggregate = "majority"
    score_title = "expected accuracy on the task"

    estimate: Estimate = "s3"
    k: Count = 5
    distance_neighbours: Count = 19
    alpha: Annotated[float, Ge(0), Lt(1)] = 0.0

    def fit(self, train: TrainingSet) -> Self:
        """Keep who was right on what; under ``s3`` measure the predictors on every task, each new in turn."""
        self.remember_pool(train)
        self.tasks_, places = np.unique(train.tasks, return_inverse=True)
        self.task_of_ = places.astype(np.int32)
        self.correct_ = train.correct().astype(np.int8 if train.correctness is None else np.float64)
        self.labelled_ = labelled_share(train.tasks, self.alpha, train.seed)
        if self.estimate == "s3":
            others_of(-1, len(self.tasks_), self.estimate, "of any name")
            depth = max(self.k, self.distance_neighbours)
            by_task = nearest_in_other_tasks(train.embeddings, self.task_of_, depth)
            near = self._usable(by_task, train.embeddings, self.task_of_, train.embeddings)
            nested = tasks_without(near, self.task_of_, len(self.tasks_))
            of_distance = [found.first(self.distance_neighbours) for found in nested]
            of_predictor = [found.first(self.k) for found in nested]
            self.distances_ = task_distances(of_distance, self.task_of_, ~self.labelled_)
            self.accuracies_ = predictor_accuracies(of_predictor, self.task_of_, ~self.labelled_, self.correct_)
        return self

    def scores(self, queries: TestQueries) -> np.ndarray:
        """What is expected of the members on each query's task, (n, M): the same for all queries of a task.

        Raises:
            UserError: there are too few other tasks to learn from.
            ValueError: the queries come without tasks or without the training rows' embeddings.
        """
        if queries.tasks is None or queries.training_embeddings is None:
            raise ValueError("benchmark routing needs the test queries' tasks and the training rows' embeddings")
        own = places_of(queries.tasks, self.tasks_)
        if self.estimate != "average":
            depth = self.k if self.estimate != "s3" else max(self.k, self.distance_neighbours)
            by_task = nearest_by_task(queries.embeddings, queries.training_embeddings, self.task_of_, depth)
            near = self._usable(by_task, queries.embeddings, own, queries.training_embeddings)
            g = correctness(near.first(self.k), self.correct_)
            distances = mean_distances(near.first(self.distance_neighbours))
        expected = np.empty((len(own), len(self.members_)))
        for name in np.unique(queries.tasks).tolist():
            mine = np.flatnonzero(queries.tasks == name)
            task = int(own[mine[0]])
            others = others_of(task, len(self.tasks_), self.estimate, name)
            if self.estimate == "average":
                expected[mine] = average_accuracy(self.correct_, self.task_of_, others)
            elif self.estimate == "s1":
                expected[mine] = g[mine].mean(axis=0)
            elif self.estimate == "s2":
                expected[mine] = predicted_share(g[mine])
            else:
                known, accuracies = self.distances_[task, others], self.accuracies_[task, others]
                accuracy = estimated_accuracy(float(distances[mine].mean()), known, accuracies)
                expected[mine] = corrected_share(predicted_share(g[mine]), accuracy)
        return expected

    def _usable(self, by_task: Neighbours, queries: np.ndarray, own: np.ndarray, training: np.ndarray) -> Neighbours:
        k = by_task.rows.shape[-1]
        return usable(by_task, own, nearest_labelled(queries, own, training, self.task_of_, self.labelled_, k))


ROUTER = BenchmarkRouting
