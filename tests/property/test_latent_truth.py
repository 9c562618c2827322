"""The label-free fit on any pool: no warning, finite, and the same in whatever order rows and members come."""

import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rgd.routers import make
from rgd.routers.base import TrainingSet
from rgd.routing.latent_truth.fit import agreement_patterns, readings
from rgd.routing.latent_truth.model import credences, first_givers, infer, possible_answers
from rgd.routing.latent_truth.standing import others_within_reach, parameter_moves, rereadings, standing

relaxed = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def pools(draw, most_queries=80, most_members=7):
    """Answers (n, M) and options (n,) or None: random, alike, copied, missing, with free answers, with one option."""
    n, members = draw(st.integers(1, most_queries)), draw(st.integers(1, most_members))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kinds = draw(st.sampled_from([1, 2, 4, 10, 10_000]))
    truth = random.integers(0, kinds, n)
    skill = (
        random.uniform(0.0, 1.0, members) if draw(st.booleans()) else np.full(members, draw(st.sampled_from([0, 1])))
    )
    answers = np.where(random.random((n, members)) < skill, truth[:, None], random.integers(0, kinds, (n, members)))
    for _ in range(draw(st.integers(0, members))):
        copy, source = random.integers(0, members, 2)
        taken = random.random(n) < draw(st.sampled_from([0.5, 0.95, 1.0]))
        answers[taken, copy] = answers[taken, source]
    answers = np.where(random.random((n, members)) < draw(st.sampled_from([0.0, 0.1, 0.9, 1.0])), -1, answers)
    options = draw(st.sampled_from([None, "one", "right", "mixed"]))
    if options is not None:
        most = {"one": np.ones(n), "right": np.full(n, kinds), "mixed": random.integers(0, 6, n)}[options]
        options = most.astype(np.int64)
    return answers.astype(np.int32), options


def judged(answers, options):
    """Accuracies (M,), the deviations of the members' accuracies, and whether one maximum is the highest."""
    choices = possible_answers(options, len(answers))
    found, patterns = readings(answers, choices), agreement_patterns(answers, choices)
    pool = found[0][1]
    givers = first_givers(answers)
    right = credences(givers, infer(givers, choices, pool.ability, pool).truth)
    stand = standing(right, rereadings(*patterns, pool), others_within_reach(found, *patterns))
    moves = parameter_moves(*patterns, pool)
    return (
        stand.mean,
        np.sqrt(np.diag(stand.covariance + moves.T @ moves)),
        len(found) == 1 or found[0][0] - found[1][0] > 0.1,
    )


@relaxed
@given(pool=pools(), confident=st.booleans())
def test_any_pool_is_fitted_without_a_warning(pool, confident):
    answers, options = pool
    n, members = answers.shape
    random = np.random.default_rng(n)
    confidence = random.normal(size=answers.shape) if confident else np.full(answers.shape, np.nan)
    train = TrainingSet(
        query_ids=np.arange(n).astype(str),
        tasks=np.array(["only"] * n),
        embeddings=np.eye(4, dtype=np.float32)[np.zeros(n, dtype=int)],
        members=tuple(f"m{member}" for member in range(members)),
        answers=answers,
        confidence=confidence.astype(np.float32),
        options=options,
    )
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        router = make("latent_truth", {"groups": "all"}).fit(train)
    assert np.isfinite(router.accuracy_).all()
    assert ((router.accuracy_ >= 0) & (router.accuracy_ <= 1 + 1e-9)).all()
    assert router.best_probability_.sum() == pytest.approx(1.0)
    assert (router.expected_regret_ >= 0).all()


@relaxed
@given(pool=pools(), random=st.randoms(use_true_random=False))
def test_the_order_of_rows_and_members_changes_no_figure(pool, random):
    answers, options = pool
    rows, columns = (np.array(random.sample(range(size), size)) for size in answers.shape)
    mean, deviation, single = judged(answers, options)
    again, deviation_again, _ = judged(
        np.ascontiguousarray(answers[np.ix_(rows, columns)]), None if options is None else options[rows]
    )
    if single:
        np.testing.assert_allclose(again, mean[columns], atol=1e-6)
        np.testing.assert_allclose(deviation_again, deviation[columns], atol=1e-6)


@pytest.mark.parametrize(("n", "members"), [(14_000, 4), (300, 20)])
def test_large_pools_are_fitted_without_a_warning_and_in_any_order(n, members):
    random = np.random.default_rng(n)
    truth = random.integers(0, 10, n)
    hard = random.random((n, 1)) < 0.3
    skill = np.linspace(0.4, 0.9, members)
    right = random.random((n, members)) < np.where(hard, 0.3 * skill, skill)
    answers = np.where(right, truth[:, None], random.integers(0, 10, (n, members))).astype(np.int32)
    with np.errstate(all="raise"):
        mean, deviation, _ = judged(answers, np.full(n, 10))
    rows, columns = random.permutation(n), random.permutation(members)
    again, deviation_again, _ = judged(np.ascontiguousarray(answers[np.ix_(rows, columns)]), np.full(n, 10))
    np.testing.assert_allclose(again, mean[columns], atol=1e-6)
    np.testing.assert_allclose(deviation_again, deviation[columns], atol=1e-6)
    assert mean.argmax() == members - 1


def test_a_near_duplicate_counts_once():
    random = np.random.default_rng(0)
    n = 2000
    truth = random.integers(0, 10, n)
    accuracy = np.array([0.75, 0.6, 0.6, 0.6, 0.6])
    answers = np.where(random.random((n, 5)) < accuracy, truth[:, None], random.integers(0, 10, (n, 5)))
    wrong = answers[:, [1]] * np.ones(4, dtype=int)
    again = np.where(random.random((n, 4)) < 0.03, random.integers(0, 10, (n, 4)), wrong)
    alone, _, _ = judged(answers.astype(np.int32), np.full(n, 10))
    crowd, _, _ = judged(np.column_stack([answers, again]).astype(np.int32), np.full(n, 10))
    assert crowd[:5] == pytest.approx(alone, abs=0.02)
    assert crowd.argmax() == 0
