"""CASCAL: planted niches, its steps by hand, and degenerate training sets."""

import numpy as np
import pytest

from rgd.routers import make, route
from rgd.routers.cascal import majority_share, merge_closest, merge_in_creation_order, prune
from tests.unit.routing_worlds import asking, niches, small, unit_rows

RELEASED = {
    "vote_weight": "posterior",
    "confidence_spread": "median",
    "min_votes": 1,
    "min_share": 0.5,
    "weight_by_share": True,
    "merge_order": "creation",
    "score_decimals": 3,
    "global_decimals": 4,
    "pruned_queries": "survivor",
    "task_rule": "nearest_mean",
    "selection": "mixture",
}


def at_angles(*degrees):
    radians = np.deg2rad(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("method", "parameters"),
    [("cascal", {}), ("cascal", {"vote_weight": "posterior"}), ("cascal", RELEASED), ("cascal_gt", {})],
)
def test_planted_experts_are_found(seed, method, parameters):
    train, queries, answers, confidence, labels, niche = niches(seed)
    router = make(method, parameters).fit(train)
    routes = route(router, queries, answers, confidence)
    assert (routes.ranking[:, 0] == niche).mean() > 0.95
    assert (routes.answers["top1"] == labels).mean() > 0.88


def test_niches_become_clusters_of_their_task():
    train, *_ = niches(0)
    router = make("cascal").fit(train)
    assert router.task_names_.tolist() == ["first", "second"]
    assert np.bincount(router.centroid_tasks_).tolist() == [2, 2]
    assert router.sizes_.tolist() == [60, 60, 60, 60]
    np.testing.assert_allclose(np.linalg.norm(router.centroids_, axis=1), 1, atol=1e-6)


def test_rescaled_embeddings_give_the_same_ranking():
    train, queries, *_ = niches(1)
    expected = make("cascal").fit(train).rank(queries)
    halved = type(train)(**{**vars(train), "embeddings": train.embeddings[:, ::-1]})
    turned = type(queries)(queries.query_ids, queries.embeddings[:, ::-1], queries.neighbours)
    np.testing.assert_array_equal(make("cascal").fit(halved).rank(turned), expected)


def test_the_task_is_that_of_the_nearest_training_query():
    train = small(
        [[0, 0, 1], [0, 0, 1], [1, 0, 0], [1, 0, 0]], tasks=["a", "a", "b", "b"], embeddings=at_angles(0, 40, 60, 170)
    )
    router = make("cascal").fit(train)
    # 48 degrees: the nearest query (40) is of task a, the nearest centroid (20 and 115) too; 51: of b against a's.
    ranking = router.rank(asking(at_angles(48, 51), train))
    assert ranking[:, -1].tolist() == [2, 0]
    released = make("cascal", {"task_rule": "nearest_mean"}).fit(train)
    assert released.rank(asking(at_angles(48, 51), train))[:, -1].tolist() == [2, 2]


def test_merging_starts_with_the_closest_pair():
    centroids = at_angles(0, 28, 48)
    counts = np.array([1, 1, 1])
    # 28 and 48 become 38, which is too far from 0 (cosine distance 0.21); 0 and 28 are within 0.15 too.
    np.testing.assert_allclose(merge_closest(centroids, counts, 0.15), at_angles(0, 38), atol=1e-9)
    np.testing.assert_allclose(merge_in_creation_order(centroids, counts, 0.15), at_angles(14, 48), atol=1e-9)


def test_merging_weighs_by_seed_count_and_goes_on():
    merged = merge_closest(at_angles(0, 10), np.array([3, 1]), 0.15)
    expected = unit_rows(3 * at_angles(0) + at_angles(10))
    np.testing.assert_allclose(merged, expected, atol=1e-6)
    assert len(merge_closest(at_angles(0, 20, 40, 60), np.ones(4), 0.15)) == 2
    assert len(merge_closest(at_angles(0, 90), np.ones(2), 0.15)) == 2


@pytest.mark.parametrize(
    ("degrees", "counts", "expected"),
    [
        # As many seeds: the earlier takes the later ones, all measured from where it was, not from where it goes.
        ((0, 20, 40), (1, 1, 1), (10, 40)),
        # The first loses to the second and takes no more, though the third is near it and not near the second.
        ((0, 30, -30), (1, 2, 1), (np.rad2deg(np.arctan2(2 * 0.5, 1 + 2 * np.sqrt(0.75))), -30)),
        # What it had taken before goes with it: the third takes the first and, far as it is, the second.
        (
            (0, -25, 25),
            (2, 2, 5),
            (np.rad2deg(np.arctan2(3 * np.sin(np.deg2rad(25)), 2 + 7 * np.cos(np.deg2rad(25)))),),
        ),
        # A chain: the first goes to the second and that to the third, in the place of the first.
        (
            (0, 20, 40, 180),
            (1, 2, 3, 9),
            (
                np.rad2deg(
                    np.arctan2(
                        2 * np.sin(np.deg2rad(20)) + 3 * np.sin(np.deg2rad(40)),
                        1 + 2 * np.cos(np.deg2rad(20)) + 3 * np.cos(np.deg2rad(40)),
                    )
                ),
                180,
            ),
        ),
        # At the very distance they stay apart: 60 degrees are a cosine distance of 0.5, not of 0.15.
        ((0, 60), (1, 1), (0, 60)),
    ],
)
def test_merging_as_released_is_one_pass_in_which_more_seeds_win(degrees, counts, expected):
    merged = merge_in_creation_order(at_angles(*degrees), np.array(counts), 0.15)
    np.testing.assert_allclose(merged, at_angles(*expected), atol=1e-9)


def test_centroids_at_the_very_distance_merge_in_the_paper_and_stay_in_the_release():
    centroids = np.array([[1.0, 0.0], [0.5, np.sqrt(0.75)]])
    assert len(merge_closest(centroids, np.ones(2), 0.5)) == 1
    assert len(merge_in_creation_order(centroids, np.ones(2), 0.5)) == 2


def test_pruning_keeps_the_larger_of_two_alike():
    leading = np.array([[0, 1, 2], [2, 1, 0], [0, 1, 3], [1, 2, 0]])
    assert prune(leading, np.array([1, 5, 2, 5]), 0.95).tolist() == [1, 1, 2, 1]
    assert prune(leading, np.array([1, 5, 2, 5]), 0.5).tolist() == [1, 1, 1, 1]


def test_pruned_queries_go_to_the_nearest_or_to_the_survivor():
    groups = at_angles(0, 1, 2, 88, 89, 90, 91, 178, 179, 180)
    answers = [[0, 0, 1]] * 3 + [[1, 0, 0]] * 4 + [[0, 0, 1]] * 3
    options = {"silhouette_threshold": 0.2, "prune_top": 2}
    train = small(answers, embeddings=groups)
    nearest = make("cascal", options).fit(train)
    survivor = make("cascal", options | {"pruned_queries": "survivor"}).fit(train)
    assert sorted(nearest.sizes_.tolist()) == [3, 7]
    assert sorted(survivor.sizes_.tolist()) == [4, 6]


def test_majority_share_counts_all_tied_answers():
    answers = np.array([[0, 0, 1, 1, 2, -1], [0, 0, 0, 1, 2, 3], [-1] * 6], dtype=np.int32)
    np.testing.assert_allclose(majority_share(answers), [4 / 6, 3 / 6, 0])


def test_min_share_drops_weak_majorities_from_the_strengths():
    train = small([[0, 0, 1, 2, 3, 4]] * 2 + [[0, 0, 0, 1, 2, 3]])
    strong, share, _ = make("cascal", {"min_share": 0.5}).evidence(train)
    assert strong.any(axis=1).tolist() == [False, False, True]
    np.testing.assert_allclose(share, [2 / 6, 2 / 6, 3 / 6])


def test_far_queries_get_the_global_ranking():
    train = small(
        [[0, 0, 1]] * 2 + [[1, 0, 0]] * 8, tasks=["a"] * 2 + ["b"] * 8, embeddings=at_angles(*[0] * 2, *[90] * 8)
    )
    router = make("cascal", {"selection": "mixture", "task_rule": "nearest_mean"}).fit(train)
    ranking = router.rank(asking(at_angles(0, -80), train))
    assert ranking[0].tolist() == [0, 1, 2]
    assert ranking[1].tolist() == [1, 2, 0]


def test_far_queries_move_to_unsharpened_shares_of_the_global_scores():
    # Correctness as the score: 1, 0 and 0 in the near cluster, 5/8, 3/8 and 1/8 over all.
    answers = [[0, 1, 1]] * 5 + [[1, 0, 1]] * 2 + [[1, 0, 0]]
    train = small(answers, labels=[0] * 8, tasks=["a"] * 5 + ["b"] * 3, embeddings=at_angles(*[0] * 5, *[180] * 3))
    parameters = {"selection": "mixture", "task_rule": "nearest_mean", "global_decimals": 1}
    router = make("cascal_gt", parameters).fit(train)
    # 5/8 is 0.6, 3/8 is 0.4 and 1/8 is 0.1 (halves go to the even digit), of which the sum is 1.1.
    shares = np.array([0.6, 0.4, 0.1]) / 1.1
    sharp = np.exp([10.0, 0.0, 0.0]) / (np.exp(10.0) + 2.0)
    cosines = np.array([1.0, 0.5, 0.4, 0.3, 0.1])
    found = router.scores(asking(np.stack([cosines, np.sqrt(1 - cosines**2)], axis=1), train))
    for scores, far in zip(found, (0.0, 0.0, 0.5, 1.0, 1.0), strict=True):
        np.testing.assert_allclose(scores, (1 - far) * sharp + far * shares, atol=1e-5)


def test_a_cluster_in_which_nobody_has_a_score_counts_for_nothing():
    answers = [[0, 0, 1]] * 4 + [[1, 1, 1]] * 4
    train = small(answers, labels=[0] * 8, embeddings=at_angles(*[0] * 4, *[100] * 4))
    parameters = {"selection": "mixture", "prune_jaccard": 2.0, "far_distance": 0.0, "far_width": 0.5, "n_init": 3}
    router = make("cascal", parameters).fit(train)
    router.scores_ = np.array([[0.0, 0.0, 0.0], [0.2, 0.1, 0.0]])
    router.centroids_ = at_angles(100, 0).astype(np.float32)
    router.centroid_tasks_ = np.zeros(2, dtype=np.int32)
    router.global_scores_ = np.array([0.0, 0.0, 2.0])
    scores = router.scores(asking(at_angles(np.rad2deg(np.arccos(0.75))), train))[0]
    sharp = np.exp([2.0, 1.0, 0.0])
    np.testing.assert_allclose(scores, 0.5 * sharp / sharp.sum() + 0.5 * np.array([0.0, 0.0, 1.0]), atol=1e-5)


@pytest.mark.parametrize("parameters", [{}, RELEASED, {"vote_weight": "z_sum"}])
@pytest.mark.parametrize(
    "answers",
    [
        [[0, 1, 0]],
        [[0, 0, 0]] * 6,
        [[0, 1, 2]] * 6,
        [[-1, -1, -1]] * 6,
        [[0, 0, -1], [1, 1, -1], [2, 2, -1], [3, 3, -1]],
        [[0, 0], [0, 1], [1, 0]],
        [[0], [1]],
    ],
    ids=["one query", "all agree", "all disagree", "none answers", "one never answers", "pool of two", "pool of one"],
)
def test_degenerate_training_sets_give_a_ranking(answers, parameters):
    train = small(answers)
    pool = len(answers[0])
    routes = route(
        make("cascal", parameters).fit(train),
        asking(np.eye(4), train),
        np.zeros((4, pool), dtype=np.int32),
        np.full((4, pool), np.nan),
    )
    assert (np.sort(routes.ranking, axis=1) == np.arange(pool)).all()
    assert (routes.answers["top3"] == 0).all()


def test_a_member_that_never_answers_is_last():
    train = small([[0, -1, 0], [1, -1, 1], [2, -1, 1], [3, -1, 3]])
    assert (make("cascal").fit(train).rank(asking(np.eye(4), train))[:, -1] == 1).all()


def test_all_agreeing_leaves_one_cluster_per_task_and_the_order_of_keys():
    train = small([[0, 0, 0]] * 8, tasks=["a", "b"] * 4, members=("b", "c", "a"))
    router = make("cascal").fit(train)
    assert len(router.centroids_) == 2
    assert (router.rank(asking(np.eye(4), train)) == [2, 0, 1]).all()


def test_duplicated_queries_change_no_ranking():
    train, queries, *_ = niches(2)
    twice = np.repeat(np.arange(len(train.tasks)), 2)
    doubled = type(train)(
        query_ids=np.arange(len(twice)).astype(str),
        tasks=train.tasks[twice],
        embeddings=train.embeddings[twice],
        members=train.members,
        answers=train.answers[twice],
        confidence=train.confidence[twice],
        seed=train.seed,
    )
    expected = make("cascal").fit(train).rank(queries)
    found = make("cascal").fit(doubled).rank(asking(queries.embeddings, doubled))
    np.testing.assert_array_equal(found, expected)


def test_query_answer_routing_falls_below_query_only_as_labels_get_worse():
    methods = {"cascal": {}, "cascal_gt": {}, "avengers": {"n_clusters": 4}, "knn": {}}
    curve = {}
    for noise in (0.0, 0.9, 1.0):
        for method, parameters in methods.items():
            hits = []
            for seed in range(2):
                train, queries, answers, confidence, labels, _ = niches(seed, label_noise=noise)
                routes = route(make(method, parameters).fit(train), queries, answers, confidence)
                hits.append((routes.answers["top1"] == labels).mean())
            curve[method, noise] = np.mean(hits)
    for method in ("cascal_gt", "avengers", "knn"):
        assert abs(curve[method, 0.0] - curve["cascal", 0.0]) < 0.1
        assert curve[method, 0.0] > curve[method, 0.9] > curve[method, 1.0]
        assert curve[method, 1.0] < curve["cascal", 1.0] - 0.2
    assert curve["cascal", 1.0] == curve["cascal", 0.0]
