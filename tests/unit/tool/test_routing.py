"""Routing with a bundle: the workflow's own rankings, with what they come from."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from rgd.cli.tool import decision_lines
from rgd.errors import UserError
from rgd.routers import make
from rgd.tool import bundle, load
from rgd.tool.reasons import character
from rgd.tool.routing import Bundle
from tests.unit.tool.tool_world import DIMENSION, engines, world, written

FITTED = [
    ("cascal", {}),
    ("cascal", {"selection": "mixture", "task_rule": "nearest_mean"}),
    ("cascal_gt", {}),
    ("avengers", {"n_clusters": 8}),
    ("knn", {}),
    ("topk", {}),
    ("single", {}),
    ("majority", {}),
    ("latent_truth", {}),
    ("latent_truth", {"groups": "all"}),
]


@pytest.mark.parametrize(("method", "parameters"), FITTED)
def test_a_bundle_ranks_as_the_router_that_it_holds(method: str, parameters: dict, tmp_path: Path) -> None:
    _, train, queries = world(method, parameters)
    expected = make(method, parameters).fit(train).rank(queries)
    decisions = load(written(tmp_path / "bundle", method, parameters)).route_vectors(queries.embeddings)
    members = np.array(train.members)
    assert [[each.member for each in decision.ranking] for decision in decisions] == members[expected].tolist()


@pytest.mark.parametrize(("method", "parameters"), [each for each in FITTED if each[0] not in ("single", "majority")])
def test_the_scores_that_are_told_are_those_of_the_ranking(method: str, parameters: dict) -> None:
    content, _, queries = world(method, parameters)
    for decision in Bundle(content).route_vectors(queries.embeddings):
        scores = [each.score for each in decision.ranking]
        assert decision.score
        assert scores == sorted(scores, reverse=True)


def test_a_decision_tells_task_cluster_and_neighbours_as_computed_by_hand() -> None:
    content, train, queries = world()
    router = make("cascal").fit(train)
    decisions = Bundle(content).route_vectors(queries.embeddings, neighbours=4)
    for vector, decision in zip(queries.embeddings, decisions, strict=True):
        similarity = train.embeddings @ vector
        order = np.argsort(-similarity, kind="stable")[:4]
        assert [each.query_id for each in decision.nearest] == train.query_ids[order].tolist()
        assert [each.similarity for each in decision.nearest] == pytest.approx(similarity[order].tolist())
        assert decision.task == train.tasks[order[0]]
        own = np.flatnonzero(router.task_names_[router.centroid_tasks_] == decision.task)
        cluster = own[np.argmax((router.centroids_[own] @ vector).round(6))]
        assert decision.cluster is not None
        assert (decision.cluster.number, decision.cluster.queries) == (cluster, router.sizes_[cluster])
        assert decision.ranking[0].score == pytest.approx(router.scores_[cluster].max())
        assert decision.asked == {
            "top1": (decision.best,),
            "top3": tuple(each.member for each in decision.ranking[:3]),
        }
        assert decision.nearest[0].task in decision.why


def test_a_query_near_no_cluster_is_said_to_be() -> None:
    content, train, queries = world("latent_truth")
    router = make("latent_truth").fit(train)
    # Away from all centroids, in the direction in which they vary least.
    away = np.linalg.svd(router.centroids_)[2][-1:]
    near, far = Bundle(content).route_vectors(np.concatenate([router.centroids_[:1], away]))
    assert near.cluster is not None
    assert near.cluster.queries == router.sizes_[near.cluster.number]
    assert f"cluster of {near.task} has {near.cluster.queries} " in near.why
    assert far.cluster is None
    assert "No cluster" in far.why
    overall = dict(zip(train.members, router.accuracy_, strict=True))
    assert all(each.score == pytest.approx(overall[each.member]) for each in far.ranking)
    (alike,) = Bundle(world("latent_truth", {"groups": "all"})[0]).route_vectors(queries.embeddings[:1])
    assert alike.cluster is None
    assert "cluster" not in alike.why


def test_members_that_score_alike_are_said_to() -> None:
    content, _, queries = world("topk")
    names = content.learned["name"].to_pylist()
    floats = content.learned["floats"].to_pylist()
    floats[names.index("accuracy_")] = [0.5] * 6
    learned = content.learned.set_column(
        content.learned.schema.get_field_index("floats"), "floats", pa.array(floats, pa.list_(pa.float64()))
    )
    decision = Bundle(bundle.Content(**{**vars(content), "learned": learned})).route_vectors(queries.embeddings[:1])[0]
    assert re.search(r"\b6 members .*\(0\.5\)", decision.why)


def test_vectors_are_normalised_and_wrong_ones_refused() -> None:
    content, _, queries = world()
    routed = Bundle(content)
    one, scaled = routed.route_vectors(queries.embeddings[:5]), routed.route_vectors(3 * queries.embeddings[:5])
    assert [each.ranking for each in one] == [each.ranking for each in scaled]
    with pytest.raises(UserError, match=rf"\(2, 3\).*\(n, {DIMENSION}\)"):
        routed.route_vectors(np.ones((2, 3)))
    for vectors in (np.zeros((1, DIMENSION)), np.full((1, DIMENSION), np.nan)):
        with pytest.raises(UserError, match="vector"):
            routed.route_vectors(vectors)
    assert routed.route_vectors(np.zeros((0, DIMENSION))) == []


@pytest.mark.parametrize("query", ["", "  \n"])
def test_an_empty_query_is_refused(query: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rgd.engines.opening.opened", engines()[0])
    with pytest.raises(UserError, match=rf"query 2 of 2 is {re.escape(repr(query))}"):
        Bundle(world()[0]).route_all(["one", query])


def test_texts_are_embedded_once_loaded_and_without_an_embedder_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    opened, made = engines()
    monkeypatch.setattr("rgd.engines.opening.opened", opened)
    content, _, _ = world()
    with Bundle(content) as routed:
        decisions = [*routed.route_all(["four", "fifth"]), routed.route("eight888")]
    assert list(made) == ["embedder"]
    expected = Bundle(content).route_vectors(made["embedder"].embed(["four", "fifth", "eight888"]))
    assert [each.ranking for each in decisions] == [each.ranking for each in expected]
    without = bundle.Content(**{**vars(content), "routing": {**content.routing, "embedder": None}})
    with pytest.raises(UserError, match=r"embedder.*route_vectors"):
        Bundle(without).route("four")


def test_a_thousand_queries_take_less_than_a_second(tmp_path: Path) -> None:
    routed = load(written(tmp_path / "bundle"))
    vectors = np.random.default_rng(0).normal(size=(1000, DIMENSION))
    started = time.process_time()
    assert len(routed.route_vectors(vectors)) == 1000
    assert time.process_time() - started < 1.0


def test_loading_takes_less_than_two_seconds_and_no_large_library(tmp_path: Path) -> None:
    folder = written(tmp_path / "bundle")
    code = (
        "import sys, time\n"
        "from rgd import tool\n"
        f"routed = tool.load({str(folder)!r})\n"
        f"routed.route_vectors([[1.0] * {DIMENSION}])\n"
        "print([name for name in ('torch', 'sklearn', 'transformers', 'fastapi', 'hydra') if name in sys.modules])\n"
        "print(time.process_time())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    large, seconds = done.stdout.splitlines()
    assert large == "[]"
    assert float(seconds) < 2.0


@pytest.mark.parametrize(("method", "parameters"), FITTED)
def test_the_members_that_are_planned_are_those_that_are_asked(method: str, parameters: dict) -> None:
    content, _, queries = world(method, parameters)
    routed = Bundle(content)
    asked = routed.respond(routed.test_queries(queries.embeddings)).asked
    for row, decision in enumerate(routed.route_vectors(queries.embeddings)):
        assert list(decision.asked) == list(asked)
        for name, members in asked.items():
            assert decision.asked[name] == tuple(routed.keys[member] for member in members[row] if member >= 0)


@pytest.mark.parametrize(("method", "parameters"), FITTED)
def test_every_decision_says_what_it_knows_as_json(method: str, parameters: dict) -> None:
    content, _, queries = world(method, parameters)
    for decision in Bundle(content).route_vectors(queries.embeddings[:20]):
        found = json.loads(json.dumps(decision.content(), allow_nan=False))
        assert {"kind", "says", "values"} == set().union(*found["doubts"], {"kind", "says", "values"})
        assert set(found["panels"]) == {name for name, members in decision.asked.items() if len(members) > 1}
        for ranked in found["ranking"]:
            if ranked["interval"] is not None:
                low, high = ranked["interval"]
                assert 0 <= low <= ranked["score"] <= high <= 1
        probabilities = [ranked["best_probability"] for ranked in found["ranking"]]
        assert method != "latent_truth" or sum(probabilities) == pytest.approx(1.0)
        lines = decision_lines(decision)
        assert all(any(doubt.says in line for line in lines) for doubt in decision.doubts)


@pytest.mark.parametrize("method", ["cascal", "knn", "topk"])
def test_a_query_unlike_all_training_queries_is_a_doubt(method: str) -> None:
    content, train, queries = world(method)
    away = -train.embeddings.mean(axis=0, keepdims=True)
    near, far = Bundle(content).route_vectors(np.concatenate([train.embeddings[:1], away]))
    kinds = [[doubt.kind for doubt in decision.doubts] for decision in (near, far)]
    assert "unlike_training" not in kinds[0]
    assert "unlike_training" in kinds[1]
    assert far.likeness == 0
    # By hand: the share of training queries that are no nearer to another one.
    similarity = train.embeddings @ train.embeddings.T
    np.fill_diagonal(similarity, -1)
    own = similarity.max(axis=1)
    one = Bundle(content).route_vectors(queries.embeddings[:1])[0]
    assert one.likeness == pytest.approx((own <= one.nearest[0].similarity + 1e-6).mean(), abs=0.02)


def test_a_guess_and_another_reading_are_doubts_with_their_figures() -> None:
    router = Bundle(world("latent_truth")[0]).router
    router.other_gap_ = 0.0
    value = dict(zip(router.diagnostic_names_.tolist(), range(99), strict=False))
    router.diagnostics_[value["best_probability"]] = 0.3
    router.rankings_[:, :] = router.rankings_[-1]
    doubts = {doubt.kind: doubt.values for doubt in character(router).doubts}
    assert doubts["guess"]["best_probability"] == 0.3
    assert doubts["other_reading"] == {"leader": router.members_[router.other_leader_], "odds": 1.0}


def test_a_bundle_of_an_earlier_version_has_no_intervals() -> None:
    content, _, queries = world("latent_truth")
    later = ["deviation_", "best_probability_", "expected_regret_", "other_gap_", "other_leader_"]
    old = content.learned.filter(~np.isin(content.learned["name"].to_pylist(), later))
    names = old["name"].to_pylist().index("diagnostic_names_")
    strings = old["strings"].to_pylist()
    strings[names] = [
        name if "best" not in name and "regret" not in name else f"{name}_later" for name in strings[names]
    ]
    old = old.set_column(
        old.schema.get_field_index("strings"), "strings", pa.array(strings, old.schema.field("strings").type)
    )
    decision = Bundle(bundle.Content(**{**vars(content), "learned": old})).route_vectors(queries.embeddings[:1])[0]
    assert {ranked.interval for ranked in decision.ranking} == {None}
    assert {ranked.best_probability for ranked in decision.ranking} == {None}


def test_the_intervals_of_small_groups_and_few_readings_are_wider() -> None:
    content, _, queries = world("latent_truth")
    routed = Bundle(content)

    def width() -> float:
        ranked = routed.route_vectors(queries.embeddings[:1])[0].ranking[0]
        return ranked.interval[1] - ranked.interval[0]

    whole = width()
    routed.router.sizes_ = np.full_like(routed.router.sizes_, 4)
    assert width() > whole
    routed.router.deviation_ = routed.router.deviation_ / 10
    assert width() != whole
