"""Consensus, votes, neighbours and references against their slow twins, and what must not change them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rgd.routing.clustering import Products, compact, cosine_silhouette, silhouettes
from rgd.routing.consensus import consensus, majority, usable_confidence, weighted_scores, z_scores
from rgd.routing.neighbours import nearest
from rgd.routing.votes import vote
from rgd.scoring.references import oracle, random_vote
from tests.property.pools import EXACT, LETTERS, NAMES, twin_votes, votes, worlds
from tests.slow_twins import consensus as slow
from tests.slow_twins import geometry
from tests.slow_twins import references as slow_references

WEIGHTS = st.sampled_from(["logistic", "z_sum", "posterior"])


@given(votes(), WEIGHTS, st.integers(1, 3), st.sampled_from(["mean", "median"]))
def test_consensus_is_that_of_the_slow_twin(voted, how, min_votes, spread):
    answers, confidence = voted
    members = NAMES[: answers.shape[1]]
    queries = twin_votes(answers, confidence, members)
    found = consensus(answers, confidence, how, min_votes, spread)
    spreads = {member: slow.spread(queries, member, robust=spread == "median") for member in members}
    for index, query in enumerate(queries):
        z = slow.z_of(query, spreads)
        expected = slow.scores(query, z, how)
        chosen = slow.majority_answers(query, min_votes)
        for position, member in enumerate(members):
            assert found.scores[index, position] == pytest.approx(expected[member], abs=1e-9)
            assert found.in_majority[index, position] == (query[member][0] in chosen)
            assert np.isnan(found.z[index, position]) == (z[member] is None)
            if z[member] is not None:
                assert found.z[index, position] == pytest.approx(z[member], abs=1e-9)


@given(votes(), WEIGHTS, st.sampled_from(["consensus", "majority"]), st.integers(1, 6), st.randoms())
def test_vote_is_that_of_the_slow_twin(voted, weight, how, k, random):
    answers, confidence = voted
    members = NAMES[: answers.shape[1]]
    queries = twin_votes(answers, confidence, members)
    found = consensus(answers, confidence)
    spreads = {member: slow.spread(queries, member) for member in members}
    order = list(range(len(members)))
    random.shuffle(order)
    asked = np.tile(np.array(order[:k], dtype=np.int32), (len(answers), 1))
    given_answers = vote(answers, found.z, asked, how, weight)
    for index, query in enumerate(queries):
        expected = slow.vote(query, slow.z_of(query, spreads), [members[m] for m in order[:k]], how, weight)
        answer = given_answers[index]
        assert (LETTERS[answer] if answer >= 0 else None) == expected


@given(votes(), WEIGHTS, st.permutations(range(5)))
def test_answers_may_be_renamed(voted, how, names):
    answers, confidence = voted
    renamed = np.where(answers >= 0, np.array(names, dtype=np.int32)[answers], -1)
    one, other = consensus(answers, confidence, how), consensus(renamed, confidence, how)
    np.testing.assert_array_equal(one.scores, other.scores)
    np.testing.assert_array_equal(one.in_majority, other.in_majority)


@given(votes(), WEIGHTS, st.randoms())
def test_members_may_be_reordered(voted, how, random):
    answers, confidence = voted
    order = list(range(answers.shape[1]))
    random.shuffle(order)
    one, other = consensus(answers, confidence, how), consensus(answers[:, order], confidence[:, order], how)
    np.testing.assert_allclose(one.scores[:, order], other.scores, atol=1e-9)
    np.testing.assert_array_equal(one.in_majority[:, order], other.in_majority)


@given(votes(), WEIGHTS)
def test_a_missing_answer_never_scores_above_a_given_one(voted, how):
    answers, confidence = voted
    found = consensus(answers, confidence, how)
    for row, scores in zip(answers, found.scores, strict=True):
        if (row >= 0).any() and (row < 0).any():
            assert scores[row < 0].max() <= scores[row >= 0].min()


@given(votes(), WEIGHTS)
def test_without_confidence_consensus_is_majority(voted, how):
    answers, _ = voted
    nothing = np.full(answers.shape, np.nan)
    scores = consensus(answers, nothing, how).scores
    best = (answers >= 0) & (scores.round(9) == scores.max(axis=1, keepdims=True).round(9))
    np.testing.assert_array_equal(best, majority(answers, min_votes=1))


@given(votes(), st.floats(0.1, 10), st.floats(-5, 5))
def test_confidence_may_be_rescaled_per_pool(voted, scale, shift):
    answers, confidence = voted
    usable = usable_confidence(answers, confidence)
    one, other = consensus(answers, usable), consensus(answers, usable * scale + shift)
    np.testing.assert_allclose(one.scores, other.scores, atol=1e-6)


@given(votes())
def test_scores_of_one_query_do_not_depend_on_the_others_in_a_batch(voted):
    answers, confidence = voted
    found = consensus(answers, confidence)
    for how in ("logistic", "z_sum", "posterior"):
        whole = weighted_scores(answers, found.z, how)
        for index in range(len(answers)):
            alone = weighted_scores(answers[index : index + 1], found.z[index : index + 1], how)
            np.testing.assert_array_equal(whole[index], alone[0])


@given(votes(max_members=5), st.integers(1, 4), st.booleans(), st.randoms())
def test_references_are_those_of_the_slow_twin(voted, size, with_z, random):
    answers, confidence = voted
    labels = np.array([random.randrange(4) for _ in answers], dtype=np.int32)
    z = consensus(answers, confidence).z if with_z else np.full(answers.shape, np.nan)
    best = oracle((answers == labels[:, None]) & (answers >= 0))
    chance = random_vote(answers, labels, size, z if with_z else None)
    for index, row in enumerate(answers.tolist()):
        letters = [LETTERS[answer] if answer >= 0 else None for answer in row]
        label = LETTERS[labels[index]]
        assert best[index] == slow_references.oracle(letters, label)
        known = [None if np.isnan(value) else float(value) for value in z[index]]
        assert chance[index] == pytest.approx(slow_references.random_vote(letters, label, size, known))


@given(worlds(), st.integers(1, 30), st.booleans())
def test_neighbours_are_those_of_the_slow_twin(world, k, exact):
    random = np.random.default_rng(world.cluster_seed)
    if exact:
        training, queries = EXACT[random.integers(0, 24, 20)], EXACT[random.integers(0, 24, 5)]
    else:
        # Quarters keep every product exact, so that the order of equals is seen.
        training = random.integers(-4, 5, (20, 6)).astype(np.float32) / 4
        queries = random.integers(-4, 5, (5, 6)).astype(np.float32) / 4
    indices, similarity = nearest(queries, training, k)
    for row, query in enumerate(queries):
        expected = geometry.nearest(query.tolist(), training.tolist(), k)
        assert indices[row].tolist() == expected
        np.testing.assert_array_equal(similarity[row], [query @ training[index] for index in expected])
    own, _ = nearest(training, training, k, own=np.arange(20))
    for row, vector in enumerate(training):
        assert own[row].tolist() == geometry.nearest(vector.tolist(), training.tolist(), k, without=row)


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.integers(2, 5), st.booleans(), st.sampled_from([3, 40]))
def test_silhouette_is_that_of_the_slow_twin_and_of_scikit_learn(seed, clusters, duplicates, dimension):
    from sklearn.metrics import silhouette_score

    random = np.random.default_rng(seed)
    points = random.normal(size=(18, dimension))
    if duplicates:
        points = points[random.integers(0, 4, 18)]
    points = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)
    labels = compact(random.integers(0, clusters, 18))
    found = cosine_silhouette(points, labels)
    assert found == pytest.approx(geometry.cosine_silhouette(points.astype(float).tolist(), labels.tolist()), abs=1e-5)
    assert silhouettes(Products(points), labels[None])[0] == pytest.approx(found, abs=1e-5)
    if not duplicates:
        assert found == pytest.approx(silhouette_score(points, labels, metric="cosine"), abs=1e-5)


@given(votes())
def test_z_scores_use_the_given_mu_and_sigma(voted):
    answers, confidence = voted
    usable = usable_confidence(answers, confidence)
    mu, sigma = np.full(answers.shape[1], 0.5), np.full(answers.shape[1], 2.0)
    np.testing.assert_allclose(z_scores(usable, mu, sigma) * 2.0 + 0.5, usable, equal_nan=True)
