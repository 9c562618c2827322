"""Benchmark routing: by hand, a world where the predictors mislead, too little to learn from, saving, the table."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy.stats import pearsonr, rankdata, spearmanr

from rgd.analysis.benchmark_routing import (
    ALPHAS,
    BMA,
    BY_TASK,
    FIGURES,
    ORACLE,
    PUBLISHED,
    RULES,
    S3_TRUE,
    Choices,
    RightAnswers,
    benchmark_routing_for_people,
    benchmark_routing_rows,
    by_task,
    choose,
    right_answers,
    summary,
    surroundings,
)
from rgd.config import load, slices
from rgd.config.schema import Pool
from rgd.errors import UserError
from rgd.routers import benchmark_routing as fast
from rgd.routers import make, restore, save
from rgd.routers.base import TestQueries
from tests import ROOT
from tests.unit.routing_worlds import small, unit_rows

INTERVAL = {"level": 0.95, "draws": 200, "seed": 0}


def queries_of(train, embeddings, tasks):
    vectors = unit_rows(np.array(embeddings, dtype=float))
    return TestQueries(
        np.arange(len(vectors)).astype(str),
        vectors,
        np.zeros((len(vectors), 1), dtype=np.int32),
        tasks=np.array(tasks),
        training_embeddings=train.embeddings,
    )


def misleading(per_task=12, seed=0):
    """Three tasks lie together, three lie apart from all; B is right on the near ones alone, A on the far ones alone.

    A far task's neighbours are near ones, so that its predictors expect B: they are wrong on every far task.

    Returns:
        unit vectors, tasks, and who is right (A, B).
    """
    random = np.random.default_rng(seed)
    centres = np.concatenate([np.eye(1, 8).repeat(3, axis=0), 0.3 * np.eye(1, 8) + np.eye(8)[[1, 2, 3]]])
    vectors = np.repeat(centres, per_task, axis=0) + 0.02 * random.normal(size=(6 * per_task, 8))
    tasks = np.repeat(["near1", "near2", "near3", "far1", "far2", "far3"], per_task)
    far = np.char.startswith(tasks, "far")
    return unit_rows(vectors), tasks, np.column_stack([far, ~far])


def test_s3_knows_where_the_predictors_mislead_and_s1_does_not():
    vectors, tasks, right = misleading()
    # The label is 0: what is right answers 0.
    train = small(1 - right.astype(int), labels=[0] * len(tasks), tasks=tasks, embeddings=vectors, members=("A", "B"))
    queries = queries_of(train, vectors, tasks)
    first = {
        estimate: make("benchmark_routing", {"estimate": estimate}).fit(train).rank(queries)[:, 0]
        for estimate in ("s1", "s2", "s3")
    }
    rows = np.arange(len(tasks))
    assert right[rows, first["s3"]].mean() == 1.0
    assert right[rows, first["s1"]].mean() == 0.5
    assert right[rows, first["s2"]].mean() == 0.5


def test_a_few_labels_of_the_own_task_mend_the_predictors():
    vectors, tasks, right = misleading()
    pools = {"pool": RightAnswers(("A", "B"), np.array([7.0, 70.0]), right)}
    train, test = (np.flatnonzero(np.arange(len(tasks)) % 2 == part) for part in (0, 1))
    table = pd.DataFrame(benchmark_routing_rows(vectors, tasks, pools, train, test, 0, INTERVAL))
    assert len(table) == len(RULES) * len(ALPHAS)
    cell = table.set_index(["rule", "alpha"])
    assert cell.loc[("s1", 0.0), "accuracy"] == 0.5
    assert cell.loc[("s1", 0.5), "accuracy"] == 1.0
    assert cell.loc[("s1", 0.0), "predictor_accuracy"] == 0.5
    assert cell.loc[("s1", 0.5), "predictor_accuracy"] == 1.0
    for rule in (S3_TRUE, ORACLE):
        assert (cell.loc[rule, "accuracy"] == 1.0).all()
    assert (cell.loc[S3_TRUE, "p_mae"] == 0.0).all()
    assert cell.loc[("s3", 0.0), "p_mae"] < 0.01
    # Half of the queries go to each, and always B on the near tasks' word.
    assert cell.loc[(ORACLE, 0.0), "mean_parameters_billion"] == 38.5
    assert cell.loc[("s1", 0.0), "mean_parameters_billion"] == 70.0
    assert cell.loc[[BMA, ORACLE], "predictor_accuracy"].isna().all()
    assert ((table["ci_low"] <= table["accuracy"]) & (table["accuracy"] <= table["ci_high"])).all()


def test_scores_by_hand():
    g = np.array([[0.6, 0.5], [1.0, 0.4], [0.2, 0.8]])
    np.testing.assert_allclose(fast.predicted_share(g), [2 / 3, 1 / 3])
    np.testing.assert_allclose(fast.corrected_share(np.array([2 / 3, 1 / 3]), np.array([0.9, 0.5])), [19 / 30, 0.5])
    at = fast.smoothed(np.array([0.0]), np.array([0.0, 1.0]), np.array([[1.0], [0.0]]), 1.0)
    np.testing.assert_allclose(at, [[1 / (1 + np.exp(-0.5))]])


def test_the_average_is_over_tasks_whatever_their_size():
    correct = np.array([[1, 0], [1, 0], [1, 0], [0, 1], [0, 1], [1, 1]])
    task_of = np.array([0, 0, 0, 1, 2, 3])
    np.testing.assert_allclose(fast.average_accuracy(correct, task_of, np.array([0, 1, 2])), [1 / 3, 2 / 3])


def test_a_task_far_from_all_takes_the_nearest_ones_accuracy():
    at = fast.smoothed(np.array([1e6]), np.array([0.1, 0.2]), np.array([[0.3], [0.7]]), 1e-3)
    np.testing.assert_allclose(at, [[0.7]])


def test_equally_far_tasks_count_alike():
    values = np.array([[0.2], [0.4], [0.9]])
    distances = np.array([0.3, 0.3 + 1e-8, 0.3])
    np.testing.assert_allclose(fast.estimated_accuracy(0.31, distances, values), [0.5])


def test_the_bandwidth_follows_the_accuracies():
    distances = np.array([0.0, 0.01, 0.5, 0.51, 0.99, 1.0])
    steps = np.array([[0.0], [0.0], [1.0], [1.0], [0.0], [0.0]])
    assert fast.best_bandwidth(distances, steps) <= 0.1
    assert fast.best_bandwidth(distances, np.full((6, 1), 0.4)) == 2.0


@pytest.mark.parametrize(("estimate", "needed"), [("s1", 1), ("s2", 1), ("average", 1), ("s3", 2)])
def test_too_few_other_tasks_are_one_clear_error(estimate, needed):
    tasks = [f"t{i}" for i in range(needed)] * 2
    train = small([[0, 1]] * len(tasks), labels=[0] * len(tasks), tasks=tasks)
    router = make("benchmark_routing", {"estimate": estimate, "k": 1}).fit(train)
    with pytest.raises(
        UserError, match=f"the task t0 .* needs at least {needed} of them.* have {needed - 1}: add tasks"
    ):
        router.rank(queries_of(train, np.eye(4), ["t0"] * 4))
    # A task that was never trained on leaves none out.
    assert router.rank(queries_of(train, np.eye(4), ["new"] * 4)).tolist() == [[0, 1]] * 4


def test_one_task_teaches_s3_nothing():
    with pytest.raises(
        UserError, match="at least 2 of them, but the training queries have 1: add tasks, or use estimate"
    ):
        make("benchmark_routing").fit(small([[0, 1]] * 3, labels=[0] * 3))


def test_fewer_rows_than_k_all_count():
    train = small([[0, 1], [0, 1], [1, 0], [1, 0]], labels=[0] * 4, tasks=["a", "b", "c", "c"], members=("m0", "m1"))
    queries = queries_of(train, np.eye(4), ["c"] * 4)
    for estimate in ("s1", "s2", "s3", "average"):
        router = make("benchmark_routing", {"estimate": estimate, "k": 50, "distance_neighbours": 50}).fit(train)
        assert (router.rank(queries)[:, 0] == 0).all()


def test_tasks_have_one_ranking_each_and_ties_go_by_key():
    train = small([[0, 0, 0]] * 6, labels=[0] * 6, tasks=["a", "b", "c"] * 2, members=("m2", "m0", "m1"))
    ranking = make("benchmark_routing").fit(train).rank(queries_of(train, np.eye(4), ["a", "b", "b", "c"]))
    assert ranking.tolist() == [[1, 2, 0]] * 4


@pytest.mark.parametrize("estimate", ["s1", "s2", "s3", "average"])
def test_a_restored_router_ranks_as_the_fitted_one(estimate):
    vectors, tasks, right = misleading(per_task=4)
    train = small(1 - right.astype(int), labels=[0] * len(tasks), tasks=tasks, embeddings=vectors)
    parameters = {"estimate": estimate, "alpha": 0.3}
    router = make("benchmark_routing", parameters).fit(train)
    again = restore(save({0: router}), lambda: make("benchmark_routing", parameters))[0]
    queries = queries_of(train, vectors, tasks)
    np.testing.assert_array_equal(again.rank(queries), router.rank(queries))


def test_tasks_and_training_embeddings_must_be_given():
    train = small([[0, 1]] * 6, labels=[0] * 6, tasks=["a", "b", "c"] * 2)
    router = make("benchmark_routing").fit(train)
    queries = queries_of(train, np.eye(4), ["a"] * 4)
    for missing in ("tasks", "training_embeddings"):
        with pytest.raises(ValueError, match="needs the test queries' tasks"):
            router.rank(replace(queries, **{missing: None}))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"estimate": "s4"}, "estimate = 's4'"),
        ({"k": 0}, "k = 0"),
        ({"distance_neighbours": 0}, "distance_neighbours = 0"),
        ({"alpha": 1.0}, "alpha = 1.0"),
        ({"alpha": -0.1}, "alpha = -0.1"),
    ],
)
def test_parameters_out_of_range_are_named(parameters, message):
    with pytest.raises(UserError, match=message):
        make("benchmark_routing", parameters)


def test_a_missing_answer_is_wrong_and_rows_are_matched_by_id():
    responses = pa.table({"query_id": ["b", "a", "c"], "answer": ["B", None, "C"]})
    labels = pa.table({"query_id": ["c", "a", "b"], "label": ["A", "A", "B"]})
    assert right_answers(responses, labels, np.array(["a", "b", "c"], dtype=object)).tolist() == [False, True, False]


def test_scores_are_taken_as_they_are_and_a_missing_one_is_nothing():
    responses = pa.table({"query_id": ["b", "a", "c"], "answer": ["0.25", None, "1"]})
    labels = pa.table({"query_id": ["c", "a", "b"], "label": ["1", "1", "1"]})
    found = right_answers(responses, labels, np.array(["a", "b", "c"], dtype=object), scored=True)
    assert found.tolist() == [0.0, 0.25, 1.0]


def seeds_of_a_table(sizes=(7.0, 70.0), seeds=(0, 1)):
    vectors, tasks, right = misleading(per_task=8)
    noisy = right ^ (np.random.default_rng(5).random(right.shape) < 0.2)
    frames = []
    for seed in seeds:
        train, test = (np.flatnonzero((np.arange(len(tasks)) + seed) % 2 == part) for part in (0, 1))
        pools = {"pool": RightAnswers(("A", "B"), np.array(sizes), noisy)}
        rows = benchmark_routing_rows(vectors, tasks, pools, train, test, seed, INTERVAL, alphas=(0.0, 0.5))
        frames.append(pd.DataFrame(rows).assign(dataset="quiz"))
    return pd.concat(frames, ignore_index=True)


def test_seeds_are_summarised():
    table = seeds_of_a_table()
    found = summary(table)
    assert len(found) == len(RULES) * 2
    for row in found.itertuples():
        mine = table[(table["rule"] == row.rule) & (table["alpha"] == row.alpha)]
        for figure in [*FIGURES, *BY_TASK]:
            np.testing.assert_equal(getattr(row, figure), np.mean(mine[figure]))
        np.testing.assert_allclose(row.accuracy_std, np.std(mine["accuracy"], ddof=1))
        assert row.n_seeds == 2


def choices_of(graded: bool) -> tuple[Choices, np.ndarray, np.ndarray]:
    """The choices for the test half of a misleading world, the tasks of its queries, and what is true of them."""
    vectors, tasks, right = misleading(per_task=8)
    random = np.random.default_rng(6)
    truth = right ^ (random.random(right.shape) < 0.2)
    truth = np.clip(0.7 * truth + 0.3 * random.random(truth.shape), 0, 1) if graded else truth
    train, test = np.arange(0, len(tasks), 2), np.arange(1, len(tasks), 2)
    pool = RightAnswers(("A", "B"), np.array([7.0, 70.0]), truth)
    ((_, around),) = surroundings(vectors[train], vectors[test], tasks[train], tasks[test], 0, alphas=(0.1,))
    return choose(around, pool, train, test), tasks[test], truth[test]


@pytest.mark.parametrize("graded", [False, True])
def test_each_task_counts_alike(graded):
    found, tasks, truth = choices_of(graded)
    names = sorted(set(tasks))
    of_task = {name: truth[tasks == name].mean(axis=0) for name in names}
    for rule in RULES:
        chosen = {name: int(found.chosen[rule][tasks == name][0]) for name in names}
        shown = by_task(found, tasks, rule)
        reached = [of_task[name][chosen[name]] for name in names]
        assert shown["task_accuracy"] == pytest.approx(np.mean(reached))
        ratios = [
            value / of_task[name].max() for name, value in zip(names, reached, strict=True) if of_task[name].max()
        ]
        assert shown["ratio_to_best"] == pytest.approx(np.mean(ratios))
        ranks = [rankdata(-of_task[name], "min")[chosen[name]] for name in names]
        assert shown["rank_of_chosen"] == pytest.approx(np.mean(ranks))
        average = [int(found.chosen["bma"][tasks == name][0]) for name in names]
        assert shown["share_of_bma"] == np.mean(
            [chosen[name] == best for name, best in zip(names, average, strict=True)]
        )
        varied = [
            (expected, of_task[name])
            for name, expected in zip(names, found.expected[rule], strict=True)
            if np.ptp(expected) > 0 and np.ptp(of_task[name]) > 0
        ]
        for measure, by_scipy in (("pearson", pearsonr), ("spearman", spearmanr)):
            expected = np.mean([by_scipy(*pair).statistic for pair in varied]) if varied else np.nan
            assert shown[measure] == pytest.approx(expected, nan_ok=True)


def test_scores_of_0_and_1_are_right_and_wrong():
    vectors, tasks, right = misleading(per_task=8)
    train, test = np.arange(0, len(tasks), 2), np.arange(1, len(tasks), 2)
    tables = [
        benchmark_routing_rows(
            vectors, tasks, {"p": RightAnswers(("A", "B"), np.array([7.0, 70.0]), truth)}, train, test, 0, INTERVAL
        )
        for truth in (right, right.astype(np.float64), right.astype(np.float32))
    ]
    for other in tables[1:]:
        pd.testing.assert_frame_equal(pd.DataFrame(other), pd.DataFrame(tables[0]))


def test_the_predictor_of_scores_is_their_mean():
    near = fast.Neighbours(np.array([[0, 1], [2, -1]], dtype=np.int32), np.zeros((2, 2), dtype=np.float32))
    scores = np.array([[0.2, 0.9], [0.4, 0.5], [0.3, 1.0]])
    assert fast.correctness(near, scores) == pytest.approx(np.array([[0.3, 0.7], [0.3, 1.0]]))


def test_people_see_every_rule_by_alpha():
    shown = benchmark_routing_for_people(seeds_of_a_table(), {"dataset": {"quiz": "Quiz"}, "pool": {"pool": "Pool"}})
    assert [title.split(": ")[0] for title in shown] == ["Quiz, Pool"] * 5
    accuracy, sizes, predictors, alike, published = shown.values()
    assert accuracy.shape == (len(RULES), 3)
    assert list(accuracy.columns) == ["rule", "alpha 0", "alpha 0.5"]
    assert accuracy["alpha 0"].str.contains("±").all()
    assert sizes.shape == (len(RULES), 3)
    assert predictors.shape == (2, 3)
    assert alike["rule"].tolist() == accuracy["rule"].tolist()
    assert alike["accuracy %"].str.contains("±").all()
    assert len(published) == len(PUBLISHED)
    # The share of 5 % was not made here.
    assert published["here"].str.contains("±").sum() == len(PUBLISHED) - 1


def test_an_unknown_size_is_said_to_be_unknown_and_one_seed_has_no_spread():
    accuracy, sizes, *_ = benchmark_routing_for_people(seeds_of_a_table(sizes=(np.nan, 70.0), seeds=(0,))).values()
    assert not accuracy["alpha 0"].str.contains("±").any()
    oracle = sizes.set_index("rule").loc["best member of each task (oracle)"]
    assert (oracle == "not known").all()


def test_sizes_come_from_the_models_files_or_from_the_recorded_pools():
    config = load(ROOT / "config")
    (pool,) = (config.pool[name] for name in config.experiment.pools)
    sizes = slices.parameters_billion(config)
    assert list(sizes) == pool.members
    assert sizes["smollm2-135m-examples"] == config.model["smollm2-135m"].parameters_billion
    recorded = Pool(title="Recorded", members=["x", "y"], recorded="files", parameters_billion={"x": 7.0})
    experiment = config.experiment.model_copy(update={"pools": ["recorded"]})
    other = config.model_copy(update={"pool": {"recorded": recorded}, "experiment": experiment})
    assert slices.parameters_billion(other) == {"x": 7.0, "y": None}
