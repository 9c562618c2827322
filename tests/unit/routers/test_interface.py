"""The registry, the configuration files, encoding, and saving."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import yaml

from rgd.answers.pool import decode, encode
from rgd.artifacts import schemas
from rgd.errors import UserError
from rgd.routers import load, make, methods, restore, route, save
from rgd.routers.base import TestQueries, rank_members
from tests import ROOT
from tests.unit.routing_worlds import asking, niches, small

CONFIG = ROOT / "config" / "router"
FILES = sorted(CONFIG.glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_configured_router_fits_and_routes(path):
    settings = yaml.safe_load(path.read_text())
    if settings["method"] not in methods():
        pytest.skip("a method of another kind")
    router = make(settings["method"], settings["parameters"], settings["variants"] or None, settings.get("aggregate"))
    tasks = ["first", "second", "third", "fourth"] * 2
    train = small([[0, 1, 0]] * 4 + [[2, 2, 1]] * 4, labels=[0] * 4 + [2] * 4, tasks=tasks)
    queries = replace(asking(np.eye(4), train), tasks=train.tasks[:4], training_embeddings=train.embeddings)
    if router.use_features:
        train, queries = (replace(part, features=2 * part.embeddings) for part in (train, queries))
    routes = route(router.fit(train), queries, np.zeros((4, 3), dtype=np.int32), np.zeros((4, 3)))
    assert routes.ranking.shape == (4, 3)
    assert all((answers == 0).all() for answers in routes.answers.values())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_configured_defaults_are_the_defaults_of_the_class(path):
    settings = yaml.safe_load(path.read_text())
    if path.stem != settings["method"]:
        pytest.skip("a variation of a method")
    with_file, without = make(settings["method"], settings["parameters"]), make(settings["method"])
    assert vars(with_file) == vars(without)
    if settings["variants"]:
        assert dict(without.variants) == settings["variants"]
    assert without.aggregate == settings["aggregate"]


def test_classes_are_readable_without_heavy_libraries():
    code = (
        "import sys; from rgd.routers import load, methods\n"
        "print([(m, load(m).needs_labels, load(m).family) for m in methods()])\n"
        "assert not {'torch', 'sklearn', 'scipy', 'pandas', 'transformers'} & set(sys.modules), sys.modules.keys()"
    )
    root = ROOT / "workflow_scripts"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": str(root)}, capture_output=True)


@pytest.mark.parametrize("method", methods())
def test_label_needs_follow_from_the_family(method):
    router_class = load(method)
    if router_class.family == "query-only":
        assert not router_class.needs_labels
    if router_class.family == "query-answer":
        assert router_class.needs_labels


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cascall",), "did you mean 'cascal'"),
        (("avengers", {"n_cluster": 3}), "did you mean 'n_clusters'"),
        (("topk", {}, {"top0": 0}), "'top0' asks 0"),
        (("topk", {}, None, "loudest"), "'loudest'"),
    ],
)
def test_a_wrong_configuration_is_named(arguments, message):
    with pytest.raises(UserError, match=message):
        make(*arguments)


def test_answers_are_encoded_over_one_vocabulary_and_back():
    columns = [["B", None, "A"], pa.array(["A", "A", None]), np.array(["C", "B", "A"], dtype=object)]
    codes, vocabulary = encode(columns)
    assert codes.dtype == np.int32
    assert codes.shape == (3, 3)
    for index, column in enumerate(columns):
        expected = column.to_pylist() if isinstance(column, pa.Array) else list(column)
        assert decode(codes[:, index], vocabulary) == expected


def test_answers_that_are_all_missing_are_encoded():
    codes, vocabulary = encode([[None, None], pa.chunked_array([[None], [None]], type=pa.string())])
    assert codes.tolist() == [[-1, -1], [-1, -1]]
    assert vocabulary == ()


def test_saved_state_fits_the_schema_and_keeps_types():
    train, queries, answers, confidence, _, _ = niches(0, per_niche=10, tests=3)
    routers = {seed: make("cascal").fit(train) for seed in (3, 1)}
    table = save(routers)
    assert table.schema.equals(schemas.ROUTER)
    assert save(routers).equals(table)
    again = restore(table, lambda: make("cascal"))
    assert sorted(again) == [1, 3]
    for name, value in vars(routers[3]).items():
        if name.endswith("_"):
            restored = getattr(again[3], name)
            assert np.asarray(restored).dtype == np.asarray(value).dtype
            np.testing.assert_array_equal(restored, value)
    one, other = route(routers[3], queries, answers, confidence), route(again[3], queries, answers, confidence)
    np.testing.assert_array_equal(one.answers["top3"], other.answers["top3"])


def test_the_same_training_gives_the_same_state():
    for method in methods():
        if load(method).needs_answer_embeddings:
            continue
        train = niches(1, per_niche=20)[0]
        if make(method).use_features:
            train = replace(train, features=train.embeddings)
        tables = [save({0: make(method).fit(train)}) for _ in range(2)]
        assert tables[0].equals(tables[1])


def test_top_3_of_a_pool_of_two_asks_both():
    train = small([[0, 1], [1, 1]], labels=[0, 1])
    router = make("topk").fit(train)
    routes = route(router, asking([[1, 0, 0, 0]], train), np.array([[4, -1]], dtype=np.int32), np.zeros((1, 2)))
    assert routes.asked["top3"].tolist() == [[0, 1]]
    assert routes.answers["top3"].tolist() == [4]


def test_test_votes_are_measured_by_training_mu_and_sigma():
    train = small([[0, 0, 0]] * 2, confidence=[[0, 10, 100], [2, 30, 300]])
    router = make("majority").fit(train)
    # z is 2, 3 and 1; by the test query's own statistics, or by the confidences as they are, another member would win.
    confidence = np.array([[3.0, 50.0, 300.0]])
    routes = route(router, asking([[1, 0, 0, 0]], train), np.array([[5, 6, 7]], dtype=np.int32), confidence)
    assert routes.answers["all"].tolist() == [6]


def test_ranking_ties_go_by_key():
    members = np.array(["b", "c", "a"])
    assert rank_members(np.array([1.0, 1.0, 1.0 + 1e-13]), members).tolist() == [2, 0, 1]
    assert rank_members(np.array([1.0, 2.0, 1.0]), members, tie=np.array([1.0, 0.0, 0.5])).tolist() == [1, 0, 2]


def test_too_few_kept_neighbours_are_reported():
    train = small([[0, 1]] * 9, labels=[0] * 9)
    queries = TestQueries(np.array(["a"]), train.embeddings[:1], np.zeros((1, 3), dtype=np.int32))
    router = make("smoothie").fit(train)
    with pytest.raises(UserError, match="only 3 are kept"):
        router.rank(queries)


def test_an_impossible_training_set_is_refused():
    with pytest.raises(UserError, match="no training query"):
        small(np.zeros((0, 2)))
    with pytest.raises(UserError, match="distinct keys"):
        small([[0, 0]], members=("a", "a"))
    with pytest.raises(ValueError, match="labels has shape"):
        small([[0, 0]], labels=[0, 1])
    with pytest.raises(ValueError, match="needs training labels"):
        make("topk").fit(small([[0, 0]]))


@pytest.mark.parametrize("method", methods())
def test_a_query_is_ranked_alone_as_in_company_unless_the_class_says_otherwise(method):
    train, queries, *_ = niches(2, per_niche=15, tests=5)
    vectors = np.random.default_rng(0).normal(size=(len(train.query_ids), 6, 4)).astype(np.float32)
    train = replace(train, answer_embeddings=vectors)
    # Tasks beside the two that are trained on, which leave none of them out.
    tasks = np.where(np.arange(len(queries.query_ids)) < 10, "third", "fourth")
    queries = replace(queries, tasks=tasks, training_embeddings=train.embeddings)
    if make(method).use_features:
        train, queries = (replace(part, features=2 * part.embeddings) for part in (train, queries))
    router = make(method).fit(train)
    together = router.rank(queries)

    def only(row):
        parts = {
            name: value[[row]]
            for name, value in vars(queries).items()
            if name != "training_embeddings" and value is not None
        }
        return replace(queries, **parts)

    alone = np.concatenate([router.rank(only(row)) for row in range(len(queries.query_ids))])
    if load(method).transductive:
        assert router.rank(queries).shape == alone.shape
    else:
        np.testing.assert_array_equal(alone, together)
