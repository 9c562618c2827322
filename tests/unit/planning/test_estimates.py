"""Estimates of a plan: rates from the store, durations from benchmark files, prices, the longest path."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from rgd.config.schema import Model
from rgd.engines.base import Answer, Message, Request
from rgd.planning.estimates import (
    PROMPT_TOKENS,
    Estimate,
    Rate,
    _Asks,
    _Rates,
    cost,
    longest_path,
    rate_of,
    seconds_in,
    total,
)
from rgd.planning.graph import Job
from rgd.planning.plan import Outlook, content, duration, lines, most_tries
from rgd.store.answers import AnswerSettings, Sampling, Store


def settings(**changes: object) -> AnswerSettings:
    content: dict = {"weights": "a", "way": "generate", "prompt": "{question}", "max_model_len": 100}
    return AnswerSettings(**{**content, "sampling": Sampling(0.7, 1.0, 100, 0), **changes})


def commit(store: Store, under: AnswerSettings, names: str, seconds: float | None, tokens: int) -> None:
    requests = [Request((Message("user", name),), name) for name in names]
    answers = [Answer("A", 0.0, None, 10, tokens, "stop", False, cost=0.5) for _ in names]
    told = {"engine": "fake"} if seconds is None else {"engine": "fake", "seconds": seconds}
    store.commit(under, requests, answers, told)


def test_a_rate_is_the_mean_over_the_answers_and_of_the_chunks_seconds(tmp_path: Path) -> None:
    store, under = Store(tmp_path), settings()
    commit(store, under, "ab", 3.0, 20)
    commit(store, under, "cdef", 3.0, 50)
    assert rate_of(store.folder(under)) == Rate(1.0, 10, 40, 0.5)


def test_chunks_of_which_no_time_is_told_count_for_the_lengths_alone(tmp_path: Path) -> None:
    store, under = Store(tmp_path), settings()
    commit(store, under, "ab", None, 20)
    assert rate_of(store.folder(under)) == Rate(None, 10, 20, 0.5)
    commit(store, under, "cd", 4.0, 20)
    assert rate_of(store.folder(under)) == Rate(2.0, 10, 20, 0.5)


def test_no_answers_give_no_rate(tmp_path: Path) -> None:
    assert rate_of(tmp_path / "absent") is None


def test_the_most_similar_answers_count_and_it_is_said(tmp_path: Path) -> None:
    store = Store(tmp_path)
    rates = _Rates(tmp_path)
    rate, nothing = rates.of(settings())
    assert rate.seconds is None
    assert f"{PROMPT_TOKENS} tokens" in str(nothing)
    commit(store, settings(weights="other"), "ab", 2.0, 20)
    rate, of_other_models = _Rates(tmp_path).of(settings())
    assert rate == Rate(None, 10, 20, 0.5)
    commit(store, settings(prompt="else"), "ab", 6.0, 30)
    rate, of_other_settings = _Rates(tmp_path).of(settings())
    assert rate == Rate(3.0, 10, 30, 0.5)
    commit(store, settings(), "ab", 1.0, 5)
    rate, own = _Rates(tmp_path).of(settings())
    assert rate == Rate(0.5, 10, 5, 0.5)
    assert len({nothing, of_other_models, of_other_settings, own}) == 4
    assert own is None


@pytest.mark.parametrize(
    ("decoding", "again"), [({}, 0), ({"top_k": -1.0}, 2), ({"top_k": -1.0, "temperature": None}, 0)]
)
def test_answers_under_sampling_that_the_server_decided_are_counted(
    tmp_path: Path, decoding: dict[str, float | None], again: int
) -> None:
    store = Store(tmp_path)
    commit(store, settings(dtype="served"), "ab", 1.0, 5)
    asks = _Asks(SimpleNamespace(config=SimpleNamespace(paths=SimpleNamespace(store=str(tmp_path)))))  # type: ignore[arg-type]
    names = {f"{Request((Message('user', name),), name).query_key}:0" for name in "abc"}
    assert asks._claimed(settings(dtype="served", decoding=decoding), names) == 3
    assert asks.again == again
    assert asks._claimed(settings(dtype="served", decoding=decoding), names) == 0


def test_what_is_asked_again_is_summed_by_model() -> None:
    parts = [Estimate(again=(("m", 2, 0.5),)), Estimate(), Estimate(again=(("m", 1, 0.25), ("n", 4, 0.0)))]
    assert total(parts).again == (("m", 3, 0.75), ("n", 4, 0.0))


def model(**changes: object) -> Model:
    content = {
        "title": "M",
        "licence": "none",
        "engine": "vllm",
        "weights": {"path": "/nowhere"},
        "max_model_len": 100,
        "asks": {"default": {"way": "generate", "prompt": "p"}},
    }
    return Model.model_validate({**content, **changes})


API = {"engine": "openai", "weights": None, "api": {"model": "m", "price_prompt": 1.0, "price_completion": 10.0}}


def test_gpu_hours_are_those_of_all_gpus() -> None:
    found = cost(model(gpus=4), "m", 900, Rate(2.0, 10, 10, 0.0), None)
    assert (found.seconds, found.gpu_hours, found.dollars, found.guesses) == (1800.0, 2.0, 0.0, frozenset())


def test_an_api_costs_what_its_file_says() -> None:
    found = cost(model(**API), "m", 1000, Rate(1.0, 200, 30, 0.0), None)
    assert found.dollars == pytest.approx(1000 * (200 * 1.0 + 30 * 10.0) / 1e6)
    assert found.gpu_hours == 0


def test_where_no_time_is_known_the_file_tells_or_it_is_guessed_aloud() -> None:
    rate = Rate(None, 10, 10, 0.0)
    told = cost(model(answers_per_minute=30), "m", 60, rate, None)
    assert (told.seconds, told.guesses) == (120.0, frozenset())
    guessed = cost(model(), "m", 60, rate, "lengths")
    assert guessed.seconds
    assert len(guessed.guesses) == 2


def test_a_total_counts_nothing_for_what_nothing_tells() -> None:
    parts = [Estimate(2, False, 10.0, 1.0, 3.0, frozenset("a")), Estimate(3, True, None, 0.5, 0.0, frozenset("b"))]
    assert total(parts) == Estimate(5, True, 10.0, 1.5, 3.0, frozenset("ab"))


def test_a_benchmark_file_tells_the_last_run(tmp_path: Path) -> None:
    path = tmp_path / "b.jsonl"
    assert seconds_in(path) is None
    path.write_text(json.dumps({"s": 1.5}) + "\n" + json.dumps({"s": 2.5}) + "\n")
    assert seconds_in(path) == 2.5
    path.write_text("s\n")
    assert seconds_in(path) is None


def job(number: int, *needs: int) -> Job:
    return Job(number, f"r{number}", "s", {}, (), (), "", "", {}, None, (), False, (), needs, True)


def test_the_longest_path_is_the_slowest_chain() -> None:
    jobs = [job(0), job(1), job(2, 0), job(3, 0, 1), job(4, 2, 3)]
    taken = {number: Estimate(seconds=seconds) for number, seconds in enumerate([1.0, 5.0, 7.0, 2.0, 1.0])}
    assert [each.number for each in longest_path(jobs, taken)] == [0, 2, 4]
    taken[1] = Estimate(seconds=9.0)
    assert [each.number for each in longest_path(jobs, taken)] == [1, 3, 4]


def test_where_nothing_is_known_the_longest_path_has_most_jobs() -> None:
    jobs = [job(0), job(1, 0), job(2)]
    assert [each.number for each in longest_path(jobs, {number: Estimate(seconds=None) for number in range(3)})] == [
        0,
        1,
    ]
    assert longest_path([], {}) == []


@pytest.mark.parametrize(("seconds", "words"), [(5, "5 s"), (300, "5 min"), (7200, "2.0 h")])
def test_a_duration_has_the_unit_that_suits_its_length(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_member_asked_for_longer_than_a_job_may_take_needs_tries() -> None:
    def asked(number: int, member: str) -> Job:
        return replace(job(number), rule="ask_answers", wildcards={"member": member})

    jobs = (asked(0, "fast"), asked(1, "slow"), asked(2, "slow"), job(3))
    taken = {number: Estimate(seconds=seconds) for number, seconds in enumerate((3600.0, 4000.0, 3300.0, 1e6))}
    outlook = Outlook("e", jobs, 4, {}, taken, [jobs[3]], longest_s=3600.0)
    assert most_tries(outlook) == ("slow", 7300.0, 3)
    assert content(outlook)["most_tries"] == {"member": "slow", "seconds": 7300.0, "tries": 3}
    (said,) = [line for line in lines(outlook) if "--retries" in line]
    assert all(word in said for word in ("slow", "2.0 h", "3 ", "60 min", "--retries 7"))
    enough = replace(outlook, longest_s=7300.0)
    assert most_tries(enough) is None
    assert not any("--retries" in line for line in lines(enough))
    assert content(enough)["most_tries"] is None
