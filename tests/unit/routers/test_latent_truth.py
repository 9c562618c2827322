"""The router: what it does of what is planted, that it hears only whom it asks, and how it notices bad queries."""

from dataclasses import replace

import numpy as np
import pytest

from rgd.errors import UserError
from rgd.routers import make, route
from rgd.routers.base import Labelled, TestQueries, TrainingSet
from rgd.routing.latent_truth import panels
from tests.planted import planted


def routed(world, n_train=1500, prices=None, **parameters):
    """The router, its routes for the other queries, and these rows."""
    train, test = np.arange(n_train), np.arange(n_train, len(world.truth))
    router = make("latent_truth", parameters).fit(replace(world.training(train), prices=prices))
    return router, route(router, world.queries(test, train), world.answers[test], world.confidence[test]), test


def accuracy(world, routes, test):
    return {name: (codes == world.truth[test]).mean() for name, codes in routes.answers.items()}


def said(router):
    return [doubt.says for doubt in router.doubts()]


def calls(routes):
    return {name: (asked >= 0).sum(axis=1).mean() for name, asked in routes.asked.items()}


def test_it_beats_the_majority_and_the_best_member_without_a_label():
    world = planted(0, n=2500)
    _, routes, test = routed(world)
    found, right = accuracy(world, routes, test), world.right[test]
    assert found["top1"] == right[:, world.right.mean(axis=0).argmax()].mean()
    votes = (world.answers[:, :, None] == world.answers[:, None, :]).sum(axis=1) * (world.answers >= 0)
    majority = world.right[np.arange(len(votes)), votes.argmax(axis=1)][test].mean()
    assert found["sequential2"] > max(majority, found["top1"]) + 0.01
    assert found["top3"] > found["top1"]
    spent = calls(routes)
    assert spent["top3"] == 3
    for name, budget in (("sequential1.5", 1.5), ("sequential2", 2.0), ("sequential3", 3.0)):
        assert spent[name] == pytest.approx(budget, abs=0.2)


def test_specialists_are_found_and_told_apart_by_task():
    world = planted(3, n=3000, ability=(0.5,) * 6, special=1.5)
    _, routes, test = routed(world, 2400)
    _, alike, _ = routed(world, 2400, groups="all")
    found, without = accuracy(world, routes, test), accuracy(world, alike, test)
    for name in ("top1", "top3", "sequential2"):
        assert found[name] > without[name] + 0.02


def test_the_best_panel_is_not_the_best_members():
    # The two best are one: the second mostly repeats the first.
    world = planted(1, n=2500, ability=(1.0, 1.0, 0.6, 0.6, -2.0), copies=[(1, 0, 0.95)], correlated=False)
    router, routes, test = routed(world, groups="all")
    panel = set(router.panels_[2, -1, :3].tolist())
    assert panel in ({0, 2, 3}, {1, 2, 3})
    _, best, _ = routed(world, groups="all", largest_panel=1)
    assert accuracy(world, routes, test)["top3"] > accuracy(world, best, test)["top3"] + 0.02


def test_only_the_answers_of_those_asked_matter():
    world = planted(2, n=900)
    router, routes, test = routed(world, 600)
    queries, random = world.queries(test, np.arange(600)), np.random.default_rng(0)
    for name, asked in routes.asked.items():
        heard = np.zeros((len(test), 6), dtype=bool)
        rows = np.repeat(np.arange(len(test)), asked.shape[1])[(asked >= 0).ravel()]
        heard[rows, asked[asked >= 0]] = True
        other = np.where(heard, world.answers[test], random.integers(-1, 4, heard.shape)).astype(np.int32)
        unsure = np.where(heard, world.confidence[test], random.normal(size=heard.shape)).astype(np.float32)
        again = route(router, queries, other, unsure)
        np.testing.assert_array_equal(again.answers[name], routes.answers[name])
        np.testing.assert_array_equal(again.asked[name], asked)


def test_a_cheap_member_is_asked_first_where_calls_have_prices():
    world = planted(4, n=1600, ability=(1.0, 0.8, 0.6, 0.2))
    paid = np.array([10.0, 10.0, 10.0, 1.0])
    router, routes, _ = routed(world, 1200, prices=paid, budgets={"cheap": 3.0, "rich": 40.0})
    for name, budget in (("cheap", 3.0), ("rich", 40.0)):
        asked = routes.asked[name]
        spent = np.where(asked >= 0, paid[np.maximum(asked, 0)], 0.0).sum(axis=1).mean()
        assert spent <= budget * 1.15
    assert (routes.asked["cheap"][:, 0] == 3).all()
    assert (routes.asked["rich"] >= 0).all()
    # What no budget pays for: the cheapest member alone.
    poor_router, poor, _ = routed(world, 1200, prices=paid, budgets={"poor": 0.5})
    assert (poor.asked["poor"][:, 0] == 3).all()
    assert (poor.asked["poor"][:, 1:] == -1).all()
    assert "The budget of poor is 0.5, but the cheapest member costs 1 a call." in said(poor_router)
    assert "The budget of rich is 40, but all members together cost 31 a query." in said(router)


def test_more_options_make_an_agreement_surer():
    world = planted(0, n=1200, correlated=False)
    router, _, _ = routed(world, 1000)
    rows = np.arange(1000, 1002)
    queries = world.queries(rows, np.arange(1000))
    answers = np.array([[0, 0, 1, 1, 2, 3]] * 2, dtype=np.int32)
    few, many = (
        panels.lead(
            answers[:, [0, 1, 5]],
            np.full(2, options),
            router.ability_[[0, 1, 5]],
            panels.restrict(router._pool(), (0, 1, 5)),
        )[1]
        for options in (4, 10)
    )
    assert (many > few).all()
    assert replace(queries, options=None) is not None


def test_it_says_that_queries_are_too_easy_too_hard_or_unlike_the_tests():
    world = planted(0, n=900)
    assert said(routed(world, 600)[0]) == []
    easy = replace(world, answers=np.tile(world.truth[:, None], (1, 6)).astype(np.int32))
    router, routes, test = routed(easy, 600)
    assert "too easy" in " ".join(said(router))
    assert accuracy(easy, routes, test)["top1"] == 1.0
    random = np.random.default_rng(0)
    senseless = replace(world, answers=random.integers(0, world.options[:, None], world.answers.shape).astype(np.int32))
    router, _, _ = routed(senseless, 600)
    assert "no right answer" in " ".join(said(router))
    elsewhere = replace(world, embeddings=np.where(np.arange(900)[:, None] < 600, world.embeddings, -world.embeddings))
    assert any("like none of the training queries" in remark for remark in routed(elsewhere, 600)[1].remarks)
    surer = world.confidence + np.where(np.arange(900) < 600, 0.0, 2.0)[:, None]
    remarks = routed(replace(world, confidence=surer.astype(np.float32)), 600)[1].remarks
    assert any("+" in remark and "standard deviations" in remark for remark in remarks)


def test_variants_of_any_size_are_routed_as_fitted():
    world = planted(6, n=700)
    router, routes, test = routed(world, 500)
    router.variants = {"top2": 2, "top5": 5, "all": 9}
    queries = world.queries(test, np.arange(500))
    found = route(router, queries, world.answers[test], world.confidence[test])
    for name, count in (("top2", 2), ("top5", 5), ("all", 6)):
        assert found.asked[name].shape == (200, count)
        assert all(len(set(row)) == count for row in found.asked[name].tolist())
    assert all(set(three) < set(five) for three, five in zip(routes.asked["top3"], found.asked["top5"], strict=True))


def test_missing_answers_count_against_a_member_and_are_no_answer():
    world = planted(0, n=1500)
    answers = world.answers.copy()
    answers[np.random.default_rng(0).random(1500) < 0.6, 0] = -1
    answers[-1] = -1
    router, routes, _ = routed(replace(world, answers=answers), 1200)
    assert router.rankings_[-1, 0] != 0
    assert all(codes[-1] == -1 for codes in routes.answers.values())
    assert all((codes[:-1] >= 0).mean() > 0.9 for codes in routes.answers.values())


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"budgets": {"cheap": 0}}, "budgets.cheap = 0"),
        ({"groups": "topic"}, "groups = 'topic'"),
        ({"caution": -1}, "caution = -1"),
        ({"cluster_size": 0}, "cluster_size = 0"),
        ({"largest_panel": 0}, "largest_panel = 0"),
    ],
)
def test_a_wrong_option_is_named(parameters, message):
    with pytest.raises(UserError, match=message):
        make("latent_truth", parameters)


@pytest.mark.parametrize("n", [1, 2, 7])
def test_few_queries_one_member_and_no_confidence_are_enough(n):
    for members in (1, 2, 3):
        train = TrainingSet(
            query_ids=np.arange(n).astype(str),
            tasks=np.array(["only"] * n),
            embeddings=np.eye(8, dtype=np.float32)[:n],
            members=tuple("abc"[:members]),
            answers=np.zeros((n, members), dtype=np.int32),
            confidence=np.full((n, members), np.nan, dtype=np.float32),
        )
        router = make("latent_truth").fit(train)
        queries = TestQueries(np.array(["x"]), train.embeddings[:1], np.zeros((1, 1), dtype=np.int32))
        routes = route(router, queries, np.zeros((1, members), dtype=np.int32), np.full((1, members), np.nan))
        assert all(codes.tolist() == [0] for codes in routes.answers.values())


def test_a_router_of_an_earlier_version_stops_at_its_one_threshold():
    world = planted(0, n=600)
    router, _, test = routed(world, 400)
    for name in router.budgets:
        delattr(router, f"stopping_{name}_")
        setattr(router, f"threshold_{name}_", 0.9)
    del router.best_probability_, router.panel_worth_, router.floor_
    routes = route(router, world.queries(test, np.arange(400)), world.answers[test], world.confidence[test])
    asked = [routes.asked[name] for name in router.budgets]
    assert all((each == asked[0]).all() for each in asked)
    assert 1.0 < (asked[0] >= 0).sum(axis=1).mean() < 6.0
    assert router.standing() == ""
    assert router.explanations() == {}


def test_it_explains_its_panel_and_predicts_the_price_of_other_queries():
    inside, outside = 0, 0
    for seed in range(3):
        world = planted(seed)
        router, routes, _ = routed(world)
        sentences = router.explanations()
        assert list(sentences) == ["top3", *router.budgets]
        assert all(name in said for name, said in sentences.items())
        assert all(member in sentences["top3"] for member in router.members_[router.panels_[2, -1, :3]])
        # The best panel is worth at least the best members, and any of its members at least its answer.
        worth, covered, best_worth, _ = router.panel_worth_.T
        assert (worth >= best_worth - 1e-9).all()
        assert (covered >= worth - 1e-9).all()
        for name in router.budgets:
            rule = router._stopping(name)
            low, high = rule.interval(1500, len(routes.ranking))
            paid = (routes.asked[name] >= 0).sum(axis=1).mean()
            assert low < rule.price < high < rule.price + 0.5
            inside, outside = inside + (low <= paid <= high), outside + 1
    assert inside >= outside - 1
    # More queries are predicted better.
    assert np.ptp(rule.interval(1500, 10_000)) < np.ptp(rule.interval(1500, 100))


def test_few_queries_are_a_reason_for_doubt_until_there_are_labels():
    def kinds(count, labels=None):
        world = planted(0, n=300)
        train = world.training(np.arange(count))
        if labels is not None:
            rows = np.arange(labels)
            train = replace(train, labelled=Labelled(rows, world.truth[rows].astype(np.int32)))
        return {doubt.kind for doubt in make("latent_truth").fit(train).doubts()}

    assert "few_queries" in kinds(60)
    assert "few_queries" in kinds(60, labels=5)
    assert "few_queries" not in kinds(60, labels=40)
    assert "few_queries" not in kinds(300)
