"""Estimates of a plan: rates from the store, durations from benchmark files, prices, the longest path."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rgd.answers.requests import feature_requests, referee_requests, requests_for
from rgd.config.schema import Model
from rgd.engines.base import Answer, Message, Request
from rgd.planning.estimates import Estimate, _Asks, cost, longest_path, seconds_in, shared, total
from rgd.planning.graph import Job
from rgd.planning.plan import Outlook, content, lines, most_tries
from rgd.store.answers import AnswerSettings, Sampling, Store
from rgd.store.rates import Rate
from rgd.terminal import duration
from rgd.workflow import run_times


def settings(**changes: object) -> AnswerSettings:
    content: dict = {"weights": "a", "way": "generate", "prompt": "{question}", "max_model_len": 100}
    return AnswerSettings(**{**content, "sampling": Sampling(0.7, 1.0, 100, 0), **changes})


def commit(store: Store, under: AnswerSettings, names: str, seconds: float | None, tokens: int) -> None:
    requests = [Request((Message("user", name),), name) for name in names]
    answers = [Answer("A", 0.0, None, 10, tokens, "stop", False, cost=0.5) for _ in names]
    told = {"engine": "fake"} if seconds is None else {"engine": "fake", "seconds": seconds}
    store.commit(under, requests, answers, told)


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
    found = cost(model(gpus=4), "m", 900, settings(), Rate(2.0, 10, 10, 0.0), None)
    assert (found.seconds, found.gpu_hours, found.dollars, found.guesses) == (1800.0, 2.0, 0.0, frozenset())


def test_an_api_costs_what_its_file_says() -> None:
    found = cost(model(**API), "m", 1000, settings(), Rate(1.0, 200, 30, 0.0), None)
    assert found.dollars == pytest.approx(1000 * (200 * 1.0 + 30 * 10.0) / 1e6)
    assert found.gpu_hours == 0


@pytest.mark.parametrize("factor", [0.5, 0.25])
def test_both_prices_are_told_whichever_is_paid(factor: float) -> None:
    direct = 1000 * (200 * 1.0 + 30 * 10.0) / 1e6
    for is_batch in (False, True):
        changes = {"api": {**API["api"], "batch": is_batch, "batch_price_factor": factor}}
        found = cost(model(**API | changes), "m", 1000, settings(), Rate(1.0, 200, 30, 0.0), None)
        prices = (found.dollars, found.dollars_direct, found.dollars_batch)
        assert prices == pytest.approx((direct * factor if is_batch else direct, direct, direct * factor))
        assert (found.seconds == 1000.0) is not is_batch
    assert total([found, found]).dollars_batch == pytest.approx(2 * direct * factor)
    outlook = Outlook("e", (job(0),), 1, {0: ()}, {0: found}, [job(0)], 3600.0)
    assert (content(outlook)["dollars_direct"], content(outlook)["dollars_batch"]) == (
        round(direct, 2),
        round(direct * factor, 2),
    )
    assert any(f"{direct:.2f}" in line and f"{direct * factor:.2f}" in line for line in lines(outlook))


def test_where_no_time_is_known_the_file_tells_or_it_is_guessed_aloud() -> None:
    rate = Rate(None, 10, 10, 0.0)
    told = cost(model(answers_per_minute=30), "m", 60, settings(), rate, None)
    assert (told.seconds, told.guesses) == (120.0, frozenset())
    guessed = cost(model(), "m", 60, settings(), rate, "lengths")
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
    outlook = Outlook("e", jobs, 4, dict.fromkeys(range(4), ()), taken, [jobs[3]], longest_s=3600.0)
    assert most_tries(outlook) == ("slow", 7300.0, 3)
    assert content(outlook)["most_tries"] == {"member": "slow", "seconds": 7300.0, "tries": 3}
    (said,) = [line for line in lines(outlook) if "--retries" in line]
    assert all(word in said for word in ("slow", "2.0 h", "3 ", "60 min", "--retries 7"))
    enough = replace(outlook, longest_s=7300.0)
    assert most_tries(enough) is None
    assert not any("--retries" in line for line in lines(enough))
    assert content(enough)["most_tries"] is None


QUESTIONS = pa.table({"query_id": ["1", "2"], "question": ["Which?", "Who?"], "options": [["a", "b"], ["c", "d"]]})


def asks(store: Path, **dataset: object) -> _Asks:
    config = SimpleNamespace(paths=SimpleNamespace(store=str(store)), dataset={"d": SimpleNamespace(**dataset)})
    return _Asks(SimpleNamespace(config=config))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rule", "parameters", "requests", "lacking"),
    [
        ("ask_answers", {}, requests_for(QUESTIONS, "{question}"), 1),
        ("ask_features", {}, feature_requests(QUESTIONS, "{question}"), 1),
        ("ask_referee", {"draws": 3}, referee_requests(QUESTIONS, "{question}", 3), 5),
    ],
)
def test_of_every_kind_what_is_answered_is_not_asked_again(
    tmp_path: Path, rule: str, parameters: dict, requests: list[Request], lacking: int
) -> None:
    kind = "tested_questions" if rule == "ask_referee" else "questions"
    file = tmp_path / f"{kind}/d.parquet"
    file.parent.mkdir()
    pq.write_table(QUESTIONS, file)
    asking = replace(job(0), rule=rule, inputs=(str(file),), parameters=parameters)
    assert asks(tmp_path)._queries(asking, settings()) == (len(requests), False)
    answer = Answer("A", 0.0, None, 10, 10, "stop", False)
    Store(tmp_path).commit(settings(), requests[:1], [answer], {})
    assert asks(tmp_path)._queries(asking, settings()) == (lacking, False)


def test_a_benchmark_of_unknown_size_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    found = asks(tmp_path, questions_per_task=None, tasks={}, train_share=0.6)
    asking = replace(job(0), wildcards={"dataset": "d", "query_set": "benchmark"})
    assert found._expected(asking, "results/questions/d/benchmark.parquet") == run_times.QUERIES_UNKNOWN
    assert found._expected(asking, "results/tested_questions/d.parquet") == round(0.4 * run_times.QUERIES_UNKNOWN)


@pytest.mark.parametrize("tokens", [None, 40.0])
def test_questions_that_are_there_are_measured_and_others_assumed(tmp_path: Path, tokens: float | None) -> None:
    found = asks(tmp_path, question_tokens=tokens)
    file = tmp_path / "questions/d/benchmark.parquet"
    asking = replace(job(0), inputs=(str(file),), wildcards={"dataset": "d"})
    assert found._lengths(asking) == run_times.texts_of(tokens)
    file.parent.mkdir(parents=True)
    pq.write_table(QUESTIONS, file)
    assert found._lengths(asking) == run_times.count_tokens(str(file)) != run_times.texts_of(tokens)
    # What draws queries is told a description, whatever the dataset's questions are.
    assert found._lengths(replace(asking, inputs=())) == run_times.TEXTS_UNKNOWN


def test_longer_questions_take_longer_and_cost_more() -> None:
    short, long = (cost(model(**API), "m", 10, settings(), None, None, texts=run_times.Texts(n, 0)) for n in (50, 5000))
    assert long.dollars > 5 * short.dollars
    short, long = (
        cost(model(gpus=1), "m", 10, settings(), None, None, texts=run_times.Texts(n, 0)) for n in (50, 5000)
    )
    assert (long.seconds or 0) > 2 * (short.seconds or 0)


def test_a_model_is_loaded_once_for_all_its_questions_and_once_for_each_set_that_it_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = asks(tmp_path)
    found.config.model = {"m": model(gpus=2, answers_per_minute=60)}
    monkeypatch.setattr("rgd.planning.estimates.asked", lambda *_: "m")
    monkeypatch.setattr("rgd.planning.estimates.asked_by", lambda *_: "vllm")
    monkeypatch.setattr(found, "_queries", lambda *_: (600, False))
    loading = run_times.loading_s(found.config.model["m"])
    asking = replace(job(0), rule="ask_answers", parameters={"settings": json.dumps(settings().content())})
    assert [found.estimate(asking).seconds for _ in range(2)] == [600 + loading, 600]
    drawing = replace(asking, rule="ask_queries", parameters={"settings": json.dumps(settings(prompt="x").content())})
    estimates = [found.estimate(drawing) for _ in range(2)]
    assert [each.seconds for each in estimates] == [600 + loading, 600 + loading]
    assert estimates[0].gpu_hours == pytest.approx(2 * (600 + loading) / 3600)


def test_replicas_share_the_asking_but_neither_the_loading_nor_the_wait_for_a_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rgd.planning.estimates.asked", lambda *_: "m")
    monkeypatch.setattr("rgd.planning.estimates.asked_by", lambda *_: "openai")
    asking = replace(job(0), rule="ask_answers", parameters={"settings": json.dumps(settings().content())})
    taken = {}
    for batch in (False, True):
        found = asks(tmp_path)
        served = Model.model_validate(model(**API).model_dump() | {"api": API["api"] | {"batch": batch}})
        found.config.model = {"m": served}
        monkeypatch.setattr(found, "_queries", lambda *_: (600, False))
        whole = found.estimate(asking)
        taken[batch] = (whole.seconds, shared(whole, 3).seconds)
    start = run_times.loading_s(served)
    whole, third = taken[False]
    assert third == pytest.approx(start + (whole - start) / 3)
    assert taken[True] == (start + run_times.BATCH_S, start + run_times.BATCH_S)


@pytest.mark.parametrize(
    ("seconds", "said"), [([2.0, 3.0], "5 s"), ([2.0, None], "at least 2 s"), ([None, None], "unknown")]
)
def test_a_stage_says_what_is_known_of_its_time(seconds: list[float | None], said: str) -> None:
    jobs = tuple(job(number) for number in range(len(seconds)))
    taken = {number: Estimate(seconds=each) for number, each in enumerate(seconds)}
    outlook = Outlook("e", jobs, 2, {number: [] for number in taken}, taken, list(jobs), 3600.0)
    total = next(line for line in lines(outlook) if line.startswith("total "))
    assert total.endswith(f" {said}")
