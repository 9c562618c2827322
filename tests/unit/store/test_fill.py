"""The store: what is answered is kept whole, is never asked again, and survives interruptions and damage."""

import dataclasses
import errno
import json
import math
import re
import threading
import time
import tracemalloc
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest

from rgd.artifacts import locks
from rgd.engines.base import Answer, Message, Request, Sampling
from rgd.errors import UserError
from rgd.progress.logs import TOGETHER, WARNING, counted
from rgd.store import fill as fill_module
from rgd.store.answers import AnswerSettings, Store, chunk_key
from rgd.store.fill import FillCount, fill
from rgd.store.leases import Leases
from tests.store_world import SETTINGS, WRITING, CountingEngine, answer, ask, name, questions, texts


def provenance(store, requests, settings=SETTINGS):
    table = store.read(settings, [request.query_key for request in requests], columns=["provenance"])
    return [json.loads(text) for text in table["provenance"].to_pylist()]


def files(store, settings=SETTINGS):
    return {path.name: path.read_bytes() for path in store.folder(settings).glob("*.parquet")}


def test_fill_then_read_in_any_order(tmp_path):
    store, engine, requests = Store(tmp_path), CountingEngine(), questions(10)
    assert ask(store, requests, engine) == FillCount(asked=10, stored=0, trimmed=1)
    assert [len(call) for call in engine.calls] == [4, 4, 2]
    table = store.read(SETTINGS, [request.query_key for request in reversed(requests)])
    assert table["text"].to_pylist() == [f"to q{i} 0" for i in reversed(range(10))]
    assert table["scores"].to_pylist()[0] == [-0.5, -1.5]
    assert table["trimmed"].to_pylist() == [i == 3 for i in reversed(range(10))]
    wanted = questions(11, draws=2)
    answered = store.answered(SETTINGS, [request.query_key for request in wanted], [request.draw for request in wanted])
    assert answered.tolist() == [request.draw == 0 and request.question != "q10" for request in wanted]


def test_nothing_missing_opens_no_engine(tmp_path):
    store, requests = Store(tmp_path), questions(6)
    ask(store, requests, CountingEngine())

    def refuse():
        raise AssertionError("the engine was opened")

    assert fill(store, SETTINGS, requests, refuse, 4, lambda _: None) == FillCount(0, 6, 0)


def test_only_what_is_missing_is_asked(tmp_path):
    store, engine = Store(tmp_path), CountingEngine()
    ask(store, questions(3), CountingEngine())
    count = ask(store, questions(9) + questions(2), engine)
    assert count == FillCount(asked=6, stored=3, trimmed=1)
    assert [request.question for call in engine.calls for request in call] == [f"q{i}" for i in range(3, 9)]


def test_draws_of_a_query_are_answers_of_their_own(tmp_path):
    store, requests = Store(tmp_path), questions(3, draws=2)
    ask(store, requests, CountingEngine(), WRITING)
    assert texts(store, requests, WRITING) == ["to q0 0", "to q0 1", "to q1 0", "to q1 1", "to q2 0", "to q2 1"]


def test_interrupted_and_resumed_gives_the_same_files(tmp_path):
    requests = questions(14)
    whole, broken = Store(tmp_path / "whole"), Store(tmp_path / "broken")
    ask(whole, requests, CountingEngine())
    first, second = CountingEngine(interrupt_at=2), CountingEngine()
    with pytest.raises(KeyboardInterrupt):
        ask(broken, requests, first)
    assert len(files(broken)) == 2
    assert ask(broken, requests, second) == FillCount(asked=6, stored=8, trimmed=0)
    assert [request.question for call in second.calls for request in call] == [f"q{i}" for i in range(8, 14)]
    assert set(files(whole)) == set(files(broken))
    assert texts(whole, requests) == texts(broken, requests)


def test_an_engine_that_fails_leaves_nothing_half_made(tmp_path):
    store = Store(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        ask(store, questions(4), CountingEngine(interrupt_at=0))
    assert files(store) == {}
    assert not store.answered(SETTINGS, [request.query_key for request in questions(4)]).any()


def test_a_damaged_chunk_is_named_and_asked_anew(tmp_path):
    store, requests = Store(tmp_path), questions(8)
    ask(store, requests, CountingEngine())
    victim = store.folder(SETTINGS) / f"{chunk_key(requests[:4])}.parquet"
    victim.write_bytes(victim.read_bytes()[:-40])
    for action in (lambda: texts(store, requests), lambda: ask(store, requests, CountingEngine())):
        with pytest.raises(UserError, match=f"{victim.name}.*damaged"):
            action()
    victim.unlink()
    engine = CountingEngine()
    assert ask(store, requests, engine).asked == 4
    assert [request.question for request in engine.calls[0]] == ["q0", "q1", "q2", "q3"]


def test_missing_answers_are_told(tmp_path):
    store, requests = Store(tmp_path), questions(3)
    ask(store, requests[:2], CountingEngine())
    with pytest.raises(UserError, match=f"1 of 3 answers.*{requests[2].query_key}"):
        texts(store, requests)


def test_of_two_answers_the_first_file_by_name_counts(tmp_path):
    store, (one, two) = Store(tmp_path), questions(2)
    chunks = [[one], [one, two]]
    for number, chunk in enumerate(chunks):
        store.commit(SETTINGS, chunk, [answer(request, f"from {number}") for request in chunk], {})
    winner = min((0, 1), key=lambda number: chunk_key(chunks[number]))
    assert texts(store, [one]) == [f"from {winner}"]
    assert texts(store, [two]) == ["from 1"]


def test_a_committed_chunk_is_never_rewritten(tmp_path):
    store, (request,) = Store(tmp_path), questions(1)
    store.commit(SETTINGS, [request], [answer(request, "first")], {"engine": "one"})
    store.commit(SETTINGS, [request], [answer(request, "second")], {"engine": "two"})
    assert texts(store, [request]) == ["first"]
    assert provenance(store, [request]) == [{"engine": "one"}]


def test_missing_confidence_is_null(tmp_path):
    store, (request,) = Store(tmp_path), questions(1)
    store.commit(WRITING, [request], [Answer("", math.nan, None, 5, 0, "stop", False)], {})
    row = store.read(WRITING, [request.query_key]).to_pylist()[0]
    assert (row["confidence"], row["scores"]) == (None, None)


def test_a_chunk_file_from_before_a_column_was_kept_still_reads(tmp_path):
    store, requests = Store(tmp_path), questions(2)
    old = store.commit(SETTINGS, requests[:1], [answer(requests[0])], {"engine": "new"})
    before = pq.read_table(old).drop_columns(["attempts", "cost", "served_model", "provenance"])
    pq.write_table(before.replace_schema_metadata({"rgd.artifacts.provenance": '{"engine": "old"}'}), old)
    kept = dataclasses.replace(answer(requests[1]), attempts=3, cost=0.25, served_model="served")
    store.commit(SETTINGS, requests[1:], [kept], {"engine": "new"})
    rows = store.read(SETTINGS, [request.query_key for request in requests]).to_pylist()
    assert [(row["attempts"], row["cost"], row["served_model"]) for row in rows] == [(1, 0.0, ""), (3, 0.25, "served")]
    assert provenance(store, requests) == [{"engine": "old"}, {"engine": "new"}]


@pytest.mark.parametrize(
    "change",
    [
        {"weights": "1" * 64},
        {"prompt": "Q: {question}"},
        {"max_model_len": 64},
        {"dtype": "float32"},
        {"chat": {"enable_thinking": False}},
        {"answers_epoch": 1},
        {"way": "generate", "sampling": Sampling(0.7, 0.95, 16, 0)},
    ],
)
def test_what_decides_an_answer_is_in_the_key(change):
    assert dataclasses.replace(SETTINGS, **change).key != SETTINGS.key


def test_key_is_stable():
    assert SETTINGS.key == AnswerSettings("0" * 64, "likelihood", "{question}", 128).key
    assert len(SETTINGS.key) == 20
    assert WRITING.key != dataclasses.replace(WRITING, sampling=Sampling(0.7, 0.95, 16, 1)).key


def test_ways_and_sampling_that_do_not_fit_are_refused():
    with pytest.raises(UserError, match=r"'generate'.*sampling"):
        dataclasses.replace(SETTINGS, way="generate")
    with pytest.raises(UserError, match=r"'guess'.*likelihood.*generate"):
        dataclasses.replace(SETTINGS, way="guess")


def test_two_jobs_at_once_ask_each_chunk_once(tmp_path):
    requests, engines = questions(40), [CountingEngine(), CountingEngine()]
    barrier = threading.Barrier(2)

    def job(engine):
        barrier.wait()
        ask(Store(tmp_path), requests, engine)

    threads = [threading.Thread(target=job, args=(engine,)) for engine in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asked = [request.question for engine in engines for call in engine.calls for request in call]
    assert sorted(asked) == sorted(request.question for request in requests)
    assert texts(Store(tmp_path), requests) == [f"to q{i} 0" for i in range(40)]


def test_what_another_job_asks_of_further_requests_is_left_to_it(tmp_path):
    store, engine, requests = Store(tmp_path), CountingEngine(), questions(12)
    folder = store.folder(SETTINGS)
    folder.mkdir(parents=True)
    sets = [requests[4:8], requests[8:]]
    with Leases(folder).take({f"{requests[6].query_key}:0"}):
        count = fill(
            store,
            SETTINGS,
            requests[:4],
            lambda: engine,
            4,
            lambda _: None,
            more=lambda: sets.pop(0) if sets else [],
        )
    assert count == FillCount(11, 1, 1)
    assert engine.asked() == [name(request) for request in requests if request is not requests[6]]


def test_further_requests_that_are_stored_hide_no_others(tmp_path):
    store, engine, requests = Store(tmp_path), CountingEngine(), questions(12)
    ask(store, requests[4:8], CountingEngine())
    sets, said = [requests[4:8], requests[8:]], []
    count = fill(
        store,
        SETTINGS,
        requests[:4],
        lambda: engine,
        4,
        said.append,
        title="m",
        more=lambda: sets.pop(0) if sets else [],
    )
    assert count == FillCount(8, 4, 1)
    # The count is of more than the job's own requests, and says so.
    found = counted(said[-2])
    assert (found.title, found.done, found.total) == (f"m{TOGETHER}", 8, 8)
    assert engine.asked() == [name(request) for request in requests[:4] + requests[8:]]


def test_further_requests_alone_load_no_engine(tmp_path):
    store = Store(tmp_path)
    ask(store, questions(4), CountingEngine())

    def refuse():
        raise AssertionError("the engine was opened")

    assert fill(store, SETTINGS, questions(4), refuse, 4, lambda _: None, more=lambda: questions(8)).asked == 0


def test_what_came_before_the_engine_failed_is_kept(tmp_path):
    store, requests, engine = Store(tmp_path), questions(12), CountingEngine()

    class Stops(CountingEngine):
        """One request of the second step gets no answer, and nothing is taken any more."""

        def step(self):
            ended = super().step()
            if len(self.calls) < 2:
                return ended
            self.failure, self.is_stopped = UserError("no quota left"), True
            return ended[1:]

    with pytest.raises(UserError, match="no quota left"):
        ask(store, requests, Stops())
    assert ask(store, requests, engine) == FillCount(asked=5, stored=7, trimmed=0)
    assert engine.asked() == [name(requests[place]) for place in (4, 8, 9, 10, 11)]


def test_single_failures_do_not_stop_the_others(tmp_path):
    store, requests = Store(tmp_path), questions(10)

    class Loses(CountingEngine):
        """The first request of every step gets no answer."""

        def step(self):
            self.failure = self.failure or UserError("given up")
            return super().step()[1:]

    with pytest.raises(UserError, match="given up"):
        ask(store, requests, Loses())
    again = CountingEngine()
    assert ask(store, requests, again).asked == 3
    assert again.asked() == [name(requests[place]) for place in (0, 4, 8)]
    assert not list(store.folder(SETTINGS).glob(".*.lease"))


class LongTailed(CountingEngine):
    """Each request takes as many steps as its length says; records how many were in flight at each step."""

    def __init__(self, lengths, size=8):
        super().__init__(size=size)
        self.lengths, self.left, self.in_flights = lengths, {}, []

    @property
    def in_flight(self):
        return len(self.left)

    def add(self, request, sampling):
        self.left[request] = self.lengths[int(request.question[1:])]

    def step(self):
        self.in_flights.append(len(self.left))
        self.left = {request: steps - 1 for request, steps in self.left.items()}
        done = [request for request, steps in self.left.items() if steps <= 0]
        self.calls.append(done)
        for request in done:
            del self.left[request]
        return [(request, answer(request)) for request in done]


def test_the_engine_is_full_until_nothing_is_left_to_ask(tmp_path):
    """Lengths are long-tailed; with chunks, seven of eight places would wait for each chunk's longest answer."""
    requests = questions(200)
    lengths = [1 + 40 * (place % 25 == 0) for place in range(200)]
    engine = LongTailed(lengths)
    assert ask(Store(tmp_path), requests, engine).asked == 200
    tail = engine.in_flights[::-1]
    begin_of_tail = next(place for place, count in enumerate(tail) if count == 8)
    assert set(tail[begin_of_tail:]) == {8}
    assert len(engine.in_flights) < sum(lengths) / 8 + max(lengths)
    assert texts(Store(tmp_path), requests) == [f"to q{i} 0" for i in range(200)]


def test_what_came_is_committed_after_some_time_though_it_is_little(tmp_path):
    """Nothing but the first answers comes while one request takes long; they must not wait for it."""
    store, seen = Store(tmp_path), []

    class Slow(LongTailed):
        def step(self):
            time.sleep(0.01)
            seen.append(len(files(store)))
            return super().step()

    engine = Slow([1, 1, 1, 60], size=4)
    fill(store, SETTINGS, questions(4), lambda: engine, 64, lambda _: None, commit_seconds=0.1)
    assert seen[-1] == 1
    assert len(files(store)) == 2


def test_a_replica_takes_its_share_alone(tmp_path):
    engine = LongTailed([1] * 40, size=64)
    fill(Store(tmp_path), SETTINGS, questions(40), lambda: engine, 64, lambda _: None, replicas=4)
    assert max(engine.in_flights) == 10


def test_the_progress_tells_how_full_the_engine_was(tmp_path, monkeypatch):
    # Only answering takes time on this clock.
    clock = SimpleNamespace(now=time.monotonic())
    monkeypatch.setattr(fill_module, "time", SimpleNamespace(monotonic=lambda: clock.now, sleep=time.sleep))

    def slow(request):
        clock.now += 0.05
        return request.question

    for count, least, most in ((8, 100, 100), (6, 60, 70), (3, 0, 0)):
        lines = []
        ask(Store(tmp_path / str(count)), questions(count), CountingEngine(text=slow), lines=lines)
        (share,) = [int(found[1]) for line in lines if (found := re.search(r"full (\d+) %", line))]
        assert least <= share <= most


def test_memory_does_not_grow_with_the_answers(tmp_path):
    """Answers and their texts are dropped once they are committed."""
    peaks = []
    for count in (300, 1200):
        requests = questions(count)
        engine = CountingEngine(text=lambda _: "x" * 10_000)
        engine.step = lambda engine=engine: [(r, answer(r, "x" * 10_000)) for r in take(engine)]
        tracemalloc.start()
        fill(Store(tmp_path / str(count)), SETTINGS, requests, lambda engine=engine: engine, 16, lambda _: None)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 900 * 3000


def take(engine):
    asked, engine.added = engine.added, []
    return asked


def test_a_lease_tells_others_what_is_being_asked_until_it_ends(tmp_path):
    leases, keys = Leases(tmp_path), {f"{request.query_key}:0" for request in questions(3)}
    with leases.claiming(), leases.take(keys) as lease:
        assert leases.held() == keys
        assert lease.path.stat().st_size >= 3 * 16 * 1024
        lease.give_room()
        assert leases.held() == keys
        assert lease.path.stat().st_size < 300
    assert leases.held() == set()


def test_a_lease_of_no_one_is_cleared_away(tmp_path):
    (tmp_path / ".dead.lease").write_text("a:0\n")
    assert Leases(tmp_path).held() == set()
    assert not (tmp_path / ".dead.lease").exists()


def test_a_file_system_without_locks_blocks_nobody(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    engine = CountingEngine()
    assert ask(Store(tmp_path), questions(6), engine) == FillCount(asked=6, stored=0, trimmed=1)
    assert texts(Store(tmp_path), questions(6)) == [f"to q{i} 0" for i in range(6)]


def test_the_chat_template_that_was_applied_is_kept_as_a_hash(tmp_path):
    store, engine, other = Store(tmp_path), CountingEngine(), CountingEngine()
    engine.tokenizer = SimpleNamespace(chat_template="{{ messages }}")
    other.tokenizer = SimpleNamespace(chat_template={"default": "{{ messages }}", "tool": "x"})
    ask(store, questions(1), engine)
    ask(store, questions(2), other)
    hashes = [found["template"] for found in provenance(store, questions(2))]
    assert [len(found) for found in hashes] == [20, 20]
    assert hashes[0] != hashes[1]


def test_unwritable_store_is_told(tmp_path):
    (tmp_path / "store").write_text("a file where the folder should be")
    with pytest.raises(UserError, match=f"{tmp_path / 'store'}.*permissions"):
        ask(Store(tmp_path / "store"), questions(1), CountingEngine())


def test_progress_says_how_far(tmp_path):
    lines = []
    ask(Store(tmp_path), questions(8), CountingEngine(), lines=lines)
    assert re.findall(r"\d+", lines[0]) == ["8", "8", "0"]
    assert lines[-2].startswith("answers: 8 of 8, ")
    assert lines[-1].startswith(f"{WARNING}answers: 1 ")


def test_empty_answers_are_told_with_what_to_do(tmp_path):
    store, lines, silent = Store(tmp_path), [], CountingEngine()
    step = silent.step
    silent.step = lambda: [
        (asked, dataclasses.replace(one, scores=None, text="" if asked.question in ("q0", "q2") else "x"))
        for asked, one in step()
    ]
    assert ask(store, questions(5), silent, WRITING, lines=lines).empty == 2
    assert lines[-1].startswith(f"{WARNING}answers: 2 of 5 ")
    assert "answers_epoch" in lines[-1]
    assert ask(store, questions(5), CountingEngine(), WRITING).asked == 0


def test_what_a_model_has_cost_is_summed_over_all_its_settings(tmp_path):
    store, paid = Store(tmp_path), dataclasses.replace(answer(questions(1)[0]), cost=0.25)
    for settings, count in ((SETTINGS, 3), (WRITING, 2), (dataclasses.replace(SETTINGS, weights="other"), 4)):
        for request in questions(count):
            store.commit(settings, [request], [paid], {})
    assert store.spent(SETTINGS.weights) == pytest.approx(1.25)
    assert store.spent("other") == pytest.approx(1.0)
    assert store.spent("unheard of") == 0
    assert Store(tmp_path / "none").spent("other") == 0
    (store.folder(SETTINGS) / "settings.json").write_text("{")
    with pytest.raises(UserError, match="rgd store verify"):
        store.spent("other")


def test_messages_are_part_of_the_query():
    one = Request((Message("user", "a"),), "q")
    assert one.query_key != Request((Message("system", "a"),), "q").query_key


def test_a_log_tells_how_many_are_asked_while_none_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fill_module, "SECONDS_BETWEEN_REPORTS", 0.0)
    said: list[str] = []
    progress = fill_module._Progress("queries", 420, said.append)
    progress.tell([], SimpleNamespace(in_flight=32, at_once=32))
    count = counted(said[0])
    assert count is not None
    assert (count.done, count.total, count.rate, count.asked) == (0, 420, None, 32)
