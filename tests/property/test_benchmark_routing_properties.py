"""Benchmark routing against its slow twin, and what it must not look at."""

from dataclasses import dataclass, replace
from unittest import mock

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rgd.analysis.benchmark_routing import BMA, ORACLE, S3_TRUE, RightAnswers, choose, surroundings
from rgd.errors import UserError
from rgd.routers import benchmark_routing as fast
from rgd.routers import make
from rgd.routers.base import TestQueries, TrainingSet
from rgd.routing.neighbours import nearest, nearest_both_ways
from tests.property.pools import EXACT, NAMES
from tests.slow_twins import benchmark_routing as slow

relaxed = settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
ESTIMATES = ("s1", "s2", "s3", "average")


@dataclass(frozen=True)
class Tasks:
    """Training and test queries of several tasks, the latter's correctness (n, M), and the router's parameters."""

    train: TrainingSet
    queries: TestQueries
    right: np.ndarray
    parameters: dict

    def parts(self):
        """The training rows and the test rows of all queries, the former first."""
        m, n = len(self.train.tasks), len(self.queries.tasks)
        return np.arange(m), np.arange(m, m + n)

    def pool(self):
        correct = np.concatenate([self.train.correct(), self.right])
        return RightAnswers(self.train.members, np.ones(len(self.train.members)), correct)


@st.composite
def tasks(draw, fewest=1):
    """Small worlds: ties in every distance, tasks of one query, members always right or never, missing answers.

    Vectors are short binary fractions, so that both implementations see the same similarities to the last bit.
    """
    count, pool = draw(st.integers(fewest, 5)), draw(st.integers(1, 4))
    m, n = draw(st.integers(count, 22)), draw(st.integers(1, 8))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if draw(st.booleans()):
        vectors = EXACT[random.integers(0, draw(st.integers(1, len(EXACT))), m + n)]
    else:
        vectors = (random.integers(-8, 9, (m + n, 3)) / 8).astype(np.float32)
    # Every training task has a query, and most have few; test tasks may be ones that were never trained on.
    train_tasks = np.concatenate([np.arange(count), np.minimum(random.geometric(0.4, m - count) - 1, count - 1)])
    labels = random.integers(0, 3, m + n)
    answers = np.where(random.random((m + n, pool)) < random.random(pool), labels[:, None], 3)
    answers[random.random((m + n, pool)) < draw(st.sampled_from([0.0, 0.2]))] = -1
    for member in range(pool):
        fate = draw(st.sampled_from(["mixed", "mixed", "right", "wrong"]))
        if fate != "mixed":
            answers[:, member] = labels if fate == "right" else 3
    train = TrainingSet(
        query_ids=np.arange(m).astype(str),
        tasks=np.array([f"t{task}" for task in random.permutation(train_tasks)]),
        embeddings=vectors[:m],
        members=NAMES[:pool],
        answers=answers[:m].astype(np.int32),
        confidence=np.zeros((m, pool), dtype=np.float32),
        labels=labels[:m].astype(np.int32),
        seed=draw(st.integers(0, 3)),
    )
    queries = TestQueries(
        query_ids=np.arange(n).astype(str),
        embeddings=vectors[m:],
        neighbours=np.zeros((n, 1), dtype=np.int32),
        tasks=np.array([f"t{task}" for task in random.integers(0, count + draw(st.integers(0, 1)), n)]),
        training_embeddings=vectors[:m],
    )
    parameters = {
        "k": draw(st.integers(1, 6)),
        "distance_neighbours": draw(st.integers(1, 8)),
        "alpha": draw(st.sampled_from([0.0, 0.0, 0.1, 0.3, 0.5, 0.9])),
    }
    return Tasks(train, queries, (answers == labels[:, None])[m:], parameters)


def twin_training(train):
    return [
        {"task": str(task), "embedding": vector, "right": dict(zip(train.members, right, strict=True))}
        for task, vector, right in zip(train.tasks, train.embeddings.tolist(), train.correct().tolist(), strict=True)
    ]


def twin_queries(world, task):
    return [
        {"embedding": world.queries.embeddings[row].tolist()} for row in np.flatnonzero(world.queries.tasks == task)
    ]


def ranked_or_refused(router, world):
    try:
        return router.fit(world.train).rank(world.queries)
    except UserError:
        return None


def others(world, task):
    return set(world.train.tasks.tolist()) - {task}


@relaxed
@given(tasks() | tasks(fewest=3), st.sampled_from(ESTIMATES))
def test_benchmark_routing_is_its_slow_twin(world, estimate):
    router = make("benchmark_routing", {"estimate": estimate, **world.parameters})
    ranking = ranked_or_refused(router, world)
    needed = 2 if estimate == "s3" else 1
    wanted = sorted(set(world.queries.tasks.tolist()))
    if any(len(others(world, task)) < needed for task in wanted):
        assert ranking is None
        return
    training, members = twin_training(world.train), world.train.members
    labelled = np.flatnonzero(router.labelled_).tolist()
    settings_of_twin = {"k": world.parameters["k"], "distance_neighbours": world.parameters["distance_neighbours"]}
    for task in wanted:
        scores = slow.expected(
            training, twin_queries(world, task), task, members, estimate, labelled, **settings_of_twin
        )
        for row in ranking[world.queries.tasks == task]:
            assert [members[index] for index in row] == slow.rank(scores)


def surroundings_of(world):
    (found,) = surroundings(
        world.train.embeddings,
        world.queries.embeddings,
        world.train.tasks,
        world.queries.tasks,
        world.train.seed,
        [world.parameters["alpha"]],
        world.parameters["k"],
        world.parameters["distance_neighbours"],
    )
    return found[1]


@relaxed
@given(tasks(fewest=3))
def test_the_report_is_its_slow_twin(world):
    found = choose(surroundings_of(world), world.pool(), *world.parts())
    training, members = twin_training(world.train), world.train.members
    labelled = set(
        np.flatnonzero(fast.labelled_share(world.train.tasks, world.parameters["alpha"], world.train.seed)).tolist()
    )
    k, distance_neighbours = world.parameters["k"], world.parameters["distance_neighbours"]
    for place, task in enumerate(sorted(set(world.queries.tasks.tolist()))):
        mine = np.flatnonzero(world.queries.tasks == task)
        queries = twin_queries(world, task)
        allowed = slow.seen(training, task, task, labelled)
        true_p = {
            member: sum(
                (slow.predicted(query["embedding"], training, allowed, k, member) > 0.5) == world.right[row, index]
                for query, row in zip(queries, mine, strict=True)
            )
            / len(mine)
            for index, member in enumerate(members)
        }
        p = slow.estimated_accuracy(training, queries, task, labelled, members, k, distance_neighbours)
        np.testing.assert_allclose(found.predictor_accuracy[place], [true_p[m] for m in members], atol=1e-12)
        np.testing.assert_allclose(found.p[place], [p[m] for m in members], atol=1e-9)

        def scores(rule, known=None, task=task, queries=queries):
            return slow.expected(training, queries, task, members, rule, labelled, k, distance_neighbours, known=known)

        expected = {rule: scores(rule) for rule in ("s1", "s2", "s3")}
        expected[BMA] = scores("average")
        expected[S3_TRUE] = scores("s3", true_p)
        expected[ORACLE] = {m: float(world.right[mine, index].mean()) for index, m in enumerate(members)}
        for rule, values in expected.items():
            assert {members[index] for index in found.chosen[rule][mine]} == {slow.rank(values)[0]}, rule


@relaxed
@given(tasks(fewest=3))
def test_the_report_chooses_as_the_router_does(world):
    chosen = choose(surroundings_of(world), world.pool(), *world.parts()).chosen
    for estimate, rule in (("s1", "s1"), ("s2", "s2"), ("s3", "s3"), ("average", BMA)):
        router = make("benchmark_routing", {"estimate": estimate, **world.parameters}).fit(world.train)
        np.testing.assert_array_equal(router.rank(world.queries)[:, 0], chosen[rule])


@relaxed
@given(tasks(fewest=3))
def test_only_the_bounds_look_at_test_labels(world):
    around, parts = surroundings_of(world), world.parts()
    one = choose(around, world.pool(), *parts)
    other = choose(around, replace(world, right=~world.right).pool(), *parts)
    for rule in ("s1", "s2", "s3", BMA):
        np.testing.assert_array_equal(one.chosen[rule], other.chosen[rule])
    np.testing.assert_array_equal(one.p, other.p)
    np.testing.assert_allclose(one.predictor_accuracy, 1 - other.predictor_accuracy)


def with_other_labels(train, rows):
    """Right becomes wrong and, where there is an answer to be right with, wrong right, for the first member at least."""
    answers = train.answers.copy()
    answers[rows] = np.where(train.correct()[rows], 3, train.labels[rows, None])
    return replace(train, answers=answers)


@relaxed
@given(tasks(fewest=3), st.sampled_from(ESTIMATES))
def test_a_task_is_routed_without_its_own_labels(world, estimate):
    router = make("benchmark_routing", {"estimate": estimate, **world.parameters})
    ranking = router.fit(world.train).rank(world.queries)
    known = router.labelled_ if estimate != "average" else np.zeros(len(world.train.tasks), dtype=bool)
    for task in set(world.queries.tasks.tolist()):
        hidden = (world.train.tasks == task) & ~known
        changed = router.fit(with_other_labels(world.train, hidden)).rank(world.queries)
        mine = world.queries.tasks == task
        np.testing.assert_array_equal(changed[mine], ranking[mine])


@relaxed
@given(tasks(fewest=3))
def test_what_is_predicted_for_a_task_uses_neither_it_nor_the_routed_one(world):
    around = surroundings_of(world)
    names, correct = np.unique(world.train.tasks), world.train.correct()
    for hidden, near in enumerate(around.nested[:-1]):
        for task in range(len(names)):
            mine = (around.task_of == task) & around.measured
            used = near.rows[mine]
            used = np.unique(used[used >= 0])
            assert hidden not in around.task_of[used] or hidden == task
            # Of its own task the labelled share alone, which is no part of what is measured.
            assert not around.measured[used][around.task_of[used] == task].any()
            changed = correct.copy()
            changed[mine | ((around.task_of == hidden) & (hidden != task))] ^= True
            np.testing.assert_array_equal(fast.correctness(near, changed)[mine], fast.correctness(near, correct)[mine])


@relaxed
@given(tasks(), st.sampled_from([0.0, 0.01, 0.1, 0.3]), st.sampled_from([0.3, 0.5, 0.9]), st.integers(0, 5))
def test_the_labelled_share_is_of_training_queries_task_by_task(world, less, more, seed):
    names = world.train.tasks
    few, many = (fast.labelled_share(names, alpha, seed) for alpha in (less, more))
    assert many[few].all()
    for task in set(names.tolist()):
        mine = names == task
        assert many[mine].sum() == min(int(more * mine.sum() + 0.5), mine.sum() - 1)
        # Another task's queries have no say in what is drawn.
        np.testing.assert_array_equal(fast.labelled_share(names[mine], more, seed), many[mine])
    near = fast.nearest_labelled(
        world.queries.embeddings,
        fast.places_of(world.queries.tasks, np.unique(names)),
        world.train.embeddings,
        np.unique(names, return_inverse=True)[1],
        many,
        3,
    )
    for task, rows in zip(world.queries.tasks, near.rows, strict=True):
        assert many[rows[rows >= 0]].all()
        assert (names[rows[rows >= 0]] == task).all()


@relaxed
@given(tasks(fewest=3), st.sampled_from(ESTIMATES), st.randoms())
def test_the_order_of_members_and_of_test_queries_changes_nothing(world, estimate, random):
    router = make("benchmark_routing", {"estimate": estimate, **world.parameters})
    ranking = router.fit(world.train).rank(world.queries)
    order = np.array(random.sample(range(len(world.train.members)), len(world.train.members)))
    rows = np.array(random.sample(range(len(ranking)), len(ranking)))
    train = replace(
        world.train,
        members=tuple(world.train.members[member] for member in order),
        answers=world.train.answers[:, order],
        confidence=world.train.confidence[:, order],
    )
    queries = replace(
        world.queries,
        query_ids=world.queries.query_ids[rows],
        embeddings=world.queries.embeddings[rows],
        tasks=world.queries.tasks[rows],
    )
    np.testing.assert_array_equal(order[router.fit(train).rank(queries)], ranking[rows])


@relaxed
@given(tasks(), st.integers(1, 9), st.integers(1, 60))
def test_both_ways_at_once_are_one_way_after_the_other(world, k, block):
    first, second = world.train.embeddings, world.queries.embeddings
    with mock.patch("rgd.routing.neighbours.BLOCK_ENTRIES", block):
        found = nearest_both_ways(first, second, k)
    for one, other in zip(found, (nearest(first, second, k), nearest(second, first, k)), strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])
