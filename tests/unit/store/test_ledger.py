"""The ledger: jobs at once never pass a budget together, whatever fails, times out, is killed or cannot be written."""

import contextlib
import dataclasses
import json
import math
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from rgd.artifacts import locks
from rgd.cli import main
from rgd.config.schema.models import Model
from rgd.errors import UserError
from rgd.planning.plan import Spent, spent_so_far
from rgd.store.answers import Store
from rgd.store.exchange import export_answers, import_answers
from rgd.store.ledger import Ledger
from rgd.store.upkeep import verify
from tests.faulty_server import FaultyServer
from tests.file_systems import failing, fill, mounted
from tests.paid_world import MAX_TOKENS, PRICES, SETTINGS, WEIGHTS, Biller, ask, job, price
from tests.store_world import SETTINGS as OTHER
from tests.store_world import answer, questions

# The prompts have at most 40 bytes and one turn, around which 16 tokens are counted.
MOST = price(40 + 16, MAX_TOKENS)


def paid(store: Store, count: int, cost: float, settings: object = SETTINGS) -> None:
    for request in questions(count):
        store.commit(settings, [request], [dataclasses.replace(answer(request), cost=cost)], {})


def kill(running: "subprocess.Popen[str]") -> bool:
    """Kill a job with its process group; False if it has ended by itself."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(running.pid, signal.SIGKILL)
        return True
    return False


def content(ledger: Ledger) -> dict:
    return json.loads(ledger.path.read_text())


SLOW = [pytest.mark.slow, pytest.mark.ci]


@pytest.mark.parametrize("seed", [pytest.param(seed, marks=SLOW) for seed in range(3)])
def test_five_jobs_at_once_never_pass_the_budget(tmp_path: Path, seed: int) -> None:
    """Some fail, some are late, two are killed; afterwards further jobs run until nothing is left."""
    moments, biller, budget = random.Random(seed), Biller(seed), 6.0
    with FaultyServer(biller) as server:
        running = [job(tmp_path, server, budget, 100 * number, 100 * number + 60) for number in range(5)]
        deadline = time.monotonic() + 200
        for victim in running[:2]:
            until = biller.answers + moments.randint(3, 12)
            while biller.answers < until and victim.poll() is None and time.monotonic() < deadline:
                time.sleep(0.005)
            kill(victim)
        said = [one.communicate(timeout=400)[1] for one in running]
        assert biller.billed <= budget
        spent = Ledger(tmp_path, WEIGHTS).spent()
        assert spent is not None
        assert biller.billed <= spent <= budget
        assert not any("Traceback" in text for text in said), said
        assert sum("budget_dollars" in text for text in said[2:]) >= 1, said
        before = biller.billed
        last = job(tmp_path, server, budget, 100, 160)
        assert "budget_dollars" in last.communicate(timeout=300)[1]
        assert last.returncode == 1
        assert biller.billed - before <= budget - spent
    stored = Store(tmp_path).spent(WEIGHTS)
    assert 0 < stored <= spent
    # Nothing is left behind but the ledger and its lock.
    assert len(list(Ledger(tmp_path, WEIGHTS).folder.iterdir())) == 2


@pytest.mark.slow
@pytest.mark.ci
def test_a_job_that_is_killed_again_and_again_never_passes_the_budget(tmp_path: Path) -> None:
    moments, biller, budget, killed = random.Random(0), Biller(0), 12.0, 0
    with FaultyServer(biller) as server:
        for _ in range(10):
            running = job(tmp_path, server, budget, 0, 300)
            until, deadline = biller.answers + moments.randint(1, 8), time.monotonic() + 120
            while biller.answers < until and running.poll() is None and time.monotonic() < deadline:
                time.sleep(0.001)
            time.sleep(moments.uniform(0, 0.03))
            killed += kill(running)
            running.communicate()
            spent = Ledger(tmp_path, WEIGHTS).spent()
            assert spent is not None
            assert biller.billed <= spent <= budget
        last = job(tmp_path, server, budget, 0, 300)
        assert "budget_dollars" in last.communicate(timeout=400)[1]
    assert killed >= 8
    assert biller.billed <= budget


def test_ls_shows_what_is_spent(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    paid(Store(tmp_path), 4, 0.25)
    ledger = Ledger(tmp_path, WEIGHTS)
    for spent in (None, 1.5):
        if spent is not None:
            ledger.begin()
            ledger.account().update(0.0, 0.5, [], None)
        assert main(["store", "ls", "--json", "--store", str(tmp_path)]) == 0
        (survey,) = json.loads(capsys.readouterr().out)
        assert (survey["cost"], survey["spent"]) == (1.0, spent)
    assert main(["store", "ls", "--store", str(tmp_path)]) == 0
    assert " 1.50 dollars" in capsys.readouterr().out


def test_a_plan_shows_what_is_spent_of_a_budget(tmp_path: Path) -> None:
    def model(**prices: float) -> Model:
        name = {
            "title": "M",
            "licence": "none",
            "parameters_billion": None,
            "engine": "openai",
            "asks": {"a": {"way": "generate", "prompt": "p"}},
        }
        return Model.read({**name, "max_model_len": 64, "api": {"model": "m", **prices}}, "m")

    paid(Store(tmp_path), 4, 0.25)
    paths, embedders = SimpleNamespace(store=str(tmp_path)), {}
    for prices, before, after in (({}, None, 3.0), ({"price_prompt": 1.0, "budget_dollars": 5.0}, 1.0, 3.0)):
        config = SimpleNamespace(paths=paths, model={"mine": model(**prices)}, embedder=embedders)
        Ledger(tmp_path, WEIGHTS).path.unlink(missing_ok=True)
        assert [each.dollars for each in spent_so_far(config)] == ([] if before is None else [before])
        Ledger(tmp_path, WEIGHTS).account().update(0.0, 2.0, [], None)
        assert spent_so_far(config) == (Spent("mine", after, prices.get("budget_dollars")),)


def test_without_faults_the_ledger_the_store_and_the_server_agree(tmp_path: Path) -> None:
    biller = Biller(0, ("ok",))
    with FaultyServer(biller) as server:
        ask(tmp_path, server.address, 100.0, 0, 40)
    assert Ledger(tmp_path, WEIGHTS).spent() == pytest.approx(biller.billed)
    assert Store(tmp_path).spent(WEIGHTS) == pytest.approx(biller.billed)
    assert content(Ledger(tmp_path, WEIGHTS))["reserved"] == {}


def test_an_answers_cost_is_that_of_all_its_attempts(tmp_path: Path) -> None:
    class Once(Biller):
        """Fails after the work at the first attempt of each question."""

        def __init__(self):
            super().__init__(0)
            self.seen = set()

        def __call__(self, asked):
            text = asked.body["messages"][0]["content"]
            self.faults = ("ok",) if text in self.seen else ("500",)
            self.seen.add(text)
            return super().__call__(asked)

    biller = Once()
    with FaultyServer(biller) as server:
        ask(tmp_path, server.address, 100.0, 0, 8, concurrency=1)
    assert biller.answers == 16
    stored = Store(tmp_path).spent(WEIGHTS)
    assert stored == pytest.approx(Ledger(tmp_path, WEIGHTS).spent())
    assert stored >= biller.billed


def test_a_server_that_charges_more_than_asked_for_is_seen_and_reckoned_with(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """It reasons three times as long as max_tokens allows, and bills that: the first attempts show it, the others fit."""

    class Greedy(Biller):
        def __call__(self, asked):
            self.random = SimpleNamespace(choice=lambda _: "ok", randint=lambda *_: 3 * MAX_TOKENS)
            return super().__call__(asked)

    biller, budget = Greedy(0), 3.0
    with FaultyServer(biller) as server, pytest.raises(UserError, match="budget_dollars"):
        ask(tmp_path, server.address, budget, 0, 60, concurrency=2)
    assert biller.billed <= budget
    assert Ledger(tmp_path, WEIGHTS).spent() == pytest.approx(biller.billed)
    assert "warning" in capsys.readouterr().err


def test_what_can_never_fit_stops_and_keeps_what_came(tmp_path: Path) -> None:
    biller = Biller(1, ("ok",))
    with FaultyServer(biller) as server, pytest.raises(UserError, match=r"budget_dollars = 1\.5\b"):
        ask(tmp_path, server.address, 1.5, 0, 60)
    assert 1.5 - MOST < biller.billed <= 1.5
    assert Store(tmp_path).spent(WEIGHTS) == pytest.approx(biller.billed)


@pytest.mark.slow
@pytest.mark.ci
def test_an_attempt_waits_for_what_other_jobs_have_reserved(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Another job has reserved nearly everything; it ends after a second, and nothing of it is spent."""
    biller = Biller(1, ("ok",))
    other = Ledger(tmp_path, WEIGHTS).account()
    other.update(0.0, 0.0, [2.9], 3.0)
    with FaultyServer(biller) as server:
        running = job(tmp_path, server, 3.0, 0, 8)
        time.sleep(6)
        assert biller.answers == 0
        assert running.poll() is None
        other.update(0.0, 0.0, [], 3.0)
        _, said = running.communicate(timeout=200)
        assert running.returncode == 0, said
        assert biller.answers == 8
    other.close()


def test_what_a_dead_job_had_reserved_is_spent(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, WEIGHTS)
    alive, dead = ledger.account(), ledger.account()
    assert alive.update(0.0, 0.25, [0.5], 3.0).granted == 1
    assert dead.update(0.0, 0.0, [1.0, 0.5, 0.5], 3.0).granted == 3
    assert ledger.spent() == 0.25
    dead.close()
    assert ledger.spent() == 2.25
    balance = alive.update(0.5, 0.0, [0.25, 0.25], 3.0)
    assert (balance.spent, balance.others, balance.granted) == (2.25, 0.0, 1)
    assert alive.update(0.0, 0.75, [], 3.0).spent == 3.0
    alive.close()
    assert content(ledger) == {"model": WEIGHTS, "spent": 3.0, "reserved": {}}


def test_the_files_of_a_dead_job_that_had_reserved_nothing_go(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, WEIGHTS)
    alive, dead, other = ledger.account(), ledger.account(), Ledger(tmp_path, "openai:other").account()
    for account in (alive, dead, other):
        account.update(0.0, 0.0, [], None)
    assert dead._file is not None
    dead._file.close()
    (ledger.folder / f".{ledger.path.name}.0123abcd.tmp").touch()
    ledger.account().update(0.0, 0.0, [1.0], None)
    assert not ledger.job_file(dead.job).exists()
    assert not list(ledger.folder.glob("*.tmp"))
    assert ledger.job_file(alive.job).exists()
    assert ledger.job_file(other.job).exists()


def test_a_store_from_before_begins_with_its_costs(tmp_path: Path) -> None:
    store, ledger = Store(tmp_path), Ledger(tmp_path, WEIGHTS)
    paid(store, 4, 0.25)
    paid(store, 4, 7.0, OTHER)
    assert ledger.spent() is None
    account = ledger.account()
    assert account.update(0.0, 0.0, [0.5, 0.5], 2.0).granted == 2
    assert account.update(1.0, 0.0, [0.1], 2.0).granted == 0
    assert ledger.spent() == 1.0
    # Answers that come in another way count no more.
    paid(Store(tmp_path), 6, 0.25)
    assert account.update(1.0, 0.0, [], 2.0).spent == 1.0


def test_what_others_have_paid_for_imported_answers_does_not_count(tmp_path: Path) -> None:
    theirs, mine = Store(tmp_path / "theirs"), Store(tmp_path / "mine")
    paid(theirs, 9, 100.0)
    paid(mine, 4, 0.25)
    export_answers(theirs.root, tmp_path / "a.tar")
    assert import_answers(mine.root, tmp_path / "a.tar").added == 5
    assert mine.spent(WEIGHTS) == 501.0
    account = Ledger(mine.root, WEIGHTS).account()
    assert account.update(0.0, 0.0, [1.0, 0.1], 2.0).granted == 1
    assert Ledger(mine.root, WEIGHTS).spent() == 1.0


def test_a_file_system_without_locks_is_refused_for_a_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    biller = Biller(1, ("ok",))
    with FaultyServer(biller) as server:
        running = job(tmp_path / "store", server, 3.0, 0, 8, tuple(failing("flock:error=ENOLCK")))
        _, said = running.communicate(timeout=200)
        assert running.returncode == 1
        assert "paths.store" in said
        assert biller.answers == 0

    def refuse(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    with FaultyServer(biller) as server:
        ask(tmp_path / "store", server.address, None, 0, 8)
    assert Ledger(tmp_path / "store", WEIGHTS).spent() == pytest.approx(biller.billed)


@pytest.mark.parametrize("kind", ["tmpfs", "ext3"])
def test_a_full_disk_is_one_message_and_nothing_is_sent(tmp_path: Path, kind: str) -> None:
    biller = Biller(1, ("ok",))
    with mounted(kind, tmp_path / "disk", 16 * 1024) as disk, FaultyServer(biller) as server:
        ledger = Ledger(disk / "store", WEIGHTS)
        ledger.begin()
        ballast = fill(disk, 0)
        with pytest.raises(UserError, match=str(disk)):
            ask(disk / "store", server.address, 3.0, 0, 8)
        account = ledger.account()
        with pytest.raises(UserError, match=str(disk)):
            account.update(0.0, 0.5, [0.5], 3.0)
        assert biller.answers == 0
        assert ledger.spent() == 0.0
        ballast.unlink()
        ask(disk / "store", server.address, 3.0, 0, 8)
        assert ledger.spent() == pytest.approx(biller.billed)


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"spent": -1, "reserved": {}}', '{"spent": NaN, "reserved": {}}', '{"spent": 1}']
)
def test_a_damaged_ledger_is_named_and_nothing_is_spent(tmp_path: Path, text: str) -> None:
    ledger = Ledger(tmp_path, WEIGHTS)
    ledger.begin()
    ledger.path.write_text(text)
    for action in (ledger.spent, lambda: ledger.account().update(0.0, 0.0, [1.0], 3.0), ledger.begin):
        with pytest.raises(UserError, match=ledger.path.name):
            action()
    assert ledger.path.read_text() == text
    (line,) = verify(tmp_path).damaged
    assert ledger.path.name in line


def test_embedding_is_counted_too(tmp_path: Path) -> None:
    from rgd.engines import EngineSettings, open_engine
    from tests.faulty_server import Play

    def embedded(asked):
        vectors = [
            {"index": i, "embedding": [1.0, 0.0], "object": "embedding"} for i in range(len(asked.body["input"]))
        ]
        return Play({"object": "list", "model": "m", "data": vectors, "usage": {"prompt_tokens": 7, "total_tokens": 7}})

    with FaultyServer(embedded) as server:
        api = {"model": "m", "base_url": server.address, "price_prompt": 1e5, "budget_dollars": 3.0}
        settings = EngineSettings(None, 64, api=api, account=Ledger(tmp_path, WEIGHTS).account())
        with open_engine("openai", settings) as engine:
            engine.embed(["a text"])
            assert Ledger(tmp_path, WEIGHTS).spent() == pytest.approx(0.7)
            engine.embed(["a text"] * 2)
            with pytest.raises(UserError, match="budget_dollars"):
                engine.embed(["a text"] * 40)
    assert Ledger(tmp_path, WEIGHTS).spent() == pytest.approx(1.4)
    assert len(server.asked) == 2


def test_the_prices_of_the_tests() -> None:
    assert math.isclose(MOST, (56 * PRICES["price_prompt"] + 100 * PRICES["price_completion"]) / 1e6)
