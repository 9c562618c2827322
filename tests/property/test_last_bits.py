"""No decision hangs on the last bit of a sum: not on the order of queries or members, nor on a unit in the last place."""

from dataclasses import dataclass, replace
from unittest import mock

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from rgd.analysis.diagnostics import Trained, findings
from rgd.routers import Routes, make, route
from rgd.routers.base import Router, TestQueries, TrainingSet
from rgd.routing.clustering import compact, kmeans_labels
from rgd.routing.consensus import consensus
from rgd.routing.latent_truth import panels
from rgd.routing.latent_truth.fit import other_reading, readings
from rgd.routing.latent_truth.model import possible_answers
from rgd.routing.neighbours import nearest
from rgd.routing.votes import vote
from tests.property.pools import EXACT, World, reordered, worlds
from tests.unit.analysis.test_diagnostics import GOOD_DRAWS
from tests.unit.routing_worlds import niches

pytestmark = [pytest.mark.slow, pytest.mark.ci]

RELEASED = {
    "vote_weight": "posterior",
    "confidence_spread": "median",
    "merge_order": "creation",
    "score_decimals": 3,
    "global_decimals": 4,
}
METHODS = [
    *((name, {}) for name in ("avengers", "cascal", "cascal_gt", "knn", "latent_truth", "majority", "single", "topk")),
    ("cascal", RELEASED | {"task_rule": "nearest_mean", "selection": "mixture"}),
    ("latent_truth", {"groups": "all", "sizes": False}),
    *(("smoothie", {"mean": mean}) for mean in ("local", "task", "global")),
    *(("benchmark_routing", {"estimate": estimate}) for estimate in ("s1", "s2", "s3", "average")),
]
relaxed = settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def untied(draw: st.DrawFn, **sizes: int) -> World:
    """A world whose vectors and confidences are in general position: only answers may tie."""
    world = draw(worlds(**sizes))
    n, m, pool = len(world.train.tasks), len(world.answers), len(world.train.members)
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    vectors = random.normal(size=(n + m, 8))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    # Three tasks at least, of which two are left for benchmark routing.
    tasks = np.array([f"t{row % 3}" for row in range(n)])
    train = replace(
        world.train,
        tasks=tasks,
        embeddings=vectors[:n],
        confidence=random.normal(size=(n, pool)).astype(np.float32),
        answer_embeddings=random.normal(size=(n, pool, 6)).astype(np.float32),
    )
    return replace(
        world,
        train=train,
        queries=asking(vectors[n:], train),
        confidence=random.normal(size=(m, pool)).astype(np.float32),
    )


@st.composite
def tied(draw: st.DrawFn, **sizes: int) -> World:
    """A world of ties: queries with the same vectors, confidences of few values, members that answer alike everywhere."""
    world = draw(worlds(**sizes))
    n, m, pool = len(world.train.tasks), len(world.answers), len(world.train.members)
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    distinct = random.normal(size=(draw(st.integers(1, 12)), 40))
    distinct = (distinct / np.linalg.norm(distinct, axis=1, keepdims=True)).astype(np.float32)
    vectors = distinct[random.integers(0, len(distinct), n + m)]
    twin = random.integers(0, draw(st.integers(1, pool)), pool)
    said = random.normal(size=(4, 40)).astype(np.float32)
    train = replace(
        world.train,
        tasks=np.array([f"t{row % 3}" for row in range(n)]),
        embeddings=vectors[:n],
        answers=world.train.answers[:, twin],
        confidence=world.train.confidence[:, twin],
        answer_embeddings=said[np.maximum(world.train.answers[:, twin], 0)],
    )
    return replace(
        world,
        train=train,
        queries=asking(vectors[n:], train),
        answers=world.answers[:, twin],
        confidence=world.confidence[:, twin],
    )


def asking(embeddings: np.ndarray, train: TrainingSet) -> TestQueries:
    around, _ = nearest(embeddings, train.embeddings, 64)
    return TestQueries(
        np.arange(len(embeddings)).astype(str),
        embeddings,
        around,
        tasks=np.array([f"t{row % 3}" for row in range(len(embeddings))]),
        training_embeddings=train.embeddings,
    )


def jolted(values: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Every number moved by one unit in the last place of float32, up, down, or not."""
    direction = random.choice(np.array([-np.inf, np.inf, np.nan]), values.shape)
    moved = np.nextafter(values, np.where(np.isnan(direction), values, direction).astype(np.float32))
    return np.where(np.isfinite(values), moved, values).astype(np.float32)


def with_noise(world: World, seed: int) -> World:
    random = np.random.default_rng(seed)
    train = replace(
        world.train,
        embeddings=jolted(world.train.embeddings, random),
        confidence=jolted(world.train.confidence, random),
        answer_embeddings=jolted(world.train.answer_embeddings, random),
    )
    queries = asking(jolted(world.queries.embeddings, random), train)
    return replace(world, train=train, queries=queries, confidence=jolted(world.confidence, random))


def summed_otherwise(world: World, seed: int) -> World:
    """The same with the dimensions of all vectors in another order, in which products have other last bits."""
    order = np.random.default_rng(seed).permutation(world.train.embeddings.shape[1])
    train = replace(
        world.train,
        embeddings=world.train.embeddings[:, order],
        answer_embeddings=world.train.answer_embeddings[:, :, order],
    )
    return replace(world, train=train, queries=asking(world.queries.embeddings[:, order], train))


def shuffled(world: World, rows: np.ndarray, members: np.ndarray) -> World:
    """The same with training queries and members in another order."""
    train = reordered(world.train, rows, members)
    return replace(
        world,
        train=train,
        queries=asking(world.queries.embeddings, train),
        answers=world.answers[:, members],
        confidence=world.confidence[:, members],
    )


@dataclass(frozen=True)
class Decisions:
    router: Router
    routes: Routes

    def named(self) -> list[list[str]]:
        """Rankings by the members' names."""
        return [[str(self.router.members_[member]) for member in row] for row in self.routes.ranking]

    def everything(self) -> list[object]:
        parts = [self.named(), [doubt.says for doubt in self.router.doubts()], list(self.routes.remarks)]
        for name, answers in sorted(self.routes.answers.items()):
            parts += [name, answers.tolist(), self.routes.asked[name].tolist()]
        return parts


def by_place(points: np.ndarray, k: int, *_: object, **__: object) -> np.ndarray:
    """Clusters by a coordinate, the same in whatever order the points come; like k-means, numbered by their first points."""
    return compact(np.minimum(np.floor((np.asarray(points)[:, 0] + 1.0) * k / 2.0).astype(int), k - 1))


def runs_by_place(products, weights, clusters, seeds, n_init=1):
    labels = np.full(weights.shape, -1, dtype=np.int32)
    for run, part in enumerate(weights > 0):
        labels[run, part] = by_place(products.points[part], clusters[run])
    return labels


def decide(world: World, method: str, parameters: dict, clusters_by_place: bool = False) -> Decisions:
    router = make(method, parameters)
    if clusters_by_place:
        # k-means draws its starts by row, so that another order of rows is another draw.
        with (
            mock.patch("rgd.routers.avengers.kmeans_labels", by_place),
            mock.patch("rgd.routers.cascal.kmeans", runs_by_place),
        ):
            router = router.fit(world.train)
    else:
        router = router.fit(world.train)
    return Decisions(router, route(router, world.queries, world.answers, world.confidence))


@pytest.mark.parametrize(("method", "parameters"), METHODS)
@relaxed
@given(world=untied(), seed=st.integers(0, 1000))
def test_a_unit_in_the_last_place_changes_no_decision(method: str, parameters: dict, world: World, seed: int) -> None:
    assume(len(world.train.tasks) >= 4)
    one, other = (decide(each, method, parameters) for each in (world, with_noise(world, seed)))
    assert one.everything() == other.everything()


@pytest.mark.parametrize(("method", "parameters"), METHODS)
@relaxed
@given(world=untied(), random=st.randoms())
def test_the_order_of_queries_changes_no_decision(method: str, parameters: dict, world: World, random) -> None:
    n = len(world.train.tasks)
    assume(n >= 4)
    rows = np.array(random.sample(range(n), n))
    other = shuffled(world, rows, np.arange(len(world.train.members)))
    before, after = (decide(each, method, parameters, True) for each in (world, other))
    assert before.everything() == after.everything()


# Which centroid is made first is what `creation` is about, and it is made member by member.
IN_ANY_ORDER = [
    (name, rest) for name, rest in METHODS if "merge_order" not in rest and name not in ("majority", "single")
]


# Of equally close centroids, and of equally large clusters that rank alike, cascal keeps those of the first members.
WITH_TIES = [(*each, True) for each in IN_ANY_ORDER if not each[0].startswith("cascal")]


@pytest.mark.parametrize(("method", "parameters", "ties"), [*((*each, False) for each in IN_ANY_ORDER), *WITH_TIES])
@relaxed
@given(data=st.data(), random=st.randoms())
def test_the_order_of_members_changes_no_ranking_by_name(method, parameters, ties, data, random) -> None:
    world = data.draw(tied() if ties else untied())
    n, pool = len(world.train.tasks), len(world.train.members)
    assume(n >= 4)
    if method.startswith("cascal"):
        parameters = parameters | {"prune_jaccard": 2.0}
    other = shuffled(world, np.arange(n), np.array(random.sample(range(pool), pool)))
    before, after = (decide(each, method, parameters) for each in (world, other))
    # Where the answers can be read in two ways, equally probable, one is taken.
    assume(getattr(before.router, "other_gap_", np.inf) > 1e-6)
    assert before.named() == after.named()
    assert [each.kind for each in before.router.doubts()] == [each.kind for each in after.router.doubts()]


@pytest.mark.parametrize(("method", "parameters"), METHODS)
@relaxed
@given(world=tied(), seed=st.integers(0, 1000))
def test_the_order_of_a_sum_decides_no_tie(method: str, parameters: dict, world: World, seed: int) -> None:
    assume(len(world.train.tasks) >= 4)
    one, other = (decide(each, method, parameters) for each in (world, summed_otherwise(world, seed)))
    assert one.everything() == other.everything()


@pytest.mark.parametrize("n", [1, 2, 5, 33])
@pytest.mark.parametrize("size", [7, 37, 129, 360])
def test_the_same_training_query_twice_is_ordered_by_its_place(n: int, size: int) -> None:
    random = np.random.default_rng(n)
    queries, training = random.normal(size=(n, 1000)), np.tile(random.normal(size=(1, 1000)), (size, 1))
    queries, training = (
        (each / np.linalg.norm(each, axis=1, keepdims=True)).astype(np.float32) for each in (queries, training)
    )
    indices, similarity = nearest(queries, training, 5)
    np.testing.assert_array_equal(indices, np.tile(np.arange(5), (n, 1)))
    assert (similarity == similarity[:, :1]).all()


@relaxed
@given(seed=st.integers(0, 10_000), k=st.integers(2, 5), n_init=st.integers(1, 3), exact=st.booleans())
def test_clusters_are_the_same_partition_in_whatever_order_dimensions_are_summed(seed, k, n_init, exact) -> None:
    random = np.random.default_rng(seed)
    points = EXACT if exact else random.normal(size=(8, 40)).astype(np.float32)
    points = points / np.linalg.norm(points, axis=1, keepdims=True)
    points = points[random.integers(0, len(points), 30)].astype(np.float32)
    turned = points[:, random.permutation(points.shape[1])]
    weights = random.choice(np.array([0.5, 1.0, 1.0 / 3.0]), 30)
    np.testing.assert_array_equal(
        kmeans_labels(points, k, seed, weights, n_init), kmeans_labels(turned, k, seed, weights, n_init)
    )


@pytest.mark.parametrize("value", [-0.3, 1.0, -1e-5, 700.1])
def test_a_confidence_that_varies_in_its_last_place_is_constant(value: float) -> None:
    confidence = jolted(np.full((200, 2), value, dtype=np.float32), np.random.default_rng(0))
    assert len(np.unique(confidence)) == 3
    assert np.isnan(consensus(np.zeros((200, 2), dtype=np.int32), confidence).z).all()


@given(votes=st.integers(2, 6), random=st.randoms())
def test_an_answer_is_that_of_the_better_placed_where_the_support_is_the_same_sum(votes: int, random) -> None:
    z = np.array([[random.choice((0.1, 0.2, 0.3)) for _ in range(votes)]])
    answers = np.array([[0] * votes + [1] * votes], dtype=np.int32)
    z = np.concatenate([z, z[:, random.sample(range(votes), votes)]], axis=1)
    asked = np.arange(2 * votes)[None]
    for aggregate in ("consensus", "majority"):
        for weight in ("logistic", "z_sum", "posterior"):
            assert vote(answers, z, asked, aggregate, weight).tolist() == [0]
            assert vote(answers, z, asked[:, ::-1], aggregate, weight).tolist() == [1]


@pytest.mark.parametrize("members", range(2, 7))
@pytest.mark.parametrize("options", [None, 4])
def test_members_that_always_agree_have_no_other_reading(members: int, options: int | None) -> None:
    answers = np.repeat(np.arange(60)[:, None] % 4, members, axis=1).astype(np.int32)
    choices = possible_answers(None if options is None else np.full(60, options), 60)
    assert other_reading(readings(answers, choices)) == (-1, np.inf)


def test_a_budget_that_is_a_sum_of_prices_pays_for_all_of_them() -> None:
    # 0.1 + 0.2 is more than 0.3 by a unit in the last place.
    prices, confidence = np.tile([0.1, 0.2], (50, 1)), np.tile([0.4, 0.6], (50, 1))
    found = panels.stopping(0.3, confidence, prices, confidence)
    assert (panels.stops(confidence, found.thresholds(np.arange(50))) == 2).all()
    jolt = np.random.default_rng(0).choice([-1e-16, 0.0, 1e-16], confidence.shape)
    for budget in (0.1, 0.2, 0.3):
        rule = panels.stopping(budget, confidence, prices, confidence).thresholds(np.arange(50))
        np.testing.assert_array_equal(panels.stops(confidence + jolt, rule), panels.stops(confidence, rule))


@pytest.mark.parametrize("seed", range(4))
def test_the_checks_of_generated_data_find_the_same_in_any_order(seed: int) -> None:
    train, *_ = niches(0)
    random = np.random.default_rng(seed)
    # Two members are the best alike: which one is named is no matter of how the mean is summed.
    twins = replace(
        train, answers=train.answers[:, [0, 1, 2, 0, 4, 5]], confidence=train.confidence[:, [0, 1, 2, 0, 4, 5]]
    )

    def found(train: TrainingSet) -> list[tuple[str, str, str]]:
        routers = {"latent_truth": make("latent_truth").fit(train), "majority": make("majority").fit(train)}
        scores = consensus(train.answers, train.confidence).scores
        trained = Trained(train.members, train.tasks, train.embeddings, train.answers, scores, routers, 8)
        return [(each.check, each.verdict, each.shown) for each in findings(trained, GOOD_DRAWS)]

    rows = random.permutation(len(train.tasks))
    parts = ("query_ids", "tasks", "embeddings", "answers", "confidence", "labels")
    assert found(replace(twins, **{name: getattr(twins, name)[rows] for name in parts})) == found(twins)
