"""Signs that generated data cannot teach a router: each is found where it was put, and a healthy pool has none."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from rgd.analysis import diagnostics
from rgd.analysis.diagnostics import FINE, LOOK, Trained, findings
from rgd.routers import make
from rgd.routers.base import TrainingSet
from rgd.routing.consensus import consensus
from tests.unit.routing_worlds import niches

GOOD_DRAWS = pd.DataFrame({"task": ["first", "first"], "outcome": ["kept", "surplus"], "draws": [240, 60]})


def trained(train: TrainingSet, routers: tuple[str, ...] = ("cascal",)) -> Trained:
    found = consensus(train.answers, train.confidence)
    fitted = {name: make(name).fit(train) for name in routers}
    return Trained(train.members, train.tasks, train.embeddings, train.answers, found.scores, fitted, 8)


def changed(train: TrainingSet, **parts: object) -> TrainingSet:
    return TrainingSet(**{**vars(train), **parts})


def verdicts(train: TrainingSet, draws: pd.DataFrame = GOOD_DRAWS, **more: object) -> dict[str, str]:
    return {each.check: each.verdict for each in findings(trained(train, **more), draws)}


@pytest.fixture(scope="module")
def healthy() -> TrainingSet:
    return niches(0)[0]


def test_a_pool_with_niches_has_no_sign_of_failure(healthy: TrainingSet) -> None:
    found = findings(trained(healthy), GOOD_DRAWS)
    assert {each.verdict for each in found} == {FINE}
    assert {each.advice for each in found} == {""}
    assert all(each.shown for each in found)


def test_answers_at_random_agree_no_more_than_by_chance(healthy: TrainingSet) -> None:
    random = np.random.default_rng(0)
    answers = random.integers(0, 4, healthy.answers.shape).astype(np.int32)
    found = verdicts(changed(healthy, answers=answers))
    assert found["agreement beyond chance"] == LOOK
    assert found["queries on which all agree"] == FINE
    # That all members always say the same letter is no agreement either.
    answers[:] = 2
    assert verdicts(changed(healthy, answers=answers))["agreement beyond chance"] == LOOK


def test_queries_that_are_too_easy_tell_nobody_apart(healthy: TrainingSet) -> None:
    answers = np.repeat((np.arange(len(healthy.answers)) % 4)[:, None], 6, axis=1).astype(np.int32)
    found = verdicts(changed(healthy, answers=answers, confidence=np.zeros(answers.shape, dtype=np.float32)))
    assert found["agreement beyond chance"] == FINE
    assert found["queries on which all agree"] == LOOK
    assert found["spread of the ranking"] == LOOK
    assert found["cascal: ties at the top"] == LOOK
    assert found["cascal: always the same member"] == LOOK
    assert found["cascal: clusters that rank otherwise"] == LOOK


def test_a_member_that_cannot_be_read_is_named(healthy: TrainingSet) -> None:
    answers = healthy.answers.copy()
    answers[::3, 4] = -1
    (found,) = [
        each
        for each in findings(trained(changed(healthy, answers=answers)), GOOD_DRAWS)
        if each.check == "unreadable answers"
    ]
    assert (found.verdict, found.value) == (LOOK, pytest.approx(1 / 3, abs=0.01))
    assert found.shown.startswith("m4 33 %; all members ")


def test_too_few_queries_and_wasted_draws_are_told(healthy: TrainingSet) -> None:
    few = niches(0, per_niche=8)[0]
    draws = pd.DataFrame(
        {"task": ["t"] * 4, "outcome": ["kept", "truncated", "repeats_query", "surplus"], "draws": [40, 50, 10, 99]}
    )
    found = {each.check: each for each in findings(trained(few), draws)}
    assert found["queries per task"].verdict == LOOK
    assert found["queries per task"].shown == "fewest of first: 16; 32 in all"
    assert found["usable draws"].verdict == LOOK
    assert found["usable draws"].shown == "kept 40 % of 100; dropped: truncated 50, repeats query 10"
    assert verdicts(healthy)["queries per task"] == FINE


def test_one_heap_of_queries_has_no_clusters(healthy: TrainingSet) -> None:
    random = np.random.default_rng(0)
    vectors = random.normal(size=(len(healthy.embeddings), 256))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert (
        verdicts(changed(healthy, embeddings=vectors.astype(np.float32)))["cascal: clusters that are clusters"] == LOOK
    )


def test_a_router_without_clusters_is_asked_only_whom_it_asks(healthy: TrainingSet) -> None:
    found = findings(trained(healthy, ("majority",)), GOOD_DRAWS)
    names = [each.check for each in found if each.check.startswith("majority")]
    assert names == ["majority: always the same member"]
    assert found[-1].verdict == LOOK
    assert "m0" in found[-1].shown


def test_what_a_router_says_itself_is_a_check(healthy: TrainingSet) -> None:
    (fine,) = [
        each for each in findings(trained(healthy, ("latent_truth",)), GOOD_DRAWS) if "latent_truth" in each.check
    ]
    assert fine.verdict == FINE
    assert "probability" in fine.shown
    answers = np.repeat((np.arange(len(healthy.answers)) % 4)[:, None], 6, axis=1).astype(np.int32)
    alike = trained(changed(healthy, answers=answers), ("latent_truth",))
    (told,) = [each for each in findings(alike, GOOD_DRAWS) if "latent_truth" in each.check]
    assert told.verdict == LOOK
    # Members that never differ lead alike in every reading, so no other reading is told.
    assert told.value == 2
    assert "all members agree" in told.shown
    assert "guess" in told.shown


@pytest.mark.parametrize("seed", range(5))
def test_agreement_beyond_chance_as_counted_pair_by_pair(seed: int) -> None:
    random = np.random.default_rng(seed)
    answers = random.integers(-1, 3, (30, 4)).astype(np.int32)
    observed, expected = [], []
    for first, second in combinations(range(4), 2):
        a, b = answers[:, first].tolist(), answers[:, second].tolist()
        observed.append(sum(x == y and x >= 0 for x, y in zip(a, b, strict=True)) / 30)
        # Each answer of one beside each of the other: what would agree if they had nothing to do with each other.
        expected.append(sum(x == y and x >= 0 for x in a for y in b) / 900)
    wanted = (np.mean(observed) - np.mean(expected)) / (1 - np.mean(expected))
    alike = sum(len(set(row)) == 1 and row[0] >= 0 for row in answers.tolist()) / 30
    assert diagnostics.chance_corrected(answers) == pytest.approx((wanted, alike))


def test_nothing_to_compare_is_no_agreement() -> None:
    assert diagnostics.chance_corrected(np.full((5, 3), -1)) == (0.0, 0.0)
    assert diagnostics.chance_corrected(np.zeros((5, 1), dtype=int)) == (0.0, 0.0)


def test_the_table_has_a_row_for_each_finding_and_the_summary_counts() -> None:
    train = niches(0, per_niche=8)[0]
    found = {("d", "s", "p"): findings(trained(train), GOOD_DRAWS)}
    frame = diagnostics.table(found)
    assert len(frame) == len(found["d", "s", "p"])
    assert diagnostics.summary(frame).startswith(f"{(frame['verdict'] == LOOK).sum()} of {len(frame)} checks")
    (people,) = diagnostics.for_people(frame, {}).values()
    assert people["what to do"].tolist() == frame["advice"].tolist()


def test_checks_are_told_line_by_line_for_a_terminal() -> None:
    row = {"dataset": "d", "scenario": "s", "pool": "p", "advice": "", "verdict": "fine"}
    long = " ".join(["word"] * 100)
    frame = pd.DataFrame(
        [row | {"check": "one", "shown": long}, row | {"check": "two", "shown": "x", "verdict": "look"}]
    )
    lines = diagnostics.in_lines(frame, width=60).splitlines()
    assert max(map(len, lines)) <= 60
    assert [line.split()[:2] for line in lines if line.startswith(("fine", "look"))] == [
        ["fine", "one:"],
        ["look", "two:"],
    ]
    assert " ".join(lines).split().count("word") == 100
