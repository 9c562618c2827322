"""Batches: nothing is lost, asked twice or paid for twice, whatever is killed, fails, expires or comes in what order."""

import contextlib
import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rgd.errors import UserError
from rgd.store import batch_files, batches, upkeep
from rgd.store.answers import Store
from rgd.store.batches import ToCollect
from rgd.store.exchange import export_answers
from rgd.store.ledger import Ledger
from tests.batch_world import KINDS, MAX_TOKENS, MOMENTS, Provider, ask, job, price, questions, settings_of, texts
from tests.batch_world import hurry as in_a_hurry
from tests.faulty_server import Asked, FaultyServer, Play

pytestmark = [pytest.mark.slow, pytest.mark.ci]

N = 7


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (
        "SECONDS_BETWEEN_LOOKS",
        "LONGEST_BETWEEN_LOOKS",
        "SECONDS_UNTIL_LISTED",
        "ANSWERS_IN_A_FILE",
        "MOST_LINES",
    ):
        monkeypatch.setattr(batches, name, getattr(batches, name))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    monkeypatch.setenv("GEMINI_API_KEY", "none")
    monkeypatch.chdir(tmp_path)
    in_a_hurry()


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def folder(store: Path, kind: str) -> Path:
    return Store(store).folder(settings_of(kind))


def in_progress(store: Path, kind: str) -> list[str]:
    return [batch.state for batch in batch_files.batches(folder(store, kind))]


def spent(store: Path, kind: str) -> tuple[float | None, dict[str, float]]:
    ledger = Ledger(store, settings_of(kind).weights)
    return ledger.spent(), json.loads(ledger.path.read_text())["reserved"]


def rows(store: Path, kind: str, *columns: str, last: int = N) -> list[dict[str, Any]]:
    keys = [each.query_key for each in questions(last)]
    return Store(store).read(settings_of(kind), keys, columns=columns).to_pylist()


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def assert_settled(store: Path, kind: str, provider: Provider) -> None:
    """Nothing is in progress, reserved or left over, and what was spent is what was billed."""
    assert in_progress(store, kind) == []
    amount, reserved = spent(store, kind)
    assert (amount, reserved) == (pytest.approx(provider.billed), {})
    found = upkeep.verify(store)
    assert (found.damaged, found.left_over, found.duplicates) == ([], [], 0)


def test_questions_are_asked_in_a_batch_at_half_the_price(tmp_path: Path, kind: str) -> None:
    provider, lines = Provider(kind), []
    with FaultyServer(provider) as server:
        count = ask(kind, tmp_path, server.address, N, lines=lines)
        again = ask(kind, tmp_path, server.address, N)
    assert (count.asked, again.asked, count.empty) == (N, 0, 0)
    assert texts(tmp_path, kind, N) == [f"to q{number}" for number in range(N)]
    assert len(provider.batches) == 1
    assert provider.asked == {f"q{number}": 1 for number in range(N)}
    assert any(name in line for line in lines for name in provider.batches)
    assert_settled(tmp_path, kind, provider)
    assert Store(tmp_path).spent(settings_of(kind).weights) == pytest.approx(provider.billed)
    columns = ["attempts", "cost", "served_model", "provenance"]
    rows = (
        Store(tmp_path).read(settings_of(kind), [each.query_key for each in questions(N)], columns=columns).to_pylist()
    )
    assert {row["attempts"] for row in rows} == {1}
    assert {json.loads(row["provenance"])["batch"] for row in rows} == set(provider.batches)
    assert "seconds" not in json.loads(rows[0]["provenance"])


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_job_killed_at_any_moment_loses_and_repeats_nothing(tmp_path: Path, kind: str, moment: str) -> None:
    """The first answer to q1 is a passing error, so that a collected batch leaves something to ask."""
    provider = Provider(kind, lambda question, time: "429" if (question, time) == ("q1", 1) else "ok")
    with FaultyServer(provider) as server:
        killed = job(kind, tmp_path, server, 0, N, moment)
        said = killed.communicate(timeout=60)[1]
        assert killed.returncode == -9, said
        is_handed_in = moment not in ("intended", "reserved", "uploaded", "creating")
        assert len(provider.batches) == is_handed_in
        assert (in_progress(tmp_path, kind)) != []
        amount, reserved = spent(tmp_path, kind) if moment != "intended" else (None, {})
        assert all(name.startswith("batch-") for name in reserved)
        if is_handed_in:
            # It will be billed, whatever becomes of its job.
            assert (amount or 0.0) + sum(reserved.values()) >= provider.billed - 1e-9
        found = upkeep.verify(tmp_path)
        assert (found.damaged, found.left_over) == ([], [])
        ask(kind, tmp_path, server.address, N)
    assert texts(tmp_path, kind, N) == [f"to q{number}" for number in range(N)]
    assert provider.asked == {f"q{number}": 2 if number == 1 else 1 for number in range(N)}
    assert_settled(tmp_path, kind, provider)
    rows = Store(tmp_path).read(settings_of(kind), [questions(N)[1].query_key], columns=["attempts"])
    assert rows["attempts"].to_pylist() == [2]


@pytest.mark.parametrize("is_reachable", [True, False])
def test_a_batch_whose_answers_are_stored_is_still_paid_for(tmp_path: Path, kind: str, is_reachable: bool) -> None:
    """Its job was killed in between. Without the server the answers count all the same, and the cost stays reserved."""
    provider = Provider(kind)
    with FaultyServer(provider) as server:
        job(kind, tmp_path, server, 0, N, "stored").communicate(timeout=60)
        assert in_progress(tmp_path, kind) == ["submitted"]
        if is_reachable:
            assert ask(kind, tmp_path, server.address, N).asked == 0
            assert_settled(tmp_path, kind, provider)
    if not is_reachable:
        assert ask(kind, tmp_path, server.address, N, attempts=1).asked == 0
        assert in_progress(tmp_path, kind) == ["submitted"]
        assert len(spent(tmp_path, kind)[1]) == 1
    assert provider.asked == {f"q{number}": 1 for number in range(N)}


def test_a_job_that_does_not_wait_leaves_its_batch_to_the_next_run(tmp_path: Path, kind: str) -> None:
    provider = Provider(kind, looks=3)
    with FaultyServer(provider) as server:
        for number in range(3):
            with pytest.raises(ToCollect) as caught:
                ask(kind, tmp_path, server.address, N, batch_wait_s=0)
            assert getattr(caught.value, "exit_code", 1) == 75
            assert in_progress(tmp_path, kind) == ["submitted"], number
            (survey,) = map(upkeep.survey, upkeep.folders(tmp_path))
            assert (survey.batches, survey.in_batches) == (1, N)
            upkeep.compact(folder(tmp_path, kind))
        provider.looks = 0
        ask(kind, tmp_path, server.address, N, batch_wait_s=0)
    assert provider.asked == {f"q{number}": 1 for number in range(N)}
    assert_settled(tmp_path, kind, provider)


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.parametrize("seed", range(3))
def test_jobs_killed_again_and_again_lose_and_repeat_nothing(tmp_path: Path, kind: str, seed: int) -> None:
    """At any time, with errors of lines and batches that expire; each line is billed once for each time it was due."""
    moments = random.Random(seed)

    def fate(question: str, time_: int) -> str:
        return (
            "429" if (int(question[1:]) % 5, time_) == (1, 1) else "absent" if (question, time_) == ("q8", 1) else "ok"
        )

    provider = Provider(kind, fate, lambda number: "expired" if number % 3 == 0 else "completed", looks=3)
    kills = 0
    with FaultyServer(provider) as server:
        for _ in range(12):
            running = job(kind, tmp_path, server, 0, 12, attempts=30)
            until(lambda: provider.calls > 0 or running.poll() is not None)  # noqa: B023
            time.sleep(moments.uniform(0, 0.15))
            kills += running.poll() is None
            running.kill()
            running.communicate(timeout=30)
            provider.calls = 0
        ask(kind, tmp_path, server.address, 12, attempts=30)
    assert kills >= 2
    assert texts(tmp_path, kind, 12) == [f"to q{number}" for number in range(12)]
    assert provider.asked == {f"q{number}": 2 if number % 5 == 1 or number == 8 else 1 for number in range(12)}
    assert in_progress(tmp_path, kind) == []
    amount, reserved = spent(tmp_path, kind)
    assert reserved == {}
    assert amount >= provider.billed - 1e-9
    assert upkeep.verify(tmp_path).duplicates == 0


def test_sets_that_come_meanwhile_are_handed_in_but_not_waited_for(tmp_path: Path, kind: str) -> None:
    later = [questions(N + 3, N), [], questions(N + 5, N + 3)]
    provider = Provider(kind, ends=lambda number: "completed")
    with FaultyServer(provider) as server:
        ask(kind, tmp_path, server.address, N, more=lambda: later.pop(0) if later else [])
        assert [len(batch.lines) for batch in provider.batches.values()] == [N + 3, 2]
        ask(kind, tmp_path, server.address, N + 5)
    assert provider.asked == {f"q{number}": 1 for number in range(N + 5)}
    assert_settled(tmp_path, kind, provider)


def test_sigterm_while_waiting_leaves_the_batch(tmp_path: Path, kind: str) -> None:
    provider = Provider(kind, looks=10**9)
    with FaultyServer(provider) as server:
        waiting = job(kind, tmp_path, server, 0, N)
        until(lambda: in_progress(tmp_path, kind) == ["submitted"])
        waiting.terminate()
        waiting.communicate(timeout=30)
        assert waiting.returncode != 0
        assert in_progress(tmp_path, kind) == ["submitted"]
        provider.looks = 0
        ask(kind, tmp_path, server.address, N)
    assert provider.asked == {f"q{number}": 1 for number in range(N)}
    assert_settled(tmp_path, kind, provider)


@pytest.mark.parametrize("fault", ["500", "429", "absent", "junk", "odd"])
def test_a_passing_error_of_a_line_is_asked_again_in_the_next_batch(tmp_path: Path, kind: str, fault: str) -> None:
    provider = Provider(kind, lambda question, time: fault if question == "q2" and time < 3 else "ok")
    with FaultyServer(provider) as server:
        assert ask(kind, tmp_path, server.address, N).asked == N
    assert provider.asked == {f"q{number}": 3 if number == 2 else 1 for number in range(N)}
    row = rows(tmp_path, kind, "attempts", "cost")[2]
    assert row["attempts"] == 3
    amount, reserved = spent(tmp_path, kind)
    assert reserved == {}
    # What may have been billed counts.
    assert amount >= provider.billed - 1e-9
    if fault == "500":
        assert row["cost"] > 2 * price(0, MAX_TOKENS)
        # The longest that the prompt could be, rather than its length.
        assert amount == pytest.approx(provider.billed + 2 * price(16, 0))


def test_what_a_filter_refuses_is_an_answer(tmp_path: Path, kind: str) -> None:
    provider = Provider(kind, lambda question, time: "blocked" if question == "q2" else "ok")
    with FaultyServer(provider) as server:
        ask(kind, tmp_path, server.address, N)
        ask(kind, tmp_path, server.address, N)
    assert provider.asked["q2"] == 1
    assert [row["finish_reason"] for row in rows(tmp_path, kind, "finish_reason")] == [
        "stop",
        "stop",
        "blocked",
        *["stop"] * 4,
    ]


@pytest.mark.parametrize(("fate", "asked"), [("429", 3), ("too long", 1)])
def test_a_request_without_an_answer_costs_no_other(tmp_path: Path, kind: str, fate: str, asked: int) -> None:
    """A passing error up to api.attempts times; the next run tries again."""
    provider = Provider(kind, lambda question, time: fate if question == "q2" else "ok")
    with FaultyServer(provider) as server:
        for runs in (1, 2):
            with pytest.raises(UserError) as caught:
                ask(kind, tmp_path, server.address, N)
            assert not isinstance(caught.value, ToCollect)
            assert provider.asked["q2"] == runs * asked
    assert sum(provider.asked.values()) == 2 * asked + N - 1
    stored = Store(tmp_path).answered(settings_of(kind), [each.query_key for each in questions(N)])
    assert stored.tolist() == [number != 2 for number in range(N)]


@pytest.mark.parametrize(
    ("kind", "sent"), [("openai", "seed"), ("openai", "logprobs"), ("openai", "max_tokens"), ("gemini", "seed")]
)
def test_a_parameter_that_the_server_refuses_is_not_sent_again(tmp_path: Path, kind: str, sent: str) -> None:
    """Also by the next job, and it is no attempt of the request."""
    provider = Provider(kind, lambda question, time: f"refuses {sent}")
    with FaultyServer(provider) as server:
        while provider.asked["q0"] < 1:
            with pytest.raises(ToCollect):
                ask(kind, tmp_path, server.address, N, attempts=1, batch_wait_s=0)
        ask(kind, tmp_path, server.address, N, attempts=1)
    assert [sent in each for each in provider.sent] == [True] * N + [False] * N
    assert {json.loads(row["provenance"])["dropped"][0] for row in rows(tmp_path, kind, "provenance")} == {sent}
    assert_settled(tmp_path, kind, provider)


@pytest.mark.parametrize("wait_s", [None, 0])
def test_an_expired_batch_keeps_what_came_and_asks_the_rest_again(
    tmp_path: Path, kind: str, wait_s: float | None
) -> None:
    provider = Provider(kind, ends=lambda number: "completed" if number else "expired")
    with FaultyServer(provider) as server:
        for _ in range(20):
            with contextlib.suppress(ToCollect):
                ask(kind, tmp_path, server.address, N, batch_wait_s=wait_s)
                break
    assert [len(batch.lines) for batch in provider.batches.values()] == [N, N - N // 2]
    assert provider.asked == {f"q{number}": 1 for number in range(N)}
    assert [row["attempts"] for row in rows(tmp_path, kind, "attempts")] == [1] * (N // 2) + [2] * (N - N // 2)
    assert in_progress(tmp_path, kind) == []


def test_a_cancelled_batch_is_collected_and_not_repeated_at_once(tmp_path: Path, kind: str) -> None:
    provider = Provider(kind, ends=lambda number: "completed" if number else "cancelled")
    with FaultyServer(provider) as server:
        with pytest.raises(UserError, match="cancelled"):
            ask(kind, tmp_path, server.address, N)
        assert sum(provider.asked.values()) == N // 2
        ask(kind, tmp_path, server.address, N)
    assert provider.asked == {f"q{number}": 1 for number in range(N)}


def test_a_batch_that_the_server_refuses_is_told_with_its_reason(tmp_path: Path, kind: str) -> None:
    provider = Provider(kind, ends=lambda number: "failed")
    with FaultyServer(provider) as server, pytest.raises(UserError, match="no good" if kind == "openai" else "failed"):
        ask(kind, tmp_path, server.address, N)
    assert_settled(tmp_path, kind, provider)
    assert len(provider.batches) == 1


def test_a_full_queue_gets_smaller_batches_one_after_another(tmp_path: Path) -> None:
    provider = Provider("openai")
    provider.ends = lambda number: "failed" if len(list(provider.batches.values())[number].lines) > 2 else "completed"
    provider.errors = [{"code": "token_limit_exceeded", "message": "Enqueued token limit reached"}]
    with FaultyServer(provider) as server:
        ask("openai", tmp_path, server.address, N)
    assert [len(batch.lines) for batch in provider.batches.values()][:2] == [7, 3]
    assert provider.asked == {f"q{number}": 1 for number in range(N)}
    assert_settled(tmp_path, "openai", provider)


def test_a_set_is_split_by_lines_and_by_bytes(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "MOST_LINES", 5)
    provider = Provider(kind)
    with FaultyServer(provider) as server:
        ask(kind, tmp_path, server.address, 12)
        monkeypatch.setattr(
            batches,
            "MOST_BYTES",
            2 * max(map(len, provider.files["file-0" if kind == "openai" else "files/f0"].splitlines())) + 50,
        )
        ask(kind, tmp_path, server.address, 17)
    assert [len(batch.lines) for batch in provider.batches.values()] == [5, 5, 2, 2, 2, 1]
    assert texts(tmp_path, kind, 17) == [f"to q{number}" for number in range(17)]
    assert_settled(tmp_path, kind, provider)


@pytest.mark.parametrize("arrives", [True, False])
def test_a_lost_reply_to_a_creation_creates_no_second_batch(tmp_path: Path, kind: str, arrives: bool) -> None:
    provider = Provider(kind)
    create = "POST /batches" if kind == "openai" else "POST /v1/models"

    def lose(asked: Asked) -> Play:
        if arrives:
            assert (provider._openai if kind == "openai" else provider._gemini)(asked, "POST", asked.path).status == 200
        return Play(drop=True)

    provider.script = [(create, lose)]
    with FaultyServer(provider) as server:
        ask(kind, tmp_path, server.address, N)
    assert len(provider.batches) == 1
    assert provider.asked == {f"q{number}": 1 for number in range(N)}
    assert_settled(tmp_path, kind, provider)


@pytest.mark.parametrize("place", range(6))
def test_a_passing_error_of_a_call_is_survived(tmp_path: Path, kind: str, place: int) -> None:
    """Of the upload, the creation, a look, or the download."""
    provider, calls = Provider(kind), 0

    def usual(asked: Asked) -> Play:
        nonlocal calls
        calls += 1
        if calls - 1 == place:
            return Play({"error": {"message": "come again", "code": 503}}, 503)
        return provider(asked)

    with FaultyServer(usual) as server:
        ask(kind, tmp_path, server.address, N)
    assert calls > place
    assert provider.asked == {f"q{number}": 1 for number in range(N)}
    assert_settled(tmp_path, kind, provider)


@pytest.mark.slow
@pytest.mark.ci
def test_jobs_at_once_ask_nothing_twice(tmp_path: Path, kind: str) -> None:
    provider = Provider(kind, lambda question, time: "429" if question in ("q3", "q9") and time == 1 else "ok", looks=5)
    with FaultyServer(provider) as server:
        jobs = [job(kind, tmp_path, server, first, first + 8) for first in (0, 4, 0)]
        said = [one.communicate(timeout=60)[1] for one in jobs]
    assert [one.returncode for one in jobs] == [0, 0, 0], said
    assert texts(tmp_path, kind, 12) == [f"to q{number}" for number in range(12)]
    assert provider.asked == {f"q{number}": 2 if number in (3, 9) else 1 for number in range(12)}
    assert_settled(tmp_path, kind, provider)


def test_a_budget_hands_in_what_it_allows_and_goes_on_with_what_is_left(tmp_path: Path, kind: str) -> None:
    """The questions cost much less than they could."""
    one = price(46, MAX_TOKENS)
    provider = Provider(kind)
    with FaultyServer(provider) as server:
        ask(kind, tmp_path, server.address, N, budget_dollars=3.5 * one)
        assert next(len(batch.lines) for batch in provider.batches.values()) == 3
        assert len(provider.batches) > 1
        assert_settled(tmp_path, kind, provider)
        with pytest.raises(UserError, match="budget_dollars"):
            ask(kind, tmp_path, server.address, 30, budget_dollars=3.5 * one)
    assert provider.billed <= 3.5 * one
    assert_settled(tmp_path, kind, provider)


@pytest.mark.slow
@pytest.mark.ci
def test_jobs_at_once_never_pass_the_budget_together(tmp_path: Path, kind: str) -> None:
    """One is killed with a batch in progress, which stays reserved; whoever comes next collects it."""
    budget = 12 * price(56, MAX_TOKENS)
    provider = Provider(kind, looks=4)
    with FaultyServer(provider) as server:
        killed = job(kind, tmp_path, server, 90, 95, "submitted", budget_dollars=budget)
        killed.communicate(timeout=60)
        amount, reserved = spent(tmp_path, kind)
        assert (amount, list(reserved.values())) == (0.0, [pytest.approx(5 * price(56, MAX_TOKENS))])
        jobs = [job(kind, tmp_path, server, first, 95, budget_dollars=budget) for first in (50, 70)]
        said = [one.communicate(timeout=60)[1] for one in jobs]
        assert all("Traceback" not in text for text in said), said
    assert provider.billed <= budget
    assert set(provider.asked.values()) == {1}
    assert_settled(tmp_path, kind, provider)


def test_a_batch_in_progress_is_collected_after_batches_were_switched_off(tmp_path: Path) -> None:
    provider = Provider("openai")
    with FaultyServer(provider) as server:
        with pytest.raises(ToCollect):
            ask("openai", tmp_path, server.address, N, batch_wait_s=0)
        ask("openai", tmp_path, server.address, N + 3, batch=False)
        assert [len(batch.lines) for batch in provider.batches.values()] == [N]
        assert sum(asked.path.endswith("/chat/completions") for asked in server.asked) == 3
    assert texts(tmp_path, "openai", N + 3) == [f"to q{number}" for number in range(N + 3)]
    assert in_progress(tmp_path, "openai") == []


def test_a_batch_of_another_address_is_named_with_its_file(tmp_path: Path, kind: str) -> None:
    provider = Provider(kind)
    with FaultyServer(provider) as server, pytest.raises(ToCollect):
        ask(kind, tmp_path, server.address, N, batch_wait_s=0)
    with FaultyServer(Provider(kind)) as other:
        with pytest.raises(UserError) as caught:
            ask(kind, tmp_path, other.address, N)
        (path,) = folder(tmp_path, kind).glob("*.batch")
        assert str(path) in str(caught.value)
        path.unlink()
        ask(kind, tmp_path, other.address, N)
    assert texts(tmp_path, kind, N) == [f"to q{number}" for number in range(N)]


def test_a_batch_that_its_server_has_forgotten_is_named_with_its_file(tmp_path: Path, kind: str) -> None:
    provider = Provider(kind)
    with FaultyServer(provider) as server:
        with pytest.raises(ToCollect):
            ask(kind, tmp_path, server.address, N, batch_wait_s=0)
        provider.batches.clear()
        with pytest.raises(UserError, match=r"\.batch"):
            ask(kind, tmp_path, server.address, N)
    assert in_progress(tmp_path, kind) == ["submitted"]


@pytest.mark.parametrize("damage", ["", "{", "[]", "{}", '{"label": 1}'])
def test_a_damaged_file_of_a_batch_is_named_and_stops_what_it_may_hold(tmp_path: Path, kind: str, damage: str) -> None:
    provider = Provider(kind)
    with FaultyServer(provider) as server:
        with pytest.raises(ToCollect):
            ask(kind, tmp_path, server.address, N, batch_wait_s=0)
        (path,) = folder(tmp_path, kind).glob("*.batch")
        path.write_text(damage)
        assert any(str(path) in line for line in upkeep.verify(tmp_path).damaged)
        with pytest.raises(UserError, match=path.name):
            ask(kind, tmp_path, server.address, N)
    assert len(provider.batches) == 1


def test_an_export_takes_no_batch_along(tmp_path: Path, kind: str) -> None:
    provider = Provider(kind, lambda question, time: "429" if question == "q1" else "ok")
    with FaultyServer(provider) as server, pytest.raises(UserError):
        ask(kind, tmp_path / "store", server.address, N)
    export_answers(tmp_path / "store", tmp_path / "out", [])
    assert [path.name for path in (tmp_path / "out").rglob("*.batch")] == []
