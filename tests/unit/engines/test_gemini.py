"""The engine gemini: Google's real client against a server that imitates the API, faults included."""

import contextlib
import math
import time

import pytest

from rgd.engines import EngineSettings, Sampling, open_engine
from rgd.engines.base import Message, Request
from rgd.engines.budget import OwnAccount
from rgd.engines.gemini import retry_delay
from rgd.engines.prompts import render
from rgd.errors import UserError
from rgd.seeds import derive_seed
from rgd.store.answers import AnswerSettings, Store
from rgd.store.fill import fill
from tests.faulty_server import FaultyServer, Play
from tests.streams import Stopped, answers_of

KEY = "AIza-not-for-any-eye-4711"
TEMPLATE = "[system]\nYou are brief.\n[user]\n{question}\n{options}"
SAMPLING = Sampling(temperature=1.0, top_p=0.95, max_tokens=100, seed=3)
PRICES = {"price_prompt": 1000.0, "price_completion": 10_000.0}


def reply(text="The answer is (A)", *, finish="STOP", tokens=(20, 6, 4), **candidate):
    """``tokens``: of the prompt, of the answer, of the thoughts."""
    parts = [{"text": "hm", "thought": True}, {"text": text}]
    usage = dict(zip(("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount"), tokens, strict=True))
    content = {"content": {"role": "model", "parts": parts}, "finishReason": finish} | candidate
    return {"candidates": [content], "usageMetadata": usage, "modelVersion": "gemini-served-7"}


def error(code, status, message="no", **more):
    return Play({"error": {"code": code, "status": status, "message": message} | more}, code)


def with_delay(delay):
    return {"details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}]}


def echo(asked):
    return Play(reply(f"to {asked.body['contents'][-1]['parts'][0]['text'].split()[0]}"))


@pytest.fixture(autouse=True)
def _key(monkeypatch, tmp_path):
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    monkeypatch.chdir(tmp_path)


def settings_for(server, chat=None, spent_dollars=0.0, **api):
    api = {"model": "gemini-2.5-flash", "base_url": server.address, "backoff_s": 0.01, "attempts": 3} | api
    return EngineSettings(None, 4096, chat=chat or {}, api=api, account=OwnAccount(spent_dollars))


def ask(script, requests=None, *, usual=echo, chat=None, **api):
    """Asks a server that plays ``script``: the server, and the answers to ``requests``."""
    with FaultyServer(usual, script) as server, open_engine("gemini", settings_for(server, chat, **api)) as engine:
        return server, answers_of(engine, requests or questions(1), SAMPLING)


def questions(count):
    return [render(TEMPLATE, f"q{index} ?", ["a", "b"]) for index in range(count)]


def test_a_reply_becomes_an_answer():
    example = Request(
        (Message("system", "Be brief."), Message("user", "1?"), Message("assistant", "One."), Message("user", "2?"))
    )
    server, (answer,) = ask([Play(reply(avgLogprobs=-0.3))], [example], chat={"thinking_budget": 0}, **PRICES)
    assert (answer.text, answer.finish_reason, answer.attempts) == ("The answer is (A)", "stop", 1)
    assert (answer.prompt_tokens, answer.completion_tokens, answer.served_model) == (20, 10, "gemini-served-7")
    assert answer.confidence == pytest.approx(-0.3)
    assert answer.cost == pytest.approx((20 * 1000 + 10 * 10_000) / 1e6)
    asked = server.asked[0]
    assert asked.path.endswith("/models/gemini-2.5-flash:generateContent")
    assert asked.headers["x-goog-api-key"] == KEY
    assert asked.body["systemInstruction"]["parts"] == [{"text": "Be brief."}]
    assert [(turn["role"], turn["parts"][0]["text"]) for turn in asked.body["contents"]] == [
        ("user", "1?"),
        ("model", "One."),
        ("user", "2?"),
    ]
    settings = asked.body["generationConfig"]
    # The client writes the key in one of the two ways that the API reads.
    assert list(settings.pop("thinkingConfig").values()) == [0]
    assert settings == {
        "temperature": 1.0,
        "topP": 0.95,
        "maxOutputTokens": 100,
        "seed": derive_seed(3, example.query_key, 0),
    }


@pytest.mark.parametrize(
    ("play", "reason", "text"),
    [
        (Play({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 9}}), "blocked", ""),
        (Play(reply("", finish="SAFETY")), "blocked", ""),
        (Play(reply("", finish="RECITATION", content=None)), "blocked", ""),
        (Play({"candidates": [], "usageMetadata": {"promptTokenCount": 9}}), "empty", ""),
        (Play(reply("", content={"role": "model"})), "empty", ""),
        (Play({"usageMetadata": {"promptTokenCount": 9}}), "empty", ""),
        (Play(reply("cut", finish="MAX_TOKENS")), "length", "cut"),
    ],
)
def test_what_is_blocked_empty_or_cut_off_is_an_answer(play, reason, text):
    server, (answer,) = ask([play])
    assert (answer.finish_reason, answer.text, len(server.asked)) == (reason, text, 1)
    assert math.isnan(answer.confidence)


@pytest.mark.parametrize(
    "fault",
    [
        error(429, "RESOURCE_EXHAUSTED"),
        error(429, "RESOURCE_EXHAUSTED", **with_delay("0.01s")),
        error(500, "INTERNAL"),
        error(503, "UNAVAILABLE"),
        Play("<html>Bad gateway</html>", 502),
        Play(drop=True),
        Play(reply(), cut=30),
        Play('{"candidates": [{"con'),
        Play(reply(), delay_s=4.0),
    ],
    ids=["429", "429-delay", "500", "503", "502-html", "dropped", "cut", "truncated-json", "slow"],
)
def test_what_passes_is_asked_again(fault):
    server, (answer,) = ask([fault], **({"timeout_s": 1.0} if fault.delay_s else {}))
    assert (answer.text, answer.attempts, len(server.asked)) == ("to q0", 2, 2)


def test_the_delay_that_the_api_asks_for_is_honoured(pauses):
    server, _ = ask([error(429, "RESOURCE_EXHAUSTED", **with_delay("0.4s"))])
    assert server.asked[1].at - server.asked[0].at >= 0.4
    assert pauses == [pytest.approx(0.4, abs=0.01)]
    assert retry_delay({"error": with_delay("17s")}) == 17
    assert retry_delay(with_delay("0.25s")) == 0.25
    assert retry_delay(with_delay("soon")) is None
    assert retry_delay({"error": "text"}) is None


@pytest.mark.parametrize(
    ("play", "message"),
    [
        (error(400, "INVALID_ARGUMENT", "API key not valid."), r"400.*GEMINI_API_KEY"),
        (error(403, "PERMISSION_DENIED", f"{KEY} may not"), r"403.*GEMINI_API_KEY"),
        (error(404, "NOT_FOUND"), r"'gemini-2\.5-flash'.*api\.model"),
        (
            error(
                400, "INVALID_ARGUMENT", "The input token count (5) exceeds the maximum number of tokens allowed (4)."
            ),
            r"gemini-2\.5-flash.*max_tokens",
        ),
        (error(400, "INVALID_ARGUMENT", f"bad seed, {KEY}"), r"400.*bad seed, \[key\]"),
        (error(429, "RESOURCE_EXHAUSTED", **with_delay("3600s")), r"3600 s"),
    ],
)
def test_what_does_not_pass_is_asked_once(play, message):
    with (
        FaultyServer(echo, [play]) as server,
        open_engine("gemini", settings_for(server)) as engine,
        pytest.raises(UserError, match=message) as caught,
    ):
        engine.generate(questions(1), SAMPLING)
    assert len(server.asked) == 1
    assert KEY not in str(caught.value)


def test_attempts_are_bounded():
    with pytest.raises(UserError, match=r"3 attempts.*429"):
        ask([error(429, "RESOURCE_EXHAUSTED")] * 4)


def test_pace_and_concurrency_are_kept():
    came = []

    def two_at_once(asked):
        came.append(asked)
        return Play(echo(asked).body, hold=lambda: len(came) >= 2)

    began = time.monotonic()
    server, answers = ask([], questions(5), usual=two_at_once, concurrency=2, requests_per_minute=1200)
    assert server.most_at_once == 2
    # A busy machine delays requests, and brings none forward.
    assert all(asked.at - began >= 0.05 * place for place, asked in enumerate(server.asked))
    assert [answer.text for answer in answers] == [f"to q{index}" for index in range(5)]


def test_a_missing_key_is_named(monkeypatch):
    monkeypatch.delenv("GEMINI_API_KEY")
    with (
        pytest.raises(UserError, match="GEMINI_API_KEY"),
        open_engine("gemini", EngineSettings(None, 4096, api={"model": "m"})),
    ):
        pass


def test_what_the_engine_cannot_do_is_told():
    with pytest.raises(UserError, match=r"gemini.*chat\.thinking\b.*thinking_budget"):
        ask([], chat={"thinking": False})
    with pytest.raises(UserError, match=r"gemini.*\[user\]"):
        ask([], [render("[user]\n{question}\n[assistant]\nSo", "q")])
    with FaultyServer(echo) as server, open_engine("gemini", settings_for(server)) as engine:
        with pytest.raises(UserError, match=r"gemini.*way: generate"):
            engine.score(questions(1))
        with pytest.raises(UserError, match=r"gemini.*engine: transformers"):
            engine.embed(["text"])


def test_the_budget_is_not_passed_and_what_was_answered_is_kept():
    # An answer costs 0.12 dollars and at most 1.05 or so, which is set aside while it is under way.
    with pytest.raises(Stopped, match=r"api\.budget_dollars = 2\b") as caught:
        ask([], questions(30), concurrency=4, budget_dollars=2.0, **PRICES)
    spent = sum(answer.cost for _, answer in caught.value.answered)
    assert spent == pytest.approx(0.12 * len(caught.value.answered))
    assert 2.0 - 1.2 < spent <= 2.0


def test_what_earlier_jobs_have_spent_counts_towards_the_budget():
    with pytest.raises(UserError, match=r"api\.budget_dollars = 1\.5\b.* 0\.9000 .* 0\.0000 .* 1\.\d{4} "):
        ask([], questions(3), budget_dollars=1.5, spent_dollars=0.9, **PRICES)


def test_an_attempt_that_was_perhaps_billed_counts_at_its_most():
    with pytest.raises(UserError, match=r" 0\.0000 .* 1\.\d{4} .* 1\.\d{4} "):
        ask([Play(drop=True)], budget_dollars=2.0, **PRICES)


def test_a_budget_ends_a_job_and_the_next_one_pays_for_nothing_twice(tmp_path, capfd):
    answer_settings = AnswerSettings(
        weights="gemini:m", way="generate", prompt=TEMPLATE, max_model_len=4096, dtype="served", sampling=SAMPLING
    )
    store, requests = Store(tmp_path / "store"), questions(12)
    keys = [request.query_key for request in requests]
    with FaultyServer(echo, [error(429, "RESOURCE_EXHAUSTED", KEY)]) as server:
        spent = []
        while len(spent) < 6 and not store.answered(answer_settings, keys).all():
            with (
                open_engine("gemini", settings_for(server, budget_dollars=1.6, **PRICES)) as engine,
                contextlib.suppress(UserError),
            ):
                fill(store, answer_settings, requests, lambda engine=engine: engine, 3)
            spent.append(engine.budget.spent)
    assert 1 < len(spent) < 6
    assert max(spent) <= 1.6
    assert sum(spent) == pytest.approx(12 * 0.12)
    assert len(server.asked) == 1 + 12
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    captured = capfd.readouterr()
    assert files
    assert not any(KEY.encode() in content for content in [*files, captured.out.encode(), captured.err.encode()])
