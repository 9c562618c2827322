"""Scores of benchmark routing: every rule, with growing shares of the routed task's own queries labelled.

As an analysis this module reads test labels: for scoring, for the oracle, and for the predictors' true accuracy, which is
an upper bound on what S3 can know. The router itself (rgd.routers.benchmark_routing) never reads them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from rgd.analysis.order import Titles, group_title
from rgd.analysis.people import lines_by_columns, with_spread
from rgd.artifacts.columns import rows_in, texts
from rgd.routers.base import rank_members
from rgd.routers.benchmark_routing import (
    THRESHOLD,
    Neighbours,
    average_accuracy,
    corrected_share,
    correctness,
    estimated_accuracy,
    labelled_share,
    mean_distances,
    nearest_by_task,
    nearest_in_other_tasks,
    nearest_labelled,
    others_of,
    places_of,
    predicted_share,
    predictor_accuracies,
    task_distances,
    tasks_without,
    usable,
)
from rgd.scoring.statistics import accuracy_interval

ALPHAS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
S3_TRUE, BMA, ORACLE = "s3_true_p", "bma", "oracle_per_task"
RULES = ("s1", "s2", "s3", S3_TRUE, BMA, ORACLE)
TITLES = {
    "s1": "S1",
    "s2": "S2",
    "s3": "S3",
    S3_TRUE: "S3 with the true p",
    BMA: "best model on average",
    ORACLE: "best member of each task (oracle)",
}
KEYS = ["dataset", "pool", "rule", "alpha"]
FIGURES = ["accuracy", "ci_low", "ci_high", "mean_parameters_billion", "predictor_accuracy", "p_mae"]


@dataclass(frozen=True)
class RightAnswers:
    """The M members' keys, their sizes in billions of parameters (M,), and whether each answered correctly, (n, M) bool."""

    members: tuple[str, ...]
    parameters_billion: np.ndarray
    correct: np.ndarray


@dataclass(frozen=True)
class Surroundings:
    """Everything that does not depend on the members, at one alpha: T training tasks, m training and n test queries.

    Attributes:
        tasks: (n,) str, the test queries' tasks.
        own: (n,) the index of each test query's task among the training tasks, -1 if it is not one of them.
        task_of: (m,) the index of each training query's task.
        measured: (m,) bool, the training queries on which predictors are tested.
        near: the test queries' neighbours of the predictor, (n, k).
        distance: (n,) mean distance of each test query to its neighbours.
        nested: the training queries' neighbours (m, k) with each task left out, and with none left out.
        distances: (T + 1, T) u(d) with each task left out, and with none left out.
    """

    tasks: np.ndarray
    own: np.ndarray
    task_of: np.ndarray
    measured: np.ndarray
    near: Neighbours
    distance: np.ndarray
    nested: list[Neighbours]
    distances: np.ndarray


def right_answers(responses: pa.Table, labels: pa.Table, query_ids: np.ndarray) -> np.ndarray:
    """Which of ``query_ids`` (n,) a member answered correctly, (n,) bool; a missing answer is wrong.

    Args:
        responses: query_id and answer.
        labels: query_id and label.
    """
    answer = texts(responses["answer"])[rows_in(texts(responses["query_id"]), query_ids)]
    label = texts(labels["label"])[rows_in(texts(labels["query_id"]), query_ids)]
    return np.array([given is not None and given == true for given, true in zip(answer, label, strict=True)])


def surroundings(
    train: np.ndarray,
    test: np.ndarray,
    train_tasks: np.ndarray,
    test_tasks: np.ndarray,
    seed: int,
    alphas: Sequence[float] = ALPHAS,
    k: int = 5,
    distance_neighbours: int = 19,
) -> Iterator[tuple[float, Surroundings]]:
    """The basis for measuring the members' correctness at every alpha; one search for neighbours serves all.

    Args:
        train, test: (m, d) and (n, d) float32, L2-normalised.
        train_tasks, test_tasks: (m,) and (n,) str.
        seed: the split's seed; the labelled share is drawn as in the router.
        alphas, k, distance_neighbours: the router's parameters of these names.

    Raises:
        UserError: a test task has fewer than two other tasks to learn from.
    """
    names, task_of = np.unique(train_tasks, return_inverse=True)
    own = places_of(test_tasks, names)
    # Checked before the work: the fewest tasks that any test task can learn from.
    for name, task in sorted(set(zip(test_tasks.tolist(), own.tolist(), strict=True))):
        others_of(task, len(names), "s3", name)
    depth = max(k, distance_neighbours)
    of_train = nearest_in_other_tasks(train, task_of, depth)
    of_test = nearest_by_task(test, train, task_of, depth)
    for alpha in alphas:
        labelled = labelled_share(train_tasks, alpha, seed)
        near_train = usable(of_train, task_of, nearest_labelled(train, task_of, train, task_of, labelled, depth))
        near_test = usable(of_test, own, nearest_labelled(test, own, train, task_of, labelled, depth))
        nested = tasks_without(near_train, task_of, len(names))
        yield (
            alpha,
            Surroundings(
                tasks=test_tasks,
                own=own,
                task_of=task_of,
                measured=~labelled,
                near=near_test.first(k),
                distance=mean_distances(near_test.first(distance_neighbours)),
                nested=[found.first(k) for found in nested],
                distances=task_distances([found.first(distance_neighbours) for found in nested], task_of, ~labelled),
            ),
        )


@dataclass(frozen=True)
class Choices:
    """The rules' choices for n test queries, and how good the predictors were.

    Attributes:
        chosen: rule -> (n,) the member that each query goes to, the same for all queries of a task.
        predictor_accuracy: (tasks, M) how often the thresholded predictor is right on the task's test queries.
        p: (tasks, M) the estimates of these accuracies.
    """

    chosen: dict[str, np.ndarray]
    predictor_accuracy: np.ndarray
    p: np.ndarray


def choose(around: Surroundings, pool: RightAnswers, train_rows: np.ndarray, test_rows: np.ndarray) -> Choices:
    """Choose a member for every test task by every rule.

    Args:
        around: the basis for these training and test queries.
        pool: the members' correctness on all queries.
        train_rows, test_rows: (m,) and (n,) rows of ``pool.correct``.
    """
    known, truth = pool.correct[train_rows].astype(np.int8), pool.correct[test_rows]
    g = correctness(around.near, known)
    right = (g > THRESHOLD) == truth
    accuracies = predictor_accuracies(around.nested, around.task_of, around.measured, known)
    members = np.array(pool.members)
    chosen = {rule: np.empty(len(test_rows), dtype=np.int64) for rule in RULES}
    true_p, p = [], []
    for name in np.unique(around.tasks).tolist():
        mine = np.flatnonzero(around.tasks == name)
        task = int(around.own[mine[0]])
        others = others_of(task, around.distances.shape[1], "s3", name)
        share = predicted_share(g[mine])
        true_p.append(right[mine].mean(axis=0))
        p.append(
            estimated_accuracy(
                float(around.distance[mine].mean()), around.distances[task, others], accuracies[task, others]
            )
        )
        expected = {
            "s1": g[mine].mean(axis=0),
            "s2": share,
            "s3": corrected_share(share, p[-1]),
            S3_TRUE: corrected_share(share, true_p[-1]),
            BMA: average_accuracy(known, around.task_of, others),
            ORACLE: truth[mine].mean(axis=0),
        }
        for rule, scores in expected.items():
            chosen[rule][mine] = rank_members(scores, members)[0]
    return Choices(chosen, np.array(true_p), np.array(p))


def benchmark_routing_rows(
    embeddings: np.ndarray,
    tasks: np.ndarray,
    pools: Mapping[str, RightAnswers],
    train_rows: np.ndarray,
    test_rows: np.ndarray,
    seed: int,
    interval: Mapping[str, Any],
    alphas: Sequence[float] = ALPHAS,
) -> list[dict[str, Any]]:
    """One row per pool, alpha and rule, on one split of a dataset.

    Args:
        embeddings: (n, d) float32 of all queries, L2-normalised.
        tasks: (n,) str.
        pools: pools by name, over the same queries.
        train_rows, test_rows: the split.
        seed: the split's seed.
        interval: level, draws and seed of the bootstrap.
        alphas: the shares of the routed task's training queries that are labelled.

    Returns:
        Dictionaries with pool, seed, rule, alpha, n_queries; accuracy over all test queries with its interval,
        stratified by task; mean_parameters_billion of the chosen members, over the test queries (NaN if a size is
        unknown); predictor_accuracy and p_mae (mean absolute error of p), means over tasks and members, NaN for a
        rule that does not use them.
    """
    rows = []
    for alpha, around in surroundings(
        embeddings[train_rows], embeddings[test_rows], tasks[train_rows], tasks[test_rows], seed, alphas
    ):
        for name, pool in pools.items():
            found = choose(around, pool, train_rows, test_rows)
            truth = pool.correct[test_rows]
            errors = {"s3": float(np.abs(found.p - found.predictor_accuracy).mean()), S3_TRUE: 0.0}
            for rule, chosen in found.chosen.items():
                accuracy = accuracy_interval(
                    truth[np.arange(len(chosen)), chosen],
                    around.tasks,
                    interval["seed"],
                    interval["draws"],
                    interval["level"],
                )
                rows.append(
                    {
                        "pool": name,
                        "seed": seed,
                        "rule": rule,
                        "alpha": alpha,
                        "n_queries": len(chosen),
                        "accuracy": accuracy.estimate,
                        "ci_low": accuracy.low,
                        "ci_high": accuracy.high,
                        "mean_parameters_billion": float(pool.parameters_billion[chosen].mean()),
                        "predictor_accuracy": (
                            float("nan") if rule in (BMA, ORACLE) else float(found.predictor_accuracy.mean())
                        ),
                        "p_mae": errors.get(rule, float("nan")),
                    }
                )
    return rows


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Mean of every figure over the seeds, and its standard deviation (n - 1; NaN for one seed) as ``FIGURE_std``.

    Args:
        table: dataset and the columns of :func:`benchmark_routing_rows`; the row order is kept.
    """
    # A figure that one seed lacks is unknown: the mean of the others would be over other splits.
    columns: dict[str, Any] = {figure: (figure, lambda values: values.mean(skipna=False)) for figure in FIGURES}
    columns |= {f"{figure}_std": (figure, "std") for figure in FIGURES if not figure.startswith("ci_")}
    return table.groupby(KEYS, sort=False, as_index=False).agg(n_seeds=("seed", "size"), **columns)


def benchmark_routing_for_people(table: pd.DataFrame, titles: Titles | None = None) -> dict[str, pd.DataFrame]:
    """Accuracy, size of the chosen members, and quality of predictors and p by alpha, for each dataset and pool.

    A cell reads ``62.4 ± 1.1``: mean and standard deviation over seeds. With one seed the latter is left out.

    Args:
        table: the argument of :func:`summary`.
        titles: names to show instead of keys, by kind (dataset, pool).
    """
    tables = {}
    for (dataset, pool), part in summary(table).groupby(["dataset", "pool"], sort=False):
        where = group_title(titles, dataset=str(dataset), pool=str(pool))
        tables[f"{where}: accuracy in per cent"] = _by_alpha(part, "accuracy", 100, 1)
        tables[f"{where}: mean parameters of the members chosen, in billions"] = _by_alpha(
            part, "mean_parameters_billion", 1, 2
        )
        predictor = _by_alpha(part[part["rule"] == "s3"], "predictor_accuracy", 100, 1)
        error = _by_alpha(part[part["rule"] == "s3"], "p_mae", 1, 3)
        both = pd.concat([predictor, error], ignore_index=True).rename(columns={"rule": "of the predictors"})
        both["of the predictors"] = ["accuracy in per cent", "mean absolute error of p"]
        tables[f"{where}: correctness predictors"] = both
    return tables


def _by_alpha(part: pd.DataFrame, figure: str, scale: float, decimals: int) -> pd.DataFrame:
    cells = []
    for rule, alpha, mean, spread in zip(part["rule"], part["alpha"], part[figure], part[f"{figure}_std"], strict=True):
        shown = "not known" if np.isnan(mean) else with_spread(scale * mean, scale * spread, decimals)
        cells.append((TITLES[rule], {f"alpha {alpha:g}": shown}))
    return lines_by_columns("rule", cells, absent="")
