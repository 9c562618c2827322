"""Routing query by query with benchmark routing's predictors, on recorded and on planted graded scores.

The second experiment of arXiv 2309.15789 (section 5.2, MixInstruct): every query goes to the member of the highest mean score
on its nearest training queries. MixInstruct's scores are not at hand, so a world of known expectations stands in for it.
As an analysis this module reads the test queries' scores.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from rgd.analysis.order import Titles, group_title
from rgd.analysis.people import lines_by_columns, with_spread
from rgd.routers.base import rank_members
from rgd.routing.neighbours import nearest
from rgd.scoring.statistics import accuracy_interval
from rgd.seeds import generator

K_GRID = (1, 3, 5, 10, 20, 40, 64)
# Training queries on which k is chosen, so that the cost grows linearly with them.
CHOOSE_ON = 4096
NEAREST, BMA, ORACLE, RANDOM = "nearest", "bma", "oracle", "random"
METHODS = (NEAREST, BMA, ORACLE, RANDOM)
TITLES = {
    NEAREST: "nearest training queries",
    BMA: "best member on average",
    ORACLE: "best member of each query (oracle)",
    RANDOM: "a member at random",
}
PLANTED = "planted graded scores"
PUBLISHED = {NEAREST: 74.75, ORACLE: 77.67}
"""BERTScore in per cent on MixInstruct with 11 LLMs, arXiv 2309.15789, Table 2."""
PUBLISHED_CALLS, PUBLISHED_MEMBERS = 2, 11
NOTE = (
    "Mean score in per cent, mean ± standard deviation over splits; recorded answers score 0 or 1. Calls are of members and, for "
    "routing, of the embedder. Published: BERTScore on MixInstruct with 11 LLMs (arXiv 2309.15789, Table 2), which is another data "
    "set; it counts 2 calls a query, one of them for the embedding, where the text says that one answer is generated. The planted "
    "scores are those of 11 members on 3,000 queries whose expected scores are logistic in the embedding; noise is added, so even the "
    "oracle of expectations is below that of scores."
)


@dataclass(frozen=True)
class Planted:
    """A world of graded scores: n queries, d dimensions, M members.

    Attributes:
        embeddings: (n, d) float32, L2-normalised.
        expected: (n, M) the expectation of every score.
        scores: (n, M) in [0, 1].
        members: keys.
    """

    embeddings: np.ndarray
    expected: np.ndarray
    scores: np.ndarray
    members: tuple[str, ...]


def planted(seed: int, queries: int = 3000, members: int = 11, dimension: int = 16, noise: float = 0.1) -> Planted:
    """Scores that depend on the queries' direction, with noise that is cut off at 0 and 1.

    Args:
        seed: of the world.
        queries, members, dimension: its size.
        noise: standard deviation of what a score has beyond its expectation before the cut.
    """
    random = generator(seed, "planted scores")
    vectors = random.normal(size=(queries, dimension))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    level, slope = random.normal(0.8, 0.3, members), random.normal(0.0, 2.5, (dimension, members))
    expected = 1.0 / (1.0 + np.exp(-(level + vectors @ slope)))
    scores = np.clip(expected + random.normal(0.0, noise, expected.shape), 0.0, 1.0)
    return Planted(
        vectors.astype(np.float32), expected, scores, tuple(f"member-{place:02d}" for place in range(members))
    )


def choices(
    train: np.ndarray, test: np.ndarray, scores: np.ndarray, members: Sequence[str], seed: int
) -> dict[str, np.ndarray]:
    """The member (n,) that each test query goes to, by the nearest training queries and by the average over all.

    Equal means go to the member of the higher average, then by key. k is the one of K_GRID with the best mean score of the
    chosen member on training queries, each left out in turn; the smallest of equals.

    Args:
        train, test: (m, d) and (n, d) float32, L2-normalised.
        scores: (m, M) in [0, 1], of the training queries.
        members: M keys.
        seed: draws the training queries on which k is chosen, if there are more than CHOOSE_ON.
    """
    names = np.array(members)
    overall = scores.mean(axis=0, dtype=np.float64)

    def chosen(around: np.ndarray) -> np.ndarray:
        return rank_members(scores[around].mean(axis=1, dtype=np.float64), names, tie=overall)[:, 0]

    k = K_GRID[0]
    if len(train) > 1:
        rows = np.arange(len(train))
        if len(rows) > CHOOSE_ON:
            rows = np.sort(generator(seed, "instance_routing").permutation(rows)[:CHOOSE_ON])
        around, _ = nearest(train[rows], train, K_GRID[-1], own=rows)
        found = [scores[rows, chosen(around[:, :size])].mean(dtype=np.float64) for size in K_GRID]
        k = K_GRID[int(np.argmax(np.round(found, 12)))]
    best = int(rank_members(overall[None, :], names)[0, 0])
    return {NEAREST: chosen(nearest(test, train, k)[0]), BMA: np.full(len(test), best)}


def instance_rows(
    embeddings: np.ndarray,
    tasks: np.ndarray,
    scores: np.ndarray,
    members: Sequence[str],
    train_rows: np.ndarray,
    test_rows: np.ndarray,
    seed: int,
    interval: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """One row per method on one split.

    Args:
        embeddings: (n, d) float32, L2-normalised.
        tasks: (n,) the strata of the interval.
        scores: (n, M) bool, or scores in [0, 1].
        members: M keys.
        train_rows, test_rows: the split.
        seed: the split's.
        interval: level, draws and seed of the bootstrap.

    Returns:
        Dictionaries with seed, method, n_queries; score, the mean over test queries, with its interval; member_calls and
        embedder_calls per query; regret, the oracle's score minus the method's.
    """
    known, truth = scores[train_rows].astype(np.float64), scores[test_rows].astype(np.float64)
    chosen = choices(embeddings[train_rows], embeddings[test_rows], known, members, seed)
    reached = {method: truth[np.arange(len(truth)), members_of] for method, members_of in chosen.items()}
    reached |= {ORACLE: truth.max(axis=1), RANDOM: truth.mean(axis=1)}
    best = float(reached[ORACLE].mean())
    rows = []
    for method in METHODS:
        found = accuracy_interval(
            reached[method], tasks[test_rows], interval["seed"], interval["draws"], interval["level"]
        )
        rows.append(
            {
                "seed": seed,
                "method": method,
                "n_queries": len(truth),
                "score": found.estimate,
                "ci_low": found.low,
                "ci_high": found.high,
                # Scores of all members are needed to know the best of a query.
                "member_calls": float(truth.shape[1] if method == ORACLE else 1),
                "embedder_calls": float(method == NEAREST),
                "regret": best - found.estimate,
            }
        )
    return rows


def planted_rows(seed: int, interval: Mapping[str, Any], train_share: float = 2 / 3) -> list[dict[str, Any]]:
    """:func:`instance_rows` on the world of :func:`planted`, of which the first part trains."""
    world = planted(seed)
    cut = round(train_share * len(world.scores))
    rows = np.arange(len(world.scores))
    tasks = np.zeros(len(rows), dtype=np.int64).astype(np.str_)
    return instance_rows(world.embeddings, tasks, world.scores, world.members, rows[:cut], rows[cut:], seed, interval)


def instances_for_people(table: pd.DataFrame, titles: Titles | None = None) -> dict[str, pd.DataFrame]:
    """Mean scores of every data set by method, with calls, and the published ones beside them.

    Args:
        table: dataset, pool and the columns of :func:`instance_rows`.
        titles: names to show instead of keys, by kind (dataset, pool).
    """
    cells = []
    for (dataset, pool), part in table.groupby(["dataset", "pool"], sort=False):
        where = PLANTED if dataset == PLANTED else group_title(titles, dataset=str(dataset), pool=str(pool))
        for method, rows in part.groupby("method", sort=False):
            shown = with_spread(100 * rows["score"].mean(), 100 * rows["score"].std())
            calls = rows["member_calls"].mean() + rows["embedder_calls"].mean()
            cells.append((f"{where}: {TITLES[str(method)]}", {"score %": shown, "calls": f"{calls:g}"}))
    for method, score in PUBLISHED.items():
        asked = PUBLISHED_CALLS if method == NEAREST else PUBLISHED_MEMBERS
        cells.append((f"published (MixInstruct): {TITLES[method]}", {"score %": f"{score:.2f}", "calls": f"{asked}"}))
    return {"Routing query by query": lines_by_columns("data and method", cells, absent="")}
