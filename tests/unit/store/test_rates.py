"""Rates of queries, measured on the answers in the store."""

from pathlib import Path

from rgd.engines.base import Answer, Message, Request
from rgd.store.answers import AnswerSettings, Sampling, Store
from rgd.store.rates import Rate, Rates, rate_of


def settings(**changes: object) -> AnswerSettings:
    content: dict = {"weights": "a", "way": "generate", "prompt": "{question}", "max_model_len": 100}
    return AnswerSettings(**{**content, "sampling": Sampling(0.7, 1.0, 100, 0), **changes})


def commit(store: Store, under: AnswerSettings, names: str, seconds: float | None, tokens: int) -> None:
    requests = [Request((Message("user", name),), name) for name in names]
    answers = [Answer("A", 0.0, None, 10, tokens, "stop", False, cost=0.5) for _ in names]
    told = {"engine": "fake"} if seconds is None else {"engine": "fake", "seconds": seconds}
    store.commit(under, requests, answers, told)


def test_a_rate_is_the_mean_over_the_answers_and_of_the_seconds_of_their_files(tmp_path: Path) -> None:
    store, under = Store(tmp_path), settings()
    commit(store, under, "ab", 3.0, 20)
    commit(store, under, "cdef", 3.0, 50)
    assert rate_of(store.folder(under)) == Rate(1.0, 10, 40, 0.5)


def test_files_of_which_no_time_is_told_count_for_the_lengths_alone(tmp_path: Path) -> None:
    store, under = Store(tmp_path), settings()
    commit(store, under, "ab", None, 20)
    assert rate_of(store.folder(under)) == Rate(None, 10, 20, 0.5)
    commit(store, under, "cd", 4.0, 20)
    assert rate_of(store.folder(under)) == Rate(2.0, 10, 20, 0.5)


def test_no_answers_give_no_rate(tmp_path: Path) -> None:
    assert rate_of(tmp_path / "absent") is None
    assert Rates(tmp_path / "absent").of(settings()) == (None, None)


def test_the_most_similar_answers_count_and_it_is_said(tmp_path: Path) -> None:
    store = Store(tmp_path)
    commit(store, settings(weights="other"), "ab", 2.0, 20)
    rate, of_other_models = Rates(tmp_path).of(settings())
    assert rate == Rate(None, 10, 20, 0.5)
    commit(store, settings(prompt="else"), "ab", 6.0, 30)
    rate, of_other_settings = Rates(tmp_path).of(settings())
    assert rate == Rate(3.0, 10, 30, 0.5)
    commit(store, settings(), "ab", 1.0, 5)
    rate, own = Rates(tmp_path).of(settings())
    assert rate == Rate(0.5, 10, 5, 0.5)
    assert of_other_models != of_other_settings
    assert own is None


def test_scored_answers_tell_nothing_of_written_ones(tmp_path: Path) -> None:
    commit(Store(tmp_path), settings(), "ab", 1.0, 5)
    assert Rates(tmp_path).of(settings(way="likelihood", sampling=None)) == (None, None)


def test_an_answer_of_another_kind_is_no_longer_than_allowed(tmp_path: Path) -> None:
    commit(Store(tmp_path), settings(), "ab", 1.0, 90)
    for changes in ({"prompt": "else"}, {"weights": "other"}):
        rate, _ = Rates(tmp_path).of(settings(**changes, sampling=Sampling(0.7, 1.0, 40, 0)))
        assert rate is not None
        assert rate.completion_tokens == 40
