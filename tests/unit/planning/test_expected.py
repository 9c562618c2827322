"""What those who watch a run are told: what its jobs will take, and what it has made."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rgd.config.compose import load
from rgd.errors import UserError
from rgd.planning import estimates, expected, graph, reasons
from rgd.planning.estimates import Estimate
from rgd.planning.plan import here
from rgd.progress.run import JOB_S, Run
from rgd.weights.cache import cache_folder
from tests import ROOT


def job(number: int, rule: str, needs: tuple[int, ...] = (), runs: bool = True, **wildcards: str) -> graph.Job:
    fields = (wildcards, (), ("a",), f"{rule}.log", "", {}, None, (), False, (), needs, runs)
    return graph.Job(number, rule, "s", *fields, jobid=100 + number, threads=2)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SimpleNamespace:
    """A workflow of five jobs, one of which is up to date, and loggers."""
    config = load(ROOT / "config", overrides=[f"paths.cache={tmp_path}"])
    jobs = (
        job(0, "fetch_model", model="qwen2.5-coder-0.5b"),
        job(1, "splits", runs=False),
        job(2, "ask_answers", (0, 1), member="m"),
        job(3, "fit", (2,)),
        job(4, "route", (3,)),
    )
    taken = {0: None, 2: 40.0, 3: None, 4: 2.0}
    found = {number: Estimate(seconds=seconds, loading_s=30.0 * (number == 2)) for number, seconds in taken.items()}
    monkeypatch.setattr(graph, "of", lambda _: graph.Plan(config, jobs, frozenset(), False))
    monkeypatch.setattr(reasons, "reasons", lambda _: {})
    monkeypatch.setattr(estimates, "estimates", lambda *_: found)
    loggers: list[Any] = []
    manager = SimpleNamespace(get_log_handlers=lambda: loggers, get_logfile=lambda: ["a.log"])
    resources = SimpleNamespace(cores=2)
    return SimpleNamespace(
        logger_manager=manager,
        local_exec=True,
        resource_settings=resources,
        loggers=loggers,
        config=config,
        found=found,
    )


def test_the_jobs_that_run_are_told_with_what_they_need_and_what_is_known_of_their_time(world: SimpleNamespace) -> None:
    run = expected.expected(world)
    assert {number: each.needs for number, each in run.jobs.items()} == {100: (), 102: (100,), 103: (102,), 104: (103,)}
    bytes_of_weights = world.config.model["qwen2.5-coder-0.5b"].weights.bytes
    assert run.jobs[100].planned_s == JOB_S + bytes_of_weights / expected.FETCHED_BYTES_PER_S
    assert [run.jobs[number].planned_s for number in (102, 103, 104)] == [40.0, None, 2.0]
    assert [each.asks for each in run.jobs.values()] == [None, "m", None, None]
    assert (run.cores, run.is_planned, run.jobs[103].threads) == (2, True, 2)


def test_weights_in_the_cache_are_not_fetched(world: SimpleNamespace, tmp_path: Path) -> None:
    cache_folder(world.config.model["qwen2.5-coder-0.5b"].weights, tmp_path).mkdir()
    assert expected.expected(world).jobs[100].planned_s == JOB_S


def test_what_is_all_in_the_store_takes_the_start_of_python(world: SimpleNamespace) -> None:
    world.found[2] = Estimate()
    assert expected.expected(world).jobs[102].planned_s == JOB_S


def test_a_cluster_has_no_cores_to_wait_for(world: SimpleNamespace) -> None:
    world.local_exec = False
    assert expected.expected(world).cores is None


def test_without_an_estimate_the_run_is_told_all_the_same(
    world: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise UserError("a damaged file")

    monkeypatch.setattr(estimates, "estimates", fails)
    run = expected.expected(world)
    assert not run.is_planned
    assert len(run.jobs) == 4


def test_only_loggers_that_want_to_know_are_told(world: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    told: list[object] = []
    world.loggers.append(SimpleNamespace())
    expected.tell(world)
    expected.conclude(world, "The end.")
    assert capsys.readouterr().out == "The end.\n"
    world.loggers.append(SimpleNamespace(expect=lambda *given: told.append(given), conclude=told.append))
    expected.tell(world)
    expected.conclude(world, "The end.")
    assert capsys.readouterr().out == ""
    (run, logfile), end = told
    assert isinstance(run, Run)
    assert (logfile, end) == ("a.log", "The end.")


@pytest.mark.parametrize("cores", [1, 2])
def test_a_plan_says_how_long_its_jobs_take_on_the_cores_here(world: SimpleNamespace, cores: int) -> None:
    plan, found = graph.of(world), world.found
    fetching = expected.run_of(plan, found, cores).jobs[100].planned_s
    told = here(plan, found, cores)
    assert told is not None
    assert (told.cores, told.unknown) == (cores, 1)
    # One chain: fetching, asking, a job of unknown duration, routing.
    assert told.seconds == pytest.approx(fetching + 40.0 + JOB_S + 2.0)
    assert here(plan, found | {2: Estimate(seconds=9.0, gpus=1)}, cores) is None
    assert here(plan, {}, cores) is None


def test_more_cores_take_less_time_until_the_longest_chain_decides(world: SimpleNamespace) -> None:
    jobs = tuple(replace(job(number, "ask_answers", member="m"), threads=1) for number in range(6))
    plan = replace(graph.of(world), jobs=jobs)
    taken = {number: Estimate(seconds=30.0, loading_s=30.0) for number in range(6)}
    times = [here(plan, taken, cores).seconds for cores in (1, 2, 3, 6, 12)]
    assert times == [180.0, 90.0, 60.0, 30.0, 30.0]
