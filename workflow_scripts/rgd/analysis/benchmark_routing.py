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
from rgd.analysis.people import UNKNOWN, lines_by_columns, with_spread
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
PUBLISHED = (
    ("task_accuracy", "s1", 0.0, 0.662, "accuracy of S1", ""),
    ("task_accuracy", "s2", 0.0, 0.676, "accuracy of S2", ""),
    ("task_accuracy", "s3", 0.0, 0.694, "accuracy of S3", ""),
    ("task_accuracy", BMA, 0.0, 0.688, "accuracy of the best model on average", "a"),
    ("task_accuracy", S3_TRUE, 0.0, 0.735, "accuracy of S3 with the true p", "b"),
    ("task_accuracy", ORACLE, 0.0, 0.773, "accuracy of the best member of each task", ""),
    ("predictor_accuracy", "s3", 0.0, 0.59, "accuracy of the correctness predictors", "c"),
    ("predictor_accuracy", "s3", 0.05, 0.65, "the same with 5 % of the task's examples labelled", "c"),
    ("p_mae", "s3", 0.0, 0.116, "mean absolute error of the kernel smoother", ""),
    ("mean_parameters_billion", "s3", 0.0, 49.8, "billions of parameters chosen by S3", ""),
    ("mean_parameters_billion", BMA, 0.0, 70.0, "billions of parameters of the best model on average", ""),
    ("mean_parameters_billion", S3_TRUE, 0.0, 33.8, "billions of parameters chosen by S3 with the true p", ""),
)
"""Figure, rule, alpha, published value, title and note of arXiv 2309.15789, Table 1 and section 5.1: 29 datasets of HELM, 18 LLMs."""
NOTES = (
    "Published figures are those of arXiv 2309.15789 on 29 datasets of HELM with 18 LLMs, so they need not agree with those here; a "
    "task here is a dataset there. (a) Published for one model, llama-2-70b, on all datasets; here each task's is chosen by the "
    "other tasks alone. (b) Called an upper bound, which it is not: the share of right predictions says nothing of how wrong the "
    "others make S2, and S3 with an estimated p can choose better. (c) Of the text and a figure with two digits; with thresholded "
    "predictors, which for a member that is nearly always right are as good as saying so."
)
# Accuracies that differ by less than this are equal.
DECIMALS = 12
FIGURES = ["accuracy", "ci_low", "ci_high", "mean_parameters_billion", "predictor_accuracy", "p_mae"]
BY_TASK = ["task_accuracy", "ratio_to_best", "rank_of_chosen", "share_of_bma", "pearson", "spearman"]
"""Means over tasks, as the paper has them in its Table 1: each task counts alike, however many queries it has."""


@dataclass(frozen=True)
class RightAnswers:
    """What M members got right of n queries.

    Attributes:
        members: their keys.
        parameters_billion: (M,) their sizes, NaN where unknown.
        correct: (n, M) bool, or scores in [0, 1]; a score above 1/2 counts as right for the thresholded predictors.
    """

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


def right_answers(responses: pa.Table, labels: pa.Table, query_ids: np.ndarray, scored: bool = False) -> np.ndarray:
    """Which of ``query_ids`` (n,) a member answered correctly, (n,) bool; a missing answer is wrong.

    Args:
        responses: query_id and answer.
        labels: query_id and label.
        query_ids: the wanted queries.
        scored: whether the answers are scores, which are then given as they are, float64 (n,); a missing one is 0.
    """
    answer = texts(responses["answer"])[rows_in(texts(responses["query_id"]), query_ids)]
    if scored:
        return np.array([0.0 if given is None else float(given) for given in answer])
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
        tasks: the tasks' names, in order.
        chosen: rule -> (n,) the member that each query goes to, the same for all queries of a task.
        expected: rule -> (tasks, M) what the rule expects of every member.
        accuracy: (tasks, M) what the members did on the task's test queries.
        predictor_accuracy: (tasks, M) how often the thresholded predictor is right on the task's test queries.
        p: (tasks, M) the estimates of these accuracies.
    """

    tasks: list[str]
    chosen: dict[str, np.ndarray]
    expected: dict[str, np.ndarray]
    accuracy: np.ndarray
    predictor_accuracy: np.ndarray
    p: np.ndarray


def choose(around: Surroundings, pool: RightAnswers, train_rows: np.ndarray, test_rows: np.ndarray) -> Choices:
    """Choose a member for every test task by every rule.

    Args:
        around: the basis for these training and test queries.
        pool: the members' correctness on all queries.
        train_rows, test_rows: (m,) and (n,) rows of ``pool.correct``.
    """
    known, truth = pool.correct[train_rows], pool.correct[test_rows]
    known = known.astype(np.int8) if known.dtype == bool else known
    g = correctness(around.near, known)
    right = (g > THRESHOLD) == (truth > THRESHOLD)
    accuracies = predictor_accuracies(around.nested, around.task_of, around.measured, known)
    members = np.array(pool.members)
    chosen = {rule: np.empty(len(test_rows), dtype=np.int64) for rule in RULES}
    names = np.unique(around.tasks).tolist()
    expectations: dict[str, list[np.ndarray]] = {rule: [] for rule in RULES}
    true_p, p = [], []
    for name in names:
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
            expectations[rule].append(scores)
    expected = {rule: np.array(scores) for rule, scores in expectations.items()}
    return Choices(names, chosen, expected, expected[ORACLE], np.array(true_p), np.array(p))


def by_task(found: Choices, tasks: np.ndarray, rule: str) -> dict[str, float]:
    """How well a rule chose, as means over tasks (arXiv 2309.15789, section 5.1, Table 1).

    Args:
        found: from :func:`choose`.
        tasks: (n,) the task of each test query.
        rule: one of RULES.

    Returns:
        BY_TASK: the chosen member's accuracy on the task; that as a share of the best member's (tasks on which no member
        is right are left out); the chosen member's rank by true accuracy, 1 the best, of equals the better; the share of
        tasks on which it is the one that is best on average; Pearson's and Spearman's correlation over members of what the
        rule expects with the true accuracy (tasks on which one of them is constant are left out). NaN where no task is left.
    """
    first = [int(np.flatnonzero(tasks == name)[0]) for name in found.tasks]
    chosen, average = found.chosen[rule][first], found.chosen[BMA][first]
    accuracy = found.accuracy[np.arange(len(first)), chosen]
    best = found.accuracy.max(axis=1)
    rank = 1 + (found.accuracy.round(DECIMALS) > accuracy.round(DECIMALS)[:, None]).sum(axis=1)
    pairs = list(zip(found.expected[rule].round(DECIMALS), found.accuracy.round(DECIMALS), strict=True))
    return {
        "task_accuracy": float(accuracy.mean()),
        "ratio_to_best": _mean((accuracy / np.where(best > 0, best, np.nan)).tolist()),
        "rank_of_chosen": float(rank.mean()),
        "share_of_bma": float((chosen == average).mean()),
        "pearson": _mean([_correlation(*pair) for pair in pairs]),
        "spearman": _mean([_correlation(*map(_ranked, pair)) for pair in pairs]),
    }


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])


def _ranked(values: np.ndarray) -> np.ndarray:
    """The ranks (M,) of values; equal ones have the mean of their ranks."""
    return ((values[None, :] < values[:, None]).sum(axis=1) + (values[None, :] <= values[:, None]).sum(axis=1)) / 2


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
        rule that does not use them; and BY_TASK, from :func:`by_task`.
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
                        **by_task(found, around.tasks, rule),
                    }
                )
    return rows


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Mean of every figure over the seeds, and its standard deviation (n - 1; NaN for one seed) as ``FIGURE_std``.

    Args:
        table: dataset and the columns of :func:`benchmark_routing_rows`; the row order is kept.
    """
    # A figure that one seed lacks is unknown: the mean of the others would be over other splits.
    figures = [*FIGURES, *BY_TASK]
    columns: dict[str, Any] = {figure: (figure, lambda values: values.mean(skipna=False)) for figure in figures}
    columns |= {f"{figure}_std": (figure, "std") for figure in figures if not figure.startswith("ci_")}
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
        tables[f"{where}: each task alike, no labels of it"] = _tasks_alike(part[part["alpha"] == 0])
        tables[f"{where}: beside the published figures"] = beside_published(part)
    return tables


def _tasks_alike(part: pd.DataFrame) -> pd.DataFrame:
    shown = {"rule": [TITLES[rule] for rule in part["rule"]]}
    columns = {
        "task_accuracy": ("accuracy %", 100, 1),
        "ratio_to_best": ("of the best member's, %", 100, 1),
        "rank_of_chosen": ("rank of the chosen", 1, 2),
        "share_of_bma": ("best on average, % of tasks", 100, 0),
        "pearson": ("Pearson", 1, 2),
        "spearman": ("Spearman", 1, 2),
    }
    for figure, (name, scale, decimals) in columns.items():
        pairs = zip(part[figure], part[f"{figure}_std"], strict=True)
        shown[name] = [_shown(mean, spread, scale, decimals) for mean, spread in pairs]
    return pd.DataFrame(shown)


def beside_published(part: pd.DataFrame) -> pd.DataFrame:
    """The figures of PUBLISHED beside ours, which are of other data.

    Args:
        part: of :func:`summary`, one dataset and pool.

    Returns:
        Columns figure, here, published, note.
    """
    rows = []
    for figure, rule, alpha, published, title, note in PUBLISHED:
        found = part[(part["rule"] == rule) & (part["alpha"] == alpha)]
        scale, decimals = (1, 1) if figure == "mean_parameters_billion" else (1, 3)
        here = (
            "not made"
            if found.empty
            else _shown(found[figure].iloc[0], found[f"{figure}_std"].iloc[0], scale, decimals)
        )
        rows.append({"figure": title, "here": here, "published": f"{published:.{decimals}f}", "note": note})
    return pd.DataFrame(rows)


def _by_alpha(part: pd.DataFrame, figure: str, scale: float, decimals: int) -> pd.DataFrame:
    cells = []
    for rule, alpha, mean, spread in zip(part["rule"], part["alpha"], part[figure], part[f"{figure}_std"], strict=True):
        cells.append((TITLES[rule], {f"alpha {alpha:g}": _shown(mean, spread, scale, decimals)}))
    return lines_by_columns("rule", cells, absent="")


def _shown(mean: float, spread: float, scale: float, decimals: int) -> str:
    return UNKNOWN if np.isnan(mean) else with_spread(scale * mean, scale * spread, decimals)
