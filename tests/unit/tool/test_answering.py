"""Asking the chosen members: who is asked, how the vote goes, and what is told where nobody can answer."""

import numpy as np
import pytest

from rgd.errors import UserError
from rgd.routers import Routes
from rgd.routers.base import TestQueries
from rgd.tool import bundle
from rgd.tool.answering import Answering
from rgd.tool.choices import split_options
from rgd.tool.routing import Bundle
from tests.unit.tool.tool_world import engines, member, think, world

OPTIONS = ["red", "green", "blue"]


def answering(monkeypatch: pytest.MonkeyPatch, letters: dict[str, str] | None = None, **changes: object):
    opened, made = engines(letters)
    monkeypatch.setattr("rgd.engines.opening.opened", opened)
    monkeypatch.setattr("rgd.tool.answering.opened", opened)
    content, _, _ = world()
    return Answering(Bundle(bundle.Content(**{**vars(content), **changes}))), made


def test_the_first_variant_asks_the_best_member_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asking, made = answering(monkeypatch, dict.fromkeys([f"m{i}" for i in range(6)], "C"))
    reply = asking.answer("what?", OPTIONS)
    best = reply.decision.best
    assert (reply.letter, reply.text, reply.variant) == ("C", "blue", "top1")
    assert [each.member for each in reply.given] == [best]
    assert set(made) == {"embedder", best}
    assert made[best].asked[0].messages[0].content == "what?\nA. red\nB. green\nC. blue"


def test_three_members_vote_and_the_majority_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    asking, _ = answering(monkeypatch)
    best, second, third = asking.answer("what?", OPTIONS, "top3").decision.asked["top3"]
    asking, made = answering(monkeypatch, {best: "A", second: "B", third: "B"})
    reply = asking.answer("what?", OPTIONS, "top3")
    assert [(each.member, each.letter) for each in reply.given] == [(best, "A"), (second, "B"), (third, "B")]
    assert (reply.letter, reply.text) == ("B", "green")
    assert set(made) == {"embedder", best, second, third}


def test_members_that_score_options_vote_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    asking, _ = answering(
        monkeypatch,
        dict.fromkeys([f"m{i}" for i in range(6)], "B"),
        members=[member(f"m{i}", "likelihood") for i in range(6)],
    )
    assert asking.answer("what?", OPTIONS, "top3").letter == "B"
    with pytest.raises(UserError, match=r"way: likelihood.*--option.*way: generate"):
        asking.answer("what?")


def test_an_answer_that_cannot_be_read_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    asking, _ = answering(monkeypatch, dict.fromkeys([f"m{i}" for i in range(6)], "Z"))
    reply = asking.answer("what?", OPTIONS)
    assert (reply.letter, reply.text, reply.given[0].letter) == (None, "", None)


def test_without_options_the_best_member_that_writes_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    asking, _ = answering(monkeypatch)
    best, second = [each.member for each in asking.answer("what?").decision.ranking][:2]
    members = [member(f"m{i}", "likelihood" if f"m{i}" == best else "generate") for i in range(6)]
    asking, _ = answering(monkeypatch, members=members)
    reply = asking.answer("what?", variant="top3")
    assert [each.member for each in reply.given] == [second]
    assert (reply.text, reply.letter) == (f"{second} says hello", None)


def test_members_of_one_model_share_it(monkeypatch: pytest.MonkeyPatch) -> None:
    members = [{**member("m0"), "key": f"m{i}"} for i in range(6)]
    asking, made = answering(monkeypatch, members=members)
    asking.answer("what?", OPTIONS, "top3")
    assert set(made) == {"embedder", "m0"}


def test_what_cannot_be_asked_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    asking, _ = answering(monkeypatch, members=[{**member(f"m{i}"), "asked": None} for i in range(6)])
    with pytest.raises(UserError, match=r"\bm\d .*--answer"):
        asking.answer("what?", OPTIONS)
    with pytest.raises(UserError, match=r"'top2'.*top1, top3"):
        asking.answer("what?", OPTIONS, "top2")
    for options in (["one"], ["one", " one"], ["one", ""], [str(i) for i in range(21)]):
        with pytest.raises(UserError, match="option"):
            asking.answer("what?", options)


@pytest.mark.parametrize(
    ("text", "question", "options"),
    [
        ("Which?\nA. one\nB. two", "Which?", ["one", "two"]),
        ("Which?\n\nA) one\n\n(B) two\nC: three\nAnswer with a letter.", "Which?", ["one", "two", "three"]),
        (
            "Read this.\nA. Smith wrote it.\nWhich?\nA. one\nB. two",
            "Read this.\nA. Smith wrote it.\nWhich?",
            ["one", "two"],
        ),
        ("Which?\nB. one\nC. two", "Which?\nB. one\nC. two", []),
        ("Which?\nA. one", "Which?\nA. one", []),
        ("A. one\nB. two", "A. one\nB. two", []),
        ("no options at all", "no options at all", []),
    ],
)
def test_options_are_read_from_lines(text: str, question: str, options: list[str]) -> None:
    assert split_options(text) == (question, options)


def test_a_router_that_stops_early_is_told_each_answer_and_asks_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two that agree are enough: what the router would ask next follows from what was answered so far."""

    def respond(self: Bundle, queries: TestQueries, answers=None, confidence=None) -> Routes:
        ranking = self.router.rank(queries)
        answers = np.full(ranking.shape, -1) if answers is None else answers
        asked, seen = [], []
        for place in ranking[0].tolist():
            asked.append(place)
            if answers[0, place] >= 0 and answers[0, place] in seen:
                break
            seen.append(answers[0, place])
        row = np.array([[*asked, *[-1] * (ranking.shape[1] - len(asked))]])
        return Routes(ranking, {"top1": answers[:, asked[-1]]}, {"top1": row})

    monkeypatch.setattr(Bundle, "respond", respond)
    asking, made = answering(monkeypatch)
    order = [each.member for each in asking.bundle.route("what?").ranking]
    asking, made = answering(monkeypatch, dict(zip(order, "ABCBAA", strict=True)))
    reply = asking.answer("what?", OPTIONS)
    assert (reply.variant, reply.letter) == ("top1", "B")
    assert [each.member for each in reply.given] == order[:4]
    assert set(made) == {"embedder", *order[:4]}


@pytest.mark.parametrize(("reader", "letter"), [(None, "B"), ("careful", "B"), ("official", "A")])
def test_answers_are_read_as_the_bundle_says_and_carefully_where_it_says_nothing(
    monkeypatch: pytest.MonkeyPatch, reader: str | None, letter: str
) -> None:
    names = [f"m{i}" for i in range(6)]
    members = [member(name) for name in names]
    for each in members:
        each["asked"] |= {} if reader is None else {"reader": reader}
    asking, _ = answering(monkeypatch, dict.fromkeys(names, "A). No: the answer is (B"), members=members)
    assert asking.answer("what?", OPTIONS).letter == letter


def test_options_are_read_as_the_bundles_questions_are_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"m{i}" for i in range(6)]
    members = [member(name) for name in names]
    for each in members:
        each["asked"]["answer_kind"] = "option_text"
    asking, _ = answering(monkeypatch, dict.fromkeys(names, f"A: The answer is {OPTIONS[1]}"), members=members)
    assert asking.answer("what?", OPTIONS).letter == "B"
    for each in members:
        each["asked"]["answer_kind"] = "number"
    asking, _ = answering(monkeypatch, dict.fromkeys(names, "The answer is 3"), members=members)
    with pytest.raises(UserError, match="number"):
        asking.answer("what?", OPTIONS)


def test_thoughts_are_left_out_of_what_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    think(monkeypatch)
    asking, _ = answering(monkeypatch, dict.fromkeys([f"m{i}" for i in range(6)], "B"))
    reply = asking.answer("what?")
    assert reply.text == reply.given[0].text == f"{reply.given[0].member} says hello"
    assert asking.answer("what?", OPTIONS).letter == "B"
