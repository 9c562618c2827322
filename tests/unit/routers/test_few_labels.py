"""latent_truth with a few labels: which it asks for, and what it makes of them."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from rgd.routers import contract, make, restore, route, save
from rgd.routers.base import Labelled, Router, TrainingSet
from rgd.routing.latent_truth.panels import TRUSTS
from tests.planted import Planted, planted

QUICK = {"budgets": {"sequential2": 2.0}, "largest_panel": 2}


@cache
def world(seed: int = 0, n: int = 240, ability: tuple[float, ...] = (0.9, 0.6, 0.3, 0.0)) -> Planted:
    return planted(seed, n=n, ability=ability, missing=0.05)


def training(at: Planted) -> TrainingSet:
    return at.training(np.arange(len(at.truth)), seed=7)


def labels(at: Planted, rows: np.ndarray) -> Labelled:
    rows = np.sort(rows)
    return Labelled(rows, at.truth[rows].astype(np.int32))


def fitted(train: TrainingSet, labelled: Labelled | None = None) -> Router:
    return contract.fit(make("latent_truth", QUICK), replace(train, labelled=labelled))


def wanted(train: TrainingSet, count: int) -> np.ndarray:
    return contract.wants(make("latent_truth", QUICK), train, count)


def regret(router: Router, at: Planted) -> float:
    known = at.right.mean(axis=0)
    return float(known.max() - known[int(router.rankings_[-1, 0])])


def the_family_leads(seed: int = 0, n: int = 1500) -> Planted:
    """Two members of 69 % with errors of their own, and three of 55 % of which two often copy the first: these are believed."""
    at = planted(seed, n=n, ability=(0.8, 0.8, 0.2, 0.2, 0.2), correlated=False, missing=0.0)
    random = np.random.default_rng(seed)
    answers = at.answers.copy()
    for copy in (3, 4):
        same = random.random(n) < 0.75
        answers[same, copy] = answers[same, 2]
    return replace(at, answers=answers, confidence=np.full(answers.shape, np.nan, dtype=np.float32))


@pytest.mark.parametrize("count", [0, 1, 20, 200])
def test_fewer_are_the_first_of_more_and_none_is_asked_for_twice(count: int) -> None:
    train = training(world())
    rows, more = wanted(train, count), wanted(train, 300)
    np.testing.assert_array_equal(rows, more[:count])
    assert len(set(more.tolist())) == len(more)
    answers = train.answers[more]
    assert not (answers == answers[:, :1]).all(axis=1).any()
    apart = (train.answers != train.answers[:, :1]).any(axis=1)
    assert len(more) == apart.sum()


def test_the_order_of_queries_and_members_and_labels_at_hand_play_no_part() -> None:
    at = world()
    train = training(at)
    order, members = np.random.default_rng(0).permutation(len(at.truth)), [3, 1, 0, 2]
    moved = replace(
        train,
        query_ids=train.query_ids[order],
        tasks=train.tasks[order],
        embeddings=train.embeddings[order],
        members=tuple(train.members[member] for member in members),
        answers=train.answers[np.ix_(order, members)],
        confidence=train.confidence[np.ix_(order, members)],
        options=None if train.options is None else train.options[order],
    )
    rows = wanted(train, 60)
    np.testing.assert_array_equal(train.query_ids[rows], moved.query_ids[wanted(moved, 60)])
    np.testing.assert_array_equal(rows, wanted(replace(train, labelled=labels(at, rows[:30])), 60))
    assert rows.tolist() != wanted(replace(train, seed=8), 60).tolist()
    place = np.argsort(order)[rows]
    one, other = (
        fitted(train, labels(at, rows)),
        fitted(moved, Labelled(np.sort(place), at.truth[order][np.sort(place)])),
    )
    np.testing.assert_allclose(one.accuracy_[members], other.accuracy_, atol=1e-4)
    assert one.labels_needed_ == other.labels_needed_


def test_no_label_is_as_good_as_none() -> None:
    train = training(world())
    none, empty = fitted(train), fitted(train, Labelled(np.zeros(0, np.int64), np.zeros(0, np.int32)))
    assert save({0: none}).equals(save({0: empty}))
    assert none.labels_used_ == 0


def test_labels_of_all_queries_give_the_accuracies_themselves() -> None:
    at = world()
    router = fitted(training(at), labels(at, np.arange(len(at.truth))))
    np.testing.assert_allclose(router.accuracy_, at.right.mean(axis=0), atol=1e-9)
    assert regret(router, at) == 0.0


@pytest.mark.parametrize("part", ["the first", "every other", "others", "all that tell anything"])
def test_any_part_of_the_labels_may_be_there(part: str) -> None:
    at = the_family_leads()
    train = training(at)
    rows = wanted(train, 2000)
    chosen: dict[str, Callable[[], np.ndarray]] = {
        "the first": lambda: rows[:150],
        "every other": lambda: rows[:300:2],
        "others": lambda: np.random.default_rng(1).permutation(len(at.truth))[:300],
        "all that tell anything": lambda: rows,
    }
    assert regret(fitted(train), at) > 0.1
    router = fitted(train, labels(at, chosen[part]()))
    assert regret(router, at) < 0.03
    assert router.labels_used_ == len(chosen[part]())


def test_everything_follows_from_the_corrected_accuracies() -> None:
    at = the_family_leads()
    train = training(at)
    before, after = fitted(train), fitted(train, labels(at, wanted(train, 200)))
    experts = {0, 1}
    assert int(before.rankings_[-1, 0]) not in experts
    assert set(after.panels_[1][-1, :2].tolist()) & experts
    assert after.best_probability_[:2].sum() > 0.9
    assert after.expected_regret_[:2].min() < before.expected_regret_[:2].min()
    assert (
        after.ability_[:2].mean() - before.ability_[:2].mean() > after.ability_[2:].mean() - before.ability_[2:].mean()
    )
    np.testing.assert_allclose(after.accuracy_, after.estimates_[-1], atol=1e-9)
    rows = np.arange(len(at.truth))
    scores = []
    for router in (before, after):
        routes = route(router, at.queries(rows, rows), at.answers, at.confidence)
        scores.append({name: (codes == at.truth).mean() for name, codes in routes.answers.items()})
    assert scores[1]["top1"] > scores[0]["top1"] + 0.1
    assert scores[1]["sequential2"] > scores[0]["sequential2"]


def test_wrong_labels_do_bounded_harm() -> None:
    at = world(3, n=1200, ability=(1.6, 0.5, 0.4, 0.3))
    train = training(at)
    assert regret(fitted(train), at) == 0.0
    for row in wanted(train, 2):
        for code in (-1, 0, 99):
            assert regret(fitted(train, Labelled(np.array([row]), np.array([code]))), at) == 0.0
    rows = np.sort(wanted(train, 50))
    codes = at.truth[rows].astype(np.int32)
    codes[::5] = 99
    assert regret(fitted(train, Labelled(rows, codes)), at) == 0.0


def test_what_is_learned_from_labels_is_saved_and_said() -> None:
    at = world()
    train = training(at)
    router = fitted(train, labels(at, wanted(train, 30)))
    again = restore(save({0: router}), lambda: make("latent_truth", QUICK))[0]
    queries = at.queries(np.arange(50), np.arange(len(at.truth)))
    one, other = (route(each, queries, at.answers[:50], at.confidence[:50]) for each in (router, again))
    np.testing.assert_array_equal(one.ranking, other.ranking)
    for name in one.answers:
        np.testing.assert_array_equal(one.answers[name], other.answers[name])
    assert again.standing() == router.standing()
    assert "30" in router.standing()
    assert router.standing() != fitted(train).standing()


def test_sure_pools_need_no_label_and_close_ones_more_than_there_are() -> None:
    sure = planted(0, n=1500, ability=(2.5, 0.3, 0.0, -0.2), missing=0.0)
    close = planted(0, n=200, ability=(0.5, 0.5, 0.5, 0.5), missing=0.0)
    assert fitted(training(sure)).labels_needed_ in range(31)
    assert fitted(training(close)).labels_needed_ == -1


@pytest.mark.parametrize("members", [1, 2])
def test_small_pools_take_labels(members: int) -> None:
    at = planted(1, n=40, ability=(0.5, 0.2)[:members])
    train = training(at)
    rows = wanted(train, 10)
    assert len(rows) == (0 if members == 1 else 10)
    router = fitted(train, labels(at, np.arange(12)))
    assert np.isfinite(router.accuracy_).all()
    assert router.labels_used_ == 12


@pytest.mark.parametrize("seed", range(2))
def test_labels_show_how_far_a_panel_is_to_trust_its_best_member(seed: int) -> None:
    at = world(seed, n=1200, ability=(1.4, 0.3, 0.0, -0.3))
    train = training(at)
    settings = ("latent_truth", {"budgets": {}}, {"top1": 1, "top3": 3, "all": 9})
    every = labels(at, np.arange(len(at.truth)))
    router = contract.fit(make(*settings), replace(train, labelled=every))
    rows = np.arange(len(at.truth))
    queries = at.queries(rows, rows)
    chosen, accuracy = {name: getattr(router, f"trust_{name}_") for name in ("top3", "all")}, {}
    for trust in TRUSTS:
        router.trust_top3_ = router.trust_all_ = trust
        answers = route(router, queries, at.answers, at.confidence).answers
        accuracy[trust] = {name: (answers[name] == at.truth).mean() for name in chosen}
    for name, trust in chosen.items():
        assert accuracy[trust][name] >= max(each[name] for each in accuracy.values()) - 0.002
    assert not hasattr(router, "trust_top1_")
    assert not hasattr(contract.fit(make(*settings), train), "trust_all_")
