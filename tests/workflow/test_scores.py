"""The tables of costs and of benchmark and instance routing on recorded scores, beside slow computations of the same figures."""

import csv
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rgd.analysis.instance_routing import BMA as AVERAGE
from rgd.analysis.instance_routing import NEAREST, ORACLE, RANDOM
from tests.slow_twins import benchmark_routing as twin
from tests.unit.analysis.test_instance_routing import slow
from tests.unit.scoring.test_cost_quality import slow_quality
from tests.workflow.project import Project, make, write

pytestmark = [pytest.mark.slow, pytest.mark.ci]

TASKS = ("essays", "letters", "poems")
PER_TASK = 24
N = PER_TASK * len(TASKS)
MEMBERS = ["cheap", "dear", "middle", "priced"]
SEEDS = [0, 1]
PRICE = 0.004
ROUTERS = ["benchmark_s1", "benchmark_s2", "benchmark_s3", "benchmark_bma", "knn", "topk", "single"]
IDS = [f"row-{row:05d}" for row in range(N)]
TASK_OF = np.repeat(TASKS, PER_TASK)


def make_world() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vectors (N, 64), scores (N, M) with NaN for a missing one, and costs (N, M) in dollars."""
    random = np.random.default_rng(7)
    vectors = np.eye(3, 64).repeat(PER_TASK, axis=0) + 0.15 * random.normal(size=(N, 64))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    level = np.array([[0.45, 0.75, 0.55, 0.3], [0.4, 0.6, 0.7, 0.65], [0.7, 0.65, 0.3, 0.5]]).repeat(PER_TASK, axis=0)
    slope = 2.0 * vectors[:, 3:7]
    scores = np.clip(level + slope + 0.1 * random.normal(size=level.shape), 0, 1).round(3)
    scores[random.random(scores.shape) < 0.03] = np.nan
    costs = np.array([0.0005, 0.02, 0.003, 99.0]) * random.uniform(0.5, 1.5, (N, 4))
    return vectors.astype(np.float32), scores, costs


VECTORS, SCORES, COSTS = make_world()
KNOWN = np.nan_to_num(SCORES)
SPENT = COSTS.copy()
SPENT[:, MEMBERS.index("priced")] = PRICE


def write_member(root: Path, member: str, **without: None) -> None:
    """A member's file; ``cost=None`` leaves the costs out."""
    place = MEMBERS.index(member)
    columns = {
        "question_id": IDS,
        "score": pa.array(SCORES[:, place], pa.float64(), from_pandas=True),
        "completion_tokens": pa.array(np.arange(N) % 7 + 1, pa.int32()),
        "cost": COSTS[:, place],
    }
    kept = {name: column for name, column in columns.items() if name not in without}
    pq.write_table(pa.table(kept), root / f"recorded/texts/writers/{member}.parquet")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("scores")
    made, data = make(folder / "project", folder / "no models"), folder / "data"
    (data / "own").mkdir(parents=True)
    with (data / "own/texts.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["question", "sort"], *([f"Write {row}.", TASK_OF[row]] for row in range(N))])
    (data / "recorded/texts/writers").mkdir(parents=True)
    for member in MEMBERS:
        write_member(data, member)
    pq.write_table(pa.table({"question_id": IDS, "embedding": list(VECTORS)}), data / "recorded/texts/vectors.parquet")
    config = made.folder / "config"
    write(
        config / "dataset/texts.yaml",
        title="Texts",
        adapter="free_form",
        answer_kind="score",
        source={"file": "own/texts.csv", "columns": {"question": "question", "task": "sort"}},
        tasks=dict.fromkeys(TASKS, "A task."),
        recorded="texts",
        recorded_embeddings="vectors.parquet",
        embedder="tiny-embedder",
        generated_queries=1,
    )
    write(config / "pool/writers.yaml", title="Writers", recorded="writers", members=MEMBERS)
    write(
        config / "experiment/scores.yaml",
        title="Scores",
        datasets=["texts"],
        scenarios=["real"],
        pools=["writers"],
        routers=ROUTERS,
        seeds=SEEDS,
        tables=["accuracy", "costs", "benchmark_routing", "instance_routing"],
        costs={"prices": {"priced": {"call": PRICE}}},
    )
    done = run(made, "tables")
    assert done.returncode == 0, done.stdout + done.stderr
    return made


def run(project: Project, *arguments: str, data: Path | None = None) -> Any:
    folder = data or project.folder.parent / "data"
    return project.run(*arguments, "--config", "experiment=scores", f"data_root={folder}")


def table(project: Project, name: str) -> pd.DataFrame:
    return pd.read_parquet(project.folder / f"results/tables/scores/{name}.parquet")


def parts(project: Project, seed: int) -> tuple[list[int], list[int]]:
    """The rows of a split's training and test part, in the order of the questions."""
    splits = pd.read_parquet(project.folder / "results/splits/texts.parquet").query("seed == @seed")
    part = dict(zip(splits["query_id"], splits["part"], strict=True))
    train, test = ([row for row in range(N) if part[IDS[row]] == name] for name in ("train", "test"))
    return train, test


def rows_of_tests(project: Project) -> list[int]:
    """The test rows of all splits, which have equally many."""
    return [row for seed in SEEDS for row in parts(project, seed)[1]]


def points(project: Project, router: str) -> dict[str, tuple[float, float]]:
    """The mean cost and score of a router's variants, from whom they asked."""
    if router == "single":
        rows = rows_of_tests(project)
        return {member: (SPENT[rows, place].mean(), KNOWN[rows, place].mean()) for place, member in enumerate(MEMBERS)}
    routes = pd.read_parquet(project.folder / f"results/routes/texts/real/writers/{router}.parquet")
    asked = [MEMBERS.index(given[0]) for given in routes["asked_top1"]]
    rows = [IDS.index(query_id) for query_id in routes["query_id"]]
    assert sorted(rows) == sorted(rows_of_tests(project))
    return {"top1": (SPENT[rows, asked].mean(), KNOWN[rows, asked].mean())}


def area(spanned: list[tuple[float, float]], dearest: float) -> float:
    budgets = np.linspace(0, dearest, 3001)
    return float(np.trapezoid([slow_quality(spanned, budget) for budget in budgets], budgets) / dearest)


def cheapest(spanned: list[tuple[float, float]], quality: float, most: float) -> float:
    """The smallest budget that reaches a quality, by halving."""
    low, high = 0.0, most
    if slow_quality(spanned, high) < quality - 1e-12:
        return float("inf")
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if slow_quality(spanned, middle) >= quality - 1e-12 else (middle, high)
    return high


def test_costs_are_those_recorded_and_a_price_wins(project: Project) -> None:
    found = table(project, "costs").set_index(["router", "variant"])
    of_routers = {router: points(project, router) for router in ROUTERS}
    singles = list(of_routers["single"].values())
    best = max(singles, key=lambda point: point[1])
    dearest = max(cost for each in of_routers.values() for cost, _ in each.values())
    zero = area(singles, dearest)
    for router, variants in of_routers.items():
        spanned = list(variants.values())
        for variant, (cost, quality) in variants.items():
            row = found.loc[(router, variant)]
            assert row["cost_unit"] == "dollars"
            assert row["accuracy"] == pytest.approx(quality, abs=1e-6)
            assert row["cost"] == pytest.approx(cost), router
            assert row["calls_per_query"] == 1
            assert row["aiq"] == pytest.approx(area(spanned, dearest), abs=1e-4), router
            assert row["aiq_gain"] == pytest.approx(area(spanned, dearest) - zero, abs=1e-4)
            assert row["best_single_cost"] == pytest.approx(best[0])
            assert row["best_single_accuracy"] == pytest.approx(best[1], abs=1e-6)
            assert row["gain_at_equal_cost"] == pytest.approx(slow_quality(spanned, best[0]) - best[1], abs=1e-6)
            share = cheapest(spanned, best[1], dearest) / best[0]
            assert row["cost_at_equal_accuracy"] == pytest.approx(share, rel=1e-5), router
            assert row["cost_low"] <= row["cost"] <= row["cost_high"]
            score = np.log(200 / (1000 * cost)) / np.log(200 / 0.0044)
            assert row["arena_score"] == pytest.approx(1.1 / (0.1 / score + 1 / quality), rel=1e-6)
    oracle = KNOWN[rows_of_tests(project)].max(axis=1).mean()
    assert found.loc[("oracle", "oracle"), "accuracy"] == pytest.approx(oracle, abs=1e-6)
    assert np.isnan(found.loc[("oracle", "oracle"), "cost"])
    random = found.loc[("random", "random1")]
    assert random["cost"] == pytest.approx(SPENT[rows_of_tests(project)].mean())
    assert random["accuracy"] == pytest.approx(KNOWN[rows_of_tests(project)].mean(), abs=1e-6)
    assert found.query("router != 'oracle'")["completion_tokens_per_query"].notna().all()


def queries(rows: list[int]) -> list[dict[str, Any]]:
    return [
        {
            "task": str(TASK_OF[row]),
            "embedding": VECTORS[row].astype(float).tolist(),
            "right": dict(zip(MEMBERS, KNOWN[row].tolist(), strict=True)),
        }
        for row in rows
    ]


@pytest.mark.parametrize("seed", SEEDS)
def test_benchmark_routing_learns_from_scores(project: Project, seed: int) -> None:
    train, test = parts(project, seed)
    training = queries(train)
    found = table(project, "benchmark_routing").query("seed == @seed and alpha == 0").set_index("rule")
    reached: dict[str, list[float]] = {}
    of_task: dict[str, list[float]] = {}
    hits, errors = [], []
    for task in TASKS:
        rows = [row for row in test if TASK_OF[row] == task]
        mine = queries(rows)
        allowed = twin.seen(training, task, task, set())
        true_p = {
            member: np.mean(
                [
                    (twin.predicted(query["embedding"], training, allowed, 5, member) > 0.5)
                    == (query["right"][member] > 0.5)
                    for query in mine
                ]
            )
            for member in MEMBERS
        }
        estimated = twin.estimated_accuracy(training, mine, task, set(), MEMBERS, 5, 19)
        hits += list(true_p.values())
        errors += [abs(estimated[member] - true_p[member]) for member in MEMBERS]
        means = dict(zip(MEMBERS, KNOWN[rows].mean(axis=0), strict=True))
        expected = {
            "s1": twin.expected(training, mine, task, MEMBERS, "s1"),
            "s2": twin.expected(training, mine, task, MEMBERS, "s2"),
            "s3": twin.expected(training, mine, task, MEMBERS, "s3"),
            "s3_true_p": twin.expected(training, mine, task, MEMBERS, "s3", known=true_p),
            "bma": twin.expected(training, mine, task, MEMBERS, "average"),
            "oracle_per_task": means,
        }
        for rule, scores in expected.items():
            chosen = twin.rank(scores)[0]
            reached.setdefault(rule, []).extend(KNOWN[rows, MEMBERS.index(chosen)])
            of_task.setdefault(rule, []).append(means[chosen])
    for rule, values in reached.items():
        assert found.loc[rule, "n_queries"] == len(test)
        assert found.loc[rule, "accuracy"] == pytest.approx(np.mean(values), abs=1e-6), rule
        assert found.loc[rule, "task_accuracy"] == pytest.approx(np.mean(of_task[rule]), abs=1e-6), rule
        assert found.loc[rule, "ci_low"] <= found.loc[rule, "accuracy"] <= found.loc[rule, "ci_high"]
    assert found.loc["s3", "predictor_accuracy"] == pytest.approx(np.mean(hits))
    assert found.loc["s3", "p_mae"] == pytest.approx(np.mean(errors))
    # The scores lie between right and wrong, and the rules do not all agree.
    assert len({round(float(np.mean(values)), 6) for values in reached.values()}) > 2


@pytest.mark.parametrize("rule", ["s1", "s2", "s3", "bma"])
def test_a_router_of_tasks_has_the_score_that_the_table_shows(project: Project, rule: str) -> None:
    cell = pd.read_parquet(project.folder / f"results/cells/texts/real/writers/benchmark_{rule}.parquet")
    shown = table(project, "benchmark_routing").query("rule == @rule and alpha == 0").set_index("seed")["accuracy"]
    assert cell.set_index("seed")["accuracy"].to_dict() == pytest.approx(shown.to_dict(), abs=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_instance_routing_follows_the_nearest_scores(project: Project, seed: int) -> None:
    train, test = parts(project, seed)
    found = table(project, "instance_routing").query("dataset == 'texts' and seed == @seed").set_index("method")
    truth = KNOWN[test]
    chosen, _ = slow(VECTORS[train], VECTORS[test], KNOWN[train])
    expected = {
        NEAREST: truth[np.arange(len(test)), chosen].mean(),
        AVERAGE: truth[:, int(np.argmax(KNOWN[train].mean(axis=0)))].mean(),
        ORACLE: truth.max(axis=1).mean(),
        RANDOM: truth.mean(),
    }
    assert found["score"].to_dict() == pytest.approx(expected, abs=1e-6)
    assert len(set(chosen)) > 1
    for method, score in expected.items():
        assert found.loc[method, "regret"] == pytest.approx(expected[ORACLE] - score, abs=1e-6)
        assert found.loc[method, "ci_low"] <= found.loc[method, "score"] <= found.loc[method, "ci_high"]


def test_a_member_without_a_price_and_costs_is_named(project: Project, tmp_path: Path) -> None:
    copy, data = project.copy(tmp_path / "project"), tmp_path / "data"
    shutil.copytree(project.folder.parent / "data", data)
    config = ["--config", "experiment=scores", f"data_root={data}"]
    assert copy.pending(*config) == set()
    write_member(data, "middle", cost=None)
    assert "tables/scores/costs.parquet" in copy.pending(*config)
    copy.edit_yaml("experiment/scores.yaml", costs={"unit": "dollars", "prices": {"priced": {"call": PRICE}}})
    done = run(copy, "results/tables/scores/costs.md", data=data)
    assert done.returncode != 0
    assert "costs.prices.middle" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
